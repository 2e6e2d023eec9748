//! Accounts, people, switches and faults.

use serde_json::{Value, json};

use super::{Ask, Told, wrong};
use crate::{
    fault::Fault,
    people::{Follower, Member, Robot, Template},
    shared::Shared,
    world::World,
};

/// Every simulated credential, as the consoles would show them.
pub(crate) fn show(shared: &Shared) -> Value {
    shared.world(|world| {
        let oa = world.oa.values().map(|account| {
            json!({
                "appid": account.appid,
                "secret": account.secret,
                "original_id": account.original_id,
                "followers": account.followers.values().collect::<Vec<_>>(),
                "templates": account.templates.values().collect::<Vec<_>>(),
                "callback": account.callback,
            })
        });
        let oa: Vec<Value> = oa.collect();
        let corps = world.corps.values().map(|corp| {
            let apps = corp.apps.values().map(|app| {
                json!({
                    "agentid": app.agentid,
                    "name": app.name,
                    "secret": app.secret,
                    "disabled": app.disabled,
                    "callback": app.callback,
                })
            });
            json!({
                "corpid": corp.corpid,
                "contact_secret": corp.contact_secret,
                "apps": apps.collect::<Vec<_>>(),
                "members": corp.members.values().collect::<Vec<_>>(),
            })
        });
        let corps: Vec<Value> = corps.collect();
        let robots = world
            .robots
            .values()
            .map(|robot| json!({"key": robot.key, "group": robot.group, "removed": robot.removed}));
        json!({"oa": oa, "wecom": corps, "robots": robots.collect::<Vec<_>>()})
    })
}

/// A follower who is new or changed.
pub(super) fn put_follower(shared: &Shared, ask: &Ask) -> Told {
    let follower: Follower = ask.read()?;
    let shown = json!(follower);
    shared.world(|world| match world.account_mut() {
        Some(account) => {
            account.followers.insert(follower.openid.clone(), follower);
            Ok(shown)
        }
        None => wrong("there is no official account"),
    })
}

/// A template that is new or changed.
pub(super) fn put_template(shared: &Shared, ask: &Ask) -> Told {
    let template: Template = ask.read()?;
    let shown = json!(template);
    shared.world(|world| match world.account_mut() {
        Some(account) => {
            account.templates.insert(template.template_id.clone(), template);
            Ok(shown)
        }
        None => wrong("there is no official account"),
    })
}

/// A member who is new or changed.
pub(super) fn put_member(shared: &Shared, ask: &Ask) -> Told {
    let member: Member = ask.read()?;
    let shown = json!(member);
    shared.world(|world| match world.corp_mut() {
        Some(corp) => {
            corp.members.insert(member.userid.to_lowercase(), member);
            Ok(shown)
        }
        None => wrong("there is no corp"),
    })
}

/// A robot in another group, or one removed from its group.
pub(super) fn put_robot(shared: &Shared, ask: &Ask) -> Told {
    let removed = ask.flag("removed");
    let group = ask.body["group"].as_str().unwrap_or("群").to_owned();
    shared.world(|world| {
        let key = match ask.body["key"].as_str() {
            Some(key) => key.to_owned(),
            None => world.random.uuid(),
        };
        let robot = world.robots.entry(key.clone()).or_insert_with(|| Robot::new(&key, &group));
        robot.removed = removed;
        Ok(json!({"key": key, "group": robot.group, "removed": removed}))
    })
}

/// Switches.
pub(super) fn patch(shared: &Shared, ask: &Ask) -> Told {
    shared.world(|world| {
        world.behaviour.patch(&ask.body).or_else(wrong)?;
        Ok(json!(world.behaviour))
    })
}

/// A fault, or a list of them.
pub(super) fn put_fault(shared: &Shared, ask: &Ask) -> Told {
    let faults: Vec<Fault> = if ask.body.is_array() { ask.read()? } else { vec![ask.read()?] };
    shared.world(|world| {
        for fault in faults {
            world.inject(fault);
        }
        Ok(json!(world.faults.list()))
    })
}

pub(super) fn heal(shared: &Shared) -> Value {
    shared.world(World::heal);
    json!([])
}

/// Everything as at the start; the clock stays where it is.
pub(super) fn reset(shared: &Shared) -> Value {
    let now = shared.clock.now_ms();
    shared.world(|world| world.reset(now));
    show(shared)
}
