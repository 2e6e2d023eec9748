//! Two residents with separate homes: one hosts over TLS, one joined by invite. Between them a proxy that breaks one
//! transport after the other, and a network link that goes down and comes back. Meanwhile somebody publishes without a
//! pause. Nothing is lost, nothing comes twice: the guest's inbox is what was published, in order, and no message has
//! two popups.

mod support;

use std::{collections::BTreeMap, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{
    App, PATIENCE, free_port,
    proxy::{Habit, Proxy},
    publisher::{Publisher, title},
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

    fn publisher(&self) -> Result<Publisher> {
        Ok(Publisher::start(self.app.origin()?, self.token.clone()))
    }

    /// What became of showing a message on bob's desktop.
    fn shown(&self, id: &str) -> Option<String> {
        let path = format!("/v1/messages/{id}/receipt");
        let receipt = self.app.native("GET", &path, &Value::Null).ok()?;
        let bob = receipt["people"].as_array()?.iter().find(|person| person["user"] == "bob")?;
        Some(bob["shown"].as_str()?.to_owned())
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

/// Waits until the guest's inbox holds this many, and answers with their ids, oldest first.
fn wait_inbox(guest: &App, count: usize) -> Result<Vec<String>> {
    wait_for("the inbox to hold what was published", PATIENCE, || {
        let page = guest.native("GET", "/v1/messages?limit=200", &Value::Null).ok()?;
        let items = page["items"].as_array()?;
        let ids: Vec<String> =
            items.iter().rev().filter_map(|item| Some(item["id"].as_str()?.to_owned())).collect();
        (ids.len() >= count).then_some(ids)
    })
    .with_context(|| guest.log())
}

/// The inbox is what was published; what its receipt calls shown had one popup, and nothing had two. At least so many
/// came live and were shown.
fn nothing_lost_nothing_twice(
    host: &Host,
    guest: &mut App,
    published: &[String],
    least: usize,
) -> Result<()> {
    let stored = wait_inbox(guest, published.len())?;
    ensure!(stored == published, "published {published:?}, stored {stored:?}");
    let states = wait_for("the receipts to say what became of showing them", PATIENCE, || {
        published.iter().map(|id| host.shown(id)).collect::<Option<Vec<_>>>()
    })
    .with_context(|| guest.log())?;
    let mut popups = BTreeMap::new();
    for line in guest.desktop.new_notifications() {
        let title = line.split(" — ").next().unwrap_or_default().to_owned();
        *popups.entry(title).or_insert(0) += 1;
    }
    for (number, state) in states.iter().enumerate() {
        let count = popups.get(&title(number)).copied().unwrap_or(0);
        // What came while the guest was away is summed up, which its receipt calls suppressed.
        let fits = match state.as_str() {
            "shown" => count == 1,
            "suppressed" => count == 0,
            _ => false,
        };
        ensure!(fits, "{} is {state} and had {count} popups: {popups:?}", title(number));
    }
    let live = states.iter().filter(|state| *state == "shown").count();
    ensure!(live >= least, "only {live} of {} had a popup: {popups:?}", states.len());
    Ok(())
}

#[test]
fn transports_fall_back_and_climb_again() -> Result<()> {
    let host = Host::start()?;
    let mut proxy = Proxy::start(&host.app, host.lan_port)?;
    let mut guest = App::start("en_US.UTF-8")?;
    let invite = host.invite(&proxy.origin())?;
    guest.native("POST", "/native/join", &json!({ "invite": invite, "device": "bobs" }))?;
    guest.wait_online()?;
    let publisher = host.publisher()?;
    for (habit, transport, patience) in [
        (Habit::Honest, "websocket", PATIENCE),
        (Habit::RefusesUpgrade, "sse", CLIMB),
        (Habit::BuffersToo, "poll", CLIMB),
        (Habit::Honest, "websocket", CLIMB),
    ] {
        proxy.become_(habit)?;
        wait_transport(&guest, transport, patience)?;
        // Enough for this transport to carry some.
        let so_far = publisher.wait_for_more(3)?;
        wait_inbox(&guest, so_far.len())?;
    }
    let ids = publisher.stop()?;
    nothing_lost_nothing_twice(&host, &mut guest, &ids, 8)
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
    let mut guest = App::start_under("en_US.UTF-8", &["ip", "netns", "exec", &network.name])?;
    let invite = host.invite(&format!("https://{}:{}", Network::HOST, host.lan_port))?;
    guest.native("POST", "/native/join", &json!({ "invite": invite, "device": "bobs" }))?;
    guest.wait_online()?;
    let publisher = host.publisher()?;
    let before = publisher.wait_for_more(10)?;
    wait_inbox(&guest, before.len())?;

    Network::link("down")?;
    guest.wait_status("to notice", |status| status["connection"]["state"] == "offline")?;
    wait_for("the tray to say since when", PATIENCE, || {
        bus::tray_property(&guest.home, "ToolTip").ok().filter(|tip| tip.contains("ffline since"))
    })?;
    guest.picture("tray-offline-en")?;
    publisher.wait_for_more(2)?;

    Network::link("up")?;
    guest.wait_online()?;
    let after = publisher.wait_for_more(10)?;
    wait_inbox(&guest, after.len())?;
    let ids = publisher.stop()?;
    nothing_lost_nothing_twice(&host, &mut guest, &ids, 12)
}
