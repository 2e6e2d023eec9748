//! The parameters of a callback's address.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::Rejected;

/// More parameters than any platform sends.
const PARAMETERS: usize = 32;

/// The parameters, decoded once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads the raw query, without its `?`. Not as a form: there a `+` would become a space, and base64 has `+`.
    pub fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').take(PARAMETERS).filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let decoded = percent_decode_str(value).decode_utf8().ok()?;
            Some((name.to_owned(), decoded.into_owned()))
        });
        let mut query = BTreeMap::new();
        for (name, value) in pairs {
            // The first counts: a second one would let one value be verified and another one be used.
            query.entry(name).or_insert(value);
        }
        Self(query)
    }

    /// A parameter.
    pub fn get(&self, name: &'static str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn need(&self, name: &'static str) -> Result<&str, Rejected> {
        self.get(name).ok_or(Rejected::Missing(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_exactly_once_and_a_plus_stays() {
        let query = Query::parse("a=x%2By%3D%3D&b=x+y&c=%252B&a=second&d=&e");
        assert_eq!(query.get("a"), Some("x+y=="));
        assert_eq!(query.get("b"), Some("x+y"));
        assert_eq!(query.get("c"), Some("%2B"));
        assert_eq!(query.get("d"), None);
        assert_eq!(query.need("e"), Err(Rejected::Missing("e")));
    }
}
