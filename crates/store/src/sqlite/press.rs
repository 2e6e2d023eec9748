//! A person reads or acknowledges a message.

use tocsin_protocol::{Cursor, Message, MessageView, StateChange};

use super::{escalation, fault::Outcome, inbox, message, owed, receipt, thread, tx::Tx};
use crate::{Entry, Error, Press, Pressed, UserId};

/// Books it; the first time stands. Appends to the log only what changed something. A message whose body is gone can
/// still be pressed: the device that shows it may have been offline for long.
pub(super) fn press(tx: &mut Tx<'_>, press: Press) -> Outcome<MessageView> {
    let found = message::by_id(&tx.view(), press.message)?;
    let (seq, user) = (found.seq, press.user);
    let owed =
        owed::is_owed(tx.conn, user, seq, &found.stored.address)? && !owed::is_withdrawn(tx.conn, user, seq)?;
    if !owed {
        return Err(
            Error::Forbidden("only the people it was sent to may read or acknowledge a message").into()
        );
    }
    let at = press.at.min(tx.now).max(found.stored.message.created_at);
    let before = receipt::pressed(tx.conn, user, seq)?;
    let acknowledged = (press.pressed == Pressed::Acknowledge).then_some(at);
    let after = (before.0.or(Some(at)), before.1.or(acknowledged));
    if after != before {
        let sql =
            "INSERT OR REPLACE INTO press (seq, user, read_at, acknowledged_at) VALUES (?1, ?2, ?3, ?4)";
        tx.conn.prepare_cached(sql)?.execute((seq, user.0, after.0, after.1))?;
        let cursor = Cursor::new(tx.epoch.clone(), tx.head + 1);
        let change = StateChange {
            cursor,
            id: press.message,
            read_at: after.0,
            acknowledged_at: after.1,
            remind_at: None,
            settled: None,
        };
        tx.append(Entry::State { user, change })?;
    }
    let fresh = after.1.filter(|_| before.1.is_none());
    if after != before {
        escalation::pressed(tx, &found, user, fresh)?;
    }
    if let Some(at) = fresh {
        carry_forward(tx, user, &found.stored.message, at)?;
    }
    inbox::seen_by(&tx.view(), Some(user), message::by_id(&tx.view(), press.message)?)
}

/// Pressed on an older version while newer ones exist already: it stands for those too, as far as it would have
/// carried over had it come in time.
fn carry_forward(
    tx: &mut Tx<'_>,
    user: UserId,
    pressed: &Message,
    at: tocsin_protocol::Millis,
) -> Outcome<()> {
    let mut older = (pressed.priority, pressed.resolved);
    let mut next = message::by_id(&tx.view(), pressed.id)?.newer;
    while let Some((id, seq)) = next {
        let newer = message::by_id(&tx.view(), id)?;
        let message = &newer.stored.message;
        if !message.keeps_acknowledgement(older) || !owed::is_owed(tx.conn, user, seq, &newer.stored.address)?
        {
            break;
        }
        thread::carry(tx, user, seq, id, at)?;
        escalation::pressed(tx, &newer, user, Some(at))?;
        older = (message.priority, message.resolved);
        next = newer.newer;
    }
    Ok(())
}
