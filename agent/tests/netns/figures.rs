//! Exact figures: counted by the kernel, by strace or by callgrind, never timed under load.
//!
//! Run by themselves (`--test-threads=1`): a busy machine must not decide them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::agent::{Agent, Config, binary};
use crate::clock::{ms, pass, s, within};
use crate::lan::{Host, Lan};
use crate::namespace::command;
use crate::wire::{LENGTH, PORT, Random, Tap, field};

/// The burst of the figures: a whole rack that comes back from a power cut.
const BURST: usize = 250;

/// One license, one policy, and after the start-up burst nothing to say for minutes.
fn quiet() -> Config {
    Config::xsvr().set("interval", "1h").policy("mode = \"observe\"")
}

/// A well-formed datagram of a claim that is not held here.
fn foreign(random: &mut Random) -> Vec<u8> {
    let mut datagram = vec![0; LENGTH];
    random.fill(&mut datagram[field::CLAIM.start..]);
    datagram[..8].copy_from_slice(b"SNv1\x01\x00\x01\x2c");
    datagram
}

/// The first host's agent.
fn first() -> SocketAddr {
    ([10, 0, 0, 1], PORT).into()
}

/// A child that is interrupted (SIGINT) to write its result, and waited for.
fn finish(mut child: Child) {
    kill(Pid::from_raw(child.id().try_into().expect("a pid")), Signal::SIGINT).expect("it runs");
    child.wait().expect("it ends");
}

/// Attaches `strace` to a running agent.
fn strace(host: &Host, agent: &Agent, arguments: &[&str]) -> (Child, PathBuf) {
    let out = host.dir.path().join("strace");
    let mut tracer = command("strace");
    tracer.args(["-f", "-o"]).arg(&out).args(arguments).args(["-p", &agent.pid().to_string()]);
    let tracer = host.ns.spawn({
        tracer.stderr(Stdio::null());
        tracer
    });
    within(s(5), "strace is attached", || {
        let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).ok()?;
        status.lines().any(|l| l.strip_prefix("TracerPid:").is_some_and(|p| p.trim() != "0")).then_some(())
    });
    // It attaches thread by thread, the main one first.
    pass(ms(200));
    (tracer, out)
}

