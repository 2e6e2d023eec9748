//! Who has a message: shown once, or watched until they have.

use std::{collections::HashMap, time::Duration};

use tocsin_protocol::{MessageId, Millis, Receipt, State, receipt::PersonReceipt};
use tokio::time::{Instant, sleep};

use crate::{
    args::send::{Receipt as Args, Until, Wait},
    context::Context,
    exit::{Exit, Failure},
    output::{maybe_time, note, one_line, print_json, print_line, table, time},
};

/// First and longest wait between two looks: the server answers a receipt in well under a millisecond, and a person
/// needs seconds to react.
const LOOK: (Duration, Duration) = (Duration::from_millis(150), Duration::from_secs(2));

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let (receipt, exit) = if args.wait.until.is_some() {
        wait(context, args.id, &args.wait).await?
    } else {
        (fetch(context, args.id).await?, Exit::Ok)
    };
    if context.out.json {
        print_json(&receipt)?;
    } else {
        summary(context, &receipt)?;
    }
    Ok(exit)
}

async fn fetch(context: &Context, id: MessageId) -> Result<Receipt, Failure> {
    let link = context.link().await?;
    let path = format!("/v1/messages/{id}/receipt");
    let mut receipt: Receipt = link.get(&path).await?;
    // A large audience comes in pages.
    while let Some(after) = receipt.next.take() {
        let page: Receipt = link.get(&format!("{path}?after={after}")).await?;
        receipt.people.extend(page.people);
        receipt.next = page.next;
    }
    Ok(receipt)
}

/// Looks again and again until everybody (or somebody) is as far as asked, nobody can be any more, or time is over.
pub(super) async fn wait(context: &Context, id: MessageId, wait: &Wait) -> Result<(Receipt, Exit), Failure> {
    let Some(until) = wait.until else { return Ok((fetch(context, id).await?, Exit::Ok)) };
    let deadline = Instant::now() + wait.timeout;
    let mut look = LOOK.0;
    let mut told: HashMap<String, State> = HashMap::new();
    let mut last = None;
    loop {
        match fetch(context, id).await {
            // Their own row says nothing of everybody else's.
            Ok(receipt) if !receipt.whole => return Err(refused()),
            Ok(receipt) => {
                tell_changes(context, &receipt, &mut told);
                match verdict(&receipt, until, wait.any) {
                    Verdict::Reached => return Ok((receipt, Exit::Ok)),
                    Verdict::Never => {
                        note(&format!("tocsin: {}", context.say("wait_never", &[])));
                        return Ok((receipt, Exit::Failed));
                    }
                    Verdict::NotYet => last = Some(receipt),
                }
            }
            // The server restarts: what was committed is still there afterwards.
            Err(failure) if failure.is_temporary() && Instant::now() < deadline => {}
            Err(failure) => return Err(failure),
        }
        let now = Instant::now();
        if now >= deadline {
            note(&format!("tocsin: {}", context.say("wait_over", &[])));
            let unreachable = || Failure::new(Exit::Timeout, "timeout", "the server did not answer in time");
            return Ok((last.ok_or_else(unreachable)?, Exit::Timeout));
        }
        sleep(look.min(deadline - now)).await;
        look = (look * 3 / 2).min(LOOK.1);
    }
}

/// As the server says it to who waits there.
fn refused() -> Failure {
    let message = "only its sender and administrators may wait for what others do";
    Failure::new(Exit::Refused, "forbidden", message)
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Reached,
    NotYet,
    /// Nobody is owed it any more and not enough have it, or it came too late for one of all.
    Never,
}

fn verdict(receipt: &Receipt, until: Until, any: bool) -> Verdict {
    let wanted = match until {
        Until::Received => State::Received,
        Until::Read => State::Read,
        Until::Acknowledged => State::Acknowledged,
    };
    let never = |person: &&PersonReceipt| {
        matches!(person.state, State::Withdrawn | State::Expired | State::Superseded | State::LostToRetention)
    };
    let reached = receipt.people.iter().filter(|person| person.state >= wanted).count();
    let given_up = receipt.people.iter().filter(never).count();
    let waiting = receipt.people.len() - reached - given_up;
    // Those who left are no reason to fail; those who can no longer get it are, unless one person was enough.
    let left = receipt.people.iter().filter(|person| person.state == State::Withdrawn).count();
    match (any, waiting) {
        (true, _) if reached > 0 => Verdict::Reached,
        (false, 0) if reached > 0 && given_up == left => Verdict::Reached,
        (_, 0) => Verdict::Never,
        (false, _) if given_up > left => Verdict::Never,
        _ => Verdict::NotYet,
    }
}

fn tell_changes(context: &Context, receipt: &Receipt, told: &mut HashMap<String, State>) {
    for person in &receipt.people {
        let before = told.insert(person.user.clone(), person.state).unwrap_or(State::Missing);
        if person.state != before {
            let who = one_line(&person.display_name);
            let since = since(person).map(time).unwrap_or_default();
            let state = context.say(&format!("state.{}", word(person.state)), &[]);
            note(&format!("{since}  {who}: {state}"));
        }
    }
}

