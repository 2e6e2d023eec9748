//! The session cookie. Cookies ignore ports, so its name carries the instance: two servers on one host do not
//! overwrite each other's. CSRF rests on the Origin check, not on `SameSite`.

use axum::http::{HeaderMap, header::COOKIE};

use super::Secret;

/// A session ends after this long without use, seconds: a working day.
pub const IDLE_S: i64 = 12 * 3600;

/// Name of the cookie of this installation.
pub fn name(instance: &str) -> String {
    format!("tocsin_{instance}")
}

/// Value of this installation's cookie in a request.
pub fn find<'a>(headers: &'a HeaderMap, instance: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix("tocsin_"))
        .find_map(|pair| pair.strip_prefix(instance)?.strip_prefix('='))
}

/// `Set-Cookie` that opens a session.
pub fn set(instance: &str, secret: &Secret, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!(
        "{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={IDLE_S}{secure}",
        name(instance),
        secret.expose()
    )
}

/// `Set-Cookie` that ends it.
pub fn clear(instance: &str) -> String {
    format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0", name(instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cookie_of_this_instance_is_found() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "theme=dark; tocsin_other=a".parse().unwrap());
        headers.append(COOKIE, "tocsin_ab12=secret; x=y".parse().unwrap());
        assert_eq!(find(&headers, "ab12"), Some("secret"));
        assert_eq!(find(&headers, "ab1"), None);
        assert_eq!(find(&headers, "ab"), None);
    }
}
