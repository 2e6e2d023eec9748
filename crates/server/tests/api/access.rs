//! Tokens, sessions, tickets, invites: how one gets in, and how that ends.

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::office::{Office, send};

async fn me(office: &Office, token: &str) -> u16 {
    office.get(token, "/v1/me").await.status.as_u16()
}

#[tokio::test]
async fn a_revoked_token_ends_at_once_and_so_does_one_that_expires() {
    let office = Office::open().await;
    let made = office
        .post(&office.ann, "/v1/tokens", json!({"kind": "client", "name": "script", "expires_in": 60}))
        .await
        .is(201);
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("tcs_") && secret.len() == 47);
    assert_eq!(me(&office, secret).await, 200);
    let listed = office.get(&office.ann, "/v1/tokens").await;
    assert!(!listed.text.contains(secret), "a secret is shown once");
    assert!(listed.json.as_array().unwrap().iter().all(|token| token["user"] == "ann"), "only one's own");
    office.pass(60_000);
    assert_eq!(me(&office, secret).await, 401, "expired, though remembered");

    assert_eq!(me(&office, &office.bob).await, 200);
    let all = office.get(&office.root, "/v1/tokens").await.is(200);
    let bobs = all.as_array().unwrap().iter().find(|token| token["user"] == "bob").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    office.call(&office.ann, "DELETE", &format!("/v1/tokens/{bobs}")).await.refuses(404, "not_found");
    office.call(&office.root, "DELETE", &format!("/v1/tokens/{bobs}")).await.is(204);
    assert_eq!(me(&office, &office.bob).await, 401);

    office.call(&office.ann, "DELETE", "/v1/tokens/own").await.is(204);
    assert_eq!(me(&office, &office.ann).await, 401);
    assert_eq!(me(&office, &office.root).await, 200, "one's own, and nobody else's");
    office.close().await;
}

#[tokio::test]
async fn who_is_let_in_for_a_while_makes_no_token_for_longer() {
    let office = Office::open().await;
    let for_a_minute = json!({"kind": "client", "name": "script", "expires_in": 60});
    let made = office.post(&office.ann, "/v1/tokens", for_a_minute).await.is(201);
    let (secret, end) = (made["secret"].as_str().unwrap(), made["expires_at"].as_i64().unwrap());
    let opened = send(office.request("POST", "/v1/session").json(&json!({"token": secret}))).await;
    let cookie = opened.header("set-cookie").split(';').next().unwrap().to_owned();
    office.pass(1_500);
    for life in [json!(null), json!(3600)] {
        let order = json!({"kind": "client", "name": "longer", "expires_in": life});
        let request = || office.request("POST", "/v1/tokens").header("origin", &office.origin).json(&order);
        for request in [request().bearer_auth(secret), request().header("cookie", &cookie)] {
            let longer = send(request).await.is(201);
            let until = longer["expires_at"].as_i64();
            assert!(until.is_some_and(|until| (end - 1000..=end).contains(&until)), "{longer:#}");
        }
    }
    let short = json!({"kind": "client", "name": "short", "expires_in": 5});
    let short = send(office.request("POST", "/v1/tokens").bearer_auth(secret).json(&short)).await.is(201);
    assert!(short["expires_at"].as_i64().unwrap() < end - 50_000);
    let free =
        office.post(&office.ann, "/v1/tokens", json!({"kind": "client", "name": "free"})).await.is(201);
    assert!(free["expires_at"].is_null(), "one without an end may make one without an end: {free:#}");
    office.close().await;
}

