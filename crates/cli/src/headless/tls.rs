//! TLS of the headless server: the operator's own certificate, or one of this installation's authority, whose key is a
//! file in the data directory that this user alone may read.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tocsin_server::{
    Config,
    tls::{Identity, KeyFile, local_addresses},
};

use crate::{
    exit::{Exit, Failure},
    settings::Settings,
};

use super::ready::is_plain;

/// How often names and addresses are compared with the certificate: a laptop changes networks, a certificate ages.
const LOOK: Duration = Duration::from_mins(15);
/// The authority, in the data directory.
const AUTHORITY: &str = "ca.pem";

/// Loads or makes it; nothing when TLS is off.
pub fn load(settings: &Settings) -> Result<Option<Identity>, Failure> {
    if !settings.tls() {
        return Ok(None);
    }
    let identity = match settings.certificate() {
        Some((certificate, key)) => Identity::from_files(certificate, key),
        None => Identity::own(&KeyFile(settings.paths.data.join(AUTHORITY)), &names(settings)),
    };
    let wrong = |error: tocsin_server::tls::Error| Failure::new(Exit::Failed, "tls", error.to_string());
    identity.map(Some).map_err(wrong)
}

/// Tells the server what invites say.
pub fn advertise(config: &mut Config, tls: Option<&Identity>, settings: &Settings, addresses: &[SocketAddr]) {
    let Some(tls) = tls else { return };
    config.ca_fingerprint.clone_from(&tls.ca_fingerprint);
    if settings.asked.public_url.is_some() {
        return;
    }
    let outward = addresses.iter().find(|address| !is_plain(**address));
    config.advertised_origin = outward.map(|address| {
        let ip = if address.ip().is_unspecified() { own_address(address.ip()) } else { address.ip() };
        format!("https://{}", SocketAddr::new(ip, address.port()))
    });
}

/// Keeps the certificate fresh for as long as the server runs.
pub async fn keep_fresh(identity: Identity, settings: Arc<Settings>) {
    loop {
        tokio::time::sleep(LOOK).await;
        match identity.reissue(&names(&settings)) {
            Ok(true) => {
                tracing::info!("the certificate was reissued: names or addresses changed, or it was old");
            }
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the certificate could not be reissued"),
        }
    }
}

/// Every name and address under which it may be reached.
fn names(settings: &Settings) -> Vec<String> {
    let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let short = own.split('.').next().unwrap_or(&own).to_owned();
    let public = settings.asked.public_url.as_deref().and_then(host_of);
    let listen = settings.listen().into_iter().map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
    // Loopback too: a listener on every address speaks TLS there as well.
    let here = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let addresses = local_addresses().into_iter().chain(listen).chain(here).map(|ip| ip.to_string());
    let mut names: Vec<String> = [format!("{short}.local"), own, "localhost".into()]
        .into_iter()
        .chain(settings.asked.hosts.iter().cloned())
        .chain(public)
        .chain(addresses)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn host_of(url: &str) -> Option<String> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    Some(host.trim_matches(['[', ']']).to_owned())
}

/// An address of this computer that others can reach.
fn own_address(unspecified: IpAddr) -> IpAddr {
    let same_kind = |ip: &IpAddr| ip.is_ipv4() == unspecified.is_ipv4() && !ip.is_loopback();
    local_addresses().into_iter().find(same_kind).unwrap_or(unspecified)
}
