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

/// Time of the whole machine so far, in ticks: all of it, and what the hypervisor took away.
pub fn machine_time() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.lines().next().unwrap_or("").split(' ').filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; the guests behind them are in user already.
    (fields.iter().take(8).sum(), fields.get(7).copied().unwrap_or(0))
}

/// The share that was taken away since.
pub fn stolen_since((all, steal): (u64, u64)) -> f64 {
    let (all_now, steal_now) = machine_time();
    steal_now.saturating_sub(steal) as f64 / (all_now.saturating_sub(all).max(1)) as f64
}

/// Pins this process and what it starts from now on, unless that is pinned on its own.
pub fn pin_self(core: usize) {
    pin(&[core]);
}

/// Lets this process and what it starts from now on run on every core again.
pub fn unpin_self() {
    let cores: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).collect();
    pin(&cores);
}

fn pin(cores: &[usize]) {
    let mut set = rustix::thread::CpuSet::new();
    for core in cores {
        set.set(*core);
    }
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
