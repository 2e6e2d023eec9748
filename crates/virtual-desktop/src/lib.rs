//! A desktop without a screen, made of real parts, for `cargo xtask run`, the desktop tests and the benchmark.
//!
//! Everything lives in one directory of its own, so that nothing of the person's desktop is read or changed, and every
//! process is ended by its id when its owner is dropped.

pub mod bus;
mod desktop;
mod home;
mod running;
pub mod screen;

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

pub use desktop::{Part, VirtualDesktop};
pub use home::Home;
pub use running::Running;

/// Between two looks at something that is waited for.
pub const GLANCE: Duration = Duration::from_millis(100);

/// Looks until `ready` gives something.
pub fn wait_for<T>(what: &str, patience: Duration, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = ready() {
            return Ok(value);
        }
        if Instant::now() > deadline {
            bail!("waited {} s in vain for {what}", patience.as_secs());
        }
        thread::sleep(GLANCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_what_was_waited_for() {
        let error = wait_for("a bus", Duration::ZERO, || None::<()>).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s in vain for a bus");
        let mut looks = 0;
        let found = wait_for("three looks", Duration::from_mins(1), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.unwrap(), 3);
    }
}
