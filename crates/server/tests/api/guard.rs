//! Which Host, which Origin, which cookie.

use reqwest::RequestBuilder;
use serde_json::json;

use crate::office::{Office, send};

/// Opens a session; returns the cookie as a browser sends it back.
async fn sign_in(office: &Office, token: &str) -> String {
    let answer = send(office.request("POST", "/v1/session").json(&json!({"token": token}))).await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.text);
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

fn with(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

#[tokio::test]
async fn a_request_for_another_host_is_misdirected_on_every_route() {
    let office = Office::with(|config| {
        config.hosts = vec!["alerts.lan".into()];
        config.public_url = Some("https://push.example.com".into());
    })
    .await;
    for path in ["/", "/healthz", "/v1/me", "/events", "/ws", "/poll", "/openapi.json", "/nothing"] {
        let answer =
            send(office.request("GET", path).bearer_auth(&office.ann).header("host", "evil.example")).await;
        answer.refuses(421, "wrong_host");
        assert!(answer.json["error"]["hint"].as_str().unwrap().contains("`hosts`"));
    }
    for host in [
        "localhost:1",
        "desk-7",
        "desk-7.local",
        "alerts.lan",
        "push.example.com",
        "192.168.1.7:8722",
        "[::1]:8722",
    ] {
        send(office.request("GET", "/healthz").header("host", host)).await.is(200);
    }
    office.close().await;
}

#[tokio::test]
async fn another_origin_is_refused_port_and_scheme_included() {
    let office = Office::with(|config| config.public_url = Some("https://push.example.com/".into())).await;
    let (own, port) = (office.origin.clone(), office.address.port());
    let from = |origin: &str| {
        send(office.request("GET", "/v1/me").bearer_auth(&office.ann).header("origin", origin))
    };
    from(&own).await.is(200);
    from("https://push.example.com").await.is(200);
    let others = [
        "null".to_owned(),
        "http://evil.example".into(),
        "http://127.0.0.1".into(),
        format!("http://127.0.0.1:{}", port.wrapping_add(1)),
        format!("https://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("{own}/"),
    ];
    for origin in others {
        from(&origin).await.refuses(403, "wrong_origin");
    }
    let upgrade = [("origin", "http://evil.example"), ("connection", "upgrade"), ("upgrade", "websocket")];
    send(with(office.request("GET", "/ws").bearer_auth(&office.ann), &upgrade))
        .await
        .refuses(403, "wrong_origin");
    let answer = from(&own).await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "no CORS");
    let preflight = [("origin", "http://evil.example"), ("access-control-request-method", "POST")];
    send(with(office.request("OPTIONS", "/v1/messages"), &preflight)).await.refuses(403, "wrong_origin");
    office.close().await;
}

#[tokio::test]
async fn a_cookie_changes_nothing_without_this_pages_origin() {
    let office = Office::open().await;
    let cookie = sign_in(&office, &office.ann).await;
    let as_ann = |method: &str, path: &str, headers: &[(&str, &str)]| {
        send(with(office.request(method, path).header("cookie", &cookie), headers))
    };
    as_ann("GET", "/v1/me", &[]).await.is(200);
    as_ann("GET", "/v1/me", &[("sec-fetch-site", "same-origin")]).await.is(200);
    as_ann("GET", "/v1/me", &[("sec-fetch-site", "none")]).await.is(200);
    for site in ["cross-site", "same-site"] {
        as_ann("GET", "/v1/me", &[("sec-fetch-site", site)]).await.refuses(403, "wrong_origin");
    }
    let id = office.publish("x").await;
    let read = format!("/v1/messages/{id}/read");
    as_ann("POST", &read, &[]).await.refuses(403, "wrong_origin");
    as_ann("POST", &read, &[("sec-fetch-site", "same-origin")]).await.refuses(403, "wrong_origin");
    as_ann("POST", &read, &[("origin", &office.origin)]).await.is(200);
    office.close().await;
}

#[tokio::test]
async fn another_instances_cookie_is_nobody() {
    let office = Office::open().await;
    send(office.request("GET", "/v1/me").header("cookie", "tocsin_other=abc; x=y"))
        .await
        .refuses(401, "unauthorised");
    office.close().await;
}

#[tokio::test]
async fn a_proxy_is_believed_only_when_it_is_trusted() {
    let forwarded = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "push.example.com"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    let public = ("origin", "https://push.example.com");

    let trusting = Office::with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.hosts = vec!["push.example.com".into()];
    })
    .await;
    let me = || trusting.request("GET", "/v1/me").bearer_auth(&trusting.ann);
    send(with(me(), &forwarded).header(public.0, public.1)).await.is(200);
    let answer =
        send(with(trusting.request("POST", "/v1/session"), &forwarded).json(&json!({"token": trusting.ann})))
            .await;
    assert!(answer.header("set-cookie").contains("; Secure"), "the browser speaks https");
    send(with(trusting.request("GET", "/metrics"), &forwarded)).await.refuses(401, "unauthorised");
    trusting.close().await;

    let wary = Office::with(|config| config.hosts = vec!["push.example.com".into()]).await;
    let me = || wary.request("GET", "/v1/me").bearer_auth(&wary.ann);
    send(with(me(), &forwarded).header(public.0, public.1)).await.refuses(403, "wrong_origin");
    wary.close().await;
}

#[tokio::test]
async fn metrics_are_for_this_computer_and_administrators() {
    let office = Office::open().await;
    let here = send(office.request("GET", "/metrics")).await;
    assert_eq!(here.status.as_u16(), 200);
    assert!(here.header("content-type").starts_with("application/openmetrics-text"));
    assert!(
        here.text
            .contains("tocsin_http_requests_total{route=\"/v1/users\",method=\"POST\",status=\"201\"} 2"),
        "{}",
        here.text
    );
    assert!(here.text.ends_with("# EOF\n"));
    let elsewhere = |token: &str| {
        send(office.request("GET", "/metrics").header("x-forwarded-for", "203.0.113.9").bearer_auth(token))
    };
    elsewhere(&office.ann).await.refuses(403, "forbidden");
    elsewhere(&office.sender).await.refuses(403, "forbidden");
    assert_eq!(elsewhere(&office.root).await.status.as_u16(), 200);
    office.close().await;
}
