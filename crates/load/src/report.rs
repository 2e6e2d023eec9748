//! The figures as a table for people and one JSON object for programs.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::point::Bench;

/// What a figure must be.
#[derive(Clone, Copy)]
pub enum Bound {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// Nothing is promised.
    Reported,
}

/// Collects figures.
pub struct Report {
    figures: BTreeMap<&'static str, (f64, Bound)>,
    quick: bool,
}

impl Report {
    /// Nothing measured yet.
    pub fn new(args: &Bench) -> Self {
        Self { figures: BTreeMap::new(), quick: args.quick }
    }

    /// Takes a figure, and shows it at once: the whole run is long.
    pub fn figure(&mut self, key: &'static str, value: f64, bound: Bound) {
        eprintln!("{key:36} {value:>14.3}  {}", bound.verdict(value));
        self.figures.insert(key, (value, bound));
    }

    /// Prints the table as Markdown and writes the JSON.
    pub fn finish(&self, json: Option<&Path>) -> Result<()> {
        println!("| figure | measured | must | |\n|---|---:|---|---|");
        for (key, (value, bound)) in &self.figures {
            println!("| `{key}` | {value:.3} | {} | {} |", bound.text(), bound.verdict(*value));
        }
        if let Some(file) = json {
            let mut object: Map<String, Value> =
                self.figures.iter().map(|(key, (value, _))| ((*key).into(), json!(value))).collect();
            object.insert("quick".into(), json!(self.quick));
            object.insert("machine".into(), json!(machine()));
            std::fs::write(file, serde_json::to_string_pretty(&Value::Object(object))? + "\n")?;
        }
        Ok(())
    }
}

impl Bound {
    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most}"),
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::Reported => "reported".into(),
        }
    }

    fn verdict(self, value: f64) -> &'static str {
        match self {
            Self::AtMost(most) if value > most => "missed",
            Self::AtLeast(least) if value < least => "missed",
            Self::Reported => "",
            _ => "met",
        }
    }
}

/// Processor, cores and kernel: figures mean nothing without them.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .unwrap_or("")
        .trim_start_matches([' ', '\t', ':']);
    let cores = cpuinfo.lines().filter(|l| l.starts_with("processor")).count();
    format!("{model}, {cores} cores, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}
