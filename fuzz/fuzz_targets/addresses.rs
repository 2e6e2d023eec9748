//! Addresses that people paste: a robot's webhook, a base address, a proxy. No login or key shows in `Debug`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tocsin_wechat::{BaseUrl, ProxyUrl, robot::Webhook};

fuzz_target!(|text: &str| {
    if let Ok(webhook) = Webhook::parse(text) {
        let alone = Webhook::parse(webhook.key.expose()).expect("a key alone is a webhook");
        assert_eq!(alone.key.expose(), webhook.key.expose());
    }
    if let Ok(base) = BaseUrl::parse(text) {
        let again = BaseUrl::parse(&base.to_string()).expect("an address as it was written down");
        assert_eq!(again, base);
    }
    let _ = ProxyUrl::parse(text);
});
