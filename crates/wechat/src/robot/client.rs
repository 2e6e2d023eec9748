//! The client of one robot.

use crate::{
    Accepted, Api, BadEndpoint, Cause, Endpoint, Failure, NotSent, Outcome, Prepared, Refused, Secret,
    errcode::{self, Call, Platform},
    http::{Answer, Ask, Http},
};

/// The client of one robot.
#[derive(Clone, Debug)]
pub struct Robot {
    http: Http,
    key: Secret,
}

impl Robot {
    /// A client; nothing is asked yet.
    pub fn new(key: Secret, endpoint: &Endpoint) -> Result<Self, BadEndpoint> {
        Ok(Self { http: Http::new(endpoint)?, key })
    }

    /// Sends a prepared message. An unknown outcome stays unknown: robots recognise no repetition.
    pub async fn send(&self, message: &Prepared) -> Outcome {
        if message.api != Api::Robot {
            return Outcome::NotSent(NotSent::of(Cause::Unusable, "not a robot's message".into()));
        }
        let key = self.key.expose();
        let ask = Ask {
            path: Api::Robot.path(),
            query: vec![("key", key)],
            body: Some(message.body.clone()),
            secrets: vec![key],
        };
        match self.http.ask(ask).await {
            Ok(answer) if answer.takes_message() => Outcome::Accepted(Accepted::default()),
            Ok(answer) if answer.errcode == 0 => Answer::says_nothing().into(),
            Ok(answer) => {
                let verdict =
                    errcode::classify(Platform::Robot, Call::Business, answer.errcode, &answer.errmsg);
                let refused =
                    Refused::of(Platform::Robot, Call::Business, answer.errcode, answer.errmsg, verdict);
                Failure::Refused(refused).into()
            }
            Err(failure) => failure.into(),
        }
    }
}
