//! The headless server: `tocsin serve`.
//!
//! In this order, so that a mistake costs nothing: settings are checked, addresses bound, the store opened (which takes the
//! lock of the data directory), the control socket bound, and only then requests taken. At the end the same backwards:
//! streams are sent away, running requests end, the store closes. A kill at any point loses nothing that was answered.

mod channel_secrets;
mod control;
mod first_run;
mod owner;
mod ready;
mod signals;
mod tls;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tocsin_server::{AppState, auth::Secret, config::LocalAccess, listen, tls::Identity};
use tocsin_store::{EpochReason, Store, sqlite::SqliteStore};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    args::serve::Serve,
    exit::{Exit, Failure},
    log::SERVE_LOG,
    output::note,
    settings::Settings,
};

pub use channel_secrets::ChannelSecrets;

/// The device that the control socket acts as.
const LOCAL_DEVICE: &str = "tocsin-cli";
/// Time for what still runs on the control socket once all else has ended: nothing there takes longer by itself.
const CONTROL_GRACE: Duration = Duration::from_secs(5);

/// Runs until a signal or `tocsin quit`.
pub async fn run(settings: Arc<Settings>, serve: Serve) -> Result<Exit, Failure> {
    if let Some(limit) = listen::raise_descriptor_limit() {
        tracing::debug!(limit, "open files");
    }
    let listeners = bind(&settings.listen())?;
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>();
    let addresses = addresses.map_err(|error| Failure::failed(error.to_string()))?;
    let store = open(&settings, serve.new_epoch).await?;
    let done = assembled(&settings, &serve, store.clone(), listeners, &addresses).await;
    // Also after a failure: what waits is committed and the boot id of a clean end is written.
    store.close().await;
    done
}

async fn assembled(
    settings: &Arc<Settings>,
    serve: &Serve,
    store: Arc<dyn Store>,
    listeners: Vec<TcpListener>,
    addresses: &[SocketAddr],
) -> Result<Exit, Failure> {
    let admin = first_run::admin(&*store, settings.asked.admin.as_deref()).await?;
    let secret = Secret::token();
    let tls = tls::load(settings)?;
    let mut config = settings.server();
    config.local =
        Some(LocalAccess { secret: secret.expose().into(), user: admin, device: LOCAL_DEVICE.into() });
    let page = ready::page(settings, addresses);
    tls::advertise(&mut config, tls.as_ref(), settings, addresses);
    let clock = settings.store().clock;
    let state = AppState::start(store, config, clock).await?;
    let quit = CancellationToken::new();
    let told = control::Told {
        page: page.clone(),
        addresses: ready::origins(settings, addresses),
        data_dir: settings.paths.data.clone(),
        log_file: log_file(settings),
        loopback: addresses.iter().all(|address| address.ip().is_loopback()),
    };
    let (socket, unbind) = (control::Socket::bind(&settings.paths)?, CancellationToken::new());
    let mut control = tokio::spawn(socket.serve(state.clone(), told, secret, quit.clone(), unbind.clone()));
    let mut servers = serve_all(listeners.into_iter().zip(addresses), tls.as_ref(), &state, &quit);
    if let Some(tls) = tls {
        tracing::info!(ca = tls.ca_fingerprint.as_deref().unwrap_or("the operator's own"), "TLS");
        tokio::spawn(tls::keep_fresh(tls, settings.clone()));
    }
    announce(settings, serve, addresses, &page)?;
    signals::wait(&quit).await?;
    tracing::info!("ending: streams are told to come back later");
    quit.cancel();
    while servers.join_next().await.is_some() {}
    // Last: `tocsin quit` waits until the socket is gone, and finds the data free then.
    state.store.close().await;
    unbind.cancel();
    if timeout(CONTROL_GRACE, &mut control).await.is_err() {
        tracing::warn!("a request on the control socket did not end in time; it is dropped");
        control.abort();
        let _ = control.await;
    }
    if let Some(file) = &serve.ready_file {
        let _ = std::fs::remove_file(file);
    }
    tracing::info!("ended");
    Ok(Exit::Ok)
}

/// Takes requests until `quit`: by plain http on loopback, with TLS from everybody else.
fn serve_all<'a>(
    listeners: impl Iterator<Item = (TcpListener, &'a SocketAddr)>,
    tls: Option<&Identity>,
    state: &AppState,
    quit: &CancellationToken,
) -> JoinSet<()> {
    let mut servers = JoinSet::new();
    for (listener, address) in listeners {
        let (state, stop) = (state.clone(), quit.clone().cancelled_owned());
        match tls.filter(|_| !ready::is_plain(*address)) {
            Some(tls) => {
                let config = tls.server_config.clone();
                servers.spawn(async move { listen::serve_tls(listener, config, state, stop).await });
            }
            None => {
                servers.spawn(async move { listen::serve(listener, state, stop).await });
            }
        }
    }
    servers
}

/// Where the log is.
pub fn log_file(settings: &Settings) -> PathBuf {
    settings.paths.log_dir().join(SERVE_LOG)
}

fn announce(settings: &Settings, serve: &Serve, addresses: &[SocketAddr], page: &str) -> Result<(), Failure> {
    tracing::info!(?addresses, data = %settings.paths.data.display(), "ready");
    if let Some(file) = &serve.ready_file {
        ready::write(file, settings, addresses, page)?;
    }
    note(&format!("tocsin: listening on {}", ready::origins(settings, addresses).join(", ")));
    note(&format!("tocsin: log in {}", log_file(settings).display()));
    note("tocsin: `tocsin login` prints an address that opens the page; Ctrl-C ends the server");
    Ok(())
}

fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    use std::io::ErrorKind;
    let one = |address: &SocketAddr| {
        listen::bind(*address).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => in_use(*address),
            ErrorKind::PermissionDenied => {
                Failure::new(Exit::Failed, "port_denied", format!("this user may not listen on {address}"))
                    .hint("choose a port from 1024 on")
            }
            ErrorKind::AddrNotAvailable => Failure::new(
                Exit::Failed,
                "no_such_address",
                format!("this computer has no address {}", address.ip()),
            )
            .hint("`ip address` lists the addresses it has"),
            _ => Failure::failed(format!("cannot listen on {address}: {error}")),
        })
    };
    addresses.iter().map(one).collect()
}

fn in_use(address: SocketAddr) -> Failure {
    let port = address.port();
    let free = SocketAddr::new(address.ip(), port.checked_add(1).unwrap_or(0));
    let other = format!("choose another port, for example --listen {free}");
    let (who, remedy) = match owner::of(port) {
        Some(owner) if owner.pid == std::process::id() => (
            "another address of this server".to_owned(),
            "leave out the address that includes the other".to_owned(),
        ),
        Some(owner) => (
            format!("{} (process {})", owner.name, owner.pid),
            format!("end it (`kill {}`), or {other}", owner.pid),
        ),
        None => (
            "another program".to_owned(),
            format!("find it with `sudo ss -ltnp sport = :{port}` and end it, or {other}"),
        ),
    };
    Failure::new(Exit::Failed, "port_in_use", format!("{address} is in use by {who}")).hint(remedy)
}

async fn open(settings: &Settings, new_epoch: bool) -> Result<Arc<dyn Store>, Failure> {
    let options = settings.store();
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(options)).await;
    let store = opened.map_err(|error| Failure::failed(error.to_string()))??;
    if new_epoch {
        let epoch = store.new_epoch(EpochReason::Asked).await?;
        tracing::info!(%epoch, "a new life of the log begins");
    }
    Ok(Arc::new(store))
}
