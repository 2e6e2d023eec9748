//! From an event to the request that carries it: signature, encryption, envelope.

use tocsin_wechat::{
    Secret,
    crypto::{AesKey, decrypt, encrypt, msg_signature, signature},
};

use super::{
    Bend, Whose,
    event::{Event, cdata},
    target::{Format, Mode, Target},
};
use crate::random::Random;

/// A request that is ready to go.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) url: String,
    pub(crate) body: String,
    pub(crate) content_type: &'static str,
}

/// The encryption key typed into the console is none.
#[derive(Debug, thiserror::Error)]
#[error("the EncodingAESKey of the callback is not 43 letters and digits")]
pub(crate) struct BadKey;

fn key(target: &Target, bend: &Bend) -> Result<AesKey, BadKey> {
    let old = target.old_encoding_aes_key.as_ref().filter(|_| bend.old_key);
    AesKey::parse(old.unwrap_or(&target.encoding_aes_key)).map_err(|_| BadKey)
}

/// Seals an event for its target.
pub(crate) fn seal(
    target: &Target,
    whose: &Whose,
    event: &Event,
    bend: &Bend,
    now: i64,
    random: &mut Random,
) -> Result<Sealed, BadKey> {
    let timestamp = (now / 1_000 - bend.age_s).to_string();
    let nonce = random.digits(10);
    let token = Secret::new(target.token.clone());
    let receiver = bend.receive_id.clone().unwrap_or_else(|| receive_id(whose).to_owned());
    let json = target.format == Format::Json && matches!(whose, Whose::Oa(_));
    let plain = if json { event.to_json().to_string() } else { event.to_xml() };
    let encrypted = encrypt(&key(target, bend)?, &receiver, plain.as_bytes(), random.bytes());
    let mut msg = msg_signature(&token, &timestamp, &nonce, &encrypted);
    let mut simple = signature(&token, &timestamp, &nonce);
    if bend.forged {
        (msg, simple) = (random.hex(40), random.hex(40));
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    let body = match whose {
        Whose::App(corpid, agentid) => {
            query.append_pair("msg_signature", &msg);
            format!(
                "<xml><ToUserName>{}</ToUserName><AgentID>{}</AgentID><Encrypt>{}</Encrypt></xml>",
                cdata(corpid),
                cdata(&agentid.to_string()),
                cdata(&encrypted),
            )
        }
        Whose::Oa(_) => {
            query.append_pair("signature", &simple).append_pair("openid", event.field("FromUserName"));
            if target.mode != Mode::Plain {
                query.append_pair("encrypt_type", "aes").append_pair("msg_signature", &msg);
            }
            oa_body(target, event, &encrypted, json)
        }
    };
    query.append_pair("timestamp", &timestamp).append_pair("nonce", &nonce);
    let content_type = if json { "application/json" } else { "text/xml" };
    Ok(Sealed { url: with_query(&target.url, &query.finish()), body, content_type })
}

fn oa_body(target: &Target, event: &Event, encrypted: &str, json: bool) -> String {
    let sealed = Event(match target.mode {
        Mode::Plain | Mode::Compatible => event.0.clone(),
        Mode::Secure => event.0.iter().filter(|(name, _)| name == "ToUserName").cloned().collect(),
    });
    let whole = if target.mode == Mode::Plain { sealed } else { sealed.text("Encrypt", encrypted) };
    if json { whole.to_json().to_string() } else { whole.to_xml() }
}

/// The question that proves an address: the URL to get and the answer that is right.
pub(crate) fn question(
    target: &Target,
    whose: &Whose,
    now: i64,
    random: &mut Random,
) -> Result<(String, String), BadKey> {
    let (timestamp, nonce) = ((now / 1_000).to_string(), random.digits(10));
    let token = Secret::new(target.token.clone());
    let answer = random.digits(19);
    let mut query = form_urlencoded::Serializer::new(String::new());
    match whose {
        Whose::Oa(_) => {
            query
                .append_pair("signature", &signature(&token, &timestamp, &nonce))
                .append_pair("echostr", &answer);
        }
        Whose::App(corpid, _) => {
            let sealed = encrypt(&key(target, &Bend::default())?, corpid, answer.as_bytes(), random.bytes());
            query
                .append_pair("msg_signature", &msg_signature(&token, &timestamp, &nonce, &sealed))
                .append_pair("echostr", &sealed);
        }
    }
    query.append_pair("timestamp", &timestamp).append_pair("nonce", &nonce);
    Ok((with_query(&target.url, &query.finish()), answer))
}

/// The text of an encrypted reply, if it is one and its signature is right.
pub(crate) fn open_reply(target: &Target, whose: &Whose, reply: &str) -> Option<String> {
    let part = |name: &str| super::reply::field(reply, name);
    let encrypted = part("Encrypt")?;
    let token = Secret::new(target.token.clone());
    let expected = msg_signature(&token, &part("TimeStamp")?, &part("Nonce")?, &encrypted);
    if part("MsgSignature")? != expected {
        return None;
    }
    let plain = decrypt(&key(target, &Bend::default()).ok()?, receive_id(whose), &encrypted).ok()?;
    String::from_utf8(plain).ok()
}

fn receive_id(whose: &Whose) -> &str {
    match whose {
        Whose::Oa(appid) => appid,
        Whose::App(corpid, _) => corpid,
    }
}

fn with_query(url: &str, query: &str) -> String {
    let join = if url.contains('?') { '&' } else { '?' };
    format!("{url}{join}{query}")
}
