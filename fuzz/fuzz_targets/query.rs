//! The parameters of a callback's address: whoever reaches the port writes them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tocsin_wechat::callback::Query;

fuzz_target!(|raw: &str| {
    let query = Query::parse(raw);
    for name in ["timestamp", "nonce", "signature", "msg_signature", "echostr", "encrypt_type"] {
        if let Some(value) = query.get(name) {
            assert!(!value.is_empty() && value.len() <= raw.len(), "decoding makes nothing longer");
        }
    }
});
