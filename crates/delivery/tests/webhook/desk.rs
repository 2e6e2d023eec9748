//! A webhook that is ready to send.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tocsin_delivery::{
    Channel, Outcome, Parcel,
    line::{Ground, Line, Secrets, Settings},
    wechat::Words,
};
use tocsin_locale::Locale;
use tocsin_protocol::{Millis, control::Language, delivery::ChannelKind};
use tocsin_wechat::{NoCache, Secret, SystemClock, Timings};

pub const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const PARCEL: Parcel<'_> = Parcel { address: "", key: "ABCDEFGHIJKL-0-3", body: r#"{"type":"test"}"# };

/// The clock of a store, for a channel.
pub struct Time(pub tocsin_store::Clock);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

impl tocsin_wechat::Clock for Time {
    fn now(&self) -> Millis {
        (self.0)()
    }
}

pub fn ground() -> Ground {
    Ground {
        cache: Arc::new(NoCache),
        clock: Arc::new(SystemClock),
        words: Words::new(Arc::new(Locale::new(Language::En, "")), None),
        timings: Timings::default(),
    }
}

/// With time limits that end at once what never answers.
pub fn impatient() -> Ground {
    Ground { timings: Timings { call: Duration::from_millis(200), ..Timings::default() }, ..ground() }
}

pub fn hook_of(config: &Value, key: &str, ground: &Ground) -> Line {
    let settings = Settings::read(ChannelKind::Webhook, config).unwrap();
    let secrets = [("key", key), ("proxy_password", "p@ss")];
    let secrets: Secrets = secrets.map(|(part, secret)| (part.to_owned(), Secret::new(secret))).into();
    Line::new(&settings, &secrets, ground).unwrap()
}

pub fn hook(url: &str) -> Arc<dyn Channel> {
    hook_of(&json!({"url": url}), KEY, &ground()).channel()
}

pub async fn send(url: &str) -> Outcome {
    hook(url).send(PARCEL).await
}
