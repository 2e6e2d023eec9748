//! Official account (服务号): template and customer-service messages, followers, QR codes, templates.

mod client;
mod custom;
mod follower;
mod qr;
mod template;
mod value;

pub use client::{Credential, OfficialAccount, Quota};
pub use custom::{Article, CustomMessage, MenuItem};
pub use follower::{Follower, FollowerPage};
pub use qr::{Qr, Scene};
pub use template::{MiniProgram, Template, TemplateMessage, client_msg_id};
pub use value::{FieldKind, TemplateField};
