//! Callbacks from the address to the event, with the independent vectors as what comes in.

use proptest::prelude::*;
use serde_json::Value;
use tocsin_wechat::{
    Secret,
    callback::{Admission, Callback, Dialect, Event, Guard, Query, Rejected, Reply, TemplateStatus},
    crypto::{self, AesKey, CryptoError},
};

fn named(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("vectors.json")).expect("the vectors are JSON");
    let lists = ["vectors", "negative"].map(|list| all[list].as_array().expect("a list").clone());
    let found = lists.into_iter().flatten().find(|vector| vector["name"] == name);
    found.unwrap_or_else(|| panic!("no vector {name}"))
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("{}: no {field}", vector["name"]))
}

fn callback(vector: &Value, dialect: Dialect) -> Callback {
    Callback {
        dialect,
        token: Secret::new(text(vector, "token")),
        keys: vec![AesKey::parse(text(vector, "encoding_aes_key")).expect("a key")],
        receive_id: text(vector, "receive_id").into(),
        allow_plain: false,
    }
}

fn signed_at(vector: &Value) -> i64 {
    text(vector, "timestamp").parse::<i64>().expect("a number") * 1000
}

fn query(vector: &Value) -> Query {
    sealed_query(vector, text(vector, "msg_signature"))
}

fn sealed_query(vector: &Value, signature: &str) -> Query {
    let (timestamp, nonce) = (text(vector, "timestamp"), text(vector, "nonce"));
    Query::parse(&format!("msg_signature={signature}&timestamp={timestamp}&nonce={nonce}"))
}

/// A body of `plain`, signed and encrypted as the platform does.
fn pushed(base: &Value, plain: &str) -> (Query, String) {
    let key = AesKey::parse(text(base, "encoding_aes_key")).expect("a key");
    let encrypt = crypto::encrypt(&key, text(base, "receive_id"), plain.as_bytes(), [9; 16]);
    let token = Secret::new(text(base, "token"));
    let signature = crypto::msg_signature(&token, text(base, "timestamp"), text(base, "nonce"), &encrypt);
    (sealed_query(base, &signature), format!("<xml><Encrypt>{encrypt}</Encrypt></xml>"))
}

#[test]
fn an_official_account_verifies_its_address_in_plain_text() {
    for name in ["official-oa-get-verify", "gen-oa-get-verify"] {
        let vector = named(name);
        let callback = Callback {
            dialect: Dialect::Official,
            token: Secret::new(text(&vector, "token")),
            keys: vec![],
            receive_id: String::new(),
            allow_plain: false,
        };
        let raw = |signature: &str| {
            let (timestamp, nonce) = (text(&vector, "timestamp"), text(&vector, "nonce"));
            let echo = text(&vector, "echostr");
            Query::parse(&format!("signature={signature}&timestamp={timestamp}&nonce={nonce}&echostr={echo}"))
        };
        let good = raw(text(&vector, "signature"));
        let now = signed_at(&vector);
        assert_eq!(callback.verify_url(&good, now).as_deref(), Ok(text(&vector, "expected_response_body")));
        let forged = raw("f464b24fc39322e44b38aa78f5edd27bd1441690");
        assert_eq!(callback.verify_url(&forged, now), Err(Rejected::Signature));
        assert_eq!(callback.verify_url(&good, now + 301_000), Err(Rejected::Time(301)));
        assert_eq!(callback.verify_url(&good, now - 301_000), Err(Rejected::Time(-301)));
    }
}

#[test]
fn wecom_verifies_its_address_encrypted() {
    for name in ["wecom-devtool-url-verify", "gen-wecom-url-verify-plus"] {
        let vector = named(name);
        let callback = callback(&vector, Dialect::Wecom);
        let query = Query::parse(text(&vector, "query_string"));
        let now = signed_at(&vector);
        assert_eq!(
            callback.verify_url(&query, now).as_deref(),
            Ok(text(&vector, "expected_response_body")),
            "{name}"
        );
        // A raw `+`, as some tools send it, survives too.
        let raw = text(&vector, "query_string").replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
        assert_eq!(
            callback.verify_url(&Query::parse(&raw), now).as_deref(),
            Ok(text(&vector, "plaintext")),
            "{name}"
        );
    }
}

#[test]
fn a_pressed_button_is_an_event_with_its_card_and_its_member() {
    let vector = named("gen-wecom-template-card-event");
    let opened = callback(&vector, Dialect::Wecom)
        .open(&query(&vector), text(&vector, "inbound_body").as_bytes(), signed_at(&vector))
        .expect("a push");
    assert_eq!(
        opened.event,
        Event::CardPressed {
            from: "zhangsan".into(),
            task_id: "run-42_step-3@a".into(),
            key: "approve".into(),
            response_code: "RC-abc123".into(),
        }
    );
}