/// For people: counts, then one row each, then who is missing.
pub(super) fn summary(context: &Context, receipt: &Receipt) -> Result<(), Failure> {
    let head: Vec<String> = ["user", "name", "state", "since", "device"]
        .iter()
        .map(|column| context.say(&format!("column.{column}"), &[]))
        .collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = receipt
        .people
        .iter()
        .map(|person| {
            let state = context.say(&format!("state.{}", word(person.state)), &[]);
            let device = person.device.clone().or_else(|| person.channel.clone()).unwrap_or_default();
            vec![person.user.clone(), person.display_name.clone(), state, maybe_time(since(person)), device]
        })
        .collect();
    print_line(&table(&head, &rows))?;
    if !receipt.whole {
        // Counted, one row would read as everybody.
        return print_line(&context.say("own_row", &[]));
    }
    let counts = &receipt.counts;
    let numbers = [
        ("owed", counts.owed.to_string()),
        ("received", counts.received.to_string()),
        ("read", counts.read.to_string()),
        ("acknowledged", counts.acknowledged.to_string()),
    ];
    let numbers: Vec<(&str, &str)> = numbers.iter().map(|(name, number)| (*name, number.as_str())).collect();
    print_line(&context.say("counts", &numbers))?;
    if !receipt.missing.is_empty() {
        print_line(&context.say("missing", &[("names", &receipt.missing.join(", "))]))?;
    }
    if !receipt.unacknowledged.is_empty() && counts.acknowledged > 0 {
        print_line(&context.say("not_acknowledged", &[("names", &receipt.unacknowledged.join(", "))]))?;
    }
    Ok(())
}

fn since(person: &PersonReceipt) -> Option<Millis> {
    match person.state {
        State::Acknowledged => person.acknowledged_at,
        State::Read => person.read_at,
        State::Received => person.received_at,
        State::Sent => person.sent_at,
        _ => None,
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Missing => "missing",
        State::Withdrawn => "withdrawn",
        State::Expired => "expired",
        State::Superseded => "superseded",
        State::LostToRetention => "lost_to_retention",
        State::Sent => "sent",
        State::Received => "received",
        State::Read => "read",
        State::Acknowledged => "acknowledged",
    }
}

#[cfg(test)]
mod tests {
    use tocsin_protocol::{Counts, Cursor};

    use super::*;

    fn receipt(states: &[State]) -> Receipt {
        let person = |state: &State| PersonReceipt {
            whose: 0,
            user: "u".into(),
            display_name: "U".into(),
            state: *state,
            sent_at: None,
            received_at: None,
            device: None,
            channel: None,
            why: None,
            escalated: None,
            reminded_at: None,
            devices: Vec::new(),
            shown: None,
            shown_at: None,
            read_at: None,
            acknowledged_at: None,
            ways: Vec::new(),
        };
        Receipt {
            id: "Abc123Abc123".parse().unwrap(),
            seq: 1,
            topic: None,
            title: String::new(),
            created_at: 0,
            expires_at: None,
            superseded_by: None,
            whole: true,
            counts: Counts::default(),
            missing: Vec::new(),
            unread: Vec::new(),
            unacknowledged: Vec::new(),
            people: states.iter().map(person).collect(),
            next: None,
            escalation: None,
            waited: None,
            groups: Vec::new(),
            as_of: "k3v9x0ab-1".parse::<Cursor>().unwrap(),
            as_of_ms: 0,
        }
    }

    #[test]
    fn everybody_or_one_person_and_never_for_ever() {
        use State::{Acknowledged, Expired, Missing, Read, Received, Withdrawn};
        let case = |states: &[State], until, any| verdict(&receipt(states), until, any);
        assert_eq!(case(&[Received, Read], Until::Received, false), Verdict::Reached);
        assert_eq!(case(&[Received, Missing], Until::Received, false), Verdict::NotYet);
        assert_eq!(case(&[Acknowledged, Missing], Until::Acknowledged, true), Verdict::Reached);
        assert_eq!(case(&[Read, Missing], Until::Acknowledged, true), Verdict::NotYet);
        assert_eq!(case(&[Acknowledged, Withdrawn], Until::Acknowledged, false), Verdict::Reached);
        assert_eq!(case(&[Acknowledged, Expired], Until::Acknowledged, false), Verdict::Never);
        assert_eq!(case(&[Received, Expired], Until::Acknowledged, false), Verdict::Never, "not all, ever");
        assert_eq!(case(&[Received, Expired], Until::Acknowledged, true), Verdict::NotYet);
        assert_eq!(case(&[Withdrawn], Until::Received, false), Verdict::Never);
        assert_eq!(case(&[], Until::Received, false), Verdict::Never);
    }
}
