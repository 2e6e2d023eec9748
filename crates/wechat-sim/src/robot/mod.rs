//! Group robots: a key is the whole authority, 20 messages a minute are the limit, and what is too long is refused.

mod multipart;

use base64::Engine as _;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use crate::{
    answer::{Outcome, Refusal, ok, ok_with, refuse},
    call::{Call, text},
    inbox::{Channel, Item},
    limit::{DAY_MS, MINUTE_MS},
    people::Robot,
    wecom::card,
    world::World,
};

/// Of a picture, before base64.
const PICTURE_BYTES: usize = 2 * 1024 * 1024;
const FILE_BYTES: (usize, usize) = (6, 20 * 1024 * 1024);
const VOICE_BYTES: (usize, usize) = (6, 2 * 1024 * 1024);
/// An uploaded file lives three days.
const MEDIA_MS: i64 = 3 * DAY_MS;

/// `webhook/send`.
pub(crate) fn send(world: &mut World, call: &Call) -> Outcome {
    let behaviour = world.behaviour.clone();
    let robot = robot(world, call)?;
    let body = call.json()?;
    let kind = text(&body, "msgtype").unwrap_or_default();
    let mut item = Item::new(Channel::Robot, &robot.group, &robot.group, kind, &body, call.now);
    let content = &body[kind];
    match kind {
        "text" => {
            item.text = whole(content, "text", behaviour.robot_text_bytes)?;
            item.mentioned = mentions(content);
        }
        "markdown" | "markdown_v2" => {
            item.text = whole(content, kind, behaviour.robot_markdown_bytes)?;
            // Only the older dialect knows mentions.
            if kind == "markdown" {
                item.mentioned = markdown_mentions(&item.text);
            }
        }
        "news" => crate::wecom::news(&mut item, content)?,
        "template_card" => {
            card::fill(&mut item, content)?;
            if card::is_interactive(&item.kind) {
                return refuse(40_058, "invalid parameter: card_type of a robot");
            }
        }
        "image" => picture(&mut item, content)?,
        "file" | "voice" => {
            let found = text(content, "media_id").and_then(|id| robot.media.get(id));
            let Some((name, _)) = found.filter(|(_, at)| call.now - at < MEDIA_MS) else {
                return refuse(40_007, "invalid media_id");
            };
            item.text.clone_from(name);
        }
        _ => return refuse(40_008, "invalid message type"),
    }
    take_turn(robot, behaviour.robot_per_minute, behaviour.robot_block_s, call.now)?;
    world.inbox.put(item);
    Ok(ok())
}

/// `webhook/upload_media`.
pub(crate) fn upload(world: &mut World, call: &Call) -> Outcome {
    let id = world.random.word(64);
    let robot = robot(world, call)?;
    let kind = call.param("type").unwrap_or_default();
    let (least, most) = match kind {
        "file" => FILE_BYTES,
        "voice" => VOICE_BYTES,
        _ => return refuse(40_004, "invalid media type"),
    };
    let Some(part) = multipart::media(&call.content_type, &call.body) else {
        return refuse(41_005, "missing media data");
    };
    if part.bytes < least {
        return refuse(40_006, "invalid media size");
    }
    if part.bytes > most {
        return refuse(45_001, "media size out of limit");
    }
    robot.media.insert(id.clone(), (part.filename, call.now));
    Ok(ok_with(json!({"type": kind, "media_id": id, "created_at": (call.now / 1_000).to_string()})))
}

fn robot<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Robot, Refusal> {
    let robot = call.param("key").and_then(|key| world.robots.get_mut(key));
    match robot {
        Some(robot) if !robot.removed => Ok(robot),
        _ => refuse(93_000, "invalid webhook url"),
    }
}

fn take_turn(robot: &mut Robot, per_minute: usize, block_s: i64, now: i64) -> Result<(), Refusal> {
    if now < robot.blocked_until {
        return refuse(45_009, "api freq out of limit");
    }
    if robot.recent.take(per_minute, MINUTE_MS, now) {
        return Ok(());
    }
    robot.blocked_until = now + block_s * 1_000;
    refuse(45_009, "api freq out of limit")
}

/// Text that is not cut but refused when it is too long.
fn whole(content: &Value, kind: &str, most: usize) -> Result<String, Refusal> {
    let Some(words) = text(content, "content") else { return refuse(44_004, "content is empty") };
    if words.len() > most {
        return refuse(40_058, format!("{kind}.content exceed max length {most}. invalid Request Parameter"));
    }
    Ok(words.to_owned())
}

fn mentions(content: &Value) -> Vec<String> {
    ["mentioned_list", "mentioned_mobile_list"]
        .iter()
        .flat_map(|name| content[*name].as_array().into_iter().flatten())
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

/// `<@userid>` within markdown.
fn markdown_mentions(words: &str) -> Vec<String> {
    words
        .split("<@")
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn picture(item: &mut Item, content: &Value) -> Result<(), Refusal> {
    let data = text(content, "base64").unwrap_or_default();
    let Ok(raw) = base64::engine::general_purpose::STANDARD.decode(data) else {
        return refuse(40_058, "image.base64 invalid");
    };
    if raw.is_empty() || raw.len() > PICTURE_BYTES {
        return refuse(40_009, "invalid image size");
    }
    let sum = Md5::digest(&raw).iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    let sum = format!("{sum:032x}");
    if !text(content, "md5").is_some_and(|given| given.eq_ignore_ascii_case(&sum)) {
        return refuse(301_019, "media md5 not match");
    }
    item.text = format!("[{} bytes]", raw.len());
    Ok(())
}
