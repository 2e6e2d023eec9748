//! Members, for binding people.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Cause, Failure, NotSent, http::Answer};

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Member {
    /// What messages are addressed to; letter case does not matter.
    pub userid: String,
    /// Their name.
    #[serde(default)]
    pub name: String,
    /// Their departments.
    #[serde(default)]
    pub department: Vec<u64>,
}

pub(super) fn list(answer: Answer) -> Result<Vec<Member>, Failure> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        userlist: Vec<Member>,
    }
    let unreadable = |detail| Failure::NotSent(NotSent::of(Cause::Unreadable, detail));
    Ok(answer.read::<List>().map_err(unreadable)?.userlist)
}

pub(super) fn departments(answer: &Answer) -> Vec<u64> {
    let list = answer.field("department_id").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|item| item.get("id")?.as_u64()).collect()
}
