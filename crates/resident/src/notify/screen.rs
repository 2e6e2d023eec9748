//! What is on the screen, by the daemon's numbers, and which critical messages press on.

use std::collections::HashMap;

use tocsin_protocol::{Message, MessageId, Millis, Priority};

use super::policy::{REPEAT_EVERY, next_repeat};

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
    /// Several that came at once.
    Summary,
    /// A storm of critical ones.
    Storm,
    /// What came while away.
    Absence,
    /// Something that is not a message.
    Notice,
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

    /// The one popup of a kind of summary; messages and notices have one each.
    pub fn popup_with(&self, wanted: &Content) -> Option<u32> {
        match wanted {
            Content::Message { message } => self.popup_of_thread(message.thread),
            Content::Notice => None,
            _ => self.find(|content| content == wanted),
        }
    }

    /// A message was dealt with: returns its popup, which is to be closed. One that is only read presses on.
    pub fn handled(&mut self, id: MessageId, acknowledged: bool) -> Option<u32> {
        if acknowledged {
            self.pressing.retain(|pressing| pressing.message.id != id);
        }
        let popup =
            self.find(|content| matches!(content, Content::Message { message } if message.id == id))?;
        self.popups.remove(&popup);
        Some(popup)
    }

    /// Everything was read: returns the popups to be closed. What nobody acknowledged stays.
    pub fn all_read(&mut self) -> Vec<u32> {
        let stays = |content: &Content| match content {
            Content::Message { message } => message.priority == Priority::MAX && !message.resolved,
            Content::Storm | Content::Notice => true,
            Content::Summary | Content::Absence => false,
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
