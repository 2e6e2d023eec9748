//! Messages as they come, through the same subscriber as the desktop's: with an inbox of its own, so that a kill between
//! storing and printing is made good at the next start.
//!
//! A message is `received` once it is in this inbox, and `shown` once its line is printed or its command ended with 0.
//!
//! What is listed after the server's history changed is not news: it is counted and set aside, or a page of somebody at
//! night would go out for a week of messages that were dealt with.

mod exec;
mod line;
mod place;

use std::{collections::HashSet, time::Duration};

use tocsin_protocol::{Message, MessageId, Receipt, Shown, control::Transport};
use tocsin_subscriber::{Arrival, Connection, Event, Handle, Inbox, Options, Reason, Stored, Subscriber};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    args::watch::Watch,
    context::Context,
    exit::{Exit, Failure},
    output::note,
};
use place::Place;

/// How long the end waits for the server to know what was printed.
const FAREWELL: Duration = Duration::from_secs(3);
/// Between two looks meanwhile.
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn run(context: &Context, args: Watch) -> Result<Exit, Failure> {
    crate::context::name("device", &args.device)?;
    let mut place = Place::open(context, &args).await?;
    let inbox = place.inbox.clone();
    let mut watch = Watching {
        context,
        args: &args,
        inbox: inbox.clone(),
        left: args.count.unwrap_or(u64::MAX),
        listed: 0,
        told: Told::Nothing,
        untried: true,
    };
    let done = watch.run(&mut place).await;
    let _ = inbox.close().await;
    place.leave(context).await;
    done
}

/// What was last said of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Online(Transport),
    Offline,
}

/// What is done with messages.
struct Watching<'a> {
    context: &'a Context,
    args: &'a Watch,
    inbox: Inbox,
    /// How many more are wanted.
    left: u64,
    /// Listed after a reset and not told of yet.
    listed: u64,
    told: Told,
    /// Nothing was connected with this token yet.
    untried: bool,
}

/// Why following ended.
enum End {
    /// As it was asked.
    Asked,
    /// The server does not take the token.
    Refused(Reason),
}

