//! What a target spent and what was lost, by the kernel's own books.

use std::fs;
use std::time::{Duration, Instant};

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

use crate::target::Target;

/// One measurement of one target.
pub struct Sample {
    /// CPU time, user and kernel, of all threads.
    pub ns_per_datagram: f64,
    /// Of what was sent.
    pub lost_percent: f64,
}

/// Runs `send`, which gives how many it sent, and measures the target meanwhile.
pub fn sample(target: &Target, send: impl FnOnce() -> u64) -> Sample {
    let before = (cpu(target.pid()), drops(target.port));
    let sent = send();
    settle(target);
    let spent = cpu(target.pid()) - before.0;
    let lost = drops(target.port) - before.1;
    let received = sent.saturating_sub(lost).max(1);
    Sample {
        ns_per_datagram: spent.as_nanos() as f64 / received as f64,
        lost_percent: 100.0 * lost as f64 / sent.max(1) as f64,
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Waits until the target has read all, and a moment for what it does with it.
fn settle(target: &Target) {
    let began = Instant::now();
    while queued(target.port) > 0 && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(60));
}

/// Time on a processor, of all threads of a process, those that ended included.
fn cpu(pid: u32) -> Duration {
    let pid = Pid::from_raw(pid.try_into().expect("a pid"));
    let clock = clock_getcpuclockid(pid).expect("the target runs");
    clock.now().expect("its clock").into()
}

/// A column of the kernel's table of UDP sockets, over the sockets on a port.
fn column(port: u16, of: impl Fn(&[&str]) -> Option<u64>) -> u64 {
    let table = fs::read_to_string("/proc/net/udp").expect("/proc/net/udp");
    let suffix = format!(":{port:04X}");
    let rows = table.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
    rows.filter(|r| r.get(1).is_some_and(|a| a.ends_with(&suffix))).filter_map(|r| of(&r)).sum()
}

fn drops(port: u16) -> u64 {
    column(port, |row| row.last()?.parse().ok())
}

fn queued(port: u16) -> u64 {
    column(port, |row| u64::from_str_radix(row.get(4)?.split(':').nth(1)?, 16).ok())
}
