//! A crowd: 200 agents on one bridge, started together as after a power cut.
//!
//! Run by itself: for some seconds it has the whole machine.

use crate::accusation::{all_accuse, nobody_accused};
use crate::agent::{Agent, Config, SERIAL, binary};
use crate::clock::{Watch, s, within};
use crate::lan::{Families, Host, Lan};
use crate::namespace::command;

/// All of them.
const CROWD: usize = 200;
/// Two that use one serial, neither first nor last.
const PAIR: [usize; 2] = [66, 133];
/// By when the pair is found after the start of all: each derives its key (30 ms and 19 MiB) on what processors there
/// are, and each datagram is delivered to all others.
const FOUND: std::time::Duration = s(90);
/// What the derivation of a key takes, 19 MiB, and the agent with two plugins: no more at its peak, in KiB.
const PEAK_KIB: u64 = 32 << 10;
/// No more of a processor for the start among 200, half of it in the kernel.
const CPU_MS: u64 = 1000;

/// The license of host `n`, at the interval that agents have by default.
fn config(n: usize) -> Config {
    let serial = if PAIR.contains(&n) { SERIAL.to_owned() } else { format!("XSVR-{n}") };
    Config::sharp().set("interval", "5m").set("confirm_after", "90s").license("xsvr", &serial, "")
}

/// Launches all of them behind a gate, so that they start together when it opens; gives them and that moment.
fn start_together(lan: &Lan) -> (Vec<Agent>, Watch) {
    let gate = tempfile::NamedTempFile::new().expect("a temporary file");
    gate.as_file().lock().expect("the gate is closed");
    let launch = |host: &Host| {
        let mut program = command("flock");
        program.args(["--no-fork", "--shared"]).arg(gate.path()).arg(binary());
        host.launch("agent", &config(host.number), program)
    };
    let agents: Vec<Agent> = lan.hosts.iter().map(launch).collect();
    for agent in &agents {
        let name = format!("/proc/{}/comm", agent.pid());
        within(s(10), "it waits at the gate", || {
            std::fs::read_to_string(&name).is_ok_and(|n| n.trim() == "flock").then_some(())
        });
    }
    gate.as_file().unlock().expect("the gate is open");
    (agents, Watch::start())
}

/// The smallest, the middle and the largest.
fn spread(mut figures: Vec<u64>) -> [u64; 3] {
    figures.sort_unstable();
    [figures[0], figures[figures.len() / 2], figures[figures.len() - 1]]
}

#[test]
fn of_200_agents_started_together_only_the_two_with_one_serial_are_accused() {
    let lan = Lan::of(CROWD, Families::Both);
    let (agents, started) = start_together(&lan);
    let (pair, others): (Vec<&Agent>, Vec<&Agent>) =
        agents.iter().partition(|agent| PAIR.iter().any(|n| agent.dir.starts_with(lan.hosts[*n].dir.path())));
    for agent in &agents {
        let held = || ["probing -> clear", "probing -> conflict"].iter().any(|s| agent.log().contains(s));
        within(FOUND.saturating_sub(started.elapsed()), "it holds its claim", || held().then_some(()));
    }
    let up = started.elapsed();
    all_accuse(&pair, FOUND.saturating_sub(started.elapsed()));
    println!("all were up after {up:?}, and the pair was found after {:?}", started.elapsed());
    nobody_accused(&others, s(3));
    let of_each = |what: &dyn Fn(&Agent) -> u64| spread(agents.iter().map(what).collect());
    let cpu_ms = of_each(&Agent::cpu_ms);
    let resident = of_each(&|agent| agent.memory_kib("VmRSS"));
    let peak = of_each(&|agent| agent.memory_kib("VmHWM"));
    let received = of_each(&|agent| agent.status().counter("received"));
    let drops = of_each(&|agent| agent.status().counter("kernel_drops"));
    println!("of each of the {CROWD}, least, median and most, after {:?}:", started.elapsed());
    println!("{cpu_ms:?} ms of a processor; {resident:?} KiB resident, {peak:?} at the peak");
    println!("{received:?} datagrams received, {drops:?} dropped by the kernel");
    let [[heard_least, ..], [.., most_memory], [.., most_time]] = [received, peak, cpu_ms];
    assert!(heard_least >= CROWD as u64, "somebody was not heard: {heard_least}");
    assert!(most_memory <= PEAK_KIB, "{most_memory} KiB");
    assert!(most_time <= CPU_MS, "{most_time} ms");
}
