//! What every verb gets: where things are, how to print, in which language.

use tocsin_control::Paths;
use tocsin_locale::{Locale, system_language};
use tocsin_protocol::{control::Language, limits};

use crate::{
    args::{Global, Server},
    exit::Failure,
    link::Link,
    output::Output,
};

/// What every verb gets.
#[derive(Debug)]
pub struct Context {
    /// Data, configuration, logs, sockets.
    pub paths: Paths,
    /// Which server, if not that of this computer.
    pub server: Server,
    /// How to print.
    pub out: Output,
    /// What people read.
    pub locale: Locale,
}

impl Context {
    /// From the options of every command.
    pub fn new(global: &Global) -> Result<Self, Failure> {
        Ok(Self {
            paths: Paths::resolve(global.data_dir.as_deref())?,
            server: global.server.clone(),
            out: Output { json: global.json },
            locale: Locale::new(Language::System, &system_language()),
        })
    }

    /// The way to the server.
    pub async fn link(&self) -> Result<Link, Failure> {
        Link::open(&self.server, &self.paths).await
    }

    /// The sentence `cli.<key>`.
    pub fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        self.locale.t(&format!("cli.{key}"), values)
    }

    /// Says on stderr that a list is empty and what fills it: a bare heading leaves people guessing.
    pub fn say_if_none<T>(&self, items: &[T], key: &str) {
        if items.is_empty() && !self.out.json {
            crate::output::note(&self.say(key, &[]));
        }
    }
}

/// Checks a name before it becomes part of a path.
pub fn name<'a>(what: &str, name: &'a str) -> Result<&'a str, Failure> {
    if limits::is_name(name) {
        return Ok(name);
    }
    Err(Failure::usage(format!("{name:?} is no name of a {what}")).hint(format!(
        "letters, digits and . _ - are possible, at most {}, a letter or digit first",
        limits::NAME_BYTES
    )))
}
