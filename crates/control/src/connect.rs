//! Opens the socket. A named pipe for this user alone will stand here on Windows; until then it says so.

use std::path::Path;

use crate::{Error, Result};

/// The stream to the resident.
#[cfg(unix)]
pub(crate) type Stream = tokio::net::UnixStream;

/// Connects, after checking that the directory is this user's alone.
#[cfg(unix)]
pub(crate) async fn connect(socket: &Path) -> Result<Stream> {
    use std::io::ErrorKind;
    crate::paths::check_length(socket)?;
    let dir = socket.parent().unwrap_or(Path::new("/"));
    if !dir.exists() {
        return Err(Error::NotRunning(socket.into()));
    }
    crate::paths::check_private(dir)?;
    tokio::net::UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Error::NotRunning(socket.into()),
        _ => Error::Io { what: format!("cannot connect to {}", socket.display()), source: error },
    })
}

#[cfg(not(unix))]
pub(crate) type Stream = tokio::net::TcpStream;

#[cfg(not(unix))]
pub(crate) async fn connect(_socket: &Path) -> Result<Stream> {
    Err(Error::Unsupported)
}
