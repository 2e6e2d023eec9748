//! Access tokens: who holds which, until when, and how each of the three ways to get one replaces the last.
//!
//! - **classic** (`token`): each call mints; the one before lives five minutes more, any older dies at once. Two
//!   programs that refresh one account this way kill each other's tokens: that is the platform's best-known trap.
//! - **stable** (`stable_token`): the same token until five minutes before its end, then a new one beside it. Forced:
//!   the old one dies at once.
//! - **WeCom** (`gettoken`): the same token while it is valid (a switch makes it a new one each time).
//!
//! Classic and stable never disturb each other. A token that was never made is "invalid", one whose time is over is
//! "expired", one that a newer replaced is "not latest": clients must refresh on all three.

use std::collections::HashMap;

use crate::{limit::MINUTE_MS, random::Random};

/// Old and new token both work so long around a switch, and a stable token is renewed so long before its end.
pub(crate) const OVERLAP_MS: i64 = 5 * MINUTE_MS;
/// Forced refreshes closer together than this change nothing.
const FORCE_GAP_MS: i64 = MINUTE_MS / 2;
/// Documented: up to 512 characters must be stored. Seen: 130 to 220.
const TOKEN_LENGTH: usize = 180;

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// An official account, by appid, got by `token`.
    Classic(String),
    /// The same got by `stable_token`.
    Stable(String),
    /// A WeCom app: corpid and agentid.
    App(String, i64),
    /// The contact-sync secret of a corp.
    Contacts(String),
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    Missing,
    Unknown,
    Expired,
    Superseded,
}

#[derive(Clone, Debug)]
struct Issued {
    owner: Owner,
    expires: i64,
    /// Set when a newer one replaced it: works until then.
    superseded: Option<i64>,
}

/// Every token ever given, and the newest of each owner.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issued: HashMap<String, Issued>,
    newest: HashMap<Owner, String>,
    /// The one before the newest.
    previous: HashMap<Owner, String>,
    forced: HashMap<Owner, i64>,
}

impl Tokens {
    /// Whom a token opens now.
    pub(crate) fn check(&self, token: Option<&str>, now: i64) -> Result<Owner, Dead> {
        let issued = self.issued.get(token.ok_or(Dead::Missing)?).ok_or(Dead::Unknown)?;
        if issued.superseded.is_some_and(|until| now >= until) {
            return Err(Dead::Superseded);
        }
        if now >= issued.expires && issued.superseded.is_none() {
            return Err(Dead::Expired);
        }
        Ok(issued.owner.clone())
    }

    /// The newest token of an owner and when it ends.
    pub(crate) fn newest(&self, owner: &Owner) -> Option<(&str, i64)> {
        let token = self.newest.get(owner)?;
        Some((token, self.issued[token].expires))
    }

    /// A new one beside the last; the one before that dies.
    pub(crate) fn mint(&mut self, owner: &Owner, life_ms: i64, now: i64, random: &mut Random) -> String {
        let token = format!("{}_{}", random.below(90) + 10, random.word(TOKEN_LENGTH));
        if let Some(last) = self.newest.insert(owner.clone(), token.clone()) {
            if let Some(older) = self.previous.insert(owner.clone(), last.clone()) {
                self.supersede(&older, now, now);
            }
            self.supersede(&last, now, now + OVERLAP_MS);
        }
        self.issued
            .insert(token.clone(), Issued { owner: owner.clone(), expires: now + life_ms, superseded: None });
        token
    }

    /// Like `mint`, but the last one keeps its own end: two WeCom tokens of one app may live side by side.
    pub(crate) fn mint_beside(
        &mut self,
        owner: &Owner,
        life_ms: i64,
        now: i64,
        random: &mut Random,
    ) -> String {
        self.newest.remove(owner);
        self.previous.remove(owner);
        self.mint(owner, life_ms, now, random)
    }

    /// The same token while it has more than `margin_ms` left, otherwise a new one; and its seconds left.
    pub(crate) fn keep(
        &mut self,
        owner: &Owner,
        life_ms: i64,
        margin_ms: i64,
        now: i64,
        random: &mut Random,
    ) -> (String, i64) {
        if let Some((token, expires)) = self.newest(owner)
            && expires - now > margin_ms
            && self.check(Some(token), now).is_ok()
        {
            return (token.to_owned(), (expires - now) / 1_000);
        }
        (self.mint(owner, life_ms, now, random), life_ms / 1_000)
    }

    /// Whether a forced refresh would change anything yet.
    pub(crate) fn may_force(&self, owner: &Owner, now: i64) -> bool {
        self.forced.get(owner).is_none_or(|last| now - last >= FORCE_GAP_MS)
    }

    /// A new one, and every other dies at once.
    pub(crate) fn force(&mut self, owner: &Owner, life_ms: i64, now: i64, random: &mut Random) -> String {
        self.forced.insert(owner.clone(), now);
        let token = self.mint(owner, life_ms, now, random);
        let others: Vec<String> = self.of(owner).filter(|other| **other != token).cloned().collect();
        for other in others {
            self.supersede(&other, now, now);
        }
        token
    }

