//! What was sent over channels, what became of it, and sending it again.

#![expect(unused_qualifications, reason = "utoipa spells out the types of parameters")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::{Json as Answer, extract::State};
use serde::Deserialize;
use tocsin_delivery::line;
use tocsin_protocol::{
    Delivery, DeliveryState, MessageId, Millis, Receipt,
    channel::{DeliveryPage, Failing, Way},
    delivery::{Channel, DeliveryDetail, Resend, Resent},
    limits::{PAGE_DEFAULT, PAGE_MOST},
};
use tocsin_store::{
    UserId,
    outbox::{DeliveryId, DeliveryQuery, codes},
};
use utoipa::IntoParams;

use super::{
    channels::outside,
    check::invalid,
    input::{Json, Path, Query},
};
use crate::{AppState, Failure, channels::Outside};

/// Which page of the deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only with a smaller id: the `next` of the page before.
    before: Option<u64>,
    /// 1 to 200, default 50.
    limit: Option<usize>,
    /// In one of these states, separated by commas.
    state: Option<String>,
    /// Only over this channel.
    channel: Option<String>,
    /// Only for this person.
    user: Option<String>,
    /// Only of this topic.
    topic: Option<String>,
    /// Only of this message.
    #[param(value_type = Option<String>)]
    message: Option<MessageId>,
    /// Only what was queued at this time or later, Unix milliseconds.
    since: Option<Millis>,
    /// Only what was queued before this time.
    until: Option<Millis>,
}

/// One page of the deliveries, newest first (admin).
#[utoipa::path(get, path = "/v1/deliveries", tag = "channels", params(ListQuery), responses((status = 200, body = DeliveryPage)))]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Answer<DeliveryPage>, Failure> {
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MOST).contains(&limit) {
        return Err(invalid("limit", format!("1 to {PAGE_MOST} are taken")));
    }
    let states = query.state.as_deref().unwrap_or_default();
    let states = states.split(',').filter(|name| !name.is_empty()).map(state_named);
    let query = DeliveryQuery {
        before: query.before.map(id_of),
        // One more tells whether there is a next page.
        limit: limit + 1,
        states: states.collect::<Result<_, _>>()?,
        channel: query.channel,
        user: query.user,
        topic: query.topic,
        message: query.message,
        since: query.since,
        until: query.until,
    };
    let outside = outside(&state)?;
    let mut items = outside.outbox.deliveries(query).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.id);
    let failings = failings(outside, &items).await?;
    Ok(Answer(DeliveryPage { items, failings, next }))
}

/// Why those failed that did, and what to do: read from code and words, so that a better sentence helps old rows too.
async fn failings(outside: &Outside, items: &[Delivery]) -> Result<BTreeMap<u64, Failing>, Failure> {
    // What was given up says itself what became of it; why stands with the channel.
    let ended = |item: &&Delivery| {
        matches!(item.state, DeliveryState::Failed | DeliveryState::Unknown)
            && !matches!(item.code.as_deref(), Some(codes::GIVEN_UP | codes::PRUNED))
    };
    if !items.iter().any(|item| ended(&item)) {
        return Ok(BTreeMap::new());
    }
    let channels = outside.outbox.channels().await?;
    let kinds: BTreeMap<_, _> =
        channels.iter().map(|channel| (channel.name.as_str(), channel.kind)).collect();
    let failed = items.iter().filter(ended);
    let about = failed.filter_map(|item| {
        let (kind, code) = (kinds.get(item.channel.as_str())?, item.code.as_deref()?);
        Some((item.id, line::about(*kind, code, item.reason.as_deref().unwrap_or_default())))
    });
    Ok(about.collect())
}

/// One delivery with its tries (admin).
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "channels", params(("id" = u64, Path)), responses((status = 200, body = DeliveryDetail)))]
pub async fn one(
    State(state): State<AppState>,
    Path(id): Path<u64>,
) -> Result<Answer<DeliveryDetail>, Failure> {
    Ok(Answer(outside(&state)?.outbox.delivery(id_of(id)).await?))
}

/// Sends again what failed: one, or all (admin).
#[utoipa::path(post, path = "/v1/deliveries/resend", tag = "channels", request_body = Resend, responses((status = 200, body = Resent)))]
pub async fn resend(
    State(state): State<AppState>,
    Json(what): Json<Resend>,
) -> Result<Answer<Resent>, Failure> {
    Ok(Answer(Resent { queued: outside(&state)?.outbox.resend(what).await? }))
}

/// Adds to a receipt how its message, and the copies of those whom its escalation brought in, fare over channels; in a
/// whole receipt also what groups were told.
pub async fn add_ways(outside: &Outside, receipt: &mut Receipt) -> Result<(), Failure> {
    let copies: BTreeSet<_> = receipt.people.iter().filter_map(|person| person.escalated).collect();
    let messages = std::iter::once(receipt.id).chain(copies).collect();
    // Not by name: somebody else may have had it.
    let mut people: HashMap<_, _> =
        receipt.people.iter_mut().map(|person| (UserId(person.whose), &mut person.ways)).collect();
    let deliveries = outside.outbox.ways(messages, people.keys().copied().collect()).await?;
    if deliveries.is_empty() {
        return Ok(());
    }
    let channels = outside.outbox.channels().await?;
    let channels: BTreeMap<_, _> = channels.iter().map(|channel| (channel.name.as_str(), channel)).collect();
    for (user, delivery) in deliveries {
        let way = way(&delivery, channels.get(delivery.channel.as_str()).copied());
        match user {
            None if receipt.whole => receipt.groups.push(way),
            None => {}
            Some(user) => {
                if let Some(ways) = people.get_mut(&user) {
                    ways.push(way);
                }
            }
        }
    }
    Ok(())
}

fn way(delivery: &Delivery, channel: Option<&Channel>) -> Way {
    Way {
        channel: delivery.channel.clone(),
        display_name: channel
            .map_or_else(|| delivery.channel.clone(), |channel| channel.display_name.clone()),
        kind: channel.map(|channel| channel.kind),
        state: delivery.state,
        since: delivery.since,
        code: delivery.code.clone(),
        reason: delivery.reason.clone(),
        due_at: delivery.due_at,
        gives_up_at: delivery.gives_up_at,
        attempts: delivery.attempts,
        delivery: delivery.id,
        round: delivery.round,
    }
}

fn id_of(id: u64) -> DeliveryId {
    DeliveryId(i64::try_from(id).unwrap_or(i64::MAX))
}

fn state_named(name: &str) -> Result<DeliveryState, Failure> {
    serde_json::from_value(name.into()).map_err(|_| invalid("state", format!("{name:?} is none")))
}
