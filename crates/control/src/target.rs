//! Which paths the control socket passes on to the server.

/// Whether a path may be passed on to the server's `/v1/…`. A client of HTTP resolves dot segments, also percent-encoded
/// ones, before it sends, so that `/v1/../metrics` would leave what the socket is for. No route of the server has a
/// percent sign, a backslash or an empty segment in its path, so none is lost.
pub fn is_api_path(path: &str) -> bool {
    path.strip_prefix("/v1/").is_some_and(|rest| {
        rest.split('/').all(|segment| {
            !segment.is_empty() && segment != "." && segment != ".." && !segment.contains(['%', '\\'])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_of_the_api_are_passed_on() {
        for good in ["/v1/me", "/v1/messages/abcdefghijkl/receipt", "/v1/users/ann.b", "/v1/topics/..ops"] {
            assert!(is_api_path(good), "{good}");
        }
        for bad in [
            "/v1/../metrics",
            "/v1/%2e%2e/metrics",
            "/v1/.%2E/metrics",
            "/v1/./me",
            "/v1/messages/..",
            "/v1/..\\metrics",
            "/v1//me",
            "/v1/",
            "/v1",
            "/metrics",
        ] {
            assert!(!is_api_path(bad), "{bad}");
        }
    }
}
