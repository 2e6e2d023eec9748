//! Signs of life, to the minute: kept in memory and written along with the next commit that something else asks for,
//! so that a request never causes a write of its own. What a kill takes with it is at most these times, and a
//! session's latest extension.

use std::collections::HashMap;

use tocsin_protocol::Millis;

use super::tx::Tx;
use crate::{DeviceId, SecretHash, TokenId};

const MINUTE: Millis = 60_000;

/// A time, and whether the file does not have it yet.
type Noted = (Millis, bool);

/// The last times noted. Kept after they are written too: the next request of the same minute then changes nothing.
#[derive(Default)]
pub(super) struct Touched {
    devices: HashMap<DeviceId, Noted>,
    tokens: HashMap<TokenId, Noted>,
    /// Until when they last, exactly; what is written is forgotten.
    sessions: HashMap<SecretHash, Millis>,
    /// Counts changes, so that one made while a flush commits is not taken for written.
    version: u64,
    dirty: bool,
}

impl Touched {
    pub(super) fn touch(&mut self, device: Option<DeviceId>, token: TokenId, now: Millis) {
        let minute = now - now.rem_euclid(MINUTE);
        let mut changed = self.tokens.get(&token).is_none_or(|noted| noted.0 < minute);
        if changed {
            self.tokens.insert(token, (minute, true));
        }
        if let Some(device) = device
            && self.devices.get(&device).is_none_or(|noted| noted.0 < minute)
        {
            self.devices.insert(device, (minute, true));
            changed = true;
        }
        if changed {
            self.changed();
        }
    }

    fn changed(&mut self) {
        self.version += 1;
        self.dirty = true;
    }

    pub(super) fn device(&self, id: DeviceId) -> Option<Millis> {
        self.devices.get(&id).map(|noted| noted.0)
    }

    pub(super) fn token(&self, id: TokenId) -> Option<Millis> {
        self.tokens.get(&id).map(|noted| noted.0)
    }

    pub(super) fn session(&self, hash: &SecretHash) -> Option<Millis> {
        self.sessions.get(hash).copied()
    }

    pub(super) fn extend(&mut self, hash: SecretHash, until: Millis) {
        self.sessions.insert(hash, until);
        self.changed();
    }

    /// Called when a flush is durable.
    pub(super) fn flushed(&mut self, version: u64) {
        if self.dirty && self.version == version {
            self.devices.values_mut().chain(self.tokens.values_mut()).for_each(|noted| noted.1 = false);
            self.sessions.clear();
            self.dirty = false;
        }
    }
}

/// Writes all of it into the open transaction; returns what to tell [`Touched::flushed`] after the commit.
pub(super) fn flush(tx: &Tx<'_>) -> rusqlite::Result<u64> {
    let touched = tx.shared.touched();
    if !touched.dirty {
        return Ok(touched.version);
    }
    for (device, (at, _)) in touched.devices.iter().filter(|(_, noted)| noted.1) {
        tx.conn
            .prepare_cached(
                "UPDATE device SET last_seen_at = max(ifnull(last_seen_at, 0), ?2) WHERE id = ?1",
            )?
            .execute((device.0, at))?;
    }
    for (token, (at, _)) in touched.tokens.iter().filter(|(_, noted)| noted.1) {
        tx.conn
            .prepare_cached("UPDATE token SET last_used_at = max(ifnull(last_used_at, 0), ?2) WHERE id = ?1")?
            .execute((token.0, at))?;
    }
    for (session, until) in &touched.sessions {
        tx.conn
            .prepare_cached("UPDATE session SET expires_at = ?1 WHERE hash = ?2")?
            .execute((until, session))?;
    }
    Ok(touched.version)
}
