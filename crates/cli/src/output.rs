//! What a command prints: tables for people, one JSON value for programs.
//!
//! Results go to stdout, everything about how it went to stderr. Text that came from elsewhere (titles, names) passes
//! [`plain`] before it reaches a terminal: an escape sequence in a message must not move the cursor or set a title.

use std::io::{self, IsTerminal as _, Write as _};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use tocsin_protocol::Millis;

use crate::exit::Failure;

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON value instead of text for people.
    pub json: bool,
}

impl Output {
    /// A result: `value` as JSON, or the text that `human` makes.
    pub fn show<T: Serialize>(self, value: &T, human: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { print_json(value) } else { print_line(&human()) }
    }

    /// A list: JSON array, or a table.
    pub fn table<T: Serialize>(
        self,
        items: &[T],
        head: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return print_json(&items);
        }
        print_line(&table(head, &items.iter().map(row).collect::<Vec<_>>()))
    }
}

/// One JSON value on a line of stdout.
pub fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::failed(error.to_string()))?;
    print_line(&text)
}

/// A line (or several) on stdout, at once.
pub fn print_line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| {
        // `tocsin … | head` is no fault; the reader has what it wanted.
        let code = if error.kind() == io::ErrorKind::BrokenPipe { "broken_pipe" } else { "failed" };
        Failure::new(crate::exit::Exit::Failed, code, format!("cannot write to stdout: {error}"))
    })
}

/// A line on stderr, for people. Nobody may be listening there, which is fine.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Progress: a line that is overwritten on a terminal, and its last state alone elsewhere.
pub fn progress(text: &str, done: bool) {
    let err = io::stderr().lock();
    let terminal = err.is_terminal();
    draw(err, terminal, text, done);
}

/// Nobody may be listening there, which is fine.
fn draw(mut err: impl io::Write, terminal: bool, text: &str, done: bool) {
    if terminal {
        let _ = write!(err, "\r\x1b[K{text}{}", if done { "\n" } else { "" });
        let _ = err.flush();
    } else if done {
        let _ = writeln!(err, "{text}");
    }
}

/// Text of others without anything that a terminal would obey. Line breaks stay.
pub fn plain(text: &str) -> String {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    // Direction overrides make a line read differently from what it is.
    let overrides = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if obeyed(c) || overrides(c) { '\u{fffd}' } else { c }).collect()
}

/// The same on one line.
pub fn one_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A time by the clock of this computer, to the second.
pub fn time(at: Millis) -> String {
    let Ok(stamp) = Timestamp::from_millisecond(at) else { return at.to_string() };
    stamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same, or nothing.
pub fn maybe_time(at: Option<Millis>) -> String {
    at.map(time).unwrap_or_default()
}

/// Columns as wide as their widest cell; the last one open.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).chain([&head[column]]);
            cells.map(|cell| width(cell)).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let mut text = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', wide.saturating_sub(width(cell)) + 2));
        }
        text.trim_end().to_owned()
    };
    std::iter::once(&head).chain(&rows).map(line).collect::<Vec<_>>().join("\n")
}

/// Cells on a terminal: Chinese, Japanese and Korean characters and most emoji take two.
fn width(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}');
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(
            plain("a\x1b]0;owned\x07b\nc\u{9b}31m\u{202e}"),
            "a\u{fffd}]0;owned\u{fffd}b\nc\u{fffd}31m\u{fffd}"
        );
        assert_eq!(one_line("a\n b\tc"), "a b c");
    }

    #[test]
    fn progress_is_one_line_on_a_terminal_and_its_end_elsewhere() {
        let drawn = |terminal| {
            let mut drawn = Vec::new();
            for (text, done) in [("7 %", false), ("80 %", false), ("100 %", true)] {
                draw(&mut drawn, terminal, text, done);
            }
            String::from_utf8(drawn).unwrap()
        };
        assert_eq!(drawn(true), "\r\x1b[K7 %\r\x1b[K80 %\r\x1b[K100 %\n");
        assert_eq!(drawn(false), "100 %\n");
    }

    #[test]
    fn columns_line_up_in_both_languages() {
        let rows = vec![vec!["安娜".to_owned(), "x".to_owned()], vec!["bo".to_owned(), "y".to_owned()]];
        assert_eq!(table(&["NAME", "ROLE"], &rows), "NAME  ROLE\n安娜  x\nbo    y");
    }
}
