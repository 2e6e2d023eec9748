//! Tokens, sessions, invites.

use tocsin_protocol::{NewToken, NewUser, Role, TokenKind};

use super::{Bench, DAY, MINUTE, START, to_topic};
use crate::{DeviceId, Entry, Error, JoinOrder, SecretHash, SessionOrder, TokenId, TokenOrder, UserId};

fn secret(n: u8) -> SecretHash {
    std::array::from_fn(|place| n.wrapping_add(u8::try_from(place).unwrap_or(0)))
}

fn client(user: &str, n: u8, expires_in: Option<u64>) -> TokenOrder {
    let token = NewToken {
        kind: TokenKind::Client,
        name: "desk".into(),
        user: Some(user.into()),
        topics: vec![],
        expires_in,
    };
    TokenOrder { token, secret: secret(n), device: Some("desk".into()) }
}

/// Until they expire, are revoked, or their person is removed.
pub async fn tokens_authenticate_until_they_end(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.store.add_token(client("ann", 1, Some(60))).await.unwrap();
    bench.store.add_token(client("ann", 2, None)).await.unwrap();
    let sender = NewToken {
        kind: TokenKind::Sender,
        name: "ci".into(),
        user: None,
        topics: vec!["ops".into()],
        expires_in: None,
    };
    let order = TokenOrder { token: sender, secret: secret(3), device: None };
    let listed = bench.store.add_token(order.clone()).await.unwrap();
    assert_eq!((listed.topics.as_slice(), listed.user.as_deref()), (["ops".to_owned()].as_slice(), None));
    assert!(matches!(bench.store.add_token(order).await, Err(Error::Conflict(_))), "a secret is one token's");
    let who = async |n| bench.store.authenticate(&secret(n)).await.unwrap();
    let principal = who(1).await.unwrap();
    assert_eq!(principal.user, Some((ann, "ann".into(), Role::Member)));
    assert_eq!((principal.kind, principal.device.as_deref()), (TokenKind::Client, Some("desk")));
    assert_eq!(principal.expires_at, Some(START + MINUTE));
    let (ops, _) = bench.store.topic("ops", None).await.unwrap();
    let program = who(3).await.unwrap();
    assert_eq!(
        (program.kind, &*program.topics, program.name.as_str()),
        (TokenKind::Sender, [ops].as_slice(), "ci")
    );
    assert_eq!(who(99).await, None);
    bench.hand.step(MINUTE);
    assert_eq!(who(1).await, None, "expired");
    assert!(who(2).await.is_some());
    bench.store.remove_user("ann").await.unwrap();
    assert_eq!(who(2).await, None, "removed");
    assert!(who(3).await.is_some());
    let mut unknown = client("nobody", 7, None);
    assert!(matches!(bench.store.add_token(unknown.clone()).await, Err(Error::UnknownUser(_))));
    unknown.token.kind = TokenKind::Sender;
    unknown.token.topics = vec!["nope".into()];
    assert!(matches!(bench.store.add_token(unknown).await, Err(Error::UnknownTopic(_))));
}

/// So that every node closes its streams; sessions opened with it end too.
pub async fn a_revocation_is_in_the_log(bench: Bench) {
    let ann = bench.user("ann").await;
    let token = bench.store.add_token(client("ann", 1, None)).await.unwrap();
    let id = bench.store.authenticate(&secret(1)).await.unwrap().unwrap().token;
    let order = SessionOrder { secret: secret(9), user: ann, token: Some(id), idle_ms: DAY };
    bench.store.add_session(order).await.unwrap();
    assert_eq!(bench.store.session(&secret(9)).await.unwrap().unwrap().token, Some(id));
    let head = bench.head();
    bench.store.revoke_token(&token.id, None).await.unwrap();
    let log = bench.store.log(head, 10).await.unwrap();
    assert_eq!(log[0].entry, Entry::Revoked { token: id });
    assert_eq!(log[1].entry, Entry::SessionEnded { session: secret(9) });
    assert_eq!(bench.store.authenticate(&secret(1)).await.unwrap(), None);
    assert_eq!(bench.store.session(&secret(9)).await.unwrap(), None);
    assert!(matches!(bench.store.revoke_token(&token.id, None).await, Err(Error::NotFound(_))));
    assert!(matches!(bench.store.revoke_token("x", None).await, Err(Error::NotFound(_))));
    assert!(bench.store.tokens(None).await.unwrap().is_empty());
}