impl Watching<'_> {
    async fn run(&mut self, place: &mut Place) -> Result<Exit, Failure> {
        for pending in self.inbox.pending().await? {
            if self.left == 0 {
                return Ok(Exit::Ok);
            }
            if pending.restored {
                self.set_aside(&pending.message).await?;
            } else {
                self.take(&pending.message).await?;
            }
        }
        self.tell_listed();
        while self.left > 0 {
            let options = Options { only: self.args.transport.only(), ..Options::default() };
            let (handle, events) =
                Subscriber::start(&place.endpoint, &self.args.device, self.inbox.clone(), options)?;
            let end = self.follow(&handle, events).await;
            handle.stop().await;
            match end? {
                End::Asked => break,
                // A server that takes no new token either is not asked for a third.
                End::Refused(reason) => {
                    let untried = std::mem::replace(&mut self.untried, true);
                    if untried || !place.renew(self.context, &self.args.device).await? {
                        return Err(refused(&reason));
                    }
                }
            }
        }
        Ok(Exit::Ok)
    }

    async fn follow(&mut self, handle: &Handle, mut events: mpsc::Receiver<Event>) -> Result<End, Failure> {
        let mut end = std::pin::pin!(ended());
        loop {
            let event = tokio::select! {
                () = &mut end => return Ok(End::Asked),
                event = events.recv() => event,
            };
            match event {
                None => return Err(Failure::failed("the subscriber ended").hint("see the messages above")),
                Some(Event::Stored(stored)) => {
                    self.stored(&stored).await?;
                    if self.left == 0 {
                        self.until_known(handle, stored.message.id).await;
                        return Ok(End::Asked);
                    }
                }
                Some(Event::Connection(Connection::Refused { reason, .. })) => {
                    return Ok(End::Refused(reason));
                }
                Some(Event::Connection(connection)) => self.connection(&connection),
                Some(Event::Reset(reset)) => {
                    note(&format!("tocsin: {}", self.context.say("watch_reset", &[])));
                    if reset.lost > 0 {
                        let lost = reset.lost.to_string();
                        note(&format!("tocsin: {}", self.context.say("watch_lost", &[("count", &lost)])));
                    }
                }
                Some(Event::CaughtUp { .. }) => self.tell_listed(),
                Some(Event::State(_) | Event::Slept(_) | Event::Sent { .. }) => {}
            }
        }
    }

    async fn stored(&mut self, stored: &Stored) -> Result<(), Failure> {
        match (stored.silent, stored.arrival) {
            // Superseded, expired or dealt with elsewhere: it is in the inbox as suppressed already.
            (Some(_), Arrival::Live | Arrival::Missed) => Ok(()),
            (Some(_), Arrival::Restored) => {
                self.listed += 1;
                Ok(())
            }
            (None, Arrival::Restored) => self.set_aside(&stored.message).await,
            (None, Arrival::Live | Arrival::Missed) => self.take(&stored.message).await,
        }
    }

    async fn set_aside(&mut self, message: &Message) -> Result<(), Failure> {
        self.listed += 1;
        Ok(self.inbox.set_shown(vec![(message.id, Shown::Suppressed)]).await?)
    }

    fn tell_listed(&mut self) {
        let count = std::mem::take(&mut self.listed);
        if count > 0 {
            let count = count.to_string();
            note(&format!("tocsin: {}", self.context.say("watch_listed", &[("count", &count)])));
        }
    }

    /// Prints or runs, if the message is wanted.
    async fn take(&mut self, message: &Message) -> Result<(), Failure> {
        if !self.wanted(message) {
            return Ok(self.inbox.set_shown(vec![(message.id, Shown::Suppressed)]).await?);
        }
        self.left -= 1;
        let shown = if let Some(program) = &self.args.exec {
            exec::run(self.context, program, &self.args.exec_arg, message).await?
        } else {
            line::print(self.context.out, message)?;
            Shown::Shown
        };
        Ok(self.inbox.set_shown(vec![(message.id, shown)]).await?)
    }

    fn wanted(&self, message: &Message) -> bool {
        let topics: HashSet<&str> = self.args.topics.iter().map(String::as_str).collect();
        let in_topic =
            topics.is_empty() || message.topic.as_deref().is_some_and(|topic| topics.contains(topic));
        in_topic && self.args.min_priority.is_none_or(|least| message.priority >= least)
    }

    /// Tells of changes, not of every attempt.
    fn connection(&mut self, connection: &Connection) {
        let told = match connection {
            Connection::Connecting | Connection::Refused { .. } => return,
            Connection::Online { transport, .. } => {
                self.untried = false;
                Told::Online(*transport)
            }
            Connection::Offline { .. } => Told::Offline,
        };
        if std::mem::replace(&mut self.told, told) == told {
            return;
        }
        let text = match connection {
            Connection::Offline { reason, .. } => {
                self.context.say("watch_offline", &[("reason", &reason.to_string())])
            }
            Connection::Online { transport, .. } => {
                self.context.say("watch_online", &[("transport", line::transport(*transport))])
            }
            Connection::Connecting | Connection::Refused { .. } => return,
        };
        note(&format!("tocsin: {text}"));
    }

    /// Waits, for a moment, until the receipt shows the last message as received here.
    async fn until_known(&self, handle: &Handle, id: MessageId) {
        let deadline = Instant::now() + FAREWELL;
        while Instant::now() < deadline {
            let path = format!("/v1/messages/{id}/receipt");
            let known = handle.api().get::<Receipt>(&path).await;
            let is_known = |receipt: &Receipt| {
                let user = &self.inbox.owner().user;
                receipt.people.iter().any(|p| p.user == *user && p.received_at.is_some() && p.shown.is_some())
            };
            if known.is_ok_and(|receipt| is_known(&receipt)) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn refused(reason: &Reason) -> Failure {
    Failure::new(Exit::Refused, "unauthorised", reason.to_string())
        .hint("the token is unknown, expired or revoked; make one with `tocsin token add`")
}

async fn ended() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
