//! What is set on sockets, and why.

use std::{io, net::SocketAddr, time::Duration};

use rustix::{
    net::sockopt,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that wait to be accepted: what Linux allows by default (`somaxconn`). A team that comes back after a
/// restart must not be refused.
const BACKLOG: u32 = 4096;
/// An idle connection is probed after this long, and then this often, so that a peer that vanished is noticed even when
/// nothing is sent (a poll's keep-alive, a request that waits).
const KEEPALIVE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(15));
/// Bytes that were sent and not acknowledged for this long end the connection. Same as the pong wait.
const UNACKNOWLEDGED_MS: u32 = 30_000;
/// Bytes the kernel holds for one slow reader (it doubles this). Large enough for a page's assets over a slow link,
/// small enough that ten thousand stalled readers do not take gigabytes.
const SEND_BUFFER: usize = 128 * 1024;

/// Binds a listener. A port in use is an error with the address in it.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the last run to time out.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    socket.bind(address).map_err(named)?;
    socket.listen(BACKLOG).map_err(named)
}

/// Lets this process open as many files as it is allowed to; returns how many. Every connection is one.
pub fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Sets what every accepted connection gets.
pub(super) fn tune(socket: &TcpStream) -> io::Result<()> {
    // A notification is one small write; Nagle would hold it back until the last one is acknowledged.
    socket.set_nodelay(true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER)?;
    #[cfg(target_os = "linux")]
    {
        sockopt::set_tcp_keepidle(socket, KEEPALIVE.0)?;
        sockopt::set_tcp_keepintvl(socket, KEEPALIVE.1)?;
        sockopt::set_tcp_user_timeout(socket, UNACKNOWLEDGED_MS)?;
    }
    Ok(())
}
