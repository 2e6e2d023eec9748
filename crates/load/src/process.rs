//! What the kernel says about a process: CPU time, memory, context switches.

use std::{
    fs,
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context, Result};

/// CPU time (user + system) of a process and all its threads so far. The kernel counts it in ticks of 10 ms, so
/// measure over a second of CPU at least.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(") ").context("no command name in stat")?.1;
    let field = |n: usize| -> Result<u64> { Ok(fields.split(' ').nth(n).context("short stat")?.parse()?) };
    let ticks = field(11)? + field(12)?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// CPU time of this thread, exactly.
pub fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Proportional set size in bytes.
pub fn pss(pid: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|l| l.strip_prefix("Pss:")).context("no Pss line")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Voluntary context switches of all threads so far.
pub fn voluntary_switches(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread can end between the listing and the look.
        let Ok(status) = fs::read_to_string(task?.path().join("status")) else { continue };
        let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.context("no switches line")?.trim().parse::<u64>()?;
    }
    Ok(sum)
}

/// `pid` and all its descendants.
pub fn family(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_ascii_whitespace().filter_map(|c| c.parse::<u32>().ok()));
        }
    }
    found
}

/// A command that runs on one core only. The server gets the first, the generator the second.
pub fn pinned(core: u8, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program);
    command
}

/// Pins this process: what it starts later is pinned on its own.
pub fn pin_self(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let pid = task.file_name().to_string_lossy().parse().ok().and_then(rustix::process::Pid::from_raw);
        // A machine with one core cannot pin to the second; the figures are then what they are.
        let _ = rustix::thread::sched_setaffinity(pid, &set);
    }
}

/// Ends a child when the measurement is over, however it ends.
pub struct Running(pub Child);

impl Running {
    /// Its process id. `taskset` replaces itself, so this is the program's own.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
