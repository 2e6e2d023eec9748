//! What each kind of app message must look like, and what of it a phone shows.

use serde_json::Value;

use super::card;
use crate::{
    answer::{Refusal, refuse},
    call::{cut_bytes, cut_chars, text},
    inbox::Item,
};

/// Longer text is cut, without a word to the sender.
const TEXT_BYTES: usize = 2_048;
/// Longest markdown.
const MARKDOWN_BYTES: usize = 2_048;
const CARD_TITLE_CHARS: usize = 128;
const CARD_TEXT_CHARS: usize = 512;
const URL_BYTES: usize = 2_048;
const MOST_ARTICLES: usize = 8;
const ARTICLE_TITLE_BYTES: usize = 128;
const ARTICLE_TEXT_BYTES: usize = 512;

/// Fills the item from the body, or refuses the body.
pub(super) fn fill(item: &mut Item, body: &Value) -> Result<(), Refusal> {
    let content = &body[item.kind.as_str()];
    if body["safe"].as_i64().unwrap_or(0) != 0
        && ["news", "markdown", "textcard", "template_card"].contains(&item.kind.as_str())
    {
        return refuse(40_074, "invalid safe for this msgtype");
    }
    match item.kind.as_str() {
        "text" => {
            let whole = text(content, "content").unwrap_or_default();
            if whole.is_empty() {
                return refuse(44_004, "text content is empty");
            }
            cut_bytes(whole, TEXT_BYTES).clone_into(&mut item.text);
        }
        "markdown" => {
            let whole = text(content, "content").unwrap_or_default();
            if whole.is_empty() {
                return refuse(44_004, "markdown content is empty");
            }
            if whole.len() > MARKDOWN_BYTES {
                return refuse(45_002, "content size out of limit");
            }
            whole.clone_into(&mut item.text);
        }
        "textcard" => text_card(item, content)?,
        "news" => news(item, content)?,
        "template_card" => card::fill(item, content)?,
        "image" | "voice" | "video" | "file" | "mpnews" => return refuse(40_007, "invalid media_id"),
        _ => return refuse(40_008, "invalid message type"),
    }
    Ok(())
}

fn text_card(item: &mut Item, content: &Value) -> Result<(), Refusal> {
    let (Some(title), Some(description), Some(url)) =
        (text(content, "title"), text(content, "description"), text(content, "url"))
    else {
        return refuse(40_063, "some parameters are empty");
    };
    cut_chars(title, CARD_TITLE_CHARS).clone_into(&mut item.title);
    cut_chars(description, CARD_TEXT_CHARS).clone_into(&mut item.text);
    item.url = Some(link(url)?);
    Ok(())
}

/// One to eight articles; the phone shows the first as the headline.
pub(crate) fn news(item: &mut Item, content: &Value) -> Result<(), Refusal> {
    let articles = content["articles"].as_array().map_or(&[][..], Vec::as_slice);
    if articles.is_empty() {
        return refuse(40_063, "some parameters are empty");
    }
    if articles.len() > MOST_ARTICLES {
        return refuse(45_008, "article size out of limit");
    }
    let mut lines = Vec::new();
    for article in articles {
        let Some(title) = text(article, "title") else { return refuse(40_063, "some parameters are empty") };
        let url = text(article, "url").map(link).transpose()?;
        if url.is_none() && text(article, "pagepath").is_none() {
            return refuse(40_063, "some parameters are empty");
        }
        item.url = item.url.take().or(url);
        lines.push(cut_bytes(title, ARTICLE_TITLE_BYTES));
        lines.extend(text(article, "description").map(|text| cut_bytes(text, ARTICLE_TEXT_BYTES)));
    }
    lines[0].clone_into(&mut item.title);
    item.text = lines[1..].join("\n");
    Ok(())
}

/// A link with a scheme, not too long.
pub(super) fn link(url: &str) -> Result<String, Refusal> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return refuse(45_034, "url must have a scheme");
    }
    if url.len() > URL_BYTES {
        return refuse(45_002, "url size out of limit");
    }
    Ok(url.to_owned())
}
