//! `message/custom/send`: only within the windows that the person opened, and only so many.

use serde_json::Value;

use super::{account, opened, take_quota};
use crate::{
    answer::{Outcome, Refusal, ok, refuse},
    call::{Call, has_unicode_escape, text},
    inbox::{Button, Channel, Item},
    people::{Follower, Window},
    world::World,
};

const PATH: &str = "/cgi-bin/message/custom/send";
/// Calls a day.
const PER_DAY: u64 = 500_000;
/// The usual figure; not documented.
const TEXT_BYTES: usize = 2_048;

pub(super) fn send(world: &mut World, call: &Call) -> Outcome {
    let appid = opened(world, call)?;
    let body = call.json()?;
    if world.behaviour.refuse_unicode_escapes && has_unicode_escape(&call.body) {
        return refuse(
            40_033,
            "invalid charset. please check your request, if include \\uxxxx will create fail!",
        );
    }
    let account = account(world, &appid)?;
    let openid = text(&body, "touser").unwrap_or_default();
    let Some(follower) = account.followers.get_mut(openid) else { return refuse(40_003, "invalid openid") };
    let kind = text(&body, "msgtype").unwrap_or_default();
    let mut item = Item::new(Channel::OaCustom, &appid, openid, kind, &body, call.now);
    fill(&mut item, &body[kind])?;
    if !follower.follows || follower.blacklisted {
        return refuse(45_015, "response out of time limit or subscription is canceled");
    }
    take_window(follower, call.now)?;
    take_quota(account, PATH, PER_DAY, call.now)?;
    world.inbox.put(item);
    Ok(ok())
}

/// Opens a window of so many milliseconds for so many messages; the newest replaces the others.
pub(crate) fn open_window(follower: &mut Follower, (length_ms, messages): (i64, u32), now: i64) {
    follower.windows.retain(|window| window.until > now);
    follower.windows.push(Window { until: now + length_ms, left: messages });
}

fn take_window(follower: &mut Follower, now: i64) -> Result<(), Refusal> {
    let mut open = follower.windows.iter_mut().filter(|window| window.until > now).peekable();
    if open.peek().is_none() {
        return refuse(45_015, "response out of time limit or subscription is canceled");
    }
    match open.find(|window| window.left > 0) {
        Some(window) => {
            window.left -= 1;
            Ok(())
        }
        None => refuse(45_047, "out of response count limit"),
    }
}

fn fill(item: &mut Item, content: &Value) -> Result<(), Refusal> {
    match item.kind.as_str() {
        "text" => {
            text(content, "content").unwrap_or_default().clone_into(&mut item.text);
            if item.text.is_empty() {
                return refuse(44_004, "empty content");
            }
            if item.text.len() > TEXT_BYTES {
                return refuse(45_002, "content size out of limit");
            }
        }
        "news" => {
            let articles = content["articles"].as_array().map_or(&[][..], Vec::as_slice);
            let [article] = articles else { return refuse(45_008, "article size out of limit") };
            text(article, "title").unwrap_or_default().clone_into(&mut item.title);
            text(article, "description").unwrap_or_default().clone_into(&mut item.text);
            item.url = text(article, "url").map(str::to_owned);
        }
        "msgmenu" => {
            text(content, "head_content").unwrap_or_default().clone_into(&mut item.title);
            text(content, "tail_content").unwrap_or_default().clone_into(&mut item.text);
            let list = content["list"].as_array().into_iter().flatten();
            item.buttons = list
                .filter_map(|one| {
                    Some(Button { key: text(one, "id")?.to_owned(), text: text(one, "content")?.to_owned() })
                })
                .collect();
        }
        // There is no way to upload media here, so that no media_id can be right.
        "image" | "voice" | "video" | "music" | "mpnews" | "wxcard" | "miniprogrampage" => {
            return refuse(40_007, "invalid media_id");
        }
        _ => return refuse(40_008, "invalid message type"),
    }
    Ok(())
}
