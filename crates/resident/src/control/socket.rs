//! The Unix socket: one owner at a time, this user alone.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::net::UnixStream as StdUnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::serve::Listener;
use tokio::net::{UnixListener, UnixStream, unix::SocketAddr};

/// Pause after a failed accept (out of descriptors): without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why the socket could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another resident has it.
    #[error("Tocsin is running already for this data directory")]
    Taken,
    /// The runtime directory cannot be used.
    #[error(transparent)]
    Directory(#[from] tocsin_control::Error),
    /// The system refused.
    #[error("cannot listen on {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The bound socket; removed when dropped. The lock beside it is what makes its owner the only one: the kernel
/// releases it however the process ends.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    _lock: File,
}

impl Socket {
    /// Takes `path`, whose directory is this user's alone (`Paths::prepare_runtime` checked it).
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Io { path: path.into(), source };
        let lock_path = path.with_extension("lock");
        let lock =
            File::options().create(true).truncate(false).write(true).open(lock_path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SocketError::Taken),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // A file left by a kill refuses connections. One that takes them belongs to a program that holds no lock
        // (an older version): it is not pulled away from under it.
        match StdUnixStream::connect(path) {
            Ok(_) => return Err(SocketError::Taken),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => std::fs::remove_file(path).map_err(failed)?,
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        Ok(Self { listener, path: path.into(), _lock: lock })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener for Socket {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        let own = rustix::process::geteuid().as_raw();
        loop {
            match self.listener.accept().await {
                // The directory keeps others out; this also holds if somebody loosened its mode.
                Ok((stream, address)) if stream.peer_cred().is_ok_and(|peer| peer.uid() == own) => {
                    return (stream, address);
                }
                Ok(_) => tracing::warn!("a connection of another user to the control socket was refused"),
                Err(error) => {
                    tracing::warn!(%error, "the control socket could not accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_owner_and_what_a_kill_left_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let first = Socket::bind(&path).unwrap();
        assert!(matches!(Socket::bind(&path), Err(SocketError::Taken)));
        drop(first);
        assert!(!path.exists());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a socket file without a listener, as after a kill");
        Socket::bind(&path).unwrap();
    }

    #[tokio::test]
    async fn a_listener_without_a_lock_is_not_pulled_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(Socket::bind(&path), Err(SocketError::Taken)));
        assert!(path.exists());
    }
}
