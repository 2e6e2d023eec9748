//! Whom a message goes to.

use crate::Invalid;

/// The platform's most.
const USERS: usize = 1000;
const DEPARTMENTS: usize = 100;
const TAGS: usize = 100;
const USERID_CHARS: usize = 64;

/// Whom a message goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients {
    /// Members.
    pub users: Vec<String>,
    /// Departments.
    pub departments: Vec<u64>,
    /// Tags.
    pub tags: Vec<u64>,
    /// Everybody who sees the app; the others are not looked at then.
    pub everyone: bool,
}

/// The three fields.
pub(super) struct Joined {
    pub users: String,
    pub departments: String,
    pub tags: String,
}

impl Recipients {
    /// One member.
    pub fn user(userid: impl Into<String>) -> Self {
        Self { users: vec![userid.into()], ..Self::default() }
    }

    pub(super) fn join(&self) -> Result<Joined, Invalid> {
        if self.everyone {
            return Ok(Joined { users: "@all".into(), departments: String::new(), tags: String::new() });
        }
        if self.users.is_empty() && self.departments.is_empty() && self.tags.is_empty() {
            return Err(Invalid::field("touser", "no recipient"));
        }
        if self.users.len() > USERS {
            return Err(Invalid::field("touser", "more than 1000 members"));
        }
        if self.departments.len() > DEPARTMENTS {
            return Err(Invalid::field("toparty", "more than 100 departments"));
        }
        if self.tags.len() > TAGS {
            return Err(Invalid::field("totag", "more than 100 tags"));
        }
        // `|` would address others, `@all` everybody.
        if !self.users.iter().all(|userid| is_userid(userid)) {
            return Err(Invalid::field("touser", "a userid is 1 to 64 letters, digits, - _ . or @"));
        }
        let numbers = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join("|");
        Ok(Joined {
            users: self.users.join("|"),
            departments: numbers(&self.departments),
            tags: numbers(&self.tags),
        })
    }
}

fn is_userid(text: &str) -> bool {
    let fits = (1..=USERID_CHARS).contains(&text.len());
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    fits && starts_well
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_addressed_by_accident() {
        let joined = Recipients {
            users: vec!["a".into(), "b.c@d".into()],
            departments: vec![1, 2],
            ..Recipients::default()
        };
        let joined = joined.join().expect("recipients");
        assert_eq!((joined.users.as_str(), joined.departments.as_str()), ("a|b.c@d", "1|2"));
        for bad in ["@all", "a|b", "", "a b", "警"] {
            assert!(Recipients::user(bad).join().is_err(), "{bad}");
        }
        assert!(Recipients::default().join().is_err());
        let many = Recipients { users: vec!["a".into(); 1001], ..Recipients::default() };
        assert!(many.join().is_err());
        let all = Recipients { everyone: true, ..Recipients::default() };
        assert_eq!(all.join().expect("everybody").users, "@all");
    }
}
