//! The request that an outbox row holds: made once, kept as it is, addressed anew for each try.

use tocsin_protocol::Millis;
use tocsin_wechat::Prepared;

use super::addressed;
use crate::{Outcome, Parcel, SEND_TIMEOUT, Unfit, line};

/// As it is kept in the outbox: the request and which call it is for.
pub(super) fn stored(prepared: Result<Prepared, tocsin_wechat::Invalid>) -> Result<String, Unfit> {
    let prepared = prepared.map_err(|invalid| Unfit(invalid.to_string()))?;
    serde_json::to_string(&prepared).map_err(|error| Unfit(error.to_string()))
}

/// As it was stored, for this recipient.
pub(super) fn restored(parcel: &Parcel<'_>) -> Result<Prepared, Outcome> {
    let unfit = |what: String| Outcome::Refused(line::unfit(Unfit(what)));
    let mut prepared: Prepared =
        serde_json::from_str(parcel.body).map_err(|error| unfit(error.to_string()))?;
    prepared.body = addressed(&prepared.body, parcel.address)
        .ok_or_else(|| unfit("touser: not the address of one person".into()))?;
    Ok(prepared)
}

/// What did not fit when it was made: fields that were shortened, and people (`@`) who could not be mentioned.
pub(super) fn left_out(body: &str) -> Option<String> {
    let prepared: Prepared = serde_json::from_str(body).ok()?;
    let people = prepared.unmentioned.into_iter().map(|who| format!("@{}", who.trim_start_matches('@')));
    let words: Vec<String> = prepared.shortened.into_iter().chain(people).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// For so long another try shows nothing twice: the platform's time, less what a request takes.
pub(super) fn safe_ms(dedupe_seconds: u32) -> Millis {
    let taken = Millis::try_from(SEND_TIMEOUT.as_millis()).unwrap_or(Millis::MAX).saturating_mul(2);
    Millis::from(dedupe_seconds) * 1000 - taken
}
