//! The way to the server: through the control socket of what runs on this computer, or over HTTP with a token.
//!
//! Both answer the same API, so a verb does not know which it has. The token comes from a file or the environment,
//! never from an argument, and is not kept anywhere but here.

use std::{fs, path::Path};

use bytes::Bytes;
use http::Method;
use serde::{Serialize, de::DeserializeOwned};
use tocsin_control::{Client, Paths, Request};
use tocsin_protocol::{ApiError, Code, Publish, Published, error::ErrorBody};
use tocsin_subscriber::{Endpoint, Error as RemoteError, Secret, http::Api};

use crate::{
    args::Server,
    exit::{Exit, Failure},
};

/// The environment variable with the token for `--server`.
const TOKEN_ENV: &str = "TOCSIN_TOKEN";
/// Largest token file taken: a token has 47 characters.
const TOKEN_FILE_BYTES: u64 = 4096;

/// The way to the server.
#[derive(Debug)]
pub enum Link {
    /// What runs on this computer.
    Control(Client),
    /// A server elsewhere.
    Remote(Box<Api>),
}

impl Link {
    /// As the options say.
    pub async fn open(server: &Server, paths: &Paths) -> Result<Self, Failure> {
        match endpoint(server)? {
            Some(endpoint) => Ok(Self::Remote(Box::new(Api::new(&endpoint)?))),
            None => Ok(Self::Control(Client::find(paths).await?)),
        }
    }

    /// `GET`, decoded.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        decode(&self.call(Method::GET, path, None).await?)
    }

    /// A call with a JSON body, decoded.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Failure> {
        decode(&self.call(method, path, Some(encode(body)?)).await?)
    }

    /// A call whose answer holds nothing of interest.
    pub async fn tell(&self, method: Method, path: &str) -> Result<(), Failure> {
        self.call(method, path, None).await.map(drop)
    }

    /// The same with a JSON body.
    pub async fn pass(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<(), Failure> {
        self.call(method, path, Some(encode(body)?)).await.map(drop)
    }

    /// Publishes once, under `key`.
    pub async fn publish(&self, publish: &Publish, key: &str) -> Result<Published, Failure> {
        match self {
            Self::Remote(api) => Ok(api.publish_once(publish, key).await?),
            Self::Control(client) => {
                let key_header = http::HeaderName::from_static("idempotency-key");
                let request =
                    Request::new(Method::POST, "/v1/messages").json(publish)?.header(key_header, key);
                let answer = client.send(request).await?;
                decode(&success(answer.status, answer.body)?)
            }
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Bytes, Failure> {
        let (status, body) = match self {
            Self::Control(client) => {
                let answer = client.request(method.as_str(), path, body).await?;
                (answer.status, answer.body)
            }
            Self::Remote(api) => {
                let answer = api.request(method, path, body).await?;
                (answer.status.as_u16(), answer.body)
            }
        };
        success(status, body)
    }
}

/// Where `--server` is and what opens it; nothing when the server of this computer is meant.
pub fn endpoint(server: &Server) -> Result<Option<Endpoint>, Failure> {
    let Some(origin) = &server.url else { return Ok(None) };
    let token = match &server.token_file {
        Some(file) => read_token(file)?,
        None => std::env::var(TOKEN_ENV).ok().filter(|token| !token.is_empty()).ok_or_else(|| {
            Failure::usage(format!("a token is needed for {origin}"))
                .hint("put it into a file of your own and name that with --token-file, or set TOCSIN_TOKEN")
        })?,
    };
    Ok(Some(Endpoint {
        origin: origin.clone(),
        ca_fingerprint: server.ca.clone(),
        token: Secret::new(token),
    }))
}

fn read_token(file: &Path) -> Result<String, Failure> {
    let cannot = |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", file.display()));
    let meta = fs::metadata(file).map_err(|error| {
        cannot(error)
            .hint(format!("an admin makes one: `(umask 077; tocsin token add > {})`", file.display()))
    })?;
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(&meta) & 0o077 != 0 {
        return Err(Failure::usage(format!("others may read the token in {}", file.display())).hint(
            format!(
                "chmod 600 {}; if somebody may have read it, revoke it with `tocsin token revoke`",
                file.display()
            ),
        ));
    }
    if meta.len() > TOKEN_FILE_BYTES {
        return Err(Failure::usage(format!("{} is too long for a token", file.display())));
    }
    let text = fs::read_to_string(file).map_err(cannot)?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage(format!("{} holds no token", file.display())).hint("it begins with tcs_"));
    }
    Ok(token.to_owned())
}

fn encode(body: &impl Serialize) -> Result<Bytes, Failure> {
    serde_json::to_vec(body).map(Into::into).map_err(|error| Failure::failed(error.to_string()))
}

fn decode<T: DeserializeOwned>(body: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::failed(format!("unexpected answer: {error}"))
            .hint("program and server may be of different versions")
    })
}

fn success(status: u16, body: Bytes) -> Result<Bytes, Failure> {
    if (200..300).contains(&status) {
        return Ok(body);
    }
    let error = serde_json::from_slice::<ErrorBody>(&body).map_or_else(
        |_| ApiError { code: Code::Unknown, message: format!("the answer was HTTP {status}"), hint: None },
        |body| body.error,
    );
    Err(error.into())
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let text = error.to_string();
        match error {
            RemoteError::Refused { error, .. } => error.into(),
            RemoteError::Unreachable(_) => Self::new(Exit::Unreachable, "unreachable", text)
                .hint("check the address, and that the server runs and this computer may reach it"),
            RemoteError::Answer { status: 502..=504, .. } => {
                Self::new(Exit::Unreachable, "unreachable", text)
            }
            RemoteError::Certificate(_) => Self::new(Exit::Refused, "certificate", text).hint(
                "give the fingerprint of the server's CA with --ca; it stands in an invite after the dot",
            ),
            RemoteError::Origin(_)
            | RemoteError::PlainHttp(_)
            | RemoteError::Fingerprint
            | RemoteError::Invite(_) => Self::usage(text),
            _ => Self::failed(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs::write(&file, "tcs_abc\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let failure = read_token(&file).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.hint.unwrap().contains("chmod 600"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_token(&file).unwrap(), "tcs_abc");
        fs::write(&file, "two words").unwrap();
        assert!(read_token(&file).is_err());
    }
}
