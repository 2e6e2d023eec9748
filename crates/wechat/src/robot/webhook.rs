//! A robot's address as people copy it.

use url::Url;

use crate::{BadEndpoint, BaseUrl, Secret};

const PATH: &str = "/cgi-bin/webhook/send";
/// Keys are UUIDs; others were not seen, but nothing is documented.
const KEY_CHARS: std::ops::RangeInclusive<usize> = 8..=128;

/// A robot's address, taken apart. `Debug` does not show the key.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The key.
    pub key: Secret,
    /// Where it is, if the text named a place.
    pub base: Option<BaseUrl>,
}

impl Webhook {
    /// Takes the whole address, or the key at its end.
    pub fn parse(text: &str) -> Result<Self, BadEndpoint> {
        let text = text.trim();
        if !text.contains("://") {
            return Ok(Self { key: key(text)?, base: None });
        }
        let mut url = Url::parse(text).map_err(|_| BadEndpoint::Robot)?;
        let found = url.query_pairs().find(|(name, _)| name == "key").ok_or(BadEndpoint::Robot)?;
        let key = key(&found.1)?;
        let path = url.path().trim_end_matches('/');
        let before = path.strip_suffix(PATH).ok_or(BadEndpoint::Robot)?.to_owned();
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(&before);
        Ok(Self { key, base: Some(BaseUrl::parse(url.as_str())?) })
    }
}

fn key(text: &str) -> Result<Secret, BadEndpoint> {
    let is_key = KEY_CHARS.contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if is_key { Ok(Secret::new(text)) } else { Err(BadEndpoint::Robot) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa";

    #[test]
    fn the_address_or_the_key_alone() {
        let whole = format!("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}&debug=1");
        let webhook = Webhook::parse(&whole).expect("an address");
        assert_eq!(webhook.key.expose(), KEY);
        assert!(webhook.base.as_ref().is_some_and(BaseUrl::is_platform));
        assert!(!format!("{webhook:?}").contains("693a91f6"));
        assert_eq!(Webhook::parse(KEY).expect("a key").key.expose(), KEY);
        let relay = format!("https://relay.example/wx/cgi-bin/webhook/send?key={KEY}");
        let base = Webhook::parse(&relay).expect("an address").base.expect("a base");
        assert_eq!(base.to_string(), "https://relay.example/wx/");
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "a b c d e f g h",
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/send",
            "https://qyapi.weixin.qq.com/other?key=693a91f6-7xxx",
            &format!("http://relay.example/cgi-bin/webhook/send?key={KEY}"),
        ] {
            assert!(Webhook::parse(bad).is_err(), "{bad}");
        }
    }
}
