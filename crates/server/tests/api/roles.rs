//! Every line of the table of roles, with every role; and that routes, table and description are the same list.

use std::collections::BTreeSet;

use tocsin_server::{
    guard::table::{Access, TABLE},
    routes::openapi,
};

use crate::office::{Office, send};

/// A path of the table, filled with names that do not exist.
fn filled(path: &str) -> String {
    path.replace("{id}", "AAAAAAAAAAAA")
        .replace("{name}", "nobody")
        .replace("{user}", "nobody")
        .replace("{topic}", "nowhere")
        .replace("{channel}", "nowhere")
        .replace("{part}", "nothing")
}

#[tokio::test]
async fn each_role_reaches_what_the_table_says_and_no_more() {
    let office = Office::open().await;
    let roles = [
        ("nobody", None),
        ("sender", Some(&office.sender)),
        ("member", Some(&office.ann)),
        ("admin", Some(&office.root)),
    ];
    for rule in TABLE {
        for (role, token) in roles {
            let allowed = match rule.access {
                Access::Public => true,
                Access::Anyone => role != "nobody",
                Access::Person => matches!(role, "member" | "admin"),
                // Asked as if through a proxy: nobody is "here".
                Access::Admin | Access::AdminOrHere => role == "admin",
            };
            let mut request =
                office.request(rule.method, &filled(rule.path)).header("x-forwarded-for", "203.0.113.9");
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let what = format!("{role} {} {}: {status}", rule.method, rule.path);
            match (allowed, role) {
                (true, _) => assert!(status != 401 && status != 405 && status < 500, "{what}"),
                (false, "nobody") => assert_eq!(status, 401, "{what}"),
                (false, _) => assert_eq!(status, 403, "{what}"),
            }
            // A member is refused by some routes for whose thing it is; never an administrator.
            if allowed && role == "admin" {
                assert_ne!(status, 403, "{what}");
            }
        }
    }
    office.close().await;
}

/// The routes of one access in the table.
fn of(access: Access) -> BTreeSet<String> {
    let rules = TABLE.iter().filter(|rule| rule.access == access);
    rules.map(|rule| format!("{} {}", rule.method, rule.path)).collect()
}

/// Written down a second time on purpose, as is the next: a slip in the table must not pass because the tests read the
/// same table.
#[test]
fn what_only_an_administrator_may() {
    let admin = [
        "DELETE /v1/channels/{name}",
        "DELETE /v1/channels/{name}/bindings/{user}",
        "DELETE /v1/channels/{name}/secrets/{part}",
        "DELETE /v1/routes",
        "GET /v1/channels",
        "GET /v1/channels/{name}",
        "GET /v1/channels/{name}/bindings",
        "GET /v1/channels/{name}/candidates",
        "GET /v1/channels/{name}/templates",
        "GET /v1/channels/{name}/quota",
        "GET /v1/deliveries",
        "GET /v1/deliveries/{id}",
        "GET /v1/routes",
        "POST /v1/channels/{name}/bindings/{user}/code",
        "POST /v1/channels/{name}/qr",
        "POST /v1/channels/{name}/reopen",
        "POST /v1/channels/{name}/test",
        "POST /v1/deliveries/resend",
        "PUT /v1/channels/{name}",
        "PUT /v1/channels/{name}/bindings/{user}",
        "PUT /v1/channels/{name}/secrets/{part}",
        "PUT /v1/routes",
        "DELETE /v1/topics/{name}",
        "DELETE /v1/topics/{name}/members/{user}",
        "DELETE /v1/users/{name}",
        "PATCH /v1/topics/{name}",
        "POST /v1/invites",
        "POST /v1/topics",
        "POST /v1/users",
        "PUT /v1/topics/{name}/members/{user}",
        "DELETE /v1/policies/{name}",
        "POST /v1/policies/dry-run",
        "PUT /v1/policies/{name}",
    ];
    assert_eq!(of(Access::Admin), admin.map(str::to_owned).into());
}

#[test]
fn what_anyone_may_and_what_needs_no_credential() {
    let public = [
        "GET /healthz",
        "GET /openapi.json",
        "GET /readyz",
        "GET /v1/hooks/wechat/{channel}",
        "GET /v1/hooks/wecom/{channel}",
        "POST /v1/hooks/wechat/{channel}",
        "POST /v1/hooks/wecom/{channel}",
        "POST /v1/join",
        "POST /v1/session",
    ];
    assert_eq!(of(Access::Public), public.map(str::to_owned).into());
    let anyone = [
        "GET /v1/me",
        "GET /v1/messages/{id}",
        "GET /v1/messages/{id}/receipt",
        "POST /v1/hooks/alertmanager/{topic}",
        "GET /v1/receipts",
        "POST /v1/messages",
        "POST /v1/messages/{id}/cancel",
        "POST /v1/messages/{id}/resend",
    ];
    assert_eq!(of(Access::Anyone), anyone.map(str::to_owned).into());
    assert_eq!(of(Access::AdminOrHere), ["GET /metrics".to_owned()].into());
}

#[tokio::test]
async fn table_and_description_list_the_same_routes() {
    let table: BTreeSet<String> = TABLE.iter().map(|rule| format!("{} {}", rule.method, rule.path)).collect();
    let document = serde_json::to_value(openapi::document()).unwrap();
    let described: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(table, described);
}

/// Streams read their query by hand, so their parameters are described by hand.
#[tokio::test]
async fn every_parameter_of_a_stream_is_described() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    for (path, wanted) in [
        ("/poll", vec!["cursor", "device", "user_id", "wait"]),
        ("/events", vec!["Last-Event-ID", "cursor", "device", "instance", "ticket"]),
        ("/ws", vec!["cursor", "device", "instance", "ticket"]),
    ] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        let names: BTreeSet<_> =
            parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(names, wanted.into_iter().collect(), "{path}");
    }
}

#[tokio::test]
async fn the_description_is_served_and_tells_public_routes_apart() {
    let office = Office::open().await;
    let document = send(office.request("GET", "/openapi.json")).await.is(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for rule in TABLE.iter().filter(|rule| rule.access == Access::Public) {
        let security = &document["paths"][rule.path][rule.method.to_lowercase()]["security"];
        assert_eq!(security, &serde_json::json!([{}]), "{} {}", rule.method, rule.path);
    }
    for name in ["Publish", "Receipt", "ErrorBody", "MessageView"] {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    office.close().await;
}
