//! `cargo xtask VERB`: what a person or CI does with this repository, one file per verb.
//!
//! Nothing here is shipped. It uses little beyond the standard library so that the first verb on a fresh machine,
//! `setup`, starts within seconds. Every step says what it does, can be repeated, and when it fails says what to do.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program speaks to a person at a terminal"
)]

mod bench;
mod build;
mod check;
mod debian;
mod faults;
mod fuzz;
mod http;
mod icons;
mod license;
mod package;
mod policy;
mod repo;
mod resident;
mod run;
mod setup;
mod step;
mod test;
mod totals;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask VERB

  setup             install what is missing: Debian packages, npm packages (can be repeated)
  run [--release]   build and start the desktop app hosting its own server; without a display on a virtual desktop
      [--no-window] only the tray
  test [--fast]     every test of every crate, of the UI and of the desktop; ends with a total
                    (--fast leaves out lints, policy and desktop tests)
  check             format, lints and dependency policy only
  policy            dependency policy only
  build [--release] the UI and both programs
  package           a .deb of both programs in target/package/
  package --prove   a quick one: installed into a clean root, started, upgraded while it runs, removed
  bench [--quick] [--json FILE]   the benchmarks of docs/performance.md
  fuzz [SECONDS] [TARGET]…   what is parsed from outside, each target for a minute (needs cargo-fuzz and nightly)
  icons             rasterise icons/*.svg (after changing one)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match verb.as_str() {
        "setup" => setup::setup(debian::Scope::All),
        "run" => run::run(&rest),
        "test" => test::test(&rest),
        "check" => check::check(),
        "policy" => check::policy_only(),
        "build" => build::build(&rest),
        "package" => package::package(&rest),
        "bench" => bench::bench(&rest),
        "fuzz" => fuzz::fuzz(&rest),
        "icons" => icons::icons(),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => Err(anyhow::anyhow!("there is no verb \"{other}\"\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
