//! TLS of the headless server.

use std::{net::SocketAddr, sync::Arc};

use tocsin_server::Config;

use crate::{exit::Failure, settings::Settings};

/// What the listeners need.
#[derive(Clone, Debug)]
pub struct Tls(Arc<rustls::ServerConfig>);

impl Tls {
    /// For a listener.
    pub fn server_config(&self) -> Arc<rustls::ServerConfig> {
        self.0.clone()
    }
}

/// Loads it.
pub fn load(_settings: &Settings, _addresses: &[SocketAddr]) -> Result<Tls, Failure> {
    Err(Failure::failed("TLS is not part of this build yet"))
}

/// Tells.
pub fn advertise(_config: &mut Config, _tls: Option<&Tls>, _settings: &Settings, _addresses: &[SocketAddr]) {}
