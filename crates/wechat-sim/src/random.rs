//! Tokens, ids and secrets as the platforms make them, from a seed: two runs with one seed give the same values.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

const WORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX: &[u8] = b"0123456789abcdef";

/// Seeded randomness.
#[derive(Debug)]
pub(crate) struct Random(StdRng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    fn of(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.0.random_range(0..alphabet.len())])).collect()
    }

    /// Letters, digits, `-` and `_`.
    pub(crate) fn word(&mut self, length: usize) -> String {
        self.of(WORD, length)
    }

    pub(crate) fn hex(&mut self, length: usize) -> String {
        self.of(HEX, length)
    }

    pub(crate) fn digits(&mut self, length: usize) -> String {
        self.of(b"0123456789", length)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.random_range(0..bound)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        self.0.random()
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability.clamp(0.0, 1.0))
    }

    /// A robot's key looks like a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let parts: Vec<String> = [8, 4, 4, 4, 12].into_iter().map(|length| self.hex(length)).collect();
        parts.join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut one, mut same, mut other) = (Random::new(7), Random::new(7), Random::new(8));
        let token = one.word(40);
        assert_eq!(token, same.word(40));
        assert_ne!(token, other.word(40));
        assert_eq!(one.uuid().len(), 36);
    }
}