#[test]
fn every_inbound_vector_is_opened() {
    let open = |name: &str, dialect| {
        let vector = named(name);
        let body = text(&vector, "inbound_body").to_owned();
        callback(&vector, dialect)
            .open(&query(&vector), body.as_bytes(), signed_at(&vector))
            .expect(name)
            .event
    };
    let unicode = open("gen-wecom-text-unicode", Dialect::Wecom);
    assert_eq!(
        unicode,
        Event::Message {
            from: "lisi".into(),
            msgid: Some("7346109283746152837".into()),
            kind: "text".into(),
            content: "好的，继续🚀 a<b && c>d \"q\"".into(),
        }
    );
    let finished = open("gen-oa-templatesendjobfinish-trailing-bits", Dialect::Official);
    assert_eq!(
        finished,
        Event::TemplateSent {
            from: "oABCD1234567890abcdefghijklm".into(),
            msgid: Some("3717005636572528642".into()),
            status: TemplateStatus::Blocked,
        }
    );
    let robot = open("gen-wecom-aibot-json-empty-receiveid", Dialect::Wecom);
    assert!(
        matches!(robot, Event::Message { from, content, .. } if from == "zhangsan" && content == "状态?")
    );
    let json = open("official-oa-secure-inbound", Dialect::Official);
    assert!(matches!(json, Event::Other { kind, .. } if kind == "debug_demo"));
    for name in ["gen-oa-full-pad-block", "gen-oa-pad-27"] {
        assert!(matches!(open(name, Dialect::Official), Event::Message { kind, .. } if kind == "text"));
    }
}

#[test]
fn every_negative_vector_is_refused_with_its_status() {
    let base = named("gen-wecom-template-card-event");
    let now = signed_at(&base);
    let good = callback(&base, Dialect::Wecom);
    let open = |callback: &Callback, signature: &str, encrypt: &str| {
        let body = format!("<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>");
        callback.open(&sealed_query(&base, signature), body.as_bytes(), now).expect_err("refused")
    };
    let mut forged = text(&base, "msg_signature").to_owned();
    forged.replace_range(39.., if forged.ends_with('0') { "1" } else { "0" });
    let refused = open(&good, &forged, text(&base, "encrypt"));
    assert_eq!((refused.status(), refused), (401, Rejected::Signature));

    let other = Callback { receive_id: "ww0000000000000000".into(), ..good.clone() };
    let refused = open(&other, text(&base, "msg_signature"), text(&base, "encrypt"));
    assert_eq!((refused.status(), refused), (403, Rejected::Crypto(CryptoError::Receiver)));

    for (name, reason) in [
        ("neg-truncated-base64", CryptoError::Base64),
        ("neg-length-overflow", CryptoError::Frame),
        ("neg-zero-padding", CryptoError::Padding),
    ] {
        let vector = named(name);
        let refused = open(&good, text(&vector, "msg_signature"), text(&vector, "encrypt"));
        assert_eq!((refused.status(), refused), (400, Rejected::Crypto(reason)), "{name}");
    }
}

#[test]
fn an_old_push_is_refused_and_a_repeated_one_has_no_effect() {
    let vector = named("gen-wecom-template-card-event");
    let callback = callback(&vector, Dialect::Wecom);
    let (query, body) = (query(&vector), text(&vector, "inbound_body").as_bytes().to_vec());
    let now = signed_at(&vector);
    let mut guard = Guard::default();
    let mut effects = 0;
    for at in [now, now + 5_000, now + 10_000, now + 299_000] {
        let opened = callback.open(&query, &body, at).expect("fresh");
        match guard.admit(opened.fingerprint, opened.signed_at, at) {
            Admission::First => {
                effects += 1;
                guard.answered(&opened.fingerprint, Reply::Success);
            }
            Admission::Repeat(answer) => assert_eq!(answer, Some(Reply::Success)),
        }
    }
    assert_eq!(effects, 1);
    assert_eq!(callback.open(&query, &body, now + 301_000), Err(Rejected::Time(301)));
}

#[test]
fn the_platforms_repetition_is_recognised_though_it_is_signed_and_encrypted_anew() {
    let base = named("gen-wecom-template-card-event");
    let callback = callback(&base, Dialect::Wecom);
    let now = signed_at(&base);
    let first = callback.open(&query(&base), text(&base, "inbound_body").as_bytes(), now).expect("a push");
    let (again, body) = pushed(&base, text(&base, "plaintext"));
    let again = callback.open(&again, body.as_bytes(), now).expect("a push");
    assert_eq!(first.fingerprint, again.fingerprint);
    let (other, body) = pushed(&base, &text(&base, "plaintext").replace("RC-abc123", "RC-abc124"));
    let other = callback.open(&other, body.as_bytes(), now).expect("a push");
    assert_ne!(first.fingerprint, other.fingerprint);
}