/// All system calls in a summary of `strace -c`.
fn total_calls(summary: &Path) -> u64 {
    let text = fs::read_to_string(summary).expect("strace's summary");
    let line = text.lines().find(|l| l.trim_end().ends_with("total")).unwrap_or_else(|| panic!("{text}"));
    println!("{text}");
    line.split_whitespace().nth(3).and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

/// An agent in the long silence between its announcements at 5 s and 30 s.
fn silent_agent(host: &Host) -> Agent {
    let agent = host.agent(&quiet());
    agent.reaches("clear", s(4));
    pass(s(6));
    agent
}

#[test]
fn a_lone_datagram_costs_two_system_calls_and_a_burst_of_250_a_twentieth_each() {
    let lan = Lan::new(2);
    let host = &lan.hosts[0];
    let agent = silent_agent(host);
    let tap = Tap::new(&lan.hosts[1]);
    let mut random = Random(1);
    const LONE: usize = 1000;
    let before = agent.status().counter("received");
    let (tracer, out) = strace(host, &agent, &["-c"]);
    for _ in 0..LONE {
        tap.send(&foreign(&mut random), first());
        pass(ms(4));
    }
    finish(tracer);
    let lone = total_calls(&out) as f64 / LONE as f64;
    const BURSTS: usize = 40;
    let (tracer, out) = strace(host, &agent, &["-c"]);
    for _ in 0..BURSTS {
        // What arrives while the agent is busy is a burst, whatever the sender's pace.
        agent.signal(Signal::SIGSTOP);
        (0..BURST).for_each(|_| tap.send(&foreign(&mut random), first()));
        agent.signal(Signal::SIGCONT);
        pass(ms(30));
    }
    finish(tracer);
    let burst = total_calls(&out) as f64 / (BURSTS * BURST) as f64;
    let received = agent.status().counter("received") - before;
    assert_eq!(received, (LONE + BURSTS * BURST) as u64, "all were received");
    println!("system calls per datagram: alone {lone:.3}, in bursts {burst:.4}");
    // The floors are what no agent can do without, one wait and one batch of 32: below them nothing was counted.
    assert!((1.0..=2.05).contains(&lone), "{lone}");
    assert!((1.0 / 32.0..=0.05).contains(&burst), "{burst}");
}

/// User instructions of a whole run that receives `n` foreign datagrams in bursts.
fn instructions(lan: &Lan, tap: &Tap, n: usize) -> u64 {
    let host = &lan.hosts[0];
    let out = host.dir.path().join(format!("callgrind.{n}"));
    let mut valgrind = command("valgrind");
    valgrind.args(["--tool=callgrind", &format!("--callgrind-out-file={}", out.display())]).arg(binary());
    let mut agent = host.launch(&format!("callgrind-{n}"), &quiet(), valgrind);
    within(s(60), "the agent answers under valgrind", || agent.try_status());
    agent.reaches("clear", s(20));
    let before = agent.status().counter("received");
    let mut random = Random(2);
    for _ in 0..n / BURST {
        (0..BURST).for_each(|_| tap.send(&foreign(&mut random), first()));
        pass(ms(25));
    }
    pass(ms(500));
    let received = agent.status().counter("received") - before;
    assert!(received.abs_diff(n as u64) < 20, "{received} of {n} received");
    agent.stop(s(20));
    let profile = fs::read_to_string(&out).expect("callgrind's file");
    let total = profile.lines().find_map(|l| l.strip_prefix("summary: ").or(l.strip_prefix("totals: ")));
    total.and_then(|t| t.trim().parse().ok()).expect("a total")
}

#[test]
fn a_foreign_datagram_in_bursts_costs_at_most_1000_user_instructions() {
    let lan = Lan::new(2);
    let tap = Tap::new(&lan.hosts[1]);
    const N: usize = 20_000;
    let (few, many) = (instructions(&lan, &tap, N), instructions(&lan, &tap, 3 * N));
    let each = (many as f64 - few as f64) / (2 * N) as f64;
    println!("user instructions per foreign datagram in bursts: {each:.0}");
    assert!(each > 50.0, "{each}: the start-up is not all there is");
    assert!(each <= 1000.0, "{each}");
}

#[test]
fn received_and_counted_drops_are_what_was_sent() {
    let lan = Lan::new(2);
    let agent = silent_agent(&lan.hosts[0]);
    let tap = Tap::new(&lan.hosts[1]);
    let count = |agent: &Agent| {
        let status = agent.status();
        (status.counter("received"), status.counter("kernel_drops"))
    };
    let before = count(&agent);
    const SENT: u64 = 300_000;
    let mut random = Random(3);
    let datagram = foreign(&mut random);
    // So that there are drops to be counted.
    agent.signal(Signal::SIGSTOP);
    for n in 0..SENT {
        tap.send(&datagram, first());
        if n == SENT / 4 {
            agent.signal(Signal::SIGCONT);
        }
    }
    pass(ms(500));
    // The kernel tells of drops with the next datagram that it delivers.
    tap.send(&datagram, first());
    pass(ms(300));
    let after = count(&agent);
    let (received, dropped) = (after.0 - before.0, after.1 - before.1);
    println!("{received} received, {dropped} dropped of {}", SENT + 1);
    assert!(dropped > 0, "nothing was dropped: nothing is shown");
    assert_eq!(received + dropped, SENT + 1);
}

#[test]
fn a_million_datagrams_grow_the_process_by_at_most_256_kib() {
    let lan = Lan::new(2);
    let agent = silent_agent(&lan.hosts[0]);
    let tap = Tap::new(&lan.hosts[1]);
    let mut random = Random(4);
    // Its own memory: the code of files comes and goes with what runs, and is given back before a sleep.
    let (received, memory) = (agent.status().counter("received"), agent.memory_kib("RssAnon"));
    let mut sent = 0_u64;
    while agent.status().counter("received") - received < 1_000_000 {
        for _ in 0..200 {
            (0..BURST).for_each(|_| tap.send(&foreign(&mut random), first()));
            pass(ms(1));
        }
        sent += 200 * BURST as u64;
        assert!(sent < 4_000_000, "most are lost");
    }
    pass(ms(200));
    let grown = agent.memory_kib("RssAnon").saturating_sub(memory);
    println!("{sent} sent; memory of its own {memory} KiB, grown by {grown} KiB");
    assert!(grown <= 256, "{grown} KiB");
}

#[test]
fn idle_memory_is_at_most_3_mb_with_the_policy_plugin() {
    let lan = Lan::new(1);
    // Nobody asks it anything: answering maps code that an idle agent has no use for.
    let agent = lan.hosts[0].launch("agent", &quiet(), command(binary()));
    within(s(5), "it is clear", || agent.log().contains("-> clear").then_some(()));
    // Between its announcements at 5 s and 30 s.
    pass(s(7));
    let resident = agent.memory_kib("VmRSS");
    let peak = agent.memory_kib("VmHWM");
    agent.status();
    let asked = agent.memory_kib("VmRSS");
    println!("resident {resident} KiB; {asked} KiB once asked for its status; peak {peak} KiB");
    assert!(resident * 1024 <= 3_000_000, "{resident} KiB");
}

#[test]
fn sockets_are_bound_within_5_ms_of_the_start() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    let mut best = f64::INFINITY;
    for run in 0..5 {
        let name = format!("start-{run}");
        let out = host.dir.path().join(format!("{name}.strace"));
        let mut tracer = command("strace");
        tracer.args(["-f", "--seccomp-bpf", "-ttt", "-e", "trace=execve,bind", "-o"]).arg(&out);
        // The agent must die with its tracer too.
        tracer.args(["setpriv", "--pdeathsig", "KILL", "--"]).arg(binary());
        let mut agent = host.launch(&name, &quiet(), tracer);
        within(s(5), "the agent answers", || agent.try_status());
        agent.ask(&["stop"]);
        agent.ends(s(5));
        best = best.min(start_to_bind(&fs::read_to_string(&out).expect("strace's output")));
    }
    println!("from execve to the last bind of port 626: {:.2} ms (best of 5, traced)", best * 1e3);
    assert!(best <= 0.005, "{best} s");
}

