//! Bodies of answers, the broken ones included.

use std::{convert::Infallible, io, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use serde_json::Value;

use crate::answer::Host;

/// Any body.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A whole one.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// JSON as the host sends it.
pub(crate) fn json(host: Host, value: &Value) -> Response<Body> {
    raw(host, value.to_string())
}

/// Text under the host's content type.
pub(crate) fn raw(host: Host, text: String) -> Response<Body> {
    typed(full(text), host.content_type())
}

/// Any body with a content type.
pub(crate) fn typed(body: Body, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    response
}

/// Half of what `content-length` promises, then the connection ends.
pub(crate) fn half(host: Host, text: &str) -> Response<Body> {
    let start = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
    // Once the half has had its chance to be written; an error at once would take it along.
    let frames = stream::once(async move { Ok(Frame::data(start)) }).chain(stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("the connection is cut on purpose"))
    }));
    promised(StreamBody::new(frames).boxed_unsync(), host, text.len())
}

/// A byte at a time.
pub(crate) fn drip(host: Host, text: &str, each: Duration) -> Response<Body> {
    let frames = stream::iter(text.as_bytes().to_vec()).then(move |byte| async move {
        tokio::time::sleep(each).await;
        Ok(Frame::data(Bytes::copy_from_slice(&[byte])))
    });
    promised(StreamBody::new(frames).boxed_unsync(), host, text.len())
}

fn promised(body: Body, host: Host, length: usize) -> Response<Body> {
    let mut response = typed(body, host.content_type());
    response.headers_mut().insert("content-length", HeaderValue::from(length));
    response
}
