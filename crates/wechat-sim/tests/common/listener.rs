//! An application that is called back: it keeps what came and answers as it was told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What came.
#[derive(Clone, Debug)]
pub struct Came {
    pub method: String,
    pub query: BTreeMap<String, String>,
    pub content_type: String,
    pub body: String,
}

/// How to answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: String,
    pub delay: Duration,
}

impl Reply {
    pub fn new(status: u16, body: &str) -> Self {
        Self { status, body: body.into(), delay: Duration::ZERO }
    }

    pub fn never() -> Self {
        Self { delay: Duration::from_hours(1), ..Self::new(200, "") }
    }
}

/// A listener; answers with the replies in turn, then with `success`.
#[derive(Clone)]
pub struct Listener {
    pub url: String,
    came: Arc<Mutex<Vec<Came>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

impl Listener {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/wechat?room=1", listener.local_addr().unwrap());
        let this = Self { url, came: Arc::default(), replies: Arc::default() };
        let served = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = served.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let served = served.clone();
                        async move { served.answer(request).await }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        this
    }

    pub fn reply(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    pub fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap();
        let query = head.uri.query().unwrap_or_default();
        self.came.lock().unwrap().push(Came {
            method: head.method.to_string(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            content_type: head.headers["content-type"].to_str().unwrap().into(),
            body,
        });
        let reply = self.replies.lock().unwrap().pop_front().unwrap_or_else(|| Reply::new(200, "success"));
        tokio::time::sleep(reply.delay).await;
        Ok(Response::builder().status(reply.status).body(Full::new(reply.body.into())).unwrap())
    }
}
