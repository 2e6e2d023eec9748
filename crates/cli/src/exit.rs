//! How a command ends: the exit code for scripts, the sentence and the way out for people.
//!
//! One place for the codes, so that `--help`, the documentation and the program cannot disagree.

use serde_json::json;
use tocsin_protocol::{ApiError, Code};

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Not done.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Nothing answers, or not now; a message may have been spooled.
    Unreachable = 3,
    /// The token is unknown or not allowed to do this.
    Refused = 4,
    /// What `--wait` waits for did not happen in time.
    Timeout = 5,
}

/// Shown at the end of `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line or the configuration is wrong
  3  the server cannot be reached (`send`: the message waits in the resident, if one runs)
  4  the token was refused, or may not do this
  5  `--wait`: it did not happen in time";

/// The same on one line, at the end of the help of each command.
pub const EXIT_CODES_SHORT: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 unreachable, 4 refused, 5 `--wait` ran out.";

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For the shell.
    pub exit: Exit,
    /// For programs that read `--json`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with its code and sentence.
    pub fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self { exit, code: code.into(), message: message.into(), hint: None }
    }

    /// Not done.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "failed", message)
    }

    /// Wrong command line or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, where nobody knew better.
    #[must_use]
    pub fn or_hint(mut self, hint: &str) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// As `--json` prints it.
    pub fn to_json(&self) -> serde_json::Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(hint) = &self.hint {
            error["hint"] = json!(hint);
        }
        json!({ "error": error, "exit": self.exit as u8 })
    }

    /// Whether trying the same again later can help.
    pub fn is_temporary(&self) -> bool {
        self.exit == Exit::Unreachable
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let exit = match error.code {
            Code::Unauthorised | Code::Forbidden => Exit::Refused,
            Code::Offline | Code::Busy | Code::StoreUnavailable | Code::RateLimited => Exit::Unreachable,
            _ => Exit::Failed,
        };
        let code = serde_json::to_value(error.code).ok().and_then(|value| value.as_str().map(Into::into));
        let code = code.unwrap_or_else(|| "unknown".into());
        let hint = way_out(&error).map(ToOwned::to_owned).or(error.hint);
        Self { exit, code, message: error.message, hint }
    }
}

/// The way out in the words of the command line, where the server's speaks of routes.
fn way_out(error: &ApiError) -> Option<&'static str> {
    // The code is that of everything that is not there; only the sentence says what it was.
    let misses = |what| error.message == tocsin_store::Error::NotFound(what).to_string();
    match error.code {
        Code::NotFound if misses("message") => {
            Some("`tocsin send` prints the id of what it sent, `tocsin receipts` lists them")
        }
        Code::NotFound if misses("channel") => {
            Some("`tocsin channel list` shows the channels, `tocsin channel add NAME` adds one")
        }
        Code::NotFound if misses("policy") => {
            Some("`tocsin policy list` shows the policies, `tocsin policy set NAME FILE` makes one")
        }
        Code::UnknownTopic => Some("`tocsin topic list` shows the topics, `tocsin topic add NAME` adds one"),
        Code::UnknownUser => Some("`tocsin user list` shows the people, `tocsin user add NAME` adds one"),
        Code::Unauthorised => Some(
            "an admin makes a token with `tocsin token add`; name its file with --token-file, or set TOCSIN_TOKEN",
        ),
        _ => None,
    }
}

impl From<tocsin_control::Error> for Failure {
    fn from(error: tocsin_control::Error) -> Self {
        use tocsin_control::Error as E;
        let text = error.to_string();
        match error {
            E::Api { error, .. } => error.into(),
            E::NotRunning(_) => Self::new(Exit::Unreachable, "not_running", text)
                .hint("start it with `tocsin tray` or `tocsin serve`, or name a server with --server URL"),
            E::Timeout(_) => Self::new(Exit::Unreachable, "not_answering", text),
            E::NoHome | E::PathTooLong { .. } => Self::usage(text),
            _ => Self::failed(text),
        }
    }
}

impl From<tocsin_store::Error> for Failure {
    fn from(error: tocsin_store::Error) -> Self {
        use tocsin_store::Error as E;
        let text = error.to_string();
        match error {
            E::InUse(_) => Self::new(Exit::Failed, "in_use", text).hint(
                "another Tocsin runs on this data directory: `tocsin status` shows it, `tocsin quit` ends it",
            ),
            E::Newer { .. } => Self::new(Exit::Failed, "newer", text),
            E::Damaged(_) => Self::new(Exit::Failed, "damaged", text),
            E::Conflict(_) => Self::new(Exit::Failed, "conflict", text),
            E::Unavailable(_) => Self::new(Exit::Failed, "store_unavailable", text)
                .hint("make room on the disk or mend the permissions; --data-dir names another directory"),
            _ => Self::failed(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: Code) -> Failure {
        ApiError { code, message: "no".into(), hint: Some("do".into()) }.into()
    }

    #[test]
    fn codes_of_the_api_become_exit_codes() {
        assert_eq!(api(Code::Unauthorised).exit, Exit::Refused);
        assert_eq!(api(Code::Forbidden).exit, Exit::Refused);
        assert_eq!(api(Code::Offline).exit, Exit::Unreachable);
        assert_eq!(api(Code::UnknownTopic).exit, Exit::Failed);
        assert!(api(Code::StoreUnavailable).is_temporary() && !api(Code::IdempotencyConflict).is_temporary());
    }

    #[test]
    fn the_json_form_has_code_sentence_and_way_out() {
        let json = api(Code::NotFound).to_json();
        assert_eq!(json, json!({"error": {"code": "not_found", "message": "no", "hint": "do"}, "exit": 1}));
        assert!(api(Code::UnknownTopic).hint.unwrap().contains("tocsin topic add"));
        assert_eq!(api(Code::NotFound).or_hint("else").hint.unwrap(), "do");
    }
}
