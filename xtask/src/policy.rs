//! The dependency policy: licences, banned crates, sources, and the three rules that keep the two programs apart.
//!
//! All of it is read from `cargo metadata`, whose resolved graph unites the features of every edge, dev-dependencies
//! and other platforms included: what `cargo build` here happens not to need is checked too.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{faults, license, repo, step};

/// The platform that the programs are built for here.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// Crates that nothing in `crates/` may reach on this platform: the resident has neither GTK nor a webview.
const WINDOW_ONLY: &[&str] = &["gtk", "gtk-sys", "tao", "tauri", "webkit2gtk", "webkit2gtk-sys", "wry"];
/// What the window may know of this project: it holds no state and no secret.
const WINDOW_MAY_USE: &[&str] = &["tocsin-control", "tocsin-locale", "tocsin-protocol"];

/// One rule and what breaks it.
pub struct Finding {
    /// The rule.
    pub rule: &'static str,
    /// What breaks it; empty when it is kept.
    pub broken: Vec<String>,
}

/// Checks every rule.
pub fn findings() -> Result<Vec<Finding>> {
    let deny: toml::Table =
        std::fs::read_to_string(repo::root().join("deny.toml")).context("cannot read deny.toml")?.parse()?;
    let all = Graph::load(&[])?;
    let here = Graph::load(&["--filter-platform", PLATFORM])?;
    Ok(vec![
        Finding {
            rule: "licences are on the list of deny.toml",
            broken: all.licences(&strings(&deny["licenses"]["allow"]))?,
        },
        Finding { rule: "no banned crate", broken: all.banned(&banned(&deny)) },
        Finding {
            rule: "every source is crates.io",
            broken: all.sources(&strings(&deny["sources"]["allow-registry"])),
        },
        Finding { rule: "one major version of zbus, without its tokio feature", broken: all.zbus() },
        Finding { rule: "no GTK, WebKit or Tauri under crates/", broken: here.window_crates_in_library() },
        Finding {
            rule: "the window depends on protocol, control and locale only",
            broken: here.window_dependencies(),
        },
        Finding {
            rule: "docs/faults.md names tests that exist and words that are said",
            broken: faults::broken()?,
        },
    ])
}

fn strings(value: &toml::Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(Into::into)).collect()
}

fn banned(deny: &toml::Table) -> Vec<String> {
    let entries = deny["bans"]["deny"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry.get("crate")?.as_str().map(Into::into)).collect()
}

struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    features: Vec<String>,
    needs: Vec<String>,
    /// Of those, what the program itself is built with: no dev-dependencies.
    ships: Vec<String>,
}

/// The resolved dependency graph, by package id.
struct Graph(BTreeMap<String, Package>);

impl Graph {
    fn load(extra: &[&str]) -> Result<Self> {
        let text =
            step::output(step::cargo().args(["metadata", "--format-version", "1", "--locked"]).args(extra))?;
        Self::parse(&serde_json::from_str(&text)?)
    }

    fn parse(metadata: &Value) -> Result<Self> {
        let text = |value: &Value| value.as_str().map(String::from);
        let list =
            |value: &Value| value.as_array().into_iter().flatten().filter_map(text).collect::<Vec<_>>();
        let mut packages = BTreeMap::new();
        for package in metadata["packages"].as_array().context("cargo metadata: no packages")? {
            packages.insert(
                text(&package["id"]).context("cargo metadata: a package without an id")?,
                Package {
                    name: text(&package["name"]).unwrap_or_default(),
                    version: text(&package["version"]).unwrap_or_default(),
                    license: text(&package["license"]),
                    source: text(&package["source"]),
                    features: Vec::new(),
                    needs: Vec::new(),
                    ships: Vec::new(),
                },
            );
        }
        for node in metadata["resolve"]["nodes"].as_array().context("cargo metadata: no resolved graph")? {
            if let Some(package) = node["id"].as_str().and_then(|id| packages.get_mut(id)) {
                package.features = list(&node["features"]);
                let edges = || node["deps"].as_array().into_iter().flatten();
                package.needs = edges().filter_map(|edge| text(&edge["pkg"])).collect();
                package.ships =
                    edges().filter(|edge| ships(edge)).filter_map(|edge| text(&edge["pkg"])).collect();
            }
        }
        Ok(Self(packages))
    }

    fn foreign(&self) -> impl Iterator<Item = &Package> {
        self.0.values().filter(|package| package.source.is_some())
    }

    fn licences(&self, accepted: &[String]) -> Result<Vec<String>> {
        let mut broken = Vec::new();
        for Package { name, version, license, .. } in self.foreign() {
            let expression = license.as_deref().unwrap_or("none named");
            if license.is_none() || !license::is_accepted(expression, accepted)? {
                broken.push(format!("{name} {version}: {expression}"));
            }
        }
        Ok(broken)
    }

    fn banned(&self, names: &[String]) -> Vec<String> {
        self.foreign()
            .filter(|p| names.contains(&p.name))
            .map(|p| format!("{} {}", p.name, p.version))
            .collect()
    }