#[test]
fn plain_text_is_taken_only_where_it_was_allowed() {
    let vector = named("official-oa-post-plaintext");
    let secure = Callback {
        dialect: Dialect::Official,
        token: Secret::new(text(&vector, "token")),
        keys: vec![],
        receive_id: "wx1".into(),
        allow_plain: false,
    };
    let plain = Callback { allow_plain: true, ..secure.clone() };
    let body =
        b"<xml><FromUserName>o1</FromUserName><MsgType>event</MsgType><Event>unsubscribe</Event></xml>";
    let (timestamp, nonce) = (text(&vector, "timestamp"), text(&vector, "nonce"));
    let raw =
        format!("signature={}&timestamp={timestamp}&nonce={nonce}&openid=o1", text(&vector, "signature"));
    let query = Query::parse(&raw);
    let now = signed_at(&vector);
    assert_eq!(secure.open(&query, body, now), Err(Rejected::Plain));
    assert_eq!(
        plain.open(&query, body, now).expect("a push").event,
        Event::Unsubscribed { from: "o1".into(), at: 0 }
    );
    let forged = Query::parse(&raw.replace("signature=8", "signature=9"));
    assert_eq!(plain.open(&forged, body, now), Err(Rejected::Signature));
}

#[test]
fn in_compatible_mode_only_the_encrypted_part_counts() {
    let vector = named("gen-oa-templatesendjobfinish-trailing-bits");
    let body = text(&vector, "inbound_body").replace(
        "<Encrypt>",
        "<FromUserName>mallory</FromUserName><MsgType>event</MsgType><Event>unsubscribe</Event><Encrypt>",
    );
    let callback = callback(&vector, Dialect::Official);
    let opened = callback.open(&query(&vector), body.as_bytes(), signed_at(&vector)).expect("a push");
    assert!(matches!(opened.event, Event::TemplateSent { .. }));
    let reply = callback.reply(&opened, &Reply::Success, signed_at(&vector), [0; 16]);
    assert_eq!(reply.body, "success");
}

#[test]
fn the_key_before_still_opens_and_answers() {
    let vector = named("gen-wecom-template-card-event");
    let mut callback = callback(&vector, Dialect::Wecom);
    callback.keys.insert(0, AesKey::parse(&"A".repeat(43)).expect("a key"));
    let now = signed_at(&vector);
    let opened =
        callback.open(&query(&vector), text(&vector, "inbound_body").as_bytes(), now).expect("a push");
    let button = Reply::CardButton { user: "zhangsan".into(), replace_name: "已确认 ]]>".into() };
    let answer = callback.reply(&opened, &button, now, [7; 16]);
    assert_eq!(answer.content_type, "application/xml");
    // What we say is read by what reads the platform, with the old key alone.
    let encrypt = answer
        .body
        .split("<Encrypt><![CDATA[")
        .nth(1)
        .and_then(|rest| rest.split("]]>").next())
        .expect("encrypted");
    let plain = crypto::decrypt(&callback.keys[1], &callback.receive_id, encrypt).expect("decrypted");
    let plain = String::from_utf8(plain).expect("UTF-8");
    assert!(plain.contains("<ReplaceName><![CDATA[已确认 ]]]]><![CDATA[>]]></ReplaceName>"), "{plain}");
    let nothing = callback.reply(&opened, &Reply::Success, now, [7; 16]);
    assert_eq!(nothing.body, "");
}

proptest! {
    /// Whatever comes from outside is refused or read; nothing panics, forged requests never open.
    #[test]
    fn nothing_from_outside_panics(
        raw in "(timestamp=1760000200|nonce=1|msg_signature=|signature=|echostr=|%|&|=|[0-9a-f%+]){0,12}",
        body in proptest::collection::vec(any::<u8>(), 0..400),
        xml in "(<xml>|</xml>|<Encrypt>|</Encrypt>|<!\\[CDATA\\[|\\]\\]>|&|[A-Za-z0-9+/=]){0,30}",
    ) {
        let vector = named("gen-wecom-template-card-event");
        let query = Query::parse(&raw);
        for dialect in [Dialect::Wecom, Dialect::Official] {
            let callback = callback(&vector, dialect);
            prop_assert!(callback.verify_url(&query, signed_at(&vector)).is_err());
            prop_assert!(callback.open(&query, &body, signed_at(&vector)).is_err());
            prop_assert!(callback.open(&query, xml.as_bytes(), signed_at(&vector)).is_err());
        }
    }

    /// Whoever holds the keys may push any text at all: it becomes an event or is refused.
    #[test]
    fn any_signed_text_is_an_event_or_refused(
        plain in "(<xml>|</xml>|<Event>|</Event>|<MsgType>event</MsgType>|<!DOCTYPE|&a;|\\{|\\}|\"|:|.){0,40}",
    ) {
        let vector = named("gen-wecom-template-card-event");
        let (query, body) = pushed(&vector, &plain);
        let _ = callback(&vector, Dialect::Wecom).open(&query, body.as_bytes(), signed_at(&vector));
    }
}