/// A member revokes and lists their own.
pub async fn only_ones_own_token(bench: Bench) {
    let ann = bench.user("ann").await;
    let bob = bench.user("bob").await;
    let token = bench.store.add_token(client("ann", 1, None)).await.unwrap();
    bench.store.add_token(client("bob", 2, None)).await.unwrap();
    assert!(matches!(bench.store.revoke_token(&token.id, Some(bob)).await, Err(Error::NotFound(_))));
    assert_eq!(bench.store.tokens(Some(ann)).await.unwrap().len(), 1);
    assert_eq!(bench.store.tokens(None).await.unwrap().len(), 2);
    bench.store.revoke_token(&token.id, Some(ann)).await.unwrap();
}

/// After their idle time, by being ended, with their person.
pub async fn sessions_end(bench: Bench) {
    let ann = bench.user("ann").await;
    let open = async |n| {
        let order = SessionOrder { secret: secret(n), user: ann, token: None, idle_ms: 10 * MINUTE };
        bench.store.add_session(order).await.unwrap();
    };
    let is_live = async |n| bench.store.session(&secret(n)).await.unwrap().is_some();
    open(1).await;
    open(2).await;
    for _ in 0..5 {
        bench.hand.step(9 * MINUTE);
        assert!(is_live(1).await, "used, so kept");
    }
    assert!(!is_live(2).await, "idle for too long");
    let head = bench.head();
    bench.store.end_session(&secret(1)).await.unwrap();
    assert!(!is_live(1).await);
    assert_eq!(bench.store.log(head, 9).await.unwrap()[0].entry, Entry::SessionEnded { session: secret(1) });
    bench.store.end_session(&secret(1)).await.unwrap();
    assert_eq!(bench.head(), head + 1);
    open(3).await;
    bench.store.remove_user("ann").await.unwrap();
    assert!(!is_live(3).await);
    let order = SessionOrder { secret: secret(4), user: ann, token: None, idle_ms: MINUTE };
    assert!(matches!(bench.store.add_session(order).await, Err(Error::NotFound(_))));
}

fn invite(user: Option<&str>, topics: &[&str]) -> JoinOrder {
    let topics = topics.iter().map(|&name| name.to_owned()).collect();
    JoinOrder { user: user.map(Into::into), role: Role::Member, topics, expires_at: START + MINUTE }
}

fn joining(name: &str) -> NewUser {
    NewUser { name: name.into(), display_name: Some("New".into()), role: Role::Admin }
}

/// A person, their topics, a device and its token, from one code, once.
pub async fn an_invite_works_once(bench: Bench) {
    bench.topic("ops", &[]).await;
    bench.store.add_invite(secret(1), invite(None, &["ops"])).await.unwrap();
    let joined =
        bench.store.redeem_invite(&secret(1), "laptop", Some(joining("new")), secret(2)).await.unwrap();
    assert_eq!((joined.user.name.as_str(), joined.user.display_name.as_str()), ("new", "New"));
    assert_eq!(joined.user.role, Role::Member, "the invite decides");
    assert_eq!(joined.device, "laptop");
    let principal = bench.store.authenticate(&secret(2)).await.unwrap().unwrap();
    assert_eq!(principal.device.as_deref(), Some("laptop"));
    assert_eq!(bench.store.publish(to_topic("ops")).await.unwrap().published.audience, 1);
    let again = bench.store.redeem_invite(&secret(1), "x", Some(joining("other")), secret(3)).await;
    assert!(matches!(again, Err(Error::Gone)));
    let unknown = bench.store.redeem_invite(&secret(5), "x", Some(joining("other")), secret(3)).await;
    assert!(matches!(unknown, Err(Error::Gone)));
    bench.store.add_invite(secret(6), invite(None, &[])).await.unwrap();
    bench.hand.step(MINUTE);
    let late = bench.store.redeem_invite(&secret(6), "x", Some(joining("other")), secret(3)).await;
    assert!(matches!(late, Err(Error::Gone)));
    let nowhere = bench.store.add_invite(secret(7), invite(None, &["nope"])).await;
    assert!(matches!(nowhere, Err(Error::UnknownTopic(_))));
}

