//! The member list: direct members of a department, one member, all ids (contact-sync secret only), departments.

use serde_json::{Value, json};

use super::opened;
use crate::{
    answer::{Outcome, ok_with, refuse},
    call::{Call, text},
    world::World,
};

/// Direct members only, as documented: whoever wants all walks the departments.
pub(super) fn simple_list(world: &mut World, call: &Call) -> Outcome {
    let caller = opened(world, call)?;
    let Some(department) = call.param("department_id").and_then(|id| id.parse::<i64>().ok()) else {
        return refuse(41_009, "missing department id");
    };
    let corp = &world.corps[&caller.corpid];
    if !corp.departments.contains_key(&department) {
        return refuse(60_003, "department not found");
    }
    let members = corp.members.values().filter(|one| one.visible && one.department.contains(&department));
    let list: Vec<Value> = members
        .map(|one| {
            json!({
                "userid": one.userid,
                "name": one.name,
                "department": one.department,
                "open_userid": format!("wo{}", one.userid.to_lowercase()),
            })
        })
        .collect();
    Ok(ok_with(json!({"userlist": list})))
}

/// One row for each (member, department), so that a member of two comes twice.
pub(super) fn list_id(world: &mut World, call: &Call) -> Outcome {
    let caller = opened(world, call)?;
    if caller.agentid.is_some() {
        return refuse(48_002, "api forbidden: contact sync secret only");
    }
    let body = call.json()?;
    let limit = body["limit"]
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(10_000)
        .clamp(1, 10_000);
    let start: usize = text(&body, "cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let members = world.corps[&caller.corpid].members.values();
    let rows: Vec<Value> = members
        .flat_map(|one| one.department.iter().map(|id| json!({"userid": one.userid, "department": id})))
        .collect();
    let page: Vec<Value> = rows.iter().skip(start).take(limit).cloned().collect();
    let next = if start + page.len() < rows.len() { (start + page.len()).to_string() } else { String::new() };
    Ok(ok_with(json!({"next_cursor": next, "dept_user": page})))
}

pub(super) fn read(world: &mut World, call: &Call) -> Outcome {
    let caller = opened(world, call)?;
    let corp = &world.corps[&caller.corpid];
    let member = call.param("userid").and_then(|userid| corp.member(userid)).filter(|one| one.visible);
    let Some(member) = member else { return refuse(60_111, "userid not found") };
    Ok(ok_with(json!({
        "userid": member.userid,
        "name": member.name,
        "department": member.department,
        "status": 1,
    })))
}

/// A department and everything below it; without an id, all.
pub(super) fn departments(world: &mut World, call: &Call) -> Outcome {
    let list = below(
        world,
        call,
        |id, name, parent| json!({"id": id, "name": name, "parentid": parent, "order": id}),
    )?;
    Ok(ok_with(json!({"department": list})))
}

pub(super) fn department_ids(world: &mut World, call: &Call) -> Outcome {
    let list = below(world, call, |id, _, parent| json!({"id": id, "parentid": parent, "order": id}))?;
    Ok(ok_with(json!({"department_id": list})))
}

fn below(
    world: &mut World,
    call: &Call,
    row: fn(i64, &str, i64) -> Value,
) -> Result<Vec<Value>, crate::answer::Refusal> {
    let caller = opened(world, call)?;
    let departments = &world.corps[&caller.corpid].departments;
    let top = call.param("id").and_then(|id| id.parse::<i64>().ok());
    if top.is_some_and(|top| !departments.contains_key(&top)) {
        return refuse(60_003, "department not found");
    }
    let within = |mut id: i64| {
        let Some(top) = top else { return true };
        // No deeper than there are departments, even if a parent is wrong.
        for _ in 0..=departments.len() {
            if id == top {
                return true;
            }
            id = departments.get(&id).map_or(0, |(_, parent)| *parent);
        }
        false
    };
    let rows = departments.iter().filter(|(id, _)| within(**id));
    Ok(rows.map(|(id, (name, parent))| row(*id, name, *parent)).collect())
}

/// `agent/get`: harmless, for looking whether the token opens the app.
pub(super) fn agent(world: &mut World, call: &Call) -> Outcome {
    let caller = opened(world, call)?;
    let wanted = call.param("agentid").and_then(|id| id.parse::<i64>().ok());
    let corp = &world.corps[&caller.corpid];
    let Some(app) = wanted.and_then(|id| corp.apps.get(&id)) else {
        return refuse(40_056, "invalid agentid");
    };
    if caller.agentid != Some(app.agentid) {
        return refuse(301_002, "access_token has no privilege to this agentid");
    }
    let visible = corp.members.values().filter(|one| one.visible).map(|one| json!({"userid": one.userid}));
    Ok(ok_with(json!({
        "agentid": app.agentid,
        "name": app.name,
        "close": i32::from(app.disabled),
        "allow_userinfos": {"user": visible.collect::<Vec<_>>()},
    })))
}
