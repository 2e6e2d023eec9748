//! Room in a platform's minute for what is sent by itself: tests, and codes that prove an address.
//!
//! The store keeps what the courier sends within the limits, by its ledger. What is sent by itself is in no ledger, so it is
//! counted here: for a minute it takes its place from the courier, and where the minute is full it is refused, since one
//! more would make the platform refuse what waits. Kept in memory: a restart forgets a minute.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tocsin_protocol::Millis;
use tocsin_wechat::{Clock, Prepared};

use super::{failing, request::restored};
use crate::{Outcome, Parcel};

const MINUTE: Millis = 60_000;

/// What one recipient is sent in a minute.
#[derive(Debug)]
pub(super) struct Minute {
    clock: Arc<dyn Clock>,
    most: u32,
    sent: Mutex<VecDeque<Sent>>,
}

#[derive(Debug)]
struct Sent {
    at: Millis,
    address: String,
    by_itself: bool,
}

impl Sent {
    /// A userid is the same however it is spelled.
    fn is_to(&self, address: &str) -> bool {
        self.address.eq_ignore_ascii_case(address)
    }
}

impl Minute {
    /// At most so many to each recipient.
    pub fn new(clock: &Arc<dyn Clock>, most: u32) -> Self {
        Self { clock: clock.clone(), most, sent: Mutex::default() }
    }

    /// The window that the courier keeps to now. It never closes: one is always left to it.
    pub fn window(&self) -> (u32, Millis) {
        let taken = self.with(|sent, _| {
            let by_themselves = || sent.iter().filter(|one| one.by_itself);
            let to = |address: &str| by_themselves().filter(|one| one.is_to(address)).count();
            by_themselves().map(|one| to(&one.address)).max().unwrap_or(0)
        });
        (self.most.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX)).max(1), MINUTE)
    }

    /// The courier sends one.
    pub fn count(&self, address: &str) {
        self.with(|sent, at| sent.push_back(Sent { at, address: address.into(), by_itself: false }));
    }

    /// One that is sent by itself, as it was stored, with its place in the minute; or why it is not sent.
    pub fn admit(&self, parcel: &Parcel<'_>) -> Result<Prepared, Outcome> {
        let prepared = restored(parcel)?;
        self.take(parcel.address).map_err(|wait| Outcome::Refused(failing::full(wait)))?;
        Ok(prepared)
    }

    /// Takes a place for one; where there is none: how long until there is.
    fn take(&self, address: &str) -> Result<(), Millis> {
        self.with(|sent, at| {
            let theirs: Vec<Millis> =
                sent.iter().filter(|one| one.is_to(address)).map(|one| one.at).collect();
            let room = self.most.saturating_sub(1) as usize;
            if let Some(over) = theirs.len().checked_sub(room) {
                return Err(theirs[over].saturating_add(MINUTE) - at);
            }
            sent.push_back(Sent { at, address: address.into(), by_itself: true });
            Ok(())
        })
    }

    /// With what was sent in the last minute, and now.
    fn with<T>(&self, work: impl FnOnce(&mut VecDeque<Sent>, Millis) -> T) -> T {
        let now = self.clock.now();
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back leaves nothing behind for longer than that.
        sent.retain(|one| one.at <= now && one.at > now - MINUTE);
        work(&mut sent, now)
    }
}
