//! A position in the log: `epoch-seq`.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Position in the log. The first entry has 1; 0 means "before everything".
/// JavaScript reads it exactly up to 2^53, which at a million entries a second lasts 285 years.
pub type Seq = u64;

/// Names one life of a log: eight characters `[a-z0-9]`, new when a database is restored or reset,
/// so that an old position is recognised as meaningless instead of skipping messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, TS)]
#[ts(type = "string")]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// A new random epoch.
    pub fn random(rng: &mut impl rand::Rng) -> Self {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let text: String =
            (0..8).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect();
        Self(text.into())
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Epoch {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let valid = text.len() == 8 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        valid.then(|| Self(text.into())).ok_or(BadCursor)
    }
}

/// Everything up to here has been taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash, TS)]
#[ts(type = "string")]
pub struct Cursor {
    /// The log that `seq` counts in.
    pub epoch: Epoch,
    /// The last entry taken.
    pub seq: Seq,
}

impl Cursor {
    /// A cursor at `seq` of the log `epoch`.
    pub fn new(epoch: Epoch, seq: Seq) -> Self {
        Self { epoch, seq }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

/// Not a cursor: expected `epoch-seq`, for example `k3v9x0ab-1042`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: expected epoch-seq, for example k3v9x0ab-1042")]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (epoch, seq) = text.split_once('-').ok_or(BadCursor)?;
        // `u64::from_str` takes a leading plus sign; a cursor has one spelling only.
        if !seq.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadCursor);
        }
        let seq = seq.parse().map_err(|_| BadCursor)?;
        // Stored as a signed 64-bit integer.
        if i64::try_from(seq).is_err() {
            return Err(BadCursor);
        }
        Ok(Self { epoch: epoch.parse()?, seq })
    }
}

/// On the wire, in TypeScript and in OpenAPI these types are their text form.
macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                String::schema()
            }
        }
        impl utoipa::ToSchema for $type {}
    };
}
pub(crate) use as_text;
as_text!(Epoch);
as_text!(Cursor);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let cursor: Cursor = "k3v9x0ab-1042".parse().unwrap();
        assert_eq!(cursor.to_string(), "k3v9x0ab-1042");
        for bad in [
            "",
            "-",
            "k3v9x0ab",
            "k3v9x0ab-",
            "k3v9x0ab-+1",
            "K3V9X0AB-1",
            "k3v9x0ab-9223372036854775808",
            "1-1",
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(BadCursor), "{bad}");
        }
    }
}
