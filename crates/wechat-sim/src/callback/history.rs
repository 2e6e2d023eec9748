//! Callbacks that went out, as they were.

use serde::Serialize;

/// One attempt.
#[derive(Clone, Debug, Serialize)]
pub struct Try {
    /// HTTP status; absent if none came.
    pub status: Option<u16>,
    /// The body that came back.
    pub reply: String,
    /// Why there was no answer.
    pub error: Option<String>,
    /// Real milliseconds it took.
    pub took_ms: u64,
}

/// One callback.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Number, from 1.
    pub id: u64,
    /// The simulator's time, milliseconds since 1970.
    pub at_ms: i64,
    /// appid, or `corpid/agentid`.
    pub account: String,
    /// `TEMPLATESENDJOBFINISH`, `template_card_event` …
    pub event: String,
    /// The event before it was encrypted.
    pub plain: String,
    /// The URL with its query; it holds signatures, no secret.
    pub url: String,
    /// The body as it was sent.
    pub body: String,
    /// Its content type.
    pub content_type: String,
    /// What happened.
    pub tries: Vec<Try>,
    /// Whether it was taken.
    pub taken: bool,
    /// What the person saw because the answer was wrong.
    pub user_sees: Option<String>,
}

/// Every callback, oldest first, and those that are held back.
#[derive(Debug, Default)]
pub struct History {
    pub(crate) records: Vec<Record>,
    pub(crate) held: Vec<super::Push>,
    next: u64,
}

impl History {
    /// Every callback, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Those of one event.
    pub fn of<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Record> {
        self.records.iter().filter(move |record| record.event == event)
    }

    /// How many are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
