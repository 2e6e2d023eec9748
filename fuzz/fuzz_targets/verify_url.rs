//! The console verifies an address: any query, and a signed one with any `echostr`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tocsin_wechat::{
    Secret,
    callback::{Callback, Dialect, Query},
    crypto::{self, AesKey},
};

const NOW: i64 = 1_760_000_000_000;

fuzz_target!(|data: &str| {
    let key = AesKey::parse(&"A".repeat(43)).expect("a key");
    for dialect in [Dialect::Official, Dialect::Wecom] {
        let token = Secret::new("fuzz_token");
        let callback = Callback {
            dialect,
            token,
            keys: vec![key.clone()],
            receive_id: String::new(),
            allow_plain: true,
        };
        let _ = callback.verify_url(&Query::parse(data), NOW);
        let echo: String = data.chars().filter(|c| c.is_ascii_alphanumeric() || "+/=".contains(*c)).collect();
        let signature = match dialect {
            Dialect::Official => crypto::signature(&callback.token, "1760000000", "n"),
            Dialect::Wecom => crypto::msg_signature(&callback.token, "1760000000", "n", &echo),
        };
        let name = if dialect == Dialect::Official { "signature" } else { "msg_signature" };
        let signed = format!("timestamp=1760000000&nonce=n&{name}={signature}&echostr={echo}");
        let answer = callback.verify_url(&Query::parse(&signed), NOW);
        if dialect == Dialect::Official && !echo.is_empty() {
            assert_eq!(answer.as_deref(), Ok(echo.as_str()), "an official account hears what it asked");
        }
    }
});
