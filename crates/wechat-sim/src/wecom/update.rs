//! Changing what was sent: a card's buttons by a response code that works once, and taking a message back.

use serde_json::{Value, json};

use super::{card, opened};
use crate::{
    answer::{Outcome, ok, ok_with, refuse},
    call::{Call, text},
    inbox::{Inbox, State},
    limit::{DAY_MS, HOUR_MS},
    people::{Corp, ResponseCode},
    random::Random,
    world::World,
};

/// A response code lives three days (one day in older texts).
const RESPONSE_CODE_MS: i64 = 72 * HOUR_MS;

/// Permission to change a card once.
pub(crate) fn issue(corp: &mut Corp, agentid: i64, task_id: &str, now: i64, random: &mut Random) -> String {
    let code = random.word(43);
    corp.response_codes.insert(
        code.clone(),
        ResponseCode { agentid, task_id: task_id.to_owned(), issued: now, used: false },
    );
    code
}

/// What a person sees in place of the buttons from now on.
pub(crate) fn replace(inbox: &mut Inbox, account: &str, task_id: &str, to: &str, words: &str) -> bool {
    let mut changed = false;
    let cards = inbox.change().filter(|item| {
        item.account == account
            && item.task_id.as_deref() == Some(task_id)
            && item.to.eq_ignore_ascii_case(to)
    });
    for item in cards {
        item.buttons.clear();
        item.replaced = Some(words.to_owned());
        changed = true;
    }
    changed
}

pub(super) fn update(world: &mut World, call: &Call) -> Outcome {
    let caller = opened(world, call)?;
    let body = call.json()?;
    let Some(agentid) = body["agentid"].as_i64() else { return refuse(40_056, "invalid agentid") };
    if caller.agentid != Some(agentid) {
        return refuse(301_002, "access_token has no privilege to this agentid");
    }
    let Some(corp) = world.corps.get_mut(&caller.corpid) else { return refuse(40_013, "invalid corpid") };
    let code = text(&body, "response_code").and_then(|code| corp.response_codes.get_mut(code));
    let Some(code) = code.filter(|code| !code.used && call.now - code.issued < RESPONSE_CODE_MS) else {
        return refuse(60_140, "invalid response_code");
    };
    if code.agentid != agentid {
        return refuse(42_015, "task_id does not belong to this app");
    }
    let words = text(&body["button"], "replace_name").map(str::to_owned);
    if words.is_none() && !body["template_card"].is_object() {
        return refuse(40_063, "some parameters are empty: button");
    }
    code.used = true;
    let task_id = code.task_id.clone();
    let account = format!("{}/{agentid}", caller.corpid);
    let everyone = body["atall"].as_i64() == Some(1);
    let users: Vec<String> = if everyone {
        corp.members.keys().cloned().collect()
    } else {
        let listed = body["userids"].as_array().into_iter().flatten();
        listed.filter_map(Value::as_str).map(str::to_lowercase).collect()
    };
    let (known, unknown): (Vec<String>, Vec<String>) =
        users.into_iter().partition(|user| corp.member(user).is_some());
    for user in known {
        match &words {
            Some(words) => {
                replace(&mut world.inbox, &account, &task_id, &user, words);
            }
            None => redraw(&mut world.inbox, &account, &task_id, &user, &body["template_card"])?,
        }
    }
    // An array here; in message/send the same field is a string with bars.
    Ok(if unknown.is_empty() { ok() } else { ok_with(json!({"invaliduser": unknown})) })
}

fn redraw(
    inbox: &mut Inbox,
    account: &str,
    task_id: &str,
    to: &str,
    new: &Value,
) -> Result<(), crate::answer::Refusal> {
    let cards = inbox.change().filter(|item| {
        item.account == account
            && item.task_id.as_deref() == Some(task_id)
            && item.to.eq_ignore_ascii_case(to)
    });
    for item in cards {
        let mut drawn = item.clone();
        card::fill(&mut drawn, new)?;
        drawn.task_id = Some(task_id.to_owned());
        *item = drawn;
    }
    Ok(())
}

pub(super) fn recall(world: &mut World, call: &Call) -> Outcome {
    let caller = opened(world, call)?;
    let body = call.json()?;
    let msgid = text(&body, "msgid").unwrap_or_default();
    let corp = world.corps.get(&caller.corpid);
    match corp.and_then(|corp| corp.sent.get(msgid)) {
        Some((agentid, _)) if caller.agentid != Some(*agentid) => {
            refuse(40_058, "invalid msgid for this app")
        }
        None => refuse(40_058, "invalid msgid"),
        Some((_, at)) if call.now - at >= DAY_MS => refuse(42_052, "msgid expired"),
        Some(_) => {
            for item in world.inbox.change().filter(|item| item.msgid.as_deref() == Some(msgid)) {
                if item.state == State::Shown {
                    item.state = State::Recalled;
                }
            }
            Ok(ok())
        }
    }
}
