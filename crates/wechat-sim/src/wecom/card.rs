//! Template cards: the rules that a card must keep, and what of it a phone shows.

use std::collections::BTreeSet;

use serde_json::Value;

use super::content::link;
use crate::{
    answer::{Refusal, refuse},
    call::text,
    inbox::{Button, Item},
};

const TASK_ID_BYTES: usize = 128;
const MOST_BUTTONS: usize = 6;
const KEY_BYTES: usize = 1_024;
const MOST_LINES: usize = 6;
const MOST_JUMPS: usize = 3;

/// Cards whose buttons come back as events.
pub(crate) fn is_interactive(kind: &str) -> bool {
    matches!(kind, "button_interaction" | "vote_interaction" | "multiple_interaction")
}

/// Fills the item from a card, or refuses the card. The item's kind becomes the card's.
pub(crate) fn fill(item: &mut Item, card: &Value) -> Result<(), Refusal> {
    let kind = text(card, "card_type").unwrap_or_default().to_owned();
    let main = &card["main_title"];
    let title = text(main, "title").or_else(|| text(card, "sub_title_text"));
    let Some(title) = title else { return refuse(40_063, "some parameters are empty: main_title.title") };
    title.clone_into(&mut item.title);
    item.text = lines(card).join("\n");
    match kind.as_str() {
        "text_notice" | "news_notice" => {
            let action = &card["card_action"];
            if !action.is_object() {
                return refuse(40_063, "some parameters are empty: card_action");
            }
            if kind == "news_notice"
                && !card["card_image"].is_object()
                && !card["image_text_area"].is_object()
            {
                return refuse(40_063, "some parameters are empty: card_image");
            }
        }
        "button_interaction" => item.buttons = buttons(card)?,
        "vote_interaction" | "multiple_interaction" => {
            let submit = &card["submit_button"];
            let (Some(key), Some(words)) = (text(submit, "key"), text(submit, "text")) else {
                return refuse(40_063, "some parameters are empty: submit_button");
            };
            item.buttons = vec![Button { key: key.to_owned(), text: words.to_owned() }];
        }
        _ => return refuse(40_058, "invalid parameter: card_type"),
    }
    let too_many = |name: &str, most: usize| card[name].as_array().is_some_and(|list| list.len() > most);
    if too_many("horizontal_content_list", MOST_LINES) || too_many("jump_list", MOST_JUMPS) {
        return refuse(40_058, "invalid parameter: too many items");
    }
    item.url = text(&card["card_action"], "url").map(link).transpose()?;
    item.task_id = task_id(card, is_interactive(&kind) || card["action_menu"].is_object())?;
    item.kind = kind;
    Ok(())
}

fn lines(card: &Value) -> Vec<String> {
    let mut lines: Vec<String> = [
        text(&card["main_title"], "desc"),
        text(&card["emphasis_content"], "title"),
        text(&card["quote_area"], "quote_text"),
        text(card, "sub_title_text"),
    ]
    .into_iter()
    .flatten()
    .map(str::to_owned)
    .collect();
    for line in card["horizontal_content_list"].as_array().into_iter().flatten() {
        let (name, value) =
            (text(line, "keyname").unwrap_or_default(), text(line, "value").unwrap_or_default());
        lines.push(format!("{name}: {value}"));
    }
    lines
}

fn task_id(card: &Value, required: bool) -> Result<Option<String>, Refusal> {
    let Some(task) = text(card, "task_id") else {
        return if required { refuse(42_014, "missing task_id") } else { Ok(None) };
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-@".contains(&byte);
    if task.len() > TASK_ID_BYTES || !task.bytes().all(legal) {
        return refuse(42_014, "invalid task_id");
    }
    Ok(Some(task.to_owned()))
}

/// Buttons that are pressed; one of type 1 only opens a link.
fn buttons(card: &Value) -> Result<Vec<Button>, Refusal> {
    let list = card["button_list"].as_array().map_or(&[][..], Vec::as_slice);
    if list.is_empty() {
        return refuse(40_063, "some parameters are empty: button_list");
    }
    if list.len() > MOST_BUTTONS {
        return refuse(40_058, "invalid parameter: button_list");
    }
    let mut seen = BTreeSet::new();
    let mut buttons = Vec::new();
    for button in list {
        let Some(words) = text(button, "text") else {
            return refuse(40_063, "some parameters are empty: button_list.text");
        };
        if button["type"].as_i64() == Some(1) {
            text(button, "url").map(link).transpose()?;
            continue;
        }
        let Some(key) = text(button, "key").filter(|key| key.len() <= KEY_BYTES) else {
            return refuse(40_063, "some parameters are empty: button_list.key");
        };
        if !seen.insert(key) {
            return refuse(40_058, "invalid parameter: button_list.key is used twice");
        }
        buttons.push(Button { key: key.to_owned(), text: words.to_owned() });
    }
    Ok(buttons)
}