/// Seconds from the last `execve` to the last `bind` of the port.
fn start_to_bind(trace: &str) -> f64 {
    let at = |line: &str| line.split_whitespace().nth(1).and_then(|t| t.parse::<f64>().ok()).expect("a time");
    let last = |what: &str| trace.lines().rfind(|l| l.contains(what)).map(at);
    let bound = last("htons(626)").unwrap_or_else(|| panic!("no bind of port 626:\n{trace}"));
    bound - last("execve(").expect("an execve")
}

/// What one wake-up may wait: for its own echo by IPv4 and by IPv6, for the next announcement, and one for chance.
const WAITS: usize = 4;

#[test]
fn an_idle_minute_has_no_wake_up_but_the_schedulers() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    let agent = silent_agent(host);
    let (tracer, out) = strace(host, &agent, &["-ttt"]);
    pass(s(60));
    finish(tracer);
    let trace = fs::read_to_string(out).expect("strace's output");
    let wakes = wake_ups(&trace);
    println!("{} wake-ups in 60 s", wakes.len());
    for wake in &wakes {
        // An announcement, and its own echo from the loopback of the broadcast.
        assert!(wake.iter().any(|l| l.contains("sendmsg(") || l.contains("sendmmsg(")), "{wake:#?}");
        // A group is what lies less than 50 ms apart: who wakes more often than that makes a single one.
        let waits = wake.iter().filter(|l| l.contains("epoll_wait(") || l.contains("epoll_pwait(")).count();
        assert!((1..=WAITS).contains(&waits), "it spins: {waits} waits in one wake-up: {wake:#?}");
    }
    assert!(wakes.len() <= 3, "at 30 s and 60 s of its life, and one for chance: {wakes:#?}");
}

/// The lines of a trace, in groups with at least 50 ms of silence between.  What happens when strace
/// comes and goes, calls that it interrupts and that are begun again, is no wake-up of the agent's.
fn wake_ups(trace: &str) -> Vec<Vec<&str>> {
    let at = |line: &&str| line.split_whitespace().nth(1).and_then(|t| t.parse::<f64>().ok());
    let began = trace.lines().next().as_ref().and_then(at).expect("a trace");
    let mut groups: Vec<Vec<&str>> = Vec::new();
    let mut last = began;
    for line in trace.lines().filter(|l| !l.contains("<detached")) {
        let Some(now) = at(&line).filter(|now| now - began > 1.0) else { continue };
        if now - last > 0.05 {
            groups.push(Vec::new());
        }
        last = now;
        if let Some(group) = groups.last_mut() {
            group.push(line);
        }
    }
    groups
}
