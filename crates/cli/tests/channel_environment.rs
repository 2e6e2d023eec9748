//! Secrets of channels that the server's environment has: used, before those of the file, and written nowhere.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;

use support::{Home, files_with, private_file};
use tocsin_wechat_sim::{Options, Simulator};

const VARIABLE: &str = "TOCSIN_CHANNEL_APP_SECRET";
/// In the file; the platform does not know it.
const WRONG: &str = "canary-of-the-file";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_is_used_before_the_file_and_not_written() {
    let sim = Simulator::start(Options::default()).await.unwrap();
    let secret = sim.world(|world| world.app().unwrap().secret.clone());
    tokio::task::block_in_place(|| {
        let home = Home::new();
        let file = home.dir.path().join("secrets.toml");
        let kept = format!("[app]\nsecret = \"{WRONG}\"\n");
        private_file(&file, &kept);
        let flags = ["--channel-secrets", file.to_str().unwrap()];

        let server = home.serve_with(&flags, &[(VARIABLE, &secret)]);
        home.add_app(&sim.wecom_url()).ok();
        home.run(&["channel", "test", "app"]).ok();

        for (args, input) in [
            (&["channel", "secret", "app", "secret"][..], "canary-typed\n"),
            (&["channel", "secret", "app", "secret", "--delete"][..], ""),
        ] {
            let refused = home.run_with(args, input).code(1);
            assert!(refused.err.contains(VARIABLE), "{}", refused.err);
            assert!(!refused.err.contains("canary") && !refused.err.contains(&secret), "{}", refused.err);
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), kept, "the file is left as it is");
        assert_eq!(files_with(home.dir.path(), &secret), Vec::<String>::new());
        assert_eq!(files_with(home.dir.path(), "canary-typed"), Vec::<String>::new());

        // Without the variable the file's secret is used: it was the environment that won.
        drop(server);
        let _server = home.serve(&flags);
        let refused = home.run(&["channel", "test", "app"]).code(1);
        assert!(refused.out.contains("40001"), "{}", refused.out);
    });
}
