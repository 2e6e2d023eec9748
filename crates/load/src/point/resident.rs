//! The resident while it hosts with one joined device and no window: memory, CPU, wake-ups; and the two waits a person
//! feels, until the item is in the tray and until the window is painted. On a virtual desktop of real parts.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tocsin_control::{Client, Paths};
use tocsin_virtual_desktop::{Home, Running, VirtualDesktop, bus, wait_for};
use x11rb::{
    connection::Connection as _,
    protocol::xproto::{ConnectionExt as _, ImageFormat},
    rust_connection::RustConnection,
};

use crate::{
    client::ws::Ws,
    point::Bench,
    process,
    report::{Bound, Report},
};

/// How long idleness is watched.
const WATCHED: Duration = Duration::from_mins(1);
/// Time for what a start or a closing window needed to be given back.
const REST: Duration = Duration::from_secs(10);
/// Starts and openings; the median counts.
const TRIES: usize = 5;
/// Time for any step.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at the screen: each copies half a megabyte, on the cores that the window is painted on.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Colours in the middle of the screen that make it a painted page and not an empty window: text has grey steps.
const PAINTED_COLOURS: usize = 8;

pub async fn run(args: &Bench, report: &mut Report) -> Result<()> {
    let desktop =
        args.desktop.clone().context("--desktop (or TOCSIN_DESKTOP_BIN) is needed for this point")?;
    // A desktop has all cores of its computer: window, panel and X server are not to wait for each other.
    process::unpin_self();
    let dir = tempfile::Builder::new().prefix("tocsin-desk").tempdir()?;
    let mut home = Home::new(dir.path().join("h"))?;
    home.set("LANG", "en_US.UTF-8");
    home.set("TOCSIN_BIN", args.tocsin.display().to_string());
    home.set("TOCSIN_DESKTOP_BIN", desktop.display().to_string());
    let _parts = VirtualDesktop::start(&mut home)?;
    let mut starts = Vec::with_capacity(TRIES);
    for _ in 0..TRIES {
        let (mut resident, ms) = start_to_tray(args, &home)?;
        starts.push(ms);
        resident.kill();
    }
    report.median("resident_tray_ms", starts, Bound::AtMost(100.0));

    let (resident, _) = start_to_tray(args, &home)?;
    let hosted = Hosted::new(&home).await?;
    let _device = hosted.join_device().await?;
    tokio::time::sleep(REST).await;
    report.figure("resident_idle_pss_mb", pss_mb(resident.id())?, Bound::AtMost(20.0));
    let idle = idle(resident.id(), WATCHED).await?;
    report.figure("resident_idle_cpu_percent", idle.cpu_percent, Bound::AtMost(0.1));
    report.figure("resident_wakeups_per_s", idle.wakeups_per_s, Bound::AtMost(2.0));

    let mut paints = Vec::with_capacity(TRIES);
    for _ in 0..TRIES {
        paints.push(open_until_painted(&home)?);
        close_window(&home)?;
    }
    report.median("window_painted_ms", paints, Bound::AtMost(1000.0));
    tokio::time::sleep(REST).await;
    report.figure("resident_after_window_pss_mb", pss_mb(resident.id())?, Bound::AtMost(20.0));
    let after = self::idle(resident.id(), WATCHED).await?;
    report.figure("resident_after_window_cpu_percent", after.cpu_percent, Bound::AtMost(0.1));
    report.figure("resident_after_window_wakeups_per_s", after.wakeups_per_s, Bound::AtMost(2.0));
    Ok(())
}

