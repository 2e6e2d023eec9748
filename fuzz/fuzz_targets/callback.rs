//! What a platform pushes: as it came, and signed, so that what lies behind the signature is reached too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tocsin_wechat::{
    Secret,
    callback::{Callback, Dialect, Query, Reply},
    crypto::{self, AesKey},
};

const NOW: i64 = 1_760_000_000_000;
const TIMESTAMP: &str = "1760000000";
const RECEIVER: &str = "wx5823bf96d3bd56c7";

fuzz_target!(|data: &[u8]| {
    let [how, data @ ..] = data else { return };
    let key = AesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").expect("a key");
    let callback = Callback {
        dialect: if how & 1 == 0 { Dialect::Official } else { Dialect::Wecom },
        token: Secret::new("fuzz_token"),
        keys: vec![key.clone()],
        receive_id: RECEIVER.into(),
        allow_plain: how & 2 == 0,
    };
    let (query, body) = match how >> 2 & 3 {
        // A query and a body, as anybody may send them.
        0 => {
            let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
            let (query, body) = data.split_at(at);
            (String::from_utf8_lossy(query).into_owned(), body.to_vec())
        }
        // A body in plain text.
        1 => (
            format!(
                "timestamp={TIMESTAMP}&nonce=n&signature={}",
                crypto::signature(&callback.token, TIMESTAMP, "n")
            ),
            data.to_vec(),
        ),
        // A message that the platform encrypted.
        2 => sealed(&callback, &crypto::encrypt(&key, RECEIVER, data, [7; 16])),
        // A signed text that nobody encrypted.
        _ => sealed(&callback, &String::from_utf8_lossy(data).replace(['<', '&', ']'], "")),
    };
    let query = Query::parse(&query);
    let Ok(opened) = callback.open(&query, &body, NOW) else { return };
    assert_eq!(callback.open(&query, &body, NOW).as_ref(), Ok(&opened), "the same request says the same");
    let reply = Reply::CardButton { user: "u".into(), replace_name: "]]>".into() };
    let answer = callback.reply(&opened, &reply, NOW, [7; 16]);
    assert!(answer.body.len() < 4096, "an answer is short whatever was asked");
});

fn sealed(callback: &Callback, encrypt: &str) -> (String, Vec<u8>) {
    let signature = crypto::msg_signature(&callback.token, TIMESTAMP, "n", encrypt);
    let body = format!("<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>");
    (format!("timestamp={TIMESTAMP}&nonce=n&msg_signature={signature}"), body.into_bytes())
}
