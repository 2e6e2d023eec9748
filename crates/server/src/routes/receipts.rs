//! Who has a message and who has not: one receipt with its people, or many without.

#![expect(unused_qualifications, reason = "utoipa spells out the types of parameters")]

use std::{collections::HashMap, time::Duration};

use axum::{Json as Answer, extract::State};
use serde::Deserialize;
use tocsin_protocol::{
    DeliveryState, MessageId, Millis, Page, Receipt, ReceiptSummary, Seq,
    escalation::Milestone,
    limits::{PAGE_DEFAULT, PAGE_MOST},
    receipt::{PEOPLE_PAGE, Presence, ReceiptFilter, State as Standing, WAIT_MOST_S, Waited, Why},
};
use tocsin_store::{PeoplePage, ReceiptQuery, UserId, Viewer};
use utoipa::IntoParams;

use super::{
    check::invalid,
    deliveries,
    input::{Path, Query},
};
use crate::{AppState, Failure, auth::Identity};

/// How long is waited for a milestone when nothing else is said, seconds: what proxies allow a request without an
/// answer.
const WAIT_DEFAULT_S: u64 = 30;
/// Looks at a receipt until nothing changed meanwhile.
const LOOKS: u32 = 3;

/// Which part of a receipt, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReceiptParams {
    /// Only people whose names come after this one: the `next` of the page before.
    after: Option<String>,
    /// People on the page: 1 to 200, default 200.
    limit: Option<usize>,
    /// Answers when this is reached, or with `waited.reached` false when the time is over: `received_by_any`,
    /// `received_by_all`, `read_by_any`, `read_by_all`, `acknowledged_by_any`, `acknowledged_by_all`. For its sender and
    /// admins.
    #[param(value_type = Option<String>)]
    wait: Option<Milestone>,
    /// Seconds to wait, 1 to 300, default 30. A token has at most 64 waits at once.
    timeout: Option<u64>,
}

/// Who has the message and who has not.
#[utoipa::path(get, path = "/v1/messages/{id}/receipt", tag = "messages", params(("id" = String, Path), ReceiptParams), responses((status = 200, body = Receipt)))]
pub async fn receipt(
    State(state): State<AppState>,
    identity: Identity,
    Path(id): Path<MessageId>,
    Query(params): Query<ReceiptParams>,
) -> Result<Answer<Receipt>, Failure> {
    let limit = params.limit.unwrap_or(PEOPLE_PAGE);
    if !(1..=PEOPLE_PAGE).contains(&limit) {
        return Err(invalid("limit", format!("1 to {PEOPLE_PAGE} are taken")));
    }
    let timeout = params.timeout.unwrap_or(WAIT_DEFAULT_S);
    if !(1..=WAIT_MOST_S).contains(&timeout) {
        return Err(invalid("timeout", format!("1 to {WAIT_MOST_S} seconds are taken")));
    }
    let page = PeoplePage { after: params.after, limit };
    let mut waited = None;
    if let Some(milestone) = params.wait {
        // Before anything is waited for: who may not see it is told at once.
        let one = PeoplePage { after: None, limit: 1 };
        if !state.store.receipt(identity.viewer(), id, one).await?.whole {
            return Err(Failure::new(
                tocsin_protocol::Code::Forbidden,
                "only its sender and administrators may wait for what others do",
            ));
        }
        let patience = Duration::from_secs(timeout);
        let reached = state.waiting.reached(&state, identity.proof(), (id, milestone), patience).await?;
        // Much may have happened meanwhile, to whoever waited too.
        identity.recheck(&state).await?;
        waited = Some(Waited { milestone, reached });
    }
    let mut receipt = with_ways(&state, identity.viewer(), id, &page).await?;
    receipt.waited = waited;
    explain(&state, &mut receipt).await?;
    Ok(Answer(receipt))
}

/// The receipt, and its ways of the same moment: both are read again if a delivery changed in between.
async fn with_ways(
    state: &AppState,
    viewer: Viewer,
    id: MessageId,
    page: &PeoplePage,
) -> Result<Receipt, Failure> {
    let Some(outside) = &state.outside else {
        return Ok(state.store.receipt(viewer, id, page.clone()).await?);
    };
    let mut changed = outside.outbox.outbox_changed();
    let mut looks = 0;
    loop {
        looks += 1;
        changed.mark_unchanged();
        let mut receipt = state.store.receipt(viewer, id, page.clone()).await?;
        deliveries::add_ways(outside, &mut receipt).await?;
        // While much is sent all the time, a receipt that is a moment older than its ways is better than none.
        if looks == LOOKS || !changed.has_changed().unwrap_or(false) {
            return Ok(receipt);
        }
    }
}

/// Adds the devices of the page's people and, to those who are missing, why.
async fn explain(state: &AppState, receipt: &mut Receipt) -> Result<(), Failure> {
    let names: Vec<String> = receipt.people.iter().map(|person| person.user.clone()).collect();
    // Not by name: somebody else may have had it.
    let mut devices: HashMap<UserId, Vec<Presence>> = HashMap::new();
    for mut here in state.store.presences(&names).await? {
        here.presence.online = state.hub.online(here.id);
        devices.entry(here.owner).or_default().push(here.presence);
    }
    for person in &mut receipt.people {
        person.devices = devices.remove(&UserId(person.whose)).unwrap_or_default();
        if person.state != Standing::Missing {
            continue;
        }
        let any = |fits: fn(DeliveryState) -> bool| person.ways.iter().any(|way| fits(way.state));
        let online = person.devices.iter().any(|device| device.online);
        person.why = Some(if online {
            Why::Unconfirmed
        } else if any(|state| !state.is_final()) {
            Why::Underway
        } else if any(|state| matches!(state, DeliveryState::Failed | DeliveryState::Unknown)) {
            Why::DeliveryFailed
        } else if person.devices.is_empty() {
            Why::NoWay
        } else {
            Why::Offline
        });
    }
    Ok(())
}

/// Which receipts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// `all` (default), `undelivered`, `unacknowledged`, `failed`, `unknown`, `expired`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    filter: ReceiptFilter,
    /// Only messages of this topic.
    topic: Option<String>,
    /// Only messages that are or were owed to this person; the filter asks of them alone.
    user: Option<String>,
    /// Only messages that went over this channel; `failed` and `unknown` ask of it alone.
    channel: Option<String>,
    /// Only what was stored at this time or later, Unix milliseconds.
    since: Option<Millis>,
    /// Only what was stored before this time.
    until: Option<Millis>,
    /// Only messages with a smaller `seq`: the `next` of the page before.
    before: Option<Seq>,
    /// 1 to 200, default 50.
    limit: Option<usize>,
}

/// Receipts of what one sent (an administrator: of everything), newest first, without their people. A page may be
/// short and still have a `next`: only so many messages are looked at for one answer.
#[utoipa::path(get, path = "/v1/receipts", tag = "messages", params(ListParams), responses((status = 200, body = super::openapi::ReceiptPage)))]
pub async fn list(
    State(state): State<AppState>,
    identity: Identity,
    Query(params): Query<ListParams>,
) -> Result<Answer<Page<ReceiptSummary>>, Failure> {
    let limit = params.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MOST).contains(&limit) {
        return Err(invalid("limit", format!("1 to {PAGE_MOST} are taken")));
    }
    let query = ReceiptQuery {
        filter: params.filter,
        topic: params.topic,
        user: params.user,
        channel: params.channel,
        since: params.since,
        until: params.until,
        before: params.before,
        limit,
    };
    Ok(Answer(state.store.receipts(identity.viewer(), query).await?))
}
