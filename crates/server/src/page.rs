//! The page at `/`: the same UI as in the window, out of the program itself. Its shell is public; everything it shows it
//! asks of the API. Only what was built in is served: nothing that was sent or uploaded ever is.

use axum::{
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
            X_FRAME_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};

/// One file of the page.
struct Asset {
    path: &'static str,
    /// Entity tag, quotes included.
    tag: &'static str,
    bytes: &'static [u8],
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Shown when the program was built without the page.
const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tocsin</title>\
<h1>Tocsin is running</h1><p>This program was built without its page. Build the page, then the program again:</p>\
<pre>npm --prefix ui ci\nnpm --prefix ui run build\ncargo build</pre><p>or let <code>cargo xtask run</code> do all of it. \
The API works: see <a href=\"/openapi.json\">/openapi.json</a>.</p></html>";

/// No script, style or connection but this server's own, and no frame around the page. Images over https: the page
/// leaves those of a message out until the person asks for them.
const POLICY: &str = "default-src 'self'; img-src 'self' https:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The file at this path, if there is one.
pub fn find(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let path = if path == "/" { "/index.html" } else { path };
    if ASSETS.is_empty() && path == "/index.html" {
        return Some(shell(
            [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))],
            MISSING.as_bytes(),
        ));
    }
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known
        .flat_map(|value| value.split(','))
        .any(|tag| matches!(tag.trim().trim_start_matches("W/"), t if t == asset.tag || t == "*"));
    // Names below assets/ carry a hash of their content: the same name is the same file for ever.
    let caching =
        if path.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind(path))),
        (CACHE_CONTROL, HeaderValue::from_static(caching)),
        (ETAG, HeaderValue::from_static(asset.tag)),
    ];
    if known {
        return Some((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Some(shell(headers, asset.bytes))
}

fn shell<const N: usize>(headers: [(HeaderName, HeaderValue); N], bytes: &'static [u8]) -> Response {
    let guards = [
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, guards, bytes).into_response()
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "webmanifest" => "application/json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