#[tokio::test]
async fn a_client_ahead_of_the_log_is_named_in_it() {
    let log = crate::secrets::listen();
    let office = Office::open().await;
    let cursor = office.get(&office.ann, "/poll?device=tablet").await.is(200)["cursor"].clone();
    let epoch = cursor.as_str().unwrap().split('-').next().unwrap();
    let ahead = format!("{epoch}-987654321");
    let answer = office.get(&office.ann, &format!("/poll?device=tablet&cursor={ahead}")).await.is(200);
    assert_eq!(answer["reset"]["reason"], "epoch");
    let text = log.text();
    let line = text.lines().find(|line| line.contains(&ahead) && line.contains("ahead of the log")).unwrap();
    let token = office.get(&office.ann, "/v1/tokens").await.is(200)[0]["id"].as_str().unwrap().to_owned();
    for part in ["user=ann", "device=tablet", &format!("token={token}")] {
        assert!(line.contains(part), "{part}: {line}");
    }
    office.close().await;
}

#[tokio::test]
async fn a_token_says_who_it_is_for() {
    let office = Office::open().await;
    let refused = [
        (&office.ann, json!({"kind": "client", "name": "x", "user": "bob"}), 403, "forbidden"),
        (&office.ann, json!({"kind": "sender", "name": "x", "topics": ["ops"]}), 403, "forbidden"),
        (&office.root, json!({"kind": "sender", "name": "x"}), 422, "invalid_field"),
        (&office.root, json!({"kind": "sender", "name": "x", "topics": ["nowhere"]}), 404, "unknown_topic"),
        (
            &office.root,
            json!({"kind": "sender", "name": "x", "topics": ["ops"], "user": "ann"}),
            422,
            "invalid_field",
        ),
        (&office.root, json!({"kind": "client", "name": "x", "topics": ["ops"]}), 422, "invalid_field"),
        (&office.root, json!({"kind": "client", "name": "x", "user": "ghost"}), 422, "unknown_user"),
        (&office.root, json!({"kind": "client", "name": " "}), 422, "invalid_field"),
    ];
    for (token, body, status, code) in refused {
        office.post(token, "/v1/tokens", body).await.refuses(status, code);
    }
    let listed = office.get(&office.root, "/v1/tokens").await.is(200);
    assert!(
        listed.as_array().unwrap().iter().all(|token| token["name"] != "local"),
        "the host's own secret is in no list"
    );
    office.close().await;
}

#[tokio::test]
async fn a_sender_publishes_to_its_topics_and_nothing_else() {
    let office = Office::open().await;
    office.publish("x").await;
    office
        .post(&office.sender, "/v1/messages", json!({"topic": "private", "title": "x"}))
        .await
        .refuses(403, "forbidden");
    office
        .post(&office.sender, "/v1/messages", json!({"to": ["ann"], "title": "x"}))
        .await
        .refuses(403, "forbidden");
    office.get(&office.sender, "/v1/messages").await.refuses(403, "forbidden");
    office
        .post(&office.ann, "/v1/messages", json!({"topic": "private", "title": "x"}))
        .await
        .refuses(403, "forbidden");
    let own = office.get(&office.sender, "/v1/me").await.is(200);
    assert_eq!((own["kind"].as_str(), own.get("user")), (Some("sender"), None));
    office.close().await;
}

#[tokio::test]
async fn a_removed_person_is_out() {
    let office = Office::open().await;
    assert_eq!(me(&office, &office.bob).await, 200);
    office.call(&office.root, "DELETE", "/v1/users/bob").await.is(204);
    assert_eq!(me(&office, &office.bob).await, 401);
    office.close().await;
}

