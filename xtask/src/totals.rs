//! Reads from a test runner's output how many tests passed and failed.

use std::ops::AddAssign;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed; a runner that crashed is one.
    pub failed: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Counts one finished line of a runner's output.
pub type Count = fn(&str) -> Option<Totals>;

/// `test result: FAILED. 4 passed; 1 failed; 0 ignored; …`
pub fn cargo(line: &str) -> Option<Totals> {
    let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| rest.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok());
    Some(Totals { passed: number("passed")?, failed: number("failed")? })
}

/// Vitest: `      Tests  1 failed | 11 passed | 2 skipped (14)`
pub fn vitest(line: &str) -> Option<Totals> {
    let rest = line.trim_start().strip_prefix("Tests ")?.trim();
    let counts = rest.rsplit_once('(').map_or(rest, |(counts, _)| counts);
    let number = |word: &str| {
        counts.split('|').find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok()).unwrap_or(0)
    };
    let totals = Totals { passed: number("passed"), failed: number("failed") };
    (totals != Totals::default()).then_some(totals)
}

/// What a runner's end adds: it may have crashed after (or before) it counted.
pub fn settle(counted: Option<Totals>, succeeded: bool) -> Totals {
    let mut totals = counted.unwrap_or_default();
    // Ended badly without naming a failed test, or well without having counted anything: neither is a pass.
    if totals.failed == 0 && (!succeeded || counted.is_none()) {
        totals.failed = 1;
    }
    totals
}

/// `line` without the escape sequences that colour it.
pub fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // Up to the letter that ends the sequence.
            for next in characters.by_ref() {
                if next.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(passed: u64, failed: u64) -> Totals {
        Totals { passed, failed }
    }

    #[test]
    fn cargo_lines() {
        let ok =
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s";
        assert_eq!(cargo(ok), Some(totals(12, 0)));
        assert_eq!(
            cargo("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured"),
            Some(totals(4, 2))
        );
        assert_eq!(cargo("test cursor::tests::one_spelling_only ... ok"), None);
        assert_eq!(cargo("test result: ok. many passed; 0 failed"), None);
    }

    #[test]
    fn vitest_lines() {
        assert_eq!(vitest("      Tests  12 passed (12)"), Some(totals(12, 0)));
        assert_eq!(vitest("      Tests  1 failed | 11 passed | 2 skipped (14)"), Some(totals(11, 1)));
        assert_eq!(vitest(" Test Files  3 passed (3)"), None);
        assert_eq!(
            vitest(&plain(
                "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m7 passed\u{1b}[39m\u{1b}[22m (7)"
            )),
            Some(totals(7, 0))
        );
    }

    #[test]
    fn a_crash_is_a_failure() {
        assert_eq!(settle(Some(totals(3, 0)), true), totals(3, 0));
        assert_eq!(settle(Some(totals(3, 1)), false), totals(3, 1));
        assert_eq!(settle(Some(totals(3, 0)), false), totals(3, 1));
        assert_eq!(settle(None, false), totals(0, 1));
        assert_eq!(settle(None, true), totals(0, 1));
    }
}
