//! Who is whom at a channel.

use axum::{Json as Answer, extract::State, http::StatusCode};
use rand::Rng as _;
use tocsin_delivery::{line::of_outcome, wechat};
use tocsin_protocol::{
    Code,
    channel::{
        ADDRESS_BYTES, BindingCode, Candidate, ChannelQr, CodeSent, FailingClass, NewBinding, QrOrder,
        TestStep,
    },
    delivery::Binding,
};
use tocsin_store::outbox::Bound;

use super::{
    channels::{outside, ready, unable, unlogged},
    check,
    input::{Json, Path},
};
use crate::{
    AppState, Failure,
    auth::Identity,
    channels::proof::{KEPT, Told},
};

/// How long a QR code binds, seconds: the person is being waited for.
const QR_SECONDS: u32 = 600;

/// Who can be bound: the members that a WeCom app sees, or the newest followers of an official account (admin).
#[utoipa::path(get, path = "/v1/channels/{name}/candidates", tag = "channels", params(("name" = String, Path)), responses((status = 200, body = Vec<Candidate>)))]
pub async fn candidates(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Answer<Vec<Candidate>>, Failure> {
    let outside = outside(&state)?;
    let people = ready(outside, &name).await?.people().await.map_err(unable)?;
    let bound = outside.outbox.bindings(&name).await?;
    let candidates = people.into_iter().map(|person| Candidate {
        bound_to: bound
            .iter()
            .find(|bound| bound.address.eq_ignore_ascii_case(&person.address))
            .map(|bound| bound.user.clone()),
        address: person.address,
        name: person.name,
    });
    Ok(Answer(candidates.collect()))
}

/// A QR code; whoever scans it first is bound as this person (admin).
#[utoipa::path(post, path = "/v1/channels/{name}/qr", tag = "channels", params(("name" = String, Path)), request_body = QrOrder, responses((status = 201, body = ChannelQr)))]
pub async fn qr(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Json(order): Json<QrOrder>,
) -> Result<(StatusCode, Answer<ChannelQr>), Failure> {
    let outside = outside(&state)?;
    let line = ready(outside, &name).await?;
    state.store.user(&order.user).await?;
    if line.callback().is_none() {
        return Err(Failure::new(Code::Conflict, "nobody would hear of the scan: callbacks are not set up")
            .hint(
                "set callback_token, callback_key and config.callback, or pick the person from the followers",
            ));
    }
    let random: [u8; 16] = rand::rng().random();
    let (scene, code) = line.qr(random, QR_SECONDS).await.map_err(unable)?;
    let lasts = code.expire_seconds.clamp(1, i64::from(QR_SECONDS));
    let expires_at = (state.clock)().saturating_add(lasts * 1000);
    outside.expect_scan(scene, &name, &order.user, expires_at);
    let qr = ChannelQr { url: code.url, image_url: code.image_url, expires_at };
    Ok((StatusCode::CREATED, Answer(qr)))
}

/// Addresses of a channel, by person (admin).
#[utoipa::path(get, path = "/v1/channels/{name}/bindings", tag = "channels", params(("name" = String, Path)), responses((status = 200, body = Vec<Binding>)))]
pub async fn list(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Answer<Vec<Binding>>, Failure> {
    Ok(Answer(outside(&state)?.outbox.bindings(&name).await?))
}

/// Gives a person an address; what waits for them goes there (admin).
#[utoipa::path(put, path = "/v1/channels/{name}/bindings/{user}", tag = "channels", params(("name" = String, Path), ("user" = String, Path)), request_body = NewBinding, responses((status = 200, body = Binding)))]
pub async fn bind(
    State(state): State<AppState>,
    Path((name, user)): Path<(String, String)>,
    Json(new): Json<NewBinding>,
) -> Result<Answer<Binding>, Failure> {
    let address = one_address(&new.address)?;
    Ok(Answer(outside(&state)?.outbox.bind(&name, &user, address).await?))
}

/// The address of one person, as it was typed.
pub(super) fn one_address(typed: &str) -> Result<&str, Failure> {
    let address = typed.trim();
    check::some_text("address", address, ADDRESS_BYTES)?;
    if !wechat::is_one_person(address) {
        return Err(check::invalid("address", "letters, digits and - _ . @ are taken"));
    }
    Ok(address)
}

/// Sends a code to an address; whoever tells it within ten minutes is bound there. What the platform refuses is in the
/// answer (admin).
#[utoipa::path(post, path = "/v1/channels/{name}/bindings/{user}/code", tag = "channels", params(("name" = String, Path), ("user" = String, Path)), request_body = NewBinding, responses((status = 200, body = CodeSent)))]
pub async fn send_code(
    State(state): State<AppState>,
    identity: Identity,
    Path((name, user)): Path<(String, String)>,
    Json(new): Json<NewBinding>,
) -> Result<Answer<CodeSent>, Failure> {
    let outside = outside(&state)?;
    let address = one_address(&new.address)?;
    let line = ready(outside, &name).await?;
    if line.kind().is_group() {
        return Err(check::invalid("kind", "a group has no address of a single person to send a code to"));
    }
    state.store.user(&user).await?;
    let bound = outside.outbox.bindings(&name).await?;
    if bound.iter().any(|bound| bound.address.eq_ignore_ascii_case(address) && bound.user != user) {
        return Err(Failure::new(Code::Conflict, "this address belongs to somebody else"));
    }
    let (_, asking, _) = identity.user()?;
    let code = outside.proofs.make(&name, &user, address, (state.clock)());
    let words = outside.words();
    let title = words.say("code_title", &[("code", &code)]);
    let body = words.say("code_body", &[("code", &code), ("user", &user), ("admin", asking)]);
    let message = unlogged(&state, asking, title, body);
    let outcome = line.try_out(&message, address, &format!("{}-c", message.id)).await;
    let step = match of_outcome(line.kind(), &outcome, address) {
        None => TestStep::Passed,
        Some(failing) => TestStep::Failed { failing },
    };
    // Where no answer came it may have arrived.
    if matches!(&step, TestStep::Failed { failing } if failing.class != FailingClass::Unknown) {
        outside.proofs.forget(&name, &user);
        return Ok(Answer(CodeSent { message: step, expires_at: None }));
    }
    Ok(Answer(CodeSent { message: step, expires_at: Some((state.clock)().saturating_add(KEPT)) }))
}

/// Binds the address that the code was sent to (the person, or an admin for them).
#[utoipa::path(post, path = "/v1/channels/{name}/bindings/{user}/confirm", tag = "channels", params(("name" = String, Path), ("user" = String, Path)), request_body = BindingCode, responses((status = 200, body = Binding)))]
pub async fn confirm(
    State(state): State<AppState>,
    identity: Identity,
    Path((name, user)): Path<(String, String)>,
    Json(told): Json<BindingCode>,
) -> Result<Answer<Binding>, Failure> {
    let (_, asking, _) = identity.user()?;
    if asking != user {
        identity.admin()?;
    }
    let outside = outside(&state)?;
    let address = match outside.proofs.compare(&name, &user, told.code.trim(), (state.clock)()) {
        Told::Right(address) => address,
        Told::Wrong(0) => {
            return Err(Failure::new(Code::Gone, "that is not the code that was sent, for the last time")
                .hint("have a new code sent"));
        }
        Told::Wrong(left) => {
            return Err(check::invalid("code", "that is not the code that was sent")
                .hint(format!("tries that are left: {left}")));
        }
        Told::Nothing => {
            return Err(Failure::new(
                Code::Gone,
                "no code is waited for: none was sent, or its time is over",
            )
            .hint("have a new code sent"));
        }
    };
    let binding = outside.outbox.bind(&name, &user, &address).await?;
    outside.proofs.forget(&name, &user);
    Ok(Answer(binding))
}

/// Takes a person's address away; what waits for it fails (admin).
#[utoipa::path(delete, path = "/v1/channels/{name}/bindings/{user}", tag = "channels", params(("name" = String, Path), ("user" = String, Path)), responses((status = 204)))]
pub async fn unbind(
    State(state): State<AppState>,
    Path((name, user)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let gone = outside(&state)?.outbox.unbind(&name, Bound::User(user)).await?;
    gone.map(|_| StatusCode::NO_CONTENT)
        .ok_or_else(|| Failure::new(Code::NotFound, "this person is not bound at this channel"))
}
