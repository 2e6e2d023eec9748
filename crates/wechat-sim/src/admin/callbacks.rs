//! Callback addresses, and callbacks by hand: forged, old, repeated, out of order.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Ask, Told, wrong};
use crate::{
    callback::{Bend, Push, Whose, event::Event, send, target::Target},
    shared::Shared,
    world::World,
};

fn whose(world: &World, path: &str) -> Option<Whose> {
    if path.ends_with("oa") {
        return world.account().map(|account| Whose::Oa(account.appid.clone()));
    }
    let corp = world.corp()?;
    Some(Whose::App(corp.corpid.clone(), corp.apps.keys().next().copied()?))
}

fn put(world: &mut World, whose: &Whose, target: Option<Target>) {
    match whose {
        Whose::Oa(appid) => {
            if let Some(account) = world.oa.get_mut(appid) {
                account.callback = target;
            }
        }
        Whose::App(corpid, agentid) => {
            if let Some(app) = world.corps.get_mut(corpid).and_then(|corp| corp.apps.get_mut(agentid)) {
                app.callback = target;
            }
        }
    }
}

/// Saves an address after asking it, as the console does. `?unasked=1` saves without asking.
pub(super) async fn set(shared: &Arc<Shared>, ask: &Ask) -> Told {
    let target: Target = ask.read()?;
    let Some(whose) = shared.world(|world| whose(world, &ask.path)) else { return wrong("no such account") };
    if !ask.query.contains_key("unasked") {
        send::verify(shared, &whose, &target).await.or_else(wrong)?;
    }
    let shown = json!({"url": target.url, "mode": target.mode, "format": target.format});
    shared.world(|world| put(world, &whose, Some(target)));
    Ok(shown)
}

pub(super) fn forget(shared: &Shared, ask: &Ask) -> Value {
    shared.world(|world| {
        if let Some(whose) = whose(world, &ask.path) {
            put(world, &whose, None);
        }
    });
    json!({"callback": null})
}

/// Asks the saved address again.
pub(super) async fn verify(shared: &Arc<Shared>, ask: &Ask) -> Told {
    let found = shared.world(|world| {
        let whose = whose(world, &ask.path)?;
        let target = match &whose {
            Whose::Oa(appid) => world.oa.get(appid)?.callback.clone()?,
            Whose::App(corpid, agentid) => world.corps.get(corpid)?.apps.get(agentid)?.callback.clone()?,
        };
        Some((whose, target))
    });
    let Some((whose, target)) = found else { return wrong("no callback address is saved") };
    send::verify(shared, &whose, &target).await.or_else(wrong)?;
    Ok(json!({"verified": target.url}))
}

/// `{"account": "oa" | "wecom", "event": {…}, "bend": {"forged": true, …}}`: any event, bent as one likes.
pub(super) async fn push(shared: &Arc<Shared>, ask: &Ask) -> Told {
    let account = ask.text("account")?;
    let Some(fields) = ask.body["event"].as_object() else { return wrong("`event` is missing") };
    let bend: Bend = match ask.body.get("bend") {
        Some(bend) => serde_path_to_error::deserialize(bend).or_else(wrong)?,
        None => Bend::default(),
    };
    let Some(whose) = shared.world(|world| whose(world, account)) else { return wrong("no such account") };
    send::push(shared, Push { whose, event: Event::from_json(fields), bend }).await;
    Ok(shared.world(|world| json!(world.callbacks.records().last())))
}

/// `{"id": 3}`: sends the callback of that number again, byte for byte.
pub(super) async fn replay(shared: &Arc<Shared>, ask: &Ask) -> Told {
    let Some(id) = ask.body["id"].as_u64() else {
        return wrong("`id` is missing: the number of one in /sim/callbacks");
    };
    if send::replay(shared, id).await.is_none() {
        return wrong("there is no such callback, or no address any more");
    }
    Ok(shared.world(|world| json!(world.callbacks.records().last())))
}

/// From now on callbacks wait.
pub(super) fn hold(shared: &Shared) -> Value {
    shared.world(|world| world.behaviour.callback_hold = true);
    json!({"callbacks": "held"})
}

/// Lets them go, with `"reverse": true` the last first.
pub(super) async fn release(shared: &Arc<Shared>, ask: &Ask) -> Value {
    let mut held = shared.world(|world| {
        world.behaviour.callback_hold = false;
        std::mem::take(&mut world.callbacks.held)
    });
    if ask.flag("reverse") {
        held.reverse();
    }
    let count = held.len();
    for one in held {
        send::push(shared, one).await;
    }
    json!({"released": count})
}
