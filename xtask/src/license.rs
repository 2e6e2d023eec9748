//! Whether an SPDX expression can be satisfied with the licences that this project accepts.

use anyhow::{Result, bail};

/// Whether `expression` is satisfied by `accepted`. `/` is the old spelling of `OR`.
pub fn is_accepted(expression: &str, accepted: &[String]) -> Result<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = Words { text: spaced.split_whitespace().collect(), next: 0, accepted };
    let outcome = words.any_of()?;
    if words.next != words.text.len() {
        bail!("cannot read the licence expression \"{expression}\"");
    }
    Ok(outcome)
}

struct Words<'a> {
    text: Vec<&'a str>,
    next: usize,
    accepted: &'a [String],
}

impl Words<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.text.get(self.next).is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn any_of(&mut self) -> Result<bool> {
        let mut outcome = self.all_of()?;
        while self.take("OR") {
            outcome |= self.all_of()?;
        }
        Ok(outcome)
    }

    fn all_of(&mut self) -> Result<bool> {
        let mut outcome = self.one()?;
        while self.take("AND") {
            outcome &= self.one()?;
        }
        Ok(outcome)
    }

    fn one(&mut self) -> Result<bool> {
        if self.take("(") {
            let outcome = self.any_of()?;
            if !self.take(")") {
                bail!("a bracket is not closed");
            }
            return Ok(outcome);
        }
        let Some(mut name) = self.text.get(self.next).map(|word| (*word).to_owned()) else {
            bail!("the licence expression ends early");
        };
        self.next += 1;
        if self.take("WITH") {
            name = format!("{name} WITH {}", self.text.get(self.next).copied().unwrap_or_default());
            self.next += 1;
        }
        Ok(self.accepted.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let accepted =
            ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"].map(String::from);
        for (expression, expected) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND GPL-2.0", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
            ("GPL-2.0 WITH Classpath-exception-2.0", false),
            // AND binds tighter than OR.
            ("MIT OR GPL-3.0 AND GPL-2.0", true),
        ] {
            assert_eq!(is_accepted(expression, &accepted).unwrap(), expected, "{expression}");
        }
        for bad in ["", "MIT OR", "(MIT", "MIT Apache-2.0"] {
            assert!(is_accepted(bad, &accepted).is_err(), "{bad}");
        }
    }
}
