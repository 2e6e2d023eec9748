//! The resident that `run` and the package's proof start, seen over its control socket.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tocsin_virtual_desktop::Home;

use crate::http;

/// A resident.
pub struct Resident {
    socket: PathBuf,
}

impl Resident {
    /// The one that answers in `home`, and its handshake. The directory of its socket carries a hash of the data
    /// directory; this runtime directory belongs to one home and has one such directory only.
    pub fn find(home: &Home) -> Result<(Self, Value)> {
        let runtime = std::fs::read_dir(home.runtime())?.filter_map(Result::ok).map(|entry| entry.path());
        let is_ours = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tocsin-"))
        };
        let socket =
            runtime.filter(is_ours).map(|path| path.join("control.sock")).find(|socket| socket.exists());
        let resident = Self { socket: socket.context("no resident runs")? };
        let hello = resident.ask("GET", "/native/hello", None)?;
        Ok((resident, hello))
    }

    /// A request that must succeed.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        http::expect(&self.socket, method, path, body)
    }

    /// A request whose status is looked at.
    pub fn try_to(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        http::request(&self.socket, method, path, Some(body))
    }

    /// Makes it host its own server, if it has not been told where its server is.
    pub fn host(&self) -> Result<()> {
        let status = self.ask("GET", "/native/status", None)?;
        if status["mode"]["mode"] != "unset" {
            return Ok(());
        }
        self.use_free_port()?;
        self.ask("POST", "/native/host", Some(&json!({}))).map(drop)
    }

    /// Keeps the port of the settings, or takes a free one where another program has that: an installed Tocsin, most
    /// likely.
    fn use_free_port(&self) -> Result<()> {
        let mut hosting = self.ask("GET", "/native/settings", None)?["hosting"].take();
        let port = hosting["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
        hosting["port"] = free_port(port)?.into();
        self.ask("PATCH", "/native/settings", Some(&json!({ "hosting": hosting }))).map(drop)
    }

    /// The page's address, once messages arrive. The port of an earlier run may have been taken since.
    pub fn online(&self) -> Result<String> {
        let status = self.ask("GET", "/native/status", None)?;
        let problems = status["problems"].as_array().into_iter().flatten();
        if problems.into_iter().any(|problem| problem["code"] == "port_in_use") {
            self.use_free_port()?;
        }
        anyhow::ensure!(status["connection"]["state"] == "online", "not online yet: {status}");
        let page = status["page"].as_str().context("the status names no page")?;
        Ok(page.trim_end_matches('/').to_owned())
    }
}

/// `wanted`, or a free port when something listens there.
fn free_port(wanted: u16) -> Result<u16> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener =
        bind(wanted).or_else(|_| bind(0)).context("there is no free port on the loopback interface")?;
    Ok(listener.local_addr()?.port())
}

/// Whether the process of `hello` runs the file that is at `program` now.
pub fn runs_from(hello: &Value, program: &Path) -> bool {
    std::fs::read_link(format!("/proc/{}/exe", hello["pid"])).is_ok_and(|exe| exe == program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_chosen() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(port).unwrap(), port);
        drop(taken);
        assert_eq!(free_port(port).unwrap(), port);
    }
}
