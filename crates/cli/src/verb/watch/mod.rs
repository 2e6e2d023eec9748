//! Messages as they come, through the same subscriber as the desktop's: with an inbox of its own, so that a kill between
//! storing and printing is made good at the next start.
//!
//! A message is `received` once it is in this inbox, and `shown` once its line is printed or its command ended with 0.

mod exec;
mod line;
mod place;

use std::{collections::HashSet, time::Duration};

use tocsin_protocol::{Message, MessageId, Receipt, Shown, control::Transport};
use tocsin_subscriber::{Connection, Event, Handle, Inbox, Options, Subscriber};
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
    let mut left = args.count.unwrap_or(u64::MAX);
    let place = Place::open(context, &args).await?;
    let inbox = place.inbox.clone();
    let watch = Watching { context, args: &args, inbox: inbox.clone() };
    let done = async {
        for pending in inbox.pending().await? {
            if left == 0 {
                return Ok(Exit::Ok);
            }
            left -= u64::from(watch.take(&pending.message).await?);
        }
        if left == 0 {
            return Ok(Exit::Ok);
        }
        let options = Options { only: args.transport.only(), ..Options::default() };
        let (handle, events) = Subscriber::start(&place.endpoint, &args.device, inbox.clone(), options)?;
        let done = watch.follow(&handle, events, left).await;
        handle.stop().await;
        done
    };
    let done = done.await;
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
}

impl Watching<'_> {
    async fn follow(
        &self,
        handle: &Handle,
        mut events: mpsc::Receiver<Event>,
        mut left: u64,
    ) -> Result<Exit, Failure> {
        let mut end = std::pin::pin!(ended());
        let mut told = Told::Nothing;
        loop {
            let event = tokio::select! {
                () = &mut end => return Ok(Exit::Ok),
                event = events.recv() => event,
            };
            match event {
                None => return Err(Failure::failed("the subscriber ended").hint("see the messages above")),
                Some(Event::Stored(stored)) => {
                    if self.take(&stored.message).await? {
                        left -= 1;
                    }
                    if left == 0 {
                        self.until_known(handle, stored.message.id).await;
                        return Ok(Exit::Ok);
                    }
                }
                Some(Event::Connection(connection)) => self.connection(connection, &mut told)?,
                Some(Event::Reset(reset)) => {
                    note(&format!("tocsin: {}", self.context.say("watch_reset", &[])));
                    if reset.lost > 0 {
                        let lost = reset.lost.to_string();
                        note(&format!("tocsin: {}", self.context.say("watch_lost", &[("count", &lost)])));
                    }
                }
                Some(Event::State(_) | Event::CaughtUp { .. } | Event::Slept(_) | Event::Sent { .. }) => {}
            }
        }
    }

    /// Prints or runs, if the message is wanted; `true` if it was.
    async fn take(&self, message: &Message) -> Result<bool, Failure> {
        if !self.wanted(message) {
            self.inbox.set_shown(vec![(message.id, Shown::Suppressed)]).await?;
            return Ok(false);
        }
        let shown = if let Some(program) = &self.args.exec {
            exec::run(self.context, program, &self.args.exec_arg, message).await?
        } else {
            line::print(self.context.out, message)?;
            Shown::Shown
        };
        self.inbox.set_shown(vec![(message.id, shown)]).await?;
        Ok(true)
    }

    fn wanted(&self, message: &Message) -> bool {
        let topics: HashSet<&str> = self.args.topics.iter().map(String::as_str).collect();
        let in_topic =
            topics.is_empty() || message.topic.as_deref().is_some_and(|topic| topics.contains(topic));
        in_topic && self.args.min_priority.is_none_or(|least| message.priority >= least)
    }

    /// Tells of changes, not of every attempt.
    fn connection(&self, connection: Connection, told: &mut Told) -> Result<(), Failure> {
        match connection {
            Connection::Connecting => {}
            Connection::Online { transport, .. } => {
                if std::mem::replace(told, Told::Online(transport)) != Told::Online(transport) {
                    let name = line::transport(transport);
                    note(&format!("tocsin: {}", self.context.say("watch_online", &[("transport", name)])));
                }
            }
            Connection::Offline { reason, .. } => {
                if std::mem::replace(told, Told::Offline) != Told::Offline {
                    let reason = reason.to_string();
                    note(&format!("tocsin: {}", self.context.say("watch_offline", &[("reason", &reason)])));
                }
            }
            Connection::Refused { reason, .. } => {
                return Err(Failure::new(Exit::Refused, "unauthorised", reason.to_string())
                    .hint("the token is unknown, expired or revoked; make one with `tocsin token add`"));
            }
        }
        Ok(())
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
