//! Two residents with separate homes: one hosts over TLS, one joined by invite. Between them a proxy that breaks one
//! transport after the other, and a network link that goes down and comes back. Nothing is lost, nothing comes twice.

mod support;

use std::{process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{
    App, PATIENCE, api, free_port,
    proxy::{Habit, Proxy},
};
use tocsin_virtual_desktop::{bus, wait_for};

/// The joined resident climbs back to a better transport after a minute of stability, then in growing steps.
const CLIMB: Duration = Duration::from_mins(5);

/// A host for others, a topic that `bob` is a member of, and a token that publishes to it.
struct Host {
    app: App,
    lan_port: u16,
    token: String,
}

impl Host {
    fn start() -> Result<Self> {
        let lan_port = free_port();
        let hosting = json!({ "port": free_port(), "lan_port": lan_port, "lan": true });
        let app = App::hosting_with("en_US.UTF-8", &hosting)?;
        app.wait_status("an address for others", |status| {
            status["mode"]["addresses"].to_string().contains("https://")
        })?;
        app.native("POST", "/v1/users", &json!({ "name": "bob" }))?;
        app.native("POST", "/v1/topics", &json!({ "name": "ops", "members": ["bob"] }))?;
        let order = json!({ "kind": "sender", "name": "test", "topics": ["ops"] });
        let made = app.native("POST", "/v1/tokens", &order)?;
        let token = made["secret"].as_str().context("no secret")?.to_owned();
        Ok(Self { app, lan_port, token })
    }

    /// An invite for `bob` that leads to `origin` instead of the host's own address.
    fn invite(&self, origin: &str) -> Result<String> {
        let invite = self.app.native("POST", "/v1/invites", &json!({ "user": "bob" }))?;
        let text = invite["invite"].as_str().context("no invite")?;
        let (_, secret) = text.split_once('#').context("no code in the invite")?;
        Ok(format!("tocsin:{origin}#{secret}"))
    }

    fn publish(&self, number: usize) -> Result<String> {
        let message = json!({ "topic": "ops", "title": format!("message {number}") });
        let published = api::publish(&self.app.origin()?, &self.token, &message)?;
        Ok(published["id"].as_str().context("no id")?.to_owned())
    }
}

fn wait_transport(guest: &App, transport: &str, patience: Duration) -> Result<()> {
    let mut last = Value::Null;
    wait_for(transport, patience, || {
        last = guest.native("GET", "/native/status", &Value::Null).ok()?;
        let connection = &last["connection"];
        (connection["state"] == "online" && connection["transport"] == transport).then_some(())
    })
    .with_context(|| format!("{:#}\n{}", last["connection"], guest.log()))
}

/// Waits until the guest's inbox holds exactly these, oldest first.
fn wait_inbox(guest: &App, published: &[String]) -> Result<()> {
    let mut last = Vec::new();
    wait_for("the inbox to hold what was published", PATIENCE, || {
        let page = guest.native("GET", "/v1/messages?limit=100", &Value::Null).ok()?;
        let items = page["items"].as_array()?;
        last = items.iter().rev().filter_map(|item| Some(item["id"].as_str()?.to_owned())).collect();
        (last.len() >= published.len()).then_some(())
    })?;
    ensure!(last == published, "published {published:?}, stored {last:?}");
    Ok(())
}

#[test]
fn transports_fall_back_and_climb_again() -> Result<()> {
    let host = Host::start()?;
    let mut proxy = Proxy::start(&host.app, host.lan_port)?;
    let guest = App::start("en_US.UTF-8")?;
    let invite = host.invite(&proxy.origin())?;
    guest.native("POST", "/native/join", &json!({ "invite": invite, "device": "bobs" }))?;
    let mut published = Vec::new();
    for (habit, transport, patience) in [
        (Habit::Honest, "websocket", PATIENCE),
        (Habit::RefusesUpgrade, "sse", CLIMB),
        (Habit::BuffersToo, "poll", CLIMB),
        (Habit::Honest, "websocket", CLIMB),
    ] {
        proxy.become_(habit)?;
        // While the guest is on its way, too.
        published.push(host.publish(published.len())?);
        wait_transport(&guest, transport, patience)?;
        published.push(host.publish(published.len())?);
        wait_inbox(&guest, &published)?;
    }
    Ok(())
}

/// A network of its own for the guest, joined to this computer's by one link. Needs root.
struct Network {
    name: String,
}

impl Network {
    const HOST: &str = "10.231.77.1";
    const GUEST: &str = "10.231.77.2";

    fn new() -> Result<Self> {
        let network = Self { name: format!("tocsin{}", std::process::id()) };
        let (outer, inner) = Self::ends();
        ip(&["netns", "add", &network.name])?;
        ip(&["link", "add", &outer, "type", "veth", "peer", "name", &inner, "netns", &network.name])?;
        ip(&["addr", "add", &format!("{}/30", Self::HOST), "dev", &outer])?;
        ip(&["link", "set", &outer, "up"])?;
        ip(&["-n", &network.name, "addr", "add", &format!("{}/30", Self::GUEST), "dev", &inner])?;
        ip(&["-n", &network.name, "link", "set", &inner, "up"])?;
        ip(&["-n", &network.name, "link", "set", "lo", "up"])?;
        Ok(network)
    }

    fn ends() -> (String, String) {
        let id = std::process::id() % 100_000;
        (format!("tcs{id}a"), format!("tcs{id}b"))
    }

    fn link(state: &str) -> Result<()> {
        ip(&["link", "set", &Self::ends().0, state])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = ip(&["netns", "delete", &self.name]);
        let _ = ip(&["link", "delete", &Self::ends().0]);
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("cannot start ip (iproute2)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {} (this test needs root)", arguments.join(" "), said.trim());
    Ok(())
}

#[test]
fn a_link_goes_down_and_comes_back() -> Result<()> {
    let network = Network::new()?;
    let host = Host::start()?;
    let guest = App::start_under("en_US.UTF-8", &["ip", "netns", "exec", &network.name])?;
    let invite = host.invite(&format!("https://{}:{}", Network::HOST, host.lan_port))?;
    guest.native("POST", "/native/join", &json!({ "invite": invite, "device": "bobs" }))?;
    guest.wait_online()?;
    let mut published = vec![host.publish(0)?];
    wait_inbox(&guest, &published)?;

    Network::link("down")?;
    published.push(host.publish(1)?);
    guest.wait_status("to notice", |status| status["connection"]["state"] == "offline")?;
    wait_for("the tray to say since when", PATIENCE, || {
        bus::tray_property(&guest.home, "ToolTip").ok().filter(|tip| tip.contains("ffline since"))
    })?;
    guest.picture("tray-offline-en")?;
    published.push(host.publish(2)?);

    Network::link("up")?;
    guest.wait_online()?;
    published.push(host.publish(3)?);
    wait_inbox(&guest, &published)
}
