//! Every code of `Code` that a server can answer, each made to happen.

use axum::{body::Body, http::Request};
use serde_json::json;
use tocsin_store::Store;

use crate::office::{Office, send};

#[tokio::test]
async fn bad_request_is_broken_json_broken_utf8_or_two_values() {
    let office = Office::open().await;
    for body in
        [&b"{\"topic\":"[..], b"{\"topic\": \"ops\", \"title\": \"\xff\xfe\"}", b"{} {}", b"", b"null"]
    {
        let request = office
            .request("POST", "/v1/messages")
            .bearer_auth(&office.sender)
            .header("content-type", "application/json");
        send(request.body(body.to_vec())).await.refuses(400, "bad_request");
    }
    office.close().await;
}

#[tokio::test]
async fn bad_cursor() {
    let office = Office::open().await;
    office.get(&office.ann, "/poll?cursor=yesterday").await.refuses(400, "bad_cursor");
    office.close().await;
}

#[tokio::test]
async fn not_found_is_a_message_a_token_a_route_or_an_id_that_is_none() {
    let office = Office::open().await;
    for path in [
        "/v1/messages/AAAAAAAAAAAA",
        "/v1/messages/not-an-id",
        "/v1/nothing",
        "/assets/missing.js",
        "/v1/messages/%ff",
    ] {
        office.get(&office.root, path).await.refuses(404, "not_found");
    }
    office.call(&office.root, "DELETE", "/v1/tokens/none").await.refuses(404, "not_found");
    office.close().await;
}

#[tokio::test]
async fn method_not_allowed_says_which_are() {
    let office = Office::open().await;
    let answer = office.call(&office.root, "DELETE", "/v1/messages").await;
    answer.refuses(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST, GET");
    office.close().await;
}

#[tokio::test]
async fn unauthorised_without_with_a_wrong_and_with_a_strange_credential() {
    let office = Office::open().await;
    send(office.request("GET", "/v1/me")).await.refuses(401, "unauthorised");
    office.get("tcs_wrong", "/v1/me").await.refuses(401, "unauthorised");
    send(office.request("GET", "/v1/me").basic_auth("ann", Some(&office.ann)))
        .await
        .refuses(401, "unauthorised");
    send(office.request("GET", &format!("/v1/me?ticket={}", office.ann))).await.refuses(401, "unauthorised");
    office.close().await;
}

#[tokio::test]
async fn gone_is_a_used_or_invented_code() {
    let office = Office::open().await;
    let join = json!({"code": "invented", "device": "laptop"});
    send(office.request("POST", "/v1/join").json(&join)).await.refuses(410, "gone");
    send(office.request("POST", "/v1/session").json(&json!({"code": "invented"}))).await.refuses(410, "gone");
    office.close().await;
}

#[tokio::test]
async fn too_large_by_length_and_by_chunks() {
    let office = Office::open().await;
    let big = vec![b' '; 1024 * 1024 + 1];
    let post = || {
        office
            .request("POST", "/v1/messages")
            .bearer_auth(&office.sender)
            .header("content-type", "application/json")
    };
    send(post().body(big.clone())).await.refuses(413, "too_large");
    let chunks = futures_util::stream::iter(
        big.chunks(64 * 1024).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>(),
    );
    // The server may answer and close before all is sent: then there is no answer to read.
    if let Ok(response) = post().body(reqwest::Body::wrap_stream(chunks)).send().await {
        assert_eq!(response.status().as_u16(), 413);
    }
    assert_eq!(office.store.stats().await.unwrap().messages, 0);
    office.close().await;
}

#[tokio::test]
async fn unsupported_media_type_tells_what_is_taken() {
    let office = Office::open().await;
    for kind in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/octet-stream",
    ] {
        let answer = send(
            office
                .request("POST", "/v1/messages")
                .bearer_auth(&office.sender)
                .header("content-type", kind)
                .body("title=x"),
        )
        .await;
        answer.refuses(415, "unsupported_media_type");
        assert!(answer.json["error"]["hint"].as_str().unwrap().contains("application/json"));
    }
    office.close().await;
}

#[tokio::test]
async fn store_unavailable_when_nothing_can_be_stored() {
    let office = Office::open().await;
    office.get(&office.ann, "/readyz").await.is(200);
    office.store.close().await;
    let answer = office.post(&office.sender, "/v1/messages", json!({"topic": "ops", "title": "x"})).await;
    answer.refuses(503, "store_unavailable");
    assert!(!answer.header("retry-after").is_empty());
    send(office.request("GET", "/healthz")).await.is(200);
    office.close().await;
}

#[tokio::test]
async fn a_store_that_is_closed_is_not_ready() {
    let office = Office::open().await;
    office.store.close().await;
    send(office.request("GET", "/readyz")).await.refuses(503, "store_unavailable");
    send(office.request("GET", "/metrics")).await.is(200);
    office.close().await;
}

#[tokio::test]
async fn busy_while_the_server_ends() {
    use tower::ServiceExt;
    let office = Office::open().await;
    let router = tocsin_server::router(office.state.clone());
    office.state.shutdown.cancel();
    let request = Request::get("/readyz").header("host", "localhost").body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    office.close().await;
}
