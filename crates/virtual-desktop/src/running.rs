//! A process that ends with the test or run that started it.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::GLANCE;

/// How long a process has to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A process that ends when this is dropped.
pub struct Running {
    name: String,
    pub(crate) child: Child,
}

impl Running {
    /// Starts `command` in a process group of its own: Ctrl+C reaches this program alone, which then ends the others
    /// in order.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}: is its package installed? cargo xtask setup"))?;
        Ok(Self { name: name.into(), child })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid().context("no process id")?, signal)?)
    }

    /// The process and the group that it leads.
    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The first line it prints: a display number, an address.
    pub(crate) fn first_line(&mut self) -> Result<String> {
        let output = self.child.stdout.take().context("no output to read")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.trim().is_empty() {
            bail!("{} ended at once", self.name);
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(group) = self.pid() else { return };
        if self.has_ended() {
            return;
        }
        // The whole group: a driver's browser must not outlive it.
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while !self.has_ended() {
            if Instant::now() > deadline {
                let _ = kill_process_group(group, Signal::KILL);
                let _ = self.child.wait();
                return;
            }
            thread::sleep(GLANCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_process_is_gone() {
        let running = Running::start("sleep", Command::new("sleep").arg("1000")).unwrap();
        let id = running.pid().unwrap();
        drop(running);
        assert!(rustix::process::test_kill_process(id).is_err());
    }
}
