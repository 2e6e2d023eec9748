//! Everything the platforms know, behind one lock.
//!
//! Handlers are plain functions on it: they see the whole, change it at once and hand out what has to happen later
//! (callbacks) as entries in `due`. Nothing in here waits or does I/O, so that a seed and the order of calls decide
//! everything.

use std::collections::BTreeMap;

use crate::{
    behaviour::Behaviour,
    callback::{Push, history::History},
    fault::{Fault, Faults, Kind},
    inbox::Inbox,
    journal::Journal,
    limit::{Daily, Sliding},
    people::{App, Corp, OaAccount, Robot},
    random::Random,
    token::{Owner, Tokens},
};

/// The platforms' state.
#[derive(Debug)]
pub struct World {
    /// Switches.
    pub behaviour: Behaviour,
    /// Official accounts, by appid.
    pub oa: BTreeMap<String, OaAccount>,
    /// Corps, by corpid.
    pub corps: BTreeMap<String, Corp>,
    /// Robots, by key.
    pub robots: BTreeMap<String, Robot>,
    /// What the phones show.
    pub inbox: Inbox,
    /// What was asked.
    pub journal: Journal,
    /// Callbacks that were sent.
    pub callbacks: History,
    pub(crate) random: Random,
    pub(crate) tokens: Tokens,
    pub(crate) faults: Faults,
    /// Wrong secrets by address, and until when the address is blocked.
    pub(crate) wrong_secrets: BTreeMap<String, Sliding>,
    pub(crate) blocked_ips: BTreeMap<String, i64>,
    pub(crate) token_quota: BTreeMap<String, Daily>,
    pub(crate) next_msgid: u64,
    /// Callbacks that wait for their time, by time and order.
    pub(crate) due: BTreeMap<(i64, u64), Push>,
    next_due: u64,
    /// Callbacks that go out before the call that made them is answered.
    pub(crate) first: Vec<Push>,
    /// Faults that bend what the platform holds, during the one call that they hit.
    pub(crate) bends: Vec<Fault>,
    seed: u64,
}

/// Beyond 2^53 from the start, as on the platform: whoever reads it as a floating-point number loses digits.
const FIRST_MSGID: u64 = 3_717_005_636_572_528_642;

impl World {
    pub(crate) fn new(seed: u64, behaviour: Behaviour, now: i64) -> Self {
        let mut world = Self {
            behaviour,
            oa: BTreeMap::new(),
            corps: BTreeMap::new(),
            robots: BTreeMap::new(),
            inbox: Inbox::default(),
            journal: Journal::default(),
            callbacks: History::default(),
            random: Random::new(seed),
            tokens: Tokens::default(),
            faults: Faults::default(),
            wrong_secrets: BTreeMap::new(),
            blocked_ips: BTreeMap::new(),
            token_quota: BTreeMap::new(),
            next_msgid: FIRST_MSGID,
            due: BTreeMap::new(),
            next_due: 0,
            first: Vec::new(),
            bends: Vec::new(),
            seed,
        };
        crate::seed::plant(&mut world, now);
        world
    }

    /// Back to the ready-made accounts; switches too.
    pub fn reset(&mut self, now: i64) {
        *self = Self::new(self.seed, Behaviour::default(), now);
    }

    /// The official account that a person means without naming it: the first.
    pub fn account(&self) -> Option<&OaAccount> {
        self.oa.values().next()
    }

    /// The same, to change it.
    pub fn account_mut(&mut self) -> Option<&mut OaAccount> {
        self.oa.values_mut().next()
    }

    /// The first corp.
    pub fn corp(&self) -> Option<&Corp> {
        self.corps.values().next()
    }

    /// The same, to change it.
    pub fn corp_mut(&mut self) -> Option<&mut Corp> {
        self.corps.values_mut().next()
    }

    /// The first app of the first corp.
    pub fn app(&self) -> Option<&App> {
        self.corp()?.apps.values().next()
    }

    /// The same, to change it.
    pub fn app_mut(&mut self) -> Option<&mut App> {
        self.corp_mut()?.apps.values_mut().next()
    }

    /// The first robot.
    pub fn robot(&self) -> Option<&Robot> {
        self.robots.values().next()
    }

    /// The same, to change it.
    pub fn robot_mut(&mut self) -> Option<&mut Robot> {
        self.robots.values_mut().next()
    }

    /// Puts a fault in.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.put(fault);
    }

    /// Takes every fault out.
    pub fn heal(&mut self) {
        self.faults.clear();
    }

    /// Ends all tokens as if their time were over.
    pub fn expire_tokens(&mut self, now: i64) {
        for owner in self.tokens.owners() {
            self.tokens.expire(&owner, now);
        }
    }

    /// Another program refreshes every credential: tokens given so far are not the latest any more.
    pub fn steal_tokens(&mut self, now: i64) {
        for owner in self.tokens.owners() {
            self.steal(&owner, now);
        }
    }

    pub(crate) fn steal(&mut self, owner: &Owner, now: i64) {
        let life = match owner {
            Owner::Classic(_) | Owner::Stable(_) => self.behaviour.oa_token_s,
            Owner::App(..) | Owner::Contacts(_) => self.behaviour.wecom_token_s,
        };
        self.tokens.force(owner, life * 1_000, now, &mut self.random);
    }

    /// Every secret there is: credentials, callback keys, tokens. None may show up in a log, a file or a metric.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = self.tokens.all().cloned().collect();
        let mut target = |target: &Option<crate::callback::target::Target>| {
            if let Some(target) = target {
                secrets.extend([target.token.clone(), target.encoding_aes_key.clone()]);
            }
        };
        self.oa.values().for_each(|account| target(&account.callback));
        self.corps.values().flat_map(|corp| corp.apps.values()).for_each(|app| target(&app.callback));
        secrets.extend(self.oa.values().map(|account| account.secret.clone()));
        for corp in self.corps.values() {
            secrets.push(corp.contact_secret.clone());
            secrets.extend(corp.apps.values().map(|app| app.secret.clone()));
        }
        secrets.extend(self.robots.keys().cloned());
        secrets
    }

    /// Whether the call that is being handled is hit by this.
    pub(crate) fn bent(&self, kind: Kind) -> bool {
        self.bends.iter().any(|fault| fault.fault == kind)
    }

    /// Whom it names.
    pub(crate) fn bent_names(&self, kind: Kind) -> Vec<String> {
        let hits = self.bends.iter().filter(|fault| fault.fault == kind);
        hits.filter_map(|fault| fault.recipient.clone()).collect()
    }

    /// A callback goes out at this time.
    pub(crate) fn later(&mut self, at: i64, push: Push) {
        self.next_due += 1;
        self.due.insert((at, self.next_due), push);
    }

    pub(crate) fn msgid(&mut self) -> u64 {
        self.next_msgid += 1 + self.random.below(1_000);
        self.next_msgid
    }
}
