//! What is on the screen, by the daemon's numbers, and which critical messages press on.

use std::collections::HashMap;

use tocsin_protocol::{Message, MessageId, Millis, Priority};

use super::{
    memory::Critical,
    policy::{REPEAT_EVERY, next_repeat},
};

/// Critical messages that are repeated at a time; the standing summary speaks for more.
const PRESSING_MOST: usize = 100;

/// What a popup shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// One message.
    Message {
        /// The version shown.
        message: Box<Message>,
    },
    /// Several.
    Many {
        /// Why they are told of together.
        kind: Kind,
        /// Those that nobody dealt with yet.
        messages: Vec<MessageId>,
    },
    /// Something that is not a message.
    Notice,
}

/// A kind of summary: one popup each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Several that came at once.
    Burst,
    /// A storm of critical ones.
    Storm,
    /// What came while away.
    Absence,
}

/// The screen.
#[derive(Debug, Default)]
pub(super) struct Screen {
    popups: HashMap<u32, Content>,
    pressing: Vec<Pressing>,
}

#[derive(Debug)]
struct Pressing {
    message: Message,
    first: Millis,
    last: Millis,
}

impl Screen {
    pub fn insert(&mut self, id: u32, content: Content) {
        self.popups.insert(id, content);
    }

    pub fn get(&self, id: u32) -> Option<&Content> {
        self.popups.get(&id)
    }

    pub fn remove(&mut self, id: u32) -> Option<Content> {
        self.popups.remove(&id)
    }

    /// The daemon is gone, and all popups with it; what is critical presses on.
    pub fn clear(&mut self) {
        self.popups.clear();
    }

    /// The popup that shows a version of this thread.
    pub fn popup_of_thread(&self, thread: MessageId) -> Option<u32> {
        self.find(|content| matches!(content, Content::Message { message } if message.thread == thread))
    }

    /// The one popup of a kind of summary, and the messages it speaks of.
    pub fn summary(&self, wanted: Kind) -> Option<(u32, Vec<MessageId>)> {
        self.popups.iter().find_map(|(popup, content)| match content {
            Content::Many { kind, messages } if *kind == wanted => Some((*popup, messages.clone())),
            _ => None,
        })
    }

    /// A message was dealt with: returns the popups that are to be closed, its own and a summary of which it was the
    /// last. One that is only read (and not `over`) presses on.
    pub fn handled(&mut self, id: MessageId, over: bool) -> Vec<u32> {
        if over {
            self.pressing.retain(|pressing| pressing.message.id != id);
        }
        let mut gone = Vec::new();
        for (popup, content) in &mut self.popups {
            let goes = match content {
                Content::Message { message } => message.id == id,
                Content::Many { kind, messages } if over || *kind != Kind::Storm => {
                    messages.retain(|message| *message != id);
                    messages.is_empty()
                }
                Content::Many { .. } | Content::Notice => false,
            };
            if goes {
                gone.push(*popup);
            }
        }
        self.popups.retain(|popup, _| !gone.contains(popup));
        gone
    }

    /// Everything was read: returns the popups to be closed. What nobody acknowledged stays.
    pub fn all_read(&mut self) -> Vec<u32> {
        let stays = |content: &Content| match content {
            Content::Message { message } => message.priority == Priority::MAX && !message.resolved,
            Content::Many { kind, .. } => *kind == Kind::Storm,
            Content::Notice => true,
        };
        let gone: Vec<u32> =
            self.popups.iter().filter(|(_, content)| !stays(content)).map(|(id, _)| *id).collect();
        self.popups.retain(|_, content| stays(content));
        gone
    }

    /// From now on this message is repeated until it is acknowledged.
    pub fn press(&mut self, message: Message, now: Millis) {
        self.calm(message.thread);
        if self.pressing.len() < PRESSING_MOST {
            self.pressing.push(Pressing { message, first: now, last: now });
        }
    }

    /// It pressed since then already, before the last start.
    pub fn resume(&mut self, message: Message, since: Millis, now: Millis) {
        self.calm(message.thread);
        if next_repeat(since, now).is_some() && self.pressing.len() < PRESSING_MOST {
            self.pressing.push(Pressing { message, first: since, last: now });
        }
    }

    /// Critical messages that are on the screen or press on, by their names.
    pub fn critical(&self) -> Vec<Critical> {
        let since = |id: MessageId| {
            let pressing = self.pressing.iter().find(|pressing| pressing.message.id == id)?;
            Some(pressing.first)
        };
        let shown = self.popups.iter().filter_map(|(popup, content)| match content {
            Content::Message { message } if message.priority == Priority::MAX && !message.resolved => {
                let message = Message::clone(message);
                Some(Critical { popup: Some(*popup), since: since(message.id), message })
            }
            _ => None,
        });
        let mut all: Vec<Critical> = shown.collect();
        for pressing in &self.pressing {
            if all.iter().all(|known| known.message.id != pressing.message.id) {
                let message = pressing.message.clone();
                all.push(Critical { message, popup: None, since: Some(pressing.first) });
            }
        }
        all.sort_by(|a, b| a.message.id.as_str().cmp(b.message.id.as_str()));
        all
    }

    /// A critical message was shown again on request: its next repetition is a period away. One that does not press
    /// (it could not be shown before, or its hour is over) does so until it is an hour old, however often its person is
    /// reminded.
    pub fn reminded(&mut self, message: Message, now: Millis) {
        let pressing = self.pressing.iter_mut().find(|pressing| pressing.message.id == message.id);
        let first = message.created_at.min(now);
        if let Some(pressing) = pressing {
            pressing.last = now;
        } else if next_repeat(first, now).is_some() && self.pressing.len() < PRESSING_MOST {
            self.pressing.push(Pressing { message, first, last: now });
        }
    }

    /// A newer version decides anew whether the thread presses.
    pub fn calm(&mut self, thread: MessageId) {
        self.pressing.retain(|pressing| pressing.message.thread != thread);
    }

    /// When the next repetition is due.
    pub fn next_repeat(&self) -> Option<Millis> {
        self.pressing.iter().filter_map(|pressing| next_repeat(pressing.first, pressing.last)).min()
    }

    /// The messages that are due; their next repetition is a period later, and those whose hour is over are dropped.
    pub fn due(&mut self, now: Millis) -> Vec<Message> {
        let mut due = Vec::new();
        for pressing in &mut self.pressing {
            if next_repeat(pressing.first, pressing.last).is_some_and(|at| at <= now) {
                // After a sleep of the computer the missed ones are not made up for.
                pressing.last = now.max(pressing.last + REPEAT_EVERY);
                due.push(pressing.message.clone());
            }
        }
        self.pressing.retain(|pressing| next_repeat(pressing.first, pressing.last).is_some());
        due
    }

    fn find(&self, wanted: impl Fn(&Content) -> bool) -> Option<u32> {
        self.popups.iter().find(|(_, content)| wanted(content)).map(|(id, _)| *id)
    }
}
