//! `cargo xtask fuzz`: everything that is parsed from outside, each target of `fuzz/` for a while.
//!
//! Needs what nothing else here does: `cargo install cargo-fuzz --locked`, a nightly compiler and a C++ compiler. What was
//! found before stays in `fuzz/corpus/` and is where the next run begins; a new corpus begins with the vectors.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{repo, step};

/// Seconds for each target if none are given.
const SECONDS: u32 = 60;
/// Longest input. Longer ones say the same more slowly; limits on size have tests of their own.
const BYTES: usize = 4096;

/// The verb: `[SECONDS] [TARGET]…`.
pub fn fuzz(arguments: &[String]) -> Result<()> {
    let (seconds, wanted) = match arguments.split_first() {
        Some((first, rest)) if first.parse::<u32>().is_ok() => (first.parse()?, rest),
        _ => (SECONDS, arguments),
    };
    let all = targets()?;
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        bail!("there is no target {unknown}; there are {}", all.join(", "));
    }
    let chosen: Vec<_> = all.iter().filter(|name| wanted.is_empty() || wanted.contains(name)).collect();
    seed()?;
    let mut failed = Vec::new();
    for name in chosen {
        let mut command = Command::new("cargo");
        command.current_dir(repo::root()).args(["+nightly", "fuzz", "run", name, "--"]);
        command.args([format!("-max_total_time={seconds}"), format!("-max_len={BYTES}")]);
        command.args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]);
        let remedy = "the input is in fuzz/artifacts/; without cargo-fuzz: cargo install cargo-fuzz --locked";
        if let Err(error) = step::run(&format!("Fuzzing {name} for {seconds} s"), &mut command, remedy) {
            eprintln!("  FAILED: {error:#}");
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

fn targets() -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(repo::root().join("fuzz/fuzz_targets"))?
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(ToOwned::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

/// The vectors of other implementations, as each target takes them.
fn seed() -> Result<()> {
    let text = fs::read_to_string(repo::root().join("crates/wechat/tests/vectors.json"))?;
    let all: Value = serde_json::from_str(&text)?;
    let vectors = ["vectors", "negative"].iter().filter_map(|list| all[*list].as_array()).flatten();
    let corpus = repo::root().join("fuzz/corpus");
    for (number, vector) in vectors.enumerate() {
        let part = |name: &str| vector[name].as_str().unwrap_or_default();
        let (encrypt, plain) = (part("encrypt"), part("plaintext"));
        let (time, nonce) = (part("timestamp"), part("nonce"));
        let query = format!(
            "timestamp={time}&nonce={nonce}&msg_signature={}&echostr={encrypt}",
            part("msg_signature")
        );
        let body = format!("<xml><ToUserName>a</ToUserName><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>");
        for (target, input) in [
            // The first character says how: as it came, and signed by the target.
            ("callback", format!("\u{0}{query}\n{body}")),
            ("callback", format!("\u{1}{query}\n{body}")),
            ("callback", format!("\u{4}{plain}")),
            ("callback", format!("\u{8}{plain}")),
            ("callback", format!("\u{9}{plain}")),
            ("callback", format!("\u{d}{encrypt}")),
            ("verify_url", query.clone()),
            ("query", query.clone()),
            ("decrypt", encrypt.to_owned()),
            ("tree", plain.to_owned()),
            ("tree", body.clone()),
        ] {
            write(&corpus, target, &format!("vector-{number}-{}", input.len()), &input)?;
        }
    }
    for (target, input) in SEEDS {
        write(&corpus, target, &format!("seed-{}", input.len()), input)?;
    }
    Ok(())
}

/// For what has no vectors.
const SEEDS: &[(&str, &str)] = &[
    (
        "addresses",
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa",
    ),
    ("addresses", "socks5://user:password@[::1]:1080"),
    ("addresses", "http://127.0.0.1:8702/wx/"),
    ("answer", r#"{"errcode":0,"errmsg":"ok","msgid":3717005636572528642,"invaliduser":"u1|u2"}"#),
    ("answer", r#"{"errcode":"40014","errmsg":"invalid access_token canary-token"}"#),
    ("answer", "<html>502 canary-token"),
    ("cursor", "k3v9x0ab-1042"),
    ("cursor", "tocsin:https://10.0.0.5:8722#code.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ("client_frame", r#"{"type":"ack","cursor":"k3v9x0ab-1042"}"#),
    ("client_frame", r#"{"topic":"ops","title":"t","body":"b","priority":5,"tags":["a"]}"#),
    ("ws_frames", "\u{1}\u{1}\u{5}abcd"),
];

fn write(corpus: &Path, target: &str, name: &str, input: &str) -> Result<()> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), input).with_context(|| format!("cannot write a seed of {target}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_in_the_manifest_and_every_seed_has_a_target() {
        let manifest = fs::read_to_string(repo::root().join("fuzz/Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let mut listed: Vec<_> = manifest["bin"]
            .as_array()
            .unwrap()
            .iter()
            .map(|bin| bin["name"].as_str().unwrap().to_owned())
            .collect();
        listed.sort();
        let all = targets().unwrap();
        assert_eq!(all, listed);
        assert!(SEEDS.iter().all(|(target, _)| all.iter().any(|name| name == target)));
    }
}