    /// Ends every token of an owner as if its time were over.
    pub(crate) fn expire(&mut self, owner: &Owner, now: i64) {
        for issued in self.issued.values_mut().filter(|issued| issued.owner == *owner) {
            issued.expires = issued.expires.min(now);
            issued.superseded = None;
        }
    }

    /// Everyone who holds a token.
    pub(crate) fn owners(&self) -> Vec<Owner> {
        self.newest.keys().cloned().collect()
    }

    /// Every token that was ever given: none of them may show up in a log.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.issued.keys()
    }

    fn of<'a>(&'a self, owner: &'a Owner) -> impl Iterator<Item = &'a String> {
        self.issued.iter().filter(move |(_, issued)| issued.owner == *owner).map(|(token, _)| token)
    }

    /// What is over already stays over: a switch revives nothing.
    fn supersede(&mut self, token: &str, now: i64, until: i64) {
        if let Some(issued) = self.issued.get_mut(token).filter(|issued| now < issued.expires) {
            issued.superseded = Some(issued.superseded.map_or(until, |earlier| earlier.min(until)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: i64 = 7_200_000;

    fn classic() -> Owner {
        Owner::Classic("wx1".into())
    }

    #[test]
    fn a_third_classic_token_kills_the_first_and_leaves_the_second_five_minutes() {
        let (mut tokens, mut random) = (Tokens::default(), Random::new(1));
        let first = tokens.mint(&classic(), LIFE, 0, &mut random);
        let second = tokens.mint(&classic(), LIFE, 1_000, &mut random);
        assert!(tokens.check(Some(&first), 2_000).is_ok());
        let third = tokens.mint(&classic(), LIFE, 2_000, &mut random);
        assert_eq!(tokens.check(Some(&first), 2_000), Err(Dead::Superseded));
        assert!(tokens.check(Some(&second), 2_000 + OVERLAP_MS - 1).is_ok());
        assert_eq!(tokens.check(Some(&second), 2_000 + OVERLAP_MS), Err(Dead::Superseded));
        assert!(tokens.check(Some(&third), LIFE).is_ok());
        assert_eq!(tokens.check(Some(&third), 2_000 + LIFE), Err(Dead::Expired));
        assert_eq!(tokens.check(Some("never given"), 0), Err(Dead::Unknown));
        assert_eq!(tokens.check(None, 0), Err(Dead::Missing));
    }

    #[test]
    fn a_stable_token_stays_until_five_minutes_before_its_end() {
        let (mut tokens, mut random) = (Tokens::default(), Random::new(1));
        let owner = Owner::Stable("wx1".into());
        let (first, left) = tokens.keep(&owner, LIFE, OVERLAP_MS, 0, &mut random);
        assert_eq!(left, 7_200);
        let at_margin = LIFE - OVERLAP_MS - 1_000;
        assert_eq!(tokens.keep(&owner, LIFE, OVERLAP_MS, at_margin, &mut random), (first.clone(), 301));
        let (second, left) = tokens.keep(&owner, LIFE, OVERLAP_MS, LIFE - OVERLAP_MS, &mut random);
        assert_ne!(first, second);
        assert_eq!(left, 7_200);
        assert!(tokens.check(Some(&first), LIFE - 1).is_ok(), "both work for five minutes");
        assert_eq!(tokens.check(Some(&first), LIFE), Err(Dead::Superseded));
    }

    #[test]
    fn a_forced_token_kills_the_last_at_once_but_not_twice_in_half_a_minute() {
        let (mut tokens, mut random) = (Tokens::default(), Random::new(1));
        let owner = Owner::Stable("wx1".into());
        let (first, _) = tokens.keep(&owner, LIFE, OVERLAP_MS, 0, &mut random);
        assert!(tokens.may_force(&owner, 0));
        let second = tokens.force(&owner, LIFE, 0, &mut random);
        assert_eq!(tokens.check(Some(&first), 0), Err(Dead::Superseded));
        assert!(tokens.check(Some(&second), 0).is_ok());
        assert!(!tokens.may_force(&owner, 29_999));
        assert!(tokens.may_force(&owner, 30_000));
    }

    #[test]
    fn classic_and_stable_do_not_disturb_each_other() {
        let (mut tokens, mut random) = (Tokens::default(), Random::new(1));
        let stable = Owner::Stable("wx1".into());
        let (token, _) = tokens.keep(&stable, LIFE, OVERLAP_MS, 0, &mut random);
        for _ in 0..3 {
            tokens.mint(&classic(), LIFE, 0, &mut random);
        }
        assert!(tokens.check(Some(&token), 0).is_ok());
        tokens.expire(&classic(), 5);
        assert!(tokens.check(Some(&token), 5).is_ok());
    }
}
