//! A QR code that binds: scanned, it names its scene together with the openid of whoever scanned it.

use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{Invalid, http::Answer};

/// The platform's longest scene.
const SCENE_CHARS: usize = 64;
/// The platform's longest life of a temporary code: 30 days. Its default of a minute is never wanted.
const EXPIRE_MOST: u32 = 2_592_000;
const EXPIRE_LEAST: u32 = 30;

/// What a code stands for. Random, used once, short-lived: whoever has it binds themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene(String);

impl Scene {
    /// From 128 random bits.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(random.iter().fold("bind_".to_owned(), |mut scene, byte| {
            // Writing to a String cannot fail.
            let _ = write!(scene, "{byte:02x}");
            scene
        }))
    }

    /// One that is known.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = (1..=SCENE_CHARS).contains(&text.len());
        if !fits || !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
            return Err(Invalid::field("scene_str", "1 to 64 letters, digits, _ or -"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Its text, as events name it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn request(&self, expire_seconds: u32) -> Value {
        json!({
            "expire_seconds": expire_seconds.clamp(EXPIRE_LEAST, EXPIRE_MOST),
            "action_name": "QR_STR_SCENE",
            "action_info": { "scene": { "scene_str": self.0 } },
        })
    }
}

/// A code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qr {
    /// What the code says: render this, and nobody else sees the ticket.
    pub url: String,
    /// Where the platform renders it.
    pub image_url: String,
    /// For how long it is good, in seconds.
    pub expire_seconds: i64,
}

impl Qr {
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let ticket = answer.text("ticket")?;
        let ticket = utf8_percent_encode(&ticket, NON_ALPHANUMERIC);
        Some(Self {
            url: answer.text("url")?,
            image_url: format!("https://mp.weixin.qq.com/cgi-bin/showqrcode?ticket={ticket}"),
            expire_seconds: answer.number("expire_seconds").unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_is_random_and_within_the_platforms_alphabet() {
        let scene = Scene::from_random([0xab; 16]);
        assert_eq!(scene.as_str(), format!("bind_{}", "ab".repeat(16)));
        assert_eq!(Scene::parse(scene.as_str()), Ok(scene));
        for bad in ["", "a b", "警", &"x".repeat(65)] {
            assert!(Scene::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_code_never_has_the_platforms_default_of_a_minute() {
        let scene = Scene::from_random([0; 16]);
        assert_eq!(scene.request(600)["expire_seconds"], 600);
        assert_eq!(scene.request(u32::MAX)["expire_seconds"], EXPIRE_MOST);
        let answer = Answer::parse(
            br#"{"ticket":"gQ+/==","expire_seconds":600,"url":"http://weixin.qq.com/q/x"}"#,
            &[],
        );
        let qr = Qr::of(&answer.expect("JSON")).expect("a code");
        assert!(qr.image_url.ends_with("ticket=gQ%2B%2F%3D%3D"));
    }
}
