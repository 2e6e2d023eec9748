//! Joining with an invite: the resident does it and keeps the token in the keyring; without one the token goes into a
//! file of this user's alone.

use std::{fs::OpenOptions, io::Write as _, path::Path};

use http::Method;
use serde_json::{Value, json};
use tocsin_control::Request;
use tocsin_protocol::control::JoinRequest;

use crate::{
    args::local::Join,
    context::Context,
    exit::{Exit, Failure},
    output::note,
};

pub(super) async fn run(context: &Context, args: Join) -> Result<Exit, Failure> {
    let invite = if args.invite == "-" { super::send::read_stdin()? } else { args.invite };
    let invite = invite.trim().to_owned();
    if let Some(file) = &args.save_token {
        return to_file(context, &invite, args.device.as_deref(), args.user.as_deref(), file).await;
    }
    let client = super::resident(context, "hosts and does not join").await.map_err(|failure| {
        failure.hint("start `tocsin tray` first, or keep the token in a file with --save-token FILE")
    })?;
    let request = JoinRequest { invite, user: args.user, device: args.device };
    let answer = client.send(Request::new(Method::POST, "/native/join").json(&request)?).await?;
    answer.check()?;
    let value = serde_json::from_slice::<Value>(&answer.body).unwrap_or(Value::Null);
    context.out.show(&value, || context.say("joined", &[]))?;
    Ok(Exit::Ok)
}

async fn to_file(
    context: &Context,
    invite: &str,
    device: Option<&str>,
    user: Option<&str>,
    file: &Path,
) -> Result<Exit, Failure> {
    // Made before the code is spent: a name that is taken or a directory that is not writable costs nothing.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options
        .open(file)
        .map_err(|error| Failure::failed(format!("cannot make {}: {error}", file.display())))?;
    let device = device.map_or_else(own_name, ToOwned::to_owned);
    let (endpoint, joined) = match tocsin_subscriber::http::redeem(invite, &device, user).await {
        Ok(done) => done,
        Err(error) => {
            let _ = std::fs::remove_file(file);
            return Err(error.into());
        }
    };
    let written = writeln!(out, "{}", endpoint.token.expose()).and_then(|()| out.sync_all());
    written.map_err(|error| Failure::failed(format!("cannot write {}: {error}", file.display())))?;
    let result = json!({
        "server": endpoint.origin, "ca": endpoint.ca_fingerprint, "user": joined.user, "device": joined.device,
        "token_file": file,
    });
    if !context.out.json {
        note(&context.say("joined", &[]));
    }
    context.out.show(&result, || {
        let ca = endpoint.ca_fingerprint.as_ref().map(|ca| format!("\nTOCSIN_CA={ca}")).unwrap_or_default();
        format!("TOCSIN_SERVER={}\nTOCSIN_TOKEN_FILE={}{ca}", endpoint.origin, file.display())
    })?;
    Ok(Exit::Ok)
}

/// The computer's name as a device name.
pub(super) fn own_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let fit: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).take(60).collect();
    if tocsin_protocol::limits::is_name(&fit) { fit } else { "computer".into() }
}