#[tokio::test]
async fn a_login_code_becomes_a_cookie_once() {
    let office = Office::open().await;
    let code = office.call(&office.ann, "POST", "/v1/login-codes").await.is(201);
    let (page, code) = code["url"].as_str().unwrap().split_once("/#code=").unwrap();
    assert_eq!(page, office.origin);
    let exchange = || {
        send(
            office
                .request("POST", "/v1/session")
                .header("origin", &office.origin)
                .json(&json!({"code": code})),
        )
    };
    let opened = exchange().await;
    assert_eq!(opened.status.as_u16(), 204, "{}", opened.text);
    let cookie = opened.header("set-cookie").to_owned();
    let instance =
        office.get(&office.ann, "/v1/me").await.is(200)["server"]["instance"].as_str().unwrap().to_owned();
    assert!(cookie.starts_with(&format!("tocsin_{instance}=")), "{cookie}");
    assert!(
        cookie.contains("; HttpOnly; SameSite=Strict; Max-Age=43200") && !cookie.contains("Secure"),
        "{cookie}"
    );
    exchange().await.refuses(410, "gone");

    let cookie = cookie.split(';').next().unwrap().to_owned();
    let by_cookie = |method: &str, path: &str| {
        send(office.request(method, path).header("cookie", &cookie).header("origin", &office.origin))
    };
    let own = by_cookie("GET", "/v1/me").await.is(200);
    assert_eq!((own["user"]["name"].as_str(), own["device"].as_str()), (Some("ann"), Some("browser")));
    by_cookie("GET", "/poll").await.is(200);
    let ended = by_cookie("DELETE", "/v1/session").await;
    assert!(ended.header("set-cookie").contains("Max-Age=0"));
    ended.is(204);
    by_cookie("GET", "/v1/me").await.refuses(401, "unauthorised");
    office.close().await;
}

#[tokio::test]
async fn a_code_lasts_5_min_and_a_session_12_h_without_use() {
    let office = Office::open().await;
    let code = office.call(&office.ann, "POST", "/v1/login-codes").await.is(201);
    let code = code["url"].as_str().unwrap().split_once("#code=").unwrap().1.to_owned();
    office.pass(5 * 60_000);
    send(office.request("POST", "/v1/session").json(&json!({"code": code}))).await.refuses(410, "gone");

    let opened = send(office.request("POST", "/v1/session").json(&json!({"token": office.ann}))).await;
    let cookie = opened.header("set-cookie").split(';').next().unwrap().to_owned();
    let status =
        async || send(office.request("GET", "/v1/me").header("cookie", &cookie)).await.status.as_u16();
    for _ in 0..3 {
        office.pass(11 * 3_600_000);
        assert_eq!(status().await, 200, "each use puts off the end");
    }
    office.pass(12 * 3_600_000 + 1);
    assert_eq!(status().await, 401);
    send(office.request("POST", "/v1/session").json(&json!({"token": office.sender})))
        .await
        .refuses(403, "forbidden");
    office.close().await;
}

#[tokio::test]
async fn a_session_ends_with_the_token_it_was_opened_with() {
    let office = Office::open().await;
    let made =
        office.post(&office.ann, "/v1/tokens", json!({"kind": "client", "name": "tablet"})).await.is(201);
    let opened = send(office.request("POST", "/v1/session").json(&json!({"token": made["secret"]}))).await;
    let cookie = opened.header("set-cookie").split(';').next().unwrap().to_owned();
    let status =
        async || send(office.request("GET", "/v1/me").header("cookie", &cookie)).await.status.as_u16();
    assert_eq!(status().await, 200);
    office.call(&office.ann, "DELETE", &format!("/v1/tokens/{}", made["id"].as_str().unwrap())).await.is(204);
    assert_eq!(status().await, 401);
    office.close().await;
}

async fn ticket(office: &Office, transport: &str) -> String {
    let made = office.post(&office.ann, "/v1/tickets", json!({"for": transport})).await.is(201);
    made["ticket"].as_str().unwrap().into()
}