    fn sources(&self, allowed: &[String]) -> Vec<String> {
        let known = |source: &str| allowed.iter().any(|url| source.strip_prefix("registry+") == Some(url));
        let unknown = self.foreign().filter(|p| !p.source.as_deref().is_some_and(known));
        unknown.map(|p| format!("{} from {}", p.name, p.source.as_deref().unwrap_or_default())).collect()
    }

    /// A blocking zbus call inside a tokio runtime panics as soon as any crate, even a dev-dependency, turns this
    /// feature on: tests would then behave differently from the program.
    fn zbus(&self) -> Vec<String> {
        let found: Vec<_> = self.foreign().filter(|p| p.name == "zbus").collect();
        let majors: BTreeSet<_> = found.iter().filter_map(|p| p.version.split('.').next()).collect();
        let mut broken: Vec<_> = found
            .iter()
            .filter(|p| p.features.iter().any(|feature| feature == "tokio"))
            .map(|p| {
                format!(
                    "zbus {} has the feature tokio: cargo tree -e all -i zbus -f '{{p}} {{f}}'",
                    p.version
                )
            })
            .collect();
        if majors.len() > 1 {
            broken.push(format!("zbus of the major versions {majors:?}"));
        }
        broken
    }

    fn window_crates_in_library(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (id, member) in self.0.iter().filter(|(_, p)| p.source.is_none() && p.name != "tocsin-desktop") {
            let reached = self.reachable(id, |package| &package.needs);
            let names = reached.iter().filter_map(|id| self.0.get(*id)).map(|p| p.name.as_str());
            broken.extend(
                names
                    .filter(|name| WINDOW_ONLY.contains(name))
                    .map(|name| format!("{} reaches {name}", member.name)),
            );
        }
        broken
    }

    fn window_dependencies(&self) -> Vec<String> {
        let Some(id) = self.0.iter().find(|(_, p)| p.name == "tocsin-desktop").map(|(id, _)| id) else {
            return vec!["there is no package tocsin-desktop".into()];
        };
        let reached = self.reachable(id, |package| &package.ships);
        let own =
            reached.iter().filter_map(|reached| (*reached != id).then(|| self.0.get(*reached)).flatten());
        own.filter(|p| p.source.is_none() && !WINDOW_MAY_USE.contains(&p.name.as_str()))
            .map(|p| p.name.clone())
            .collect()
    }

    fn reachable<'a>(
        &'a self,
        from: &'a String,
        edges: fn(&Package) -> &Vec<String>,
    ) -> BTreeSet<&'a String> {
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(id) = open.pop() {
            for next in self.0.get(id).into_iter().flat_map(edges) {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen
    }
}

/// Whether an edge of the graph is more than a dev-dependency.
fn ships(edge: &Value) -> bool {
    edge["dep_kinds"].as_array().into_iter().flatten().any(|kind| kind["kind"] != "dev")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn graph() -> Graph {
        let edge = |to: &str, kind: Value| json!({"pkg": to, "dep_kinds": [{"kind": kind}]});
        let crates_io = "registry+https://github.com/rust-lang/crates.io-index";
        Graph::parse(&json!({
            "packages": [
                {"id": "w", "name": "tocsin-desktop", "version": "1.0.0", "license": "MIT", "source": null},
                {"id": "s", "name": "tocsin-server", "version": "1.0.0", "license": "MIT", "source": null},
                {"id": "t", "name": "tocsin-virtual-desktop", "version": "1.0.0", "license": "MIT", "source": null},
                {"id": "g", "name": "gtk", "version": "0.18.2", "license": "MIT", "source": crates_io},
                {"id": "z5", "name": "zbus", "version": "5.1.0", "license": "MIT", "source": crates_io},
                {"id": "z6", "name": "zbus", "version": "6.0.0", "license": "GPL-3.0", "source": "git+https://example.org/zbus"},
                {"id": "o", "name": "openssl", "version": "0.1.0", "source": crates_io},
            ],
            "resolve": {"nodes": [
                {"id": "w", "deps": [edge("s", Value::Null), edge("t", "dev".into())], "features": []},
                {"id": "s", "deps": [edge("z5", Value::Null)], "features": []},
                {"id": "z5", "deps": [edge("g", Value::Null)], "features": ["tokio"]},
            ]},
        }))
        .unwrap()
    }

    #[test]
    fn every_rule_can_be_broken() {
        let graph = graph();
        assert_eq!(
            graph.licences(&["MIT".into()]).unwrap(),
            ["openssl 0.1.0: none named", "zbus 6.0.0: GPL-3.0"]
        );
        assert_eq!(graph.banned(&["openssl".into()]), ["openssl 0.1.0"]);
        let sources = graph.sources(&["https://github.com/rust-lang/crates.io-index".into()]);
        assert_eq!(sources, ["zbus from git+https://example.org/zbus"]);
        assert_eq!(graph.zbus().len(), 2);
        assert_eq!(graph.window_crates_in_library(), ["tocsin-server reaches gtk"]);
        assert_eq!(graph.window_dependencies(), ["tocsin-server"]);
    }
}
