//! How others learn where the server is: people from the addresses, programs from the ready file.

use std::{fs, io::Write as _, net::SocketAddr, path::Path};

use serde_json::json;

use crate::{exit::Failure, settings::Settings};

/// Scheme, host and port of each listener.
pub fn origins(settings: &Settings, addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(|address| origin(settings, *address)).collect()
}

fn origin(settings: &Settings, address: SocketAddr) -> String {
    let scheme = if settings.tls() && !is_plain(address) { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Whether plain http is spoken there: only on loopback, TLS to everybody else.
pub fn is_plain(address: SocketAddr) -> bool {
    address.ip().is_loopback()
}

/// The page's address for somebody on this computer: loopback first, then what there is.
pub fn page(settings: &Settings, addresses: &[SocketAddr]) -> String {
    let here = addresses.iter().find(|address| address.ip().is_loopback()).or_else(|| addresses.first());
    let public = settings.asked.public_url.clone();
    here.map_or_else(|| public.unwrap_or_default(), |address| origin(settings, reachable(*address)))
}

/// Nobody can connect to the unspecified address: on this computer it means loopback.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

/// Writes the ready file whole: a reader sees nothing or everything.
pub fn write(file: &Path, settings: &Settings, addresses: &[SocketAddr], page: &str) -> Result<(), Failure> {
    let ready = json!({
        "pid": std::process::id(),
        "addresses": addresses,
        "origins": origins(settings, addresses),
        "page": page,
        "data_dir": settings.paths.data,
        "control_socket": settings.paths.server_socket(),
    });
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let put = || -> std::io::Result<()> {
        let mut out = fs::File::create(&new)?;
        writeln!(out, "{ready}")?;
        fs::rename(&new, file)
    };
    put().map_err(|error| Failure::failed(format!("cannot write {}: {error}", file.display())))
}