#[tokio::test]
async fn a_websocket_ticket_opens_one_stream() {
    let office = Office::open().await;
    let ticket = ticket(&office, "ws").await;
    let upgrade = || {
        office
            .request("GET", &format!("/ws?ticket={ticket}"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-protocol", "tocsin.v1")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .send()
    };
    send(office.request("GET", &format!("/events?ticket={ticket}"))).await.refuses(401, "unauthorised");
    send(office.request("GET", &format!("/v1/me?ticket={ticket}"))).await.refuses(401, "unauthorised");
    assert_eq!(upgrade().await.unwrap().status().as_u16(), 101);
    assert_eq!(upgrade().await.unwrap().status().as_u16(), 401);
    office.close().await;
}

#[tokio::test]
async fn an_event_stream_ticket_may_come_back() {
    let office = Office::open().await;
    let ticket = ticket(&office, "sse").await;
    let path = format!("/events?ticket={ticket}");
    for _ in 0..3 {
        let response = office.request("GET", &path).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert!(response.bytes_stream().next().await.unwrap().is_ok(), "first bytes at once");
        office.pass(4 * 60_000);
    }
    let late = self::ticket(&office, "sse").await;
    office.pass(30_000);
    send(office.request("GET", &format!("/events?ticket={late}"))).await.refuses(401, "unauthorised");
    office.close().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_and_a_valid_token_is_not() {
    let office = Office::with(|config| config.rates.auth_failures_per_min = 5).await;
    for _ in 0..5 {
        office.get("tcs_guess", "/v1/me").await.refuses(401, "unauthorised");
    }
    let answer = office.get("tcs_guess", "/v1/me").await;
    answer.refuses(429, "rate_limited");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() <= 60);
    send(office.request("POST", "/v1/join").json(&json!({"code": "guess", "device": "d"})))
        .await
        .refuses(429, "rate_limited");
    send(office.request("POST", "/v1/session").json(&json!({"code": "guess"})))
        .await
        .refuses(429, "rate_limited");
    assert_eq!(me(&office, &office.ann).await, 200);
    office.pass(60_000);
    office.get("tcs_guess", "/v1/me").await.refuses(401, "unauthorised");
    office.close().await;
}

async fn join(office: &Office, body: Value) -> crate::office::Answer {
    send(office.request("POST", "/v1/join").json(&body)).await
}

#[tokio::test]
async fn an_invite_makes_a_person_a_device_and_a_token_once() {
    let office = Office::open().await;
    let made =
        office.post(&office.root, "/v1/invites", json!({"user": "carol", "topics": ["ops"]})).await.is(201);
    let invite: tocsin_protocol::invite::InviteText = made["invite"].as_str().unwrap().parse().unwrap();
    assert_eq!((invite.origin.as_str(), &invite.ca_fingerprint), (office.origin.as_str(), &None));
    let joined = join(&office, json!({"code": invite.code, "device": "laptop", "display_name": "Carol"}))
        .await
        .is(201);
    assert_eq!((joined["user"]["name"].as_str(), joined["device"].as_str()), (Some("carol"), Some("laptop")));
    let own = office.get(joined["secret"].as_str().unwrap(), "/v1/me").await.is(200);
    assert_eq!(own["device"], "laptop");
    join(&office, json!({"code": invite.code, "device": "other"})).await.refuses(410, "gone");
    let topics = office.get(joined["secret"].as_str().unwrap(), "/v1/topics").await.is(200);
    assert!(topics.as_array().unwrap().iter().any(|topic| topic["name"] == "ops" && topic["member"] == true));

    let open = office.post(&office.root, "/v1/invites", json!({})).await.is(201);
    let invite: tocsin_protocol::invite::InviteText = open["invite"].as_str().unwrap().parse().unwrap();
    join(&office, json!({"code": invite.code, "device": "a b"})).await.refuses(422, "invalid_field");
    join(&office, json!({"code": invite.code, "device": "pc", "user": "dave"})).await.is(201);

    let short =
        office.post(&office.root, "/v1/invites", json!({"user": "eve", "expires_in": 60})).await.is(201);
    let invite: tocsin_protocol::invite::InviteText = short["invite"].as_str().unwrap().parse().unwrap();
    office.pass(60_000);
    join(&office, json!({"code": invite.code, "device": "pc"})).await.refuses(410, "gone");
    office
        .post(&office.root, "/v1/invites", json!({"expires_in": 8 * 24 * 3600}))
        .await
        .refuses(422, "invalid_field");
    office
        .post(&office.root, "/v1/invites", json!({"topics": ["nowhere"]}))
        .await
        .refuses(404, "unknown_topic");
    office.close().await;
}
