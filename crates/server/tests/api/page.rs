//! The page's shell: public, cached by content, closed to other sites.

use crate::office::{Office, send};

#[tokio::test]
async fn the_shell_is_public_and_closed_to_frames_and_foreign_scripts() {
    let office = Office::open().await;
    let shell = send(office.request("GET", "/")).await;
    assert_eq!(shell.status.as_u16(), 200);
    assert_eq!(shell.header("content-type"), "text/html; charset=utf-8");
    assert!(shell.text.contains("<title>Tocsin</title>"));
    let policy = shell.header("content-security-policy");
    assert!(
        policy.contains("default-src 'self'")
            && policy.contains("frame-ancestors 'none'")
            && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(shell.header("x-content-type-options"), "nosniff");
    assert_eq!(shell.header("referrer-policy"), "no-referrer");
    let head = send(office.request("HEAD", "/")).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    send(office.request("POST", "/")).await.refuses(404, "not_found");
    for path in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "/desktop.html", "/assets/", "/index.html/x"] {
        send(office.request("GET", path)).await.refuses(404, "not_found");
    }
    office.close().await;
}

#[tokio::test]
async fn what_the_shell_names_is_there_and_is_kept_by_its_tag() {
    let office = Office::open().await;
    let shell = send(office.request("GET", "/")).await;
    let named: Vec<&str> = shell.text.split('"').filter_map(|part| part.strip_prefix("./assets/")).collect();
    assert_eq!(named.is_empty(), !shell.text.contains("<script"), "a built page names its script");
    for name in named {
        let asset = send(office.request("GET", &format!("/assets/{name}"))).await;
        assert_eq!(asset.status.as_u16(), 200, "{name}");
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        let again = send(
            office.request("GET", &format!("/assets/{name}")).header("if-none-match", asset.header("etag")),
        )
        .await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    }
    office.close().await;
}

#[tokio::test]
async fn answers_of_the_api_are_not_kept_by_browsers() {
    let office = Office::open().await;
    let answer = office.get(&office.ann, "/v1/me").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    office.close().await;
}