/// A taken name, or a device that cannot be named, leaves the code good.
pub async fn an_invite_makes_all_or_nothing(bench: Bench) {
    bench.user("ann").await;
    bench.store.add_invite(secret(1), invite(None, &[])).await.unwrap();
    let taken = bench.store.redeem_invite(&secret(1), "laptop", Some(joining("ann")), secret(2)).await;
    assert!(matches!(taken, Err(Error::Conflict(_))));
    let unnamed = bench.store.redeem_invite(&secret(1), "not a name", Some(joining("new")), secret(2)).await;
    assert!(matches!(unnamed, Err(Error::Conflict(_))));
    assert!(matches!(bench.store.user("new").await, Err(Error::UnknownUser(_))));
    bench.store.redeem_invite(&secret(1), "laptop", Some(joining("new")), secret(2)).await.unwrap();
}

/// Another device of somebody who is here already; a topic removed meanwhile is passed over.
pub async fn an_invite_for_a_known_person(bench: Bench) {
    bench.user("ann").await;
    bench.topic("gone", &[]).await;
    bench.topic("ops", &[]).await;
    bench.store.add_invite(secret(1), invite(Some("ANN"), &["gone", "ops"])).await.unwrap();
    bench.store.remove_topic("gone").await.unwrap();
    let joined = bench.store.redeem_invite(&secret(1), "phone", None, secret(2)).await.unwrap();
    assert_eq!((joined.user.name.as_str(), joined.token.user.as_deref()), ("ann", Some("ann")));
    assert_eq!(bench.store.members("ops").await.unwrap().len(), 1);
    bench.store.add_invite(secret(3), invite(Some("cy"), &[])).await.unwrap();
    let joined = bench.store.redeem_invite(&secret(3), "phone", None, secret(4)).await.unwrap();
    assert_eq!(joined.user.name, "cy", "made on use");
    bench.store.add_invite(secret(5), invite(Some("CY"), &[])).await.unwrap();
    bench.store.remove_user("cy").await.unwrap();
    let again = bench.store.redeem_invite(&secret(5), "phone", None, secret(6)).await;
    assert!(matches!(again, Err(Error::Gone)), "somebody who was removed does not come back by it");
}

/// To the minute.
pub async fn signs_of_life_are_listed(bench: Bench) {
    let ann = bench.user("ann").await;
    bench.store.add_token(client("ann", 1, None)).await.unwrap();
    let token = bench.store.authenticate(&secret(1)).await.unwrap().unwrap().token;
    let device = bench.device(ann, "desk").await;
    assert_eq!(bench.store.devices(None).await.unwrap()[0].last_seen_at, None);
    bench.hand.step(90_000);
    bench.store.touch(Some(device), token).unwrap();
    bench.store.touch(Some(DeviceId(99)), TokenId(99)).unwrap();
    let minute = bench.hand.now() - bench.hand.now().rem_euclid(MINUTE);
    for _ in 0..2 {
        assert_eq!(bench.store.devices(None).await.unwrap()[0].last_seen_at, Some(minute));
        assert_eq!(bench.store.tokens(None).await.unwrap()[0].last_used_at, Some(minute));
        bench.store.probe().await.unwrap();
    }
    assert_eq!(bench.head(), 0, "it takes no position");
}

/// The person, and how much they have not read.
pub async fn me_is_who_asks(bench: Bench) {
    bench.user("ann").await;
    bench.topic("ops", &["ann"]).await;
    bench.publish(to_topic("ops")).await;
    bench.store.add_token(client("ann", 1, None)).await.unwrap();
    let mut principal = bench.store.authenticate(&secret(1)).await.unwrap().unwrap();
    let (user, unread) = bench.store.me(&principal).await.unwrap();
    assert_eq!((user.unwrap().name.as_str(), unread), ("ann", Some(1)));
    principal.user = None;
    assert_eq!(bench.store.me(&principal).await.unwrap(), (None, None));
    principal.user = Some((UserId(99), "x".into(), Role::Member));
    assert!(matches!(bench.store.me(&principal).await, Err(Error::NotFound(_))));
}
