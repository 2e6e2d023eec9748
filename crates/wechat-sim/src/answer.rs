//! What the platforms answer: always HTTP 200 with JSON, in each host's own manner of writing.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{call::Call, random::Random};

/// Which platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Host {
    /// `api.weixin.qq.com`: official accounts.
    Oa,
    /// `qyapi.weixin.qq.com`: WeCom apps and group robots.
    WeCom,
}

impl Host {
    /// The header that each host sends; the first has a parameter that is no standard.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Oa => "application/json; encoding=utf-8",
            Self::WeCom => "application/json; charset=UTF-8",
        }
    }
}

/// Why a call is refused, in the platform's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    pub(crate) text: String,
}

/// A refusal.
pub(crate) fn refuse<T>(code: i64, text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, text: text.into() })
}

/// What a handler of one interface gives back.
pub(crate) type Outcome = Result<Value, Refusal>;

/// Success with nothing to say.
pub(crate) fn ok() -> Value {
    json!({"errcode": 0, "errmsg": "ok"})
}

/// Success with more fields.
pub(crate) fn ok_with(fields: Value) -> Value {
    let mut answer = ok();
    if let (Some(answer), Value::Object(fields)) = (answer.as_object_mut(), fields) {
        answer.extend(fields);
    }
    answer
}

/// The body of a refusal: `rid: …` from the one host, `hint: …, from ip: …` from the other.
pub(crate) fn refusal(call: &Call, random: &mut Random, refusal: &Refusal) -> Value {
    let errmsg = match call.host {
        Host::Oa => {
            let rid = [random.hex(8), random.hex(8), random.hex(8)].join("-");
            format!("{} rid: {rid}", refusal.text)
        }
        Host::WeCom => format!(
            "{}, hint: [{}], from ip: {}, more info at https://open.work.weixin.qq.com/devtool/query?e={}",
            refusal.text,
            random.digits(20),
            call.ip,
            refusal.code,
        ),
    };
    json!({"errcode": refusal.code, "errmsg": errmsg})
}
