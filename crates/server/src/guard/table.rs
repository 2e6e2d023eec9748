//! Who may do what: the one table of routes and roles. The guard refuses what is not in it, so a route without a line
//! here answers nobody. What depends on whose thing it is (an own token, a received message) is checked by the route.

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a credential.
    Public,
    /// Every valid credential, sender tokens included.
    Anyone,
    /// A person: admin or member.
    Person,
    /// Administrators.
    Admin,
    /// Administrators, and programs on this very computer (no proxy between): numbers without secrets, so that a
    /// Prometheus beside the server needs no token.
    AdminOrHere,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Method; `HEAD` follows `GET`.
    pub method: &'static str,
    /// Path with `{…}` for segments.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
}

const fn rule(method: &'static str, path: &'static str, access: Access) -> Rule {
    Rule { method, path, access }
}

/// All routes. The page (`/` and its assets) is the fall-back and public.
pub const TABLE: &[Rule] = &[
    // The ones asked most often come first: the table is searched from the top.
    rule("POST", "/v1/messages", Access::Anyone),
    rule("GET", "/poll", Access::Person),
    rule("GET", "/events", Access::Person),
    rule("GET", "/ws", Access::Person),
    rule("POST", "/v1/ack", Access::Person),
    rule("GET", "/v1/messages", Access::Person),
    rule("GET", "/v1/messages/{id}", Access::Anyone),
    rule("GET", "/v1/messages/{id}/receipt", Access::Anyone),
    rule("POST", "/v1/messages/{id}/read", Access::Person),
    rule("POST", "/v1/messages/{id}/acknowledge", Access::Person),
    rule("POST", "/v1/messages/{id}/cancel", Access::Anyone),
    rule("POST", "/v1/messages/{id}/resend", Access::Anyone),
    rule("GET", "/v1/receipts", Access::Anyone),
    rule("GET", "/v1/policies", Access::Person),
    rule("PUT", "/v1/policies/{name}", Access::Admin),
    rule("DELETE", "/v1/policies/{name}", Access::Admin),
    rule("POST", "/v1/policies/dry-run", Access::Admin),
    rule("POST", "/v1/hooks/alertmanager/{topic}", Access::Anyone),
    rule("GET", "/v1/me", Access::Anyone),
    rule("GET", "/v1/users", Access::Person),
    rule("POST", "/v1/users", Access::Admin),
    rule("PATCH", "/v1/users/{name}", Access::Person),
    rule("DELETE", "/v1/users/{name}", Access::Admin),
    rule("GET", "/v1/topics", Access::Person),
    rule("POST", "/v1/topics", Access::Admin),
    rule("PATCH", "/v1/topics/{name}", Access::Admin),
    rule("DELETE", "/v1/topics/{name}", Access::Admin),
    rule("GET", "/v1/topics/{name}/members", Access::Person),
    rule("PUT", "/v1/topics/{name}/members/{user}", Access::Admin),
    rule("DELETE", "/v1/topics/{name}/members/{user}", Access::Admin),
    rule("GET", "/v1/tokens", Access::Person),
    rule("POST", "/v1/tokens", Access::Person),
    rule("DELETE", "/v1/tokens/{id}", Access::Person),
    rule("GET", "/v1/devices", Access::Person),
    rule("DELETE", "/v1/devices/{name}", Access::Person),
    rule("PUT", "/v1/devices/{name}/filter", Access::Person),
    rule("POST", "/v1/tickets", Access::Person),
    rule("POST", "/v1/invites", Access::Admin),
    rule("POST", "/v1/join", Access::Public),
    rule("POST", "/v1/login-codes", Access::Person),
    rule("POST", "/v1/session", Access::Public),
    rule("DELETE", "/v1/session", Access::Person),
    rule("GET", "/v1/channels", Access::Admin),
    rule("GET", "/v1/channels/{name}", Access::Admin),
    rule("PUT", "/v1/channels/{name}", Access::Admin),
    rule("DELETE", "/v1/channels/{name}", Access::Admin),
    rule("PUT", "/v1/channels/{name}/secrets/{part}", Access::Admin),
    rule("DELETE", "/v1/channels/{name}/secrets/{part}", Access::Admin),
    rule("POST", "/v1/channels/{name}/test", Access::Admin),
    rule("POST", "/v1/channels/{name}/reopen", Access::Admin),
    rule("GET", "/v1/channels/{name}/candidates", Access::Admin),
    rule("GET", "/v1/channels/{name}/templates", Access::Admin),
    rule("GET", "/v1/channels/{name}/quota", Access::Admin),
    rule("POST", "/v1/channels/{name}/qr", Access::Admin),
    rule("GET", "/v1/channels/{name}/bindings", Access::Admin),
    rule("PUT", "/v1/channels/{name}/bindings/{user}", Access::Admin),
    rule("DELETE", "/v1/channels/{name}/bindings/{user}", Access::Admin),
    rule("POST", "/v1/channels/{name}/bindings/{user}/code", Access::Admin),
    rule("POST", "/v1/channels/{name}/bindings/{user}/confirm", Access::Person),
    rule("GET", "/v1/routes", Access::Admin),
    rule("PUT", "/v1/routes", Access::Admin),
    rule("DELETE", "/v1/routes", Access::Admin),
    rule("GET", "/v1/deliveries", Access::Admin),
    rule("GET", "/v1/deliveries/{id}", Access::Admin),
    rule("POST", "/v1/deliveries/resend", Access::Admin),
    // Signed by the platform; whoever is not is refused by the route.
    rule("GET", "/v1/hooks/wechat/{channel}", Access::Public),
    rule("POST", "/v1/hooks/wechat/{channel}", Access::Public),
    rule("GET", "/v1/hooks/wecom/{channel}", Access::Public),
    rule("POST", "/v1/hooks/wecom/{channel}", Access::Public),
    rule("GET", "/healthz", Access::Public),
    rule("GET", "/readyz", Access::Public),
    rule("GET", "/metrics", Access::AdminOrHere),
    rule("GET", "/openapi.json", Access::Public),
];

/// The line for a request to the matched path.
pub fn find(method: &str, path: &str) -> Option<&'static Rule> {
    let method = if method == "HEAD" { "GET" } else { method };
    TABLE.iter().find(|rule| rule.path == path && rule.method == method)
}

/// Methods that a path takes, for `Allow`.
pub fn methods(path: &str) -> Vec<&'static str> {
    TABLE.iter().filter(|rule| rule.path == path).map(|rule| rule.method).collect()
}
