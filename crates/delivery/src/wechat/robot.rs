//! A robot in a WeCom group: messages for everybody in it, and digests when there are too many.

use std::{cell::RefCell, collections::BTreeSet};

use async_trait::async_trait;
use tocsin_protocol::{Message, delivery::ChannelKind};
use tocsin_store::outbox::{Item, Limits};
use tocsin_wechat::{
    Endpoint,
    official::Article,
    robot::{self as api, Content, MARKDOWN_BYTES, Mentions, RobotMessage, Webhook},
    wecom::Card,
};

use super::{
    minute::Minute,
    patience::Patience,
    request::{left_out, restored, stored},
    settings::{Robot, Style},
    words::Words,
};
use crate::{
    Channel, Outcome, Parcel, Rendered, Unfit, digest,
    line::{BadSettings, Ground, KEY, Secrets},
};

/// What the platform takes of one robot.
const A_MINUTE: u32 = 20;
/// Beyond so many waiting messages they are merged.
const DIGEST_OVER: usize = 20;
/// Bytes of a digest's mentions; with more people nobody is mentioned.
const MENTION_BYTES: usize = 1_000;

/// One robot.
pub struct Group {
    client: api::Robot,
    style: Style,
    words: Words,
    minute: Minute,
    patience: Patience,
}

impl Group {
    pub(crate) fn new(settings: &Robot, secrets: &Secrets, ground: &Ground) -> Result<Self, BadSettings> {
        let key = secrets.get(KEY).ok_or_else(|| BadSettings::of(KEY, "is missing"))?;
        let webhook = Webhook::parse(key.expose()).map_err(|bad| BadSettings::of(KEY, bad))?;
        let road = settings.road();
        let mut endpoint = road.endpoint(Endpoint::wecom(), secrets, ground.timings)?;
        // An address that was pasted whole names its place, unless the settings name another.
        if let Some(base) = webhook.base
            && road.base()?.is_none()
        {
            endpoint.base = base;
        }
        let client =
            api::Robot::new(webhook.key, &endpoint).map_err(|bad| BadSettings::of("config.base_url", bad))?;
        Ok(Self {
            client,
            style: settings.style,
            words: ground.words.clone(),
            minute: Minute::new(&ground.clock, A_MINUTE),
            patience: Patience::new(&ground.clock),
        })
    }

    pub(crate) fn rendered(&self, message: &Message, mentions: &[String]) -> Result<String, Unfit> {
        let mentions = Mentions { users: mentions.to_vec(), ..Mentions::default() };
        stored(RobotMessage { content: self.content(message), mentions }.prepare())
    }

    /// Sends it by itself, without the outbox.
    pub(crate) async fn aside(&self, parcel: Parcel<'_>) -> Outcome {
        match self.minute.admit(&parcel) {
            Ok(prepared) => self.patience.aside(self.client.send(&prepared).await),
            Err(outcome) => outcome,
        }
    }

    fn content(&self, message: &Message) -> Content {
        let more = self.words.more(message);
        let title = Words::title(message);
        let body = message.body.trim();
        let marked = match (message.title.trim(), body) {
            ("", body) => body.to_owned(),
            (title, "") => format!("**{title}**"),
            (title, body) => format!("**{title}**\n{body}"),
        };
        // Cards and articles are links; without one a text says as much.
        match (self.style, self.words.link(message)) {
            (Style::Card, Some(url)) => Content::Card(Card {
                source: message.topic.clone().unwrap_or_default(),
                title: title.into(),
                text: body.into(),
                url: Some(url),
                ..Card::default()
            }),
            (Style::News, Some(url)) => Content::News(vec![Article {
                title: title.into(),
                description: body.into(),
                url,
                picurl: String::new(),
            }]),
            (Style::Text, _) => Content::Text { content: Words::whole(message), more },
            (Style::MarkdownV2, _) => Content::MarkdownV2 { content: marked, more },
            (Style::Markdown | Style::Card | Style::News, _) => Content::Markdown { content: marked, more },
        }
    }
}

/// A line of a digest must mention nobody: what the text says is from outside. Done here so that the limit still holds
/// afterwards.
fn quiet(text: &str) -> String {
    text.replace("<@", "<\u{200b}@")
}

fn people(items: &[Item]) -> Vec<String> {
    let all: BTreeSet<&String> = items.iter().flat_map(|item| &item.mentions).collect();
    all.into_iter().cloned().collect()
}

/// What mentioning takes: `<@` and `>` around each, and a line break.
fn mention_bytes(people: &[String]) -> usize {
    people.iter().map(|who| who.len() + 3).sum::<usize>() + 1
}

#[async_trait]
impl Channel for Group {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WecomRobot
    }

    fn limits(&self) -> Limits {
        Limits {
            windows: vec![self.minute.window()],
            same_content_ms: 0,
            digest_over: Some(DIGEST_OVER),
            at_once: 1,
            repeat_safe_ms: 0,
        }
    }

    fn render(&self, item: &Item) -> Result<String, Unfit> {
        self.rendered(&item.message, &item.mentions)
    }

    fn render_digest(&self, items: &[Item]) -> Result<Rendered, Unfit> {
        let mut mentioned = people(items);
        if mention_bytes(&mentioned) > MENTION_BYTES {
            mentioned.clear();
        }
        let room = MARKDOWN_BYTES - mention_bytes(&mentioned);
        let heading = |count: usize| self.words.say("digest", &[("count", &count.to_string())]);
        let line = |item: &Item| {
            let message = &item.message;
            let (title, body) = (Words::title(message), message.body.trim());
            let rest = if message.title.trim().is_empty() { String::new() } else { format!(" {body}") };
            quiet(&format!("> {} **{title}**{rest}", self.words.time(message.created_at)))
        };
        let cut = RefCell::new(BTreeSet::new());
        let more = |item: &Item| {
            cut.borrow_mut().insert(item.id);
            self.words.more_in_line(&item.message)
        };
        let made = digest::compose(items, room, heading, line, more);
        let carried = &items[..made.taken];
        let users = if mentioned.is_empty() { mentioned } else { people(carried) };
        let message = RobotMessage {
            content: Content::Markdown { content: made.body, more: String::new() },
            mentions: Mentions { users, ..Mentions::default() },
        };
        let mut prepared = message.prepare().map_err(|invalid| Unfit(invalid.to_string()))?;
        let cut = cut.into_inner();
        let lines = carried.iter().enumerate().filter(|(_, item)| cut.contains(&item.id));
        prepared.shortened.extend(lines.map(|(at, _)| format!("digest[{at}]")));
        Ok(Rendered { body: stored(Ok(prepared))?, taken: made.taken })
    }

    fn left_out(&self, body: &str) -> Option<String> {
        left_out(body)
    }

    async fn send(&self, parcel: Parcel<'_>) -> Outcome {
        match restored(&parcel) {
            Ok(prepared) => {
                self.minute.count(parcel.address);
                self.patience.outcome(self.client.send(&prepared).await)
            }
            Err(outcome) => outcome,
        }
    }
}
