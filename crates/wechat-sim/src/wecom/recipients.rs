//! Whom a message is for: users, departments and tags, each of which may be partly wrong without the whole failing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    answer::{Refusal, refuse},
    call::text,
    people::Corp,
};

const MOST_USERS: usize = 1_000;
const MOST_LISTS: usize = 100;

/// Who gets it, and who does not.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    /// userids in lower case.
    pub(super) reached: BTreeSet<String>,
    pub(super) invalid_users: Vec<String>,
    pub(super) invalid_parties: Vec<String>,
    pub(super) invalid_tags: Vec<String>,
    pub(super) unlicensed: Vec<String>,
}

/// Resolves the three lists of a body. `invalid` and `unlicensed` are people whom a fault makes so.
pub(super) fn resolve(
    corp: &Corp,
    body: &Value,
    invalid: &[String],
    unlicensed: &[String],
) -> Result<Recipients, Refusal> {
    let (users, parties, tags) = (list(body, "touser"), list(body, "toparty"), list(body, "totag"));
    if users.is_empty() && parties.is_empty() && tags.is_empty() {
        return refuse(82_001, "touser & toparty & totag all empty");
    }
    if users.len() > MOST_USERS {
        return refuse(40_032, "invalid UserID list size");
    }
    if parties.len() > MOST_LISTS {
        return refuse(82_002, "invalid PartyID list size");
    }
    if tags.len() > MOST_LISTS {
        return refuse(82_003, "invalid TagID list size");
    }
    let mut found = Recipients::default();
    if users.len() == 1 && users[0] == "@all" {
        found.reached =
            corp.members.values().filter(|one| one.visible).map(|one| one.userid.to_lowercase()).collect();
    } else {
        for user in &users {
            found.add(corp, user, invalid, unlicensed);
        }
    }
    for party in parties {
        let members =
            corp.members.values().filter(|one| one.department.iter().any(|id| id.to_string() == party));
        let names: Vec<String> = members.filter(|one| one.visible).map(|one| one.userid.clone()).collect();
        found.add_list(names, party, corp, |found| &mut found.invalid_parties);
    }
    for tag in tags {
        let members = corp.members.values().filter(|one| one.tags.iter().any(|id| id.to_string() == tag));
        let names: Vec<String> = members.filter(|one| one.visible).map(|one| one.userid.clone()).collect();
        found.add_list(names, tag, corp, |found| &mut found.invalid_tags);
    }
    if found.reached.is_empty() {
        return refuse(81_013, "user & party & tag all invalid");
    }
    Ok(found)
}

fn list(body: &Value, name: &str) -> Vec<String> {
    let names = text(body, name).unwrap_or_default().split('|');
    names.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

impl Recipients {
    fn add(&mut self, corp: &Corp, user: &str, invalid: &[String], unlicensed: &[String]) {
        let named = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case(user));
        // The platform answers ids in lower case, however they were written.
        let name = user.to_lowercase();
        match corp.member(user) {
            Some(member) if member.visible && !named(invalid) => {
                if member.licensed && !named(unlicensed) {
                    self.reached.insert(name);
                } else {
                    self.unlicensed.push(name);
                }
            }
            _ => self.invalid_users.push(name),
        }
    }

    fn add_list(
        &mut self,
        names: Vec<String>,
        list: String,
        corp: &Corp,
        invalid: fn(&mut Self) -> &mut Vec<String>,
    ) {
        if names.is_empty() {
            invalid(self).push(list);
        }
        for name in names {
            self.add(corp, &name, &[], &[]);
        }
    }
}
