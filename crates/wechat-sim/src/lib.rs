//! A local stand-in for the WeChat platforms: official accounts (`api.weixin.qq.com`), WeCom apps and group robots
//! (`qyapi.weixin.qq.com`). For development and tests only.
//!
//! The real platforms cannot be reached from a test, so that what is proved against this is worth as much as this is
//! true: it keeps the platforms' rules where they are known (tokens that replace each other, limits that drop without a
//! word, errcode 0 that hides a partial failure), makes switches of what is not known ([`Behaviour`]), and breaks on
//! demand ([`Fault`]). It was written from the platforms' documents, not from the client's tables: where the two
//! disagree, one of them is wrong.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tocsin_wechat_sim::{Options, Simulator};
//! let simulator = Simulator::start(Options::default()).await?;
//! let base_url = simulator.wecom_url(); // instead of https://qyapi.weixin.qq.com
//! // … the program under test sends …
//! simulator.world(|world| assert_eq!(world.inbox.of("zhangsan").count(), 1));
//! # Ok(()) }
//! ```

mod admin;
mod answer;
mod behaviour;
mod body;
mod call;
mod callback;
mod clock;
mod exchange;
mod fault;
mod inbox;
mod journal;
mod limit;
mod net;
mod oa;
mod people;
mod phone;
pub mod proxy;
mod random;
mod robot;
mod schedule;
pub mod seed;
mod shared;
mod simulator;
mod token;
mod wecom;
mod world;

pub use answer::Host;
pub use behaviour::{Behaviour, DuplicateBy, TemplateDuplicate};
pub use callback::{
    history::{History, Record, Try},
    target::{Format, Mode, Target},
};
pub use clock::Clock;
pub use fault::{Fault, Kind, Stage};
pub use inbox::{Button, Channel, Inbox, Item, State};
pub use journal::{Entry, Flight, Journal};
pub use people::{App, Corp, Follower, Member, OaAccount, Robot, Template, TemplateFate};
pub use simulator::{Error, Options, Simulator};
pub use world::World;
