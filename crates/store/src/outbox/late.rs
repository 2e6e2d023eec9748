//! What is not sent any more because its time is over, or because there is nowhere to send it.
//!
//! Whoever takes an address away (a person, the platform's word, an answer that says so) has no words for an alert, and
//! a failure must be told in the transaction that books it. So what waits for a lost address is moved to [`NOWHERE`],
//! from where nothing is sent, and the next claim ends and tells it.

use tocsin_protocol::{DeliveryState, Millis};

use super::{LaneId, Noticed, codes};

/// The lane of what has no address any more.
pub(crate) const NOWHERE: LaneId = LaneId(0);

/// How a delivery ends whose time is over.
pub(crate) fn too_late(
    lane: LaneId,
    unsure_at: Option<Millis>,
    expires: bool,
) -> (DeliveryState, &'static str) {
    match (unsure_at, lane, expires) {
        (Some(_), NOWHERE, _) => (DeliveryState::Unknown, codes::UNBOUND),
        (Some(_), ..) => (DeliveryState::Unknown, codes::UNKNOWN),
        (None, NOWHERE, _) => (DeliveryState::Failed, codes::UNBOUND),
        (None, _, true) => (DeliveryState::Expired, codes::EXPIRED),
        (None, _, false) => (DeliveryState::Failed, codes::GIVEN_UP),
    }
}

/// How a delivery ends that was to end like this: what may have arrived is `unknown`, whatever else is said of it.
pub(crate) fn or_unknown(end: DeliveryState, unsure_at: Option<Millis>) -> DeliveryState {
    if unsure_at.is_some() { DeliveryState::Unknown } else { end }
}

/// Why a delivery is not tried again, if it was marked so while its request was on its way.
pub(crate) fn not_wanted(code: Option<&str>) -> Option<&'static str> {
    [codes::SUPERSEDED, codes::WITHDRAWN, codes::STOPPED].into_iter().find(|over| code == Some(*over))
}

impl Noticed {
    /// Counts one that ended because its time was over.
    pub(crate) fn ended(&mut self, state: DeliveryState, code: &str) {
        match (state, code) {
            (DeliveryState::Unknown, _) => self.unknown += 1,
            (DeliveryState::Expired, _) => self.expired += 1,
            (_, codes::UNBOUND) => self.unbound += 1,
            _ => self.given_up += 1,
        }
    }
}