/// Starts the resident; milliseconds until it registered its item.
fn start_to_tray(args: &Bench, home: &Home) -> Result<(Running, f64)> {
    let mut monitor = home
        .command("dbus-monitor", "monitor")?
        .args(["--session", "--profile", "member='RegisterStatusNotifierItem'"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start dbus-monitor")?;
    let mut lines = BufReader::new(monitor.stdout.take().context("no output")?).lines();
    // Its own greeting: from here on it sees everything.
    lines.next().context("dbus-monitor ended")??;
    let start = Instant::now();
    let resident = Running::start("tocsin tray", home.command(&args.tocsin, "resident")?.arg("tray"))?;
    let registered = lines.map_while(Result::ok).any(|line| line.contains("RegisterStatusNotifierItem"));
    let elapsed = start.elapsed().as_secs_f64() * 1e3;
    let _ = monitor.kill();
    let _ = monitor.wait();
    ensure!(registered, "the resident never registered an item");
    Ok((resident, elapsed))
}

/// What idleness costs.
struct Idle {
    cpu_percent: f64,
    wakeups_per_s: f64,
}

async fn idle(pid: u32, watched: Duration) -> Result<Idle> {
    let family = process::family(pid);
    let sum = |of: fn(u32) -> Result<f64>| family.iter().map(|pid| of(*pid)).sum::<Result<f64>>();
    let cpu = |pid| Ok(process::cpu(pid)?.as_secs_f64());
    let switches = |pid| Ok(process::voluntary_switches(pid)? as f64);
    let (cpu_before, switches_before) = (sum(cpu)?, sum(switches)?);
    tokio::time::sleep(watched).await;
    let seconds = watched.as_secs_f64();
    Ok(Idle {
        cpu_percent: (sum(cpu)? - cpu_before) / seconds * 100.0,
        wakeups_per_s: (sum(switches)? - switches_before) / seconds,
    })
}

/// The resident's server, seen from outside.
struct Hosted {
    control: Client,
    address: String,
}

impl Hosted {
    async fn new(home: &Home) -> Result<Self> {
        let control = Client::resident(&Paths::from_variables(None, &|n| home.variable(n).map(Into::into))?);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = call(&control, "GET", "/native/status", &Value::Null).await.unwrap_or_default();
            if status["mode"]["mode"] == "unset" {
                call(&control, "POST", "/native/host", &json!({})).await?;
            }
            if status["connection"]["state"] == "online" {
                let page = status["page"].as_str().context("no page")?;
                let address = page.trim_start_matches("http://").trim_end_matches('/').into();
                return Ok(Self { control, address });
            }
            ensure!(Instant::now() < deadline, "the resident is not online: {status}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A second person's device with an open stream, read by a task of this program.
    async fn join_device(&self) -> Result<tokio::task::JoinHandle<()>> {
        call(&self.control, "POST", "/v1/users", &json!({ "name": "joined" })).await?;
        let order = json!({ "kind": "client", "name": "joined", "user": "joined" });
        let made = call(&self.control, "POST", "/v1/tokens", &order).await?;
        let token = made["secret"].as_str().context("no secret")?;
        let path = "/ws?device=joined&instance=1";
        let mut ws = Ws::connect(&self.address, [127, 0, 0, 2], path, token).await?;
        Ok(tokio::spawn(async move { while ws.next().await.is_ok() {} }))
    }
}

async fn call(control: &Client, method: &str, path: &str, body: &Value) -> Result<Value> {
    let body = (!body.is_null()).then(|| serde_json::to_vec(body)).transpose()?;
    let answer = control.request(method, path, body.map(Into::into)).await?;
    ensure!(answer.is_success(), "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// A left click on the tray item, as the panel sends it; milliseconds until the window's page is on the screen.
fn open_until_painted(home: &Home) -> Result<f64> {
    let (screen, number) = RustConnection::connect(home.variable("DISPLAY"))?;
    let root = screen.setup().roots.get(number).context("no screen")?.root;
    let tray = bus::TrayItem::find(home)?;
    let start = Instant::now();
    tray.call(home, "Activate", &["0", "0"])?;
    while start.elapsed() < PATIENCE {
        if colours(&screen, root)? >= PAINTED_COLOURS {
            return Ok(start.elapsed().as_secs_f64() * 1e3);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    anyhow::bail!("the window was not painted")
}

/// How many colours are in the middle of the screen, where the window opens.
fn colours(screen: &RustConnection, root: u32) -> Result<usize> {
    let image = screen.get_image(ImageFormat::Z_PIXMAP, root, 440, 250, 400, 300, u32::MAX)?.reply()?;
    Ok(image.data.chunks_exact(4).collect::<std::collections::HashSet<_>>().len())
}

fn close_window(home: &Home) -> Result<()> {
    let desktop = PathBuf::from(home.variable("TOCSIN_DESKTOP_BIN").unwrap_or_default());
    let name = desktop.file_name().context("no program name")?.to_string_lossy().into_owned();
    wait_for("the window to close", PATIENCE, || {
        let _ = home.command("wmctrl", "wmctrl").ok()?.args(["-x", "-c", &name]).status();
        let list = home.command("wmctrl", "wmctrl").ok()?.arg("-l").stdout(Stdio::piped()).output().ok()?;
        (!String::from_utf8_lossy(&list.stdout).contains("Tocsin")).then_some(())
    })
}

fn pss_mb(pid: u32) -> Result<f64> {
    let bytes: u64 = process::family(pid).iter().map(|pid| process::pss(*pid)).sum::<Result<u64>>()?;
    Ok(bytes as f64 / 1e6)
}
