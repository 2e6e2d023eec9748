//! A login manager that only writes down what is asked of it: the real one needs to be the first thing that a computer
//! starts, and would put it to sleep. It stands on the test's own bus, which the resident takes for the system's.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use rustix::{
    fd::OwnedFd,
    io::{Errno, read},
    pipe::{PipeFlags, pipe_with},
};
use tocsin_virtual_desktop::Home;
use zbus::zvariant;

/// Its state.
#[derive(Default)]
struct State {
    idle_action: String,
    /// What was asked for, and the end of each lock that this side keeps.
    locks: Vec<([String; 4], OwnedFd)>,
    refuses: bool,
}

/// The login manager; gone when dropped.
pub struct Login1 {
    state: Arc<Mutex<State>>,
    _bus: zbus::blocking::Connection,
}

struct Manager(Arc<Mutex<State>>);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    fn inhibit(
        &self,
        what: String,
        who: String,
        why: String,
        mode: String,
    ) -> zbus::fdo::Result<zvariant::OwnedFd> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.refuses {
            return Err(zbus::fdo::Error::AccessDenied("Permission denied".into()));
        }
        let (kept, given) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|error| zbus::fdo::Error::Failed(error.to_string()))?;
        state.locks.push(([what, who, why, mode], kept));
        Ok(given.into())
    }

    #[zbus(property)]
    fn idle_action(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).idle_action.clone()
    }
}

impl Login1 {
    /// Stands on the bus of this home; `idle_action` is what it says it does when nobody is there.
    pub fn start(home: &Home, idle_action: &str) -> Result<Self> {
        let state = Arc::new(Mutex::new(State { idle_action: idle_action.into(), ..State::default() }));
        let address = home.variable("DBUS_SESSION_BUS_ADDRESS").unwrap_or_default();
        let bus = zbus::blocking::connection::Builder::address(address)?
            .serve_at("/org/freedesktop/login1", Manager(Arc::clone(&state)))?
            .name("org.freedesktop.login1")?
            .build()?;
        Ok(Self { state, _bus: bus })
    }

    /// Refuses locks from now on, as it does to people who are not at the computer.
    pub fn refuse(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).refuses = true;
    }

    /// What is held now.
    pub fn held(&self) -> Vec<[String; 4]> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let held = state.locks.iter().filter(|(_, end)| {
            // Nothing to read while somebody has the other end; the end of the file when nobody does.
            matches!(read(end, &mut [0_u8; 1][..]), Err(Errno::AGAIN))
        });
        held.map(|(asked, _)| asked.clone()).collect()
    }
}
