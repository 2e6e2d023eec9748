//! What an application answers to a callback, judged as the platforms do.

use super::{Push, Whose, seal::open_reply, target::Target};
use crate::{wecom::replace_buttons, world::World};

/// What the person sees when an official account answers anything but `success` or nothing.
pub(crate) const FAULT_NOTICE: &str = "该公众号提供的服务出现故障,请稍后再试";

/// A judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Taken.
    Taken,
    /// Taken for an answer, but not one the platform understands: the person is told of a fault.
    Garbled,
    /// Not taken, and sent again.
    Again,
    /// Not taken, and not sent again.
    Refused,
}

/// Judges a reply.
pub(crate) fn judge(target: &Target, whose: &Whose, status: u16, body: &str) -> Judgement {
    let fine = (200..300).contains(&status);
    match whose {
        // The guide says that only network failures and timeouts are tried again.
        Whose::App(..) if status == 200 => Judgement::Taken,
        Whose::App(..) => Judgement::Refused,
        Whose::Oa(_) if !fine => Judgement::Again,
        Whose::Oa(_) => {
            // Byte for byte: a line feed or a byte-order mark after `success` is a fault.
            let understood = body.is_empty()
                || body == "success"
                || open_reply(target, whose, body).is_some()
                || (target.mode == super::target::Mode::Plain && field(body, "MsgType").is_some());
            if understood { Judgement::Taken } else { Judgement::Garbled }
        }
    }
}

/// Does what an encrypted reply asks for: the card of whoever pressed gets another button.
pub(crate) fn obey(world: &mut World, target: &Target, push: &Push, body: &str) {
    let Whose::App(corpid, agentid) = &push.whose else { return };
    let Some(plain) = open_reply(target, &push.whose, body) else { return };
    if field(&plain, "MsgType").as_deref() != Some("update_button") {
        return;
    }
    if let Some(words) = field(&plain, "ReplaceName") {
        let account = format!("{corpid}/{agentid}");
        let (task, user) = (push.event.field("TaskId"), push.event.field("FromUserName"));
        replace_buttons(&mut world.inbox, &account, task, user, &words);
    }
}

/// The text of an XML element without children, CDATA or not.
pub(crate) fn field(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    let inside = inside.trim();
    let bare = inside.strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>"));
    Some(bare.unwrap_or(inside).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_official_account_answers_success_or_nothing() {
        let target = Target::new("http://127.0.0.1/", "token", &"A".repeat(43));
        let oa = Whose::Oa("wx1".into());
        assert_eq!(judge(&target, &oa, 200, "success"), Judgement::Taken);
        assert_eq!(judge(&target, &oa, 200, ""), Judgement::Taken);
        assert_eq!(judge(&target, &oa, 200, "success\n"), Judgement::Garbled);
        assert_eq!(judge(&target, &oa, 200, "{\"ok\":true}"), Judgement::Garbled);
        assert_eq!(judge(&target, &oa, 500, ""), Judgement::Again);
        let app = Whose::App("ww1".into(), 1);
        assert_eq!(judge(&target, &app, 200, "whatever"), Judgement::Taken);
        assert_eq!(judge(&target, &app, 401, ""), Judgement::Refused);
    }
}
