//! The figures as a table for people and one JSON object for programs.
//!
//! What a busy machine changes from one second to the next is measured several times in turn: the median counts, and the
//! least and the most stand beside it, so that nobody takes a lucky run for the rule.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Result, ensure};
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
    figures: BTreeMap<&'static str, Figure>,
    failed: Vec<String>,
    quick: bool,
}

struct Figure {
    value: f64,
    bound: Bound,
    /// The least and the most, and of how many, where it is a median.
    spread: Option<(f64, f64, usize)>,
}

impl Report {
    /// Nothing measured yet.
    pub fn new(args: &Bench) -> Self {
        Self { figures: BTreeMap::new(), failed: Vec::new(), quick: args.quick }
    }

    /// Takes a figure, and shows it at once: the whole run is long.
    pub fn figure(&mut self, key: &'static str, value: f64, bound: Bound) {
        self.add(key, Figure { value, bound, spread: None });
    }

    /// The same of several measurements: their median.
    pub fn median(&mut self, key: &'static str, mut values: Vec<f64>, bound: Bound) {
        values.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (values.first(), values.last()) else { return };
        let spread = Some((*least, *most, values.len()));
        self.add(key, Figure { value: values[values.len() / 2], bound, spread });
    }

    /// A point that could not be measured: the others still are, and the run fails at its end.
    pub fn failure(&mut self, point: &str, error: &anyhow::Error) {
        eprintln!("{point}: {error:#}");
        self.failed.push(format!("{point}: {error:#}"));
    }

    fn add(&mut self, key: &'static str, figure: Figure) {
        let verdict = figure.bound.verdict(figure.value);
        eprintln!("{key:36} {:>14.3}  {verdict:8} {}", figure.value, figure.spread());
        self.figures.insert(key, figure);
    }

    /// Prints the table as Markdown and writes the JSON; an error if a point failed.
    pub fn finish(&self, json: Option<&Path>) -> Result<()> {
        println!("| figure | measured | must | | least to most |\n|---|---:|---|---|---|");
        for (key, figure) in &self.figures {
            let Figure { value, bound, .. } = figure;
            println!(
                "| `{key}` | {value:.3} | {} | {} | {} |",
                bound.text(),
                bound.verdict(*value),
                figure.spread()
            );
        }
        if let Some(file) = json {
            std::fs::write(file, serde_json::to_string_pretty(&self.object())? + "\n")?;
        }
        ensure!(self.failed.is_empty(), "not everything was measured: {}", self.failed.join("; "));
        Ok(())
    }

    fn object(&self) -> Value {
        let mut object = Map::new();
        for (key, figure) in &self.figures {
            object.insert((*key).into(), json!(figure.value));
            if let Some((least, most, _)) = figure.spread {
                object.insert(format!("{key}_min"), json!(least));
                object.insert(format!("{key}_max"), json!(most));
            }
        }
        object.insert("quick".into(), json!(self.quick));
        object.insert("machine".into(), json!(machine()));
        object.insert("failed".into(), json!(self.failed));
        Value::Object(object)
    }
}

impl Figure {
    fn spread(&self) -> String {
        self.spread.map_or_else(String::new, |(least, most, of)| format!("{least:.3} to {most:.3} of {of}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report { figures: BTreeMap::new(), failed: Vec::new(), quick: true }
    }

    #[test]
    fn the_median_counts_and_the_ends_stand_beside_it() {
        let mut report = report();
        report.median("x", vec![9.0, 1.0, 2.0], Bound::AtMost(3.0));
        let object = report.object();
        assert_eq!(
            (&object["x"], &object["x_min"], &object["x_max"]),
            (&json!(2.0), &json!(1.0), &json!(9.0))
        );
    }

    #[test]
    fn a_point_that_failed_keeps_the_others_and_fails_the_run() {
        let mut report = report();
        report.figure("x", 1.0, Bound::Reported);
        report.failure("latency", &anyhow::anyhow!("no port"));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(report.finish(Some(file.path())).is_err());
        let written: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        assert_eq!(written["x"], 1.0);
        assert_eq!(written["failed"][0], "latency: no port");
    }
}
