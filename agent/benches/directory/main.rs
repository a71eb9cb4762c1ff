//! The directory with 100,000 directories in it, beside OpenLDAP's slapd with the same data, in one run: look-ups by
//! key, reads and lists, the server's CPU time of each, and the tree replaced under load.
//!
//! `make bench` builds the release agent and runs this; rounds are interleaved, so that a change of the machine's mood
//! meets both alike, and medians are printed.  Servers run on one processor, who asks on another (Debian's packages
//! slapd and util-linux, which has `taskset`).  Both are asked the same reads in the same order, with the same number of
//! questions on the way, by requests and replies that are written and told apart by hand.
#![allow(clippy::disallowed_methods, reason = "the agent is measured from outside, on a clock of our own")]

mod data;
mod drive;
mod ldap;
mod netinfo;
mod protocol;
mod replaced;
mod servers;

use data::Random;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use protocol::Kind;
use servers::Server;

/// Interleaved rounds; odd, so that the median is one of them.
const ROUNDS: u64 = 5;
/// Where what is asked begins; printed, so that a run can be made again.
const SEED: u64 = 658;
/// How replies are asked for: calls, connections, questions on the way of each.
const SHAPES: [(&str, usize, usize, usize); 3] = [
    ("1 at a time", 4000, 1, 1),
    ("1 connection, 32 on the way", 16_000, 1, 32),
    ("64 connections, 1 on the way", 16_000, 64, 1),
];

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    println!("{} directories, seed {SEED}, load of the machine at the start: {}", data::DIRECTORIES, load());
    let mut processors = CpuSet::new();
    processors.set(0).expect("the first processor");
    sched_setaffinity(Pid::from_raw(0), &processors).expect("this program on the first processor");
    let servers = [servers::agent(), servers::slapd()];
    for server in &servers {
        agree(server);
    }
    let mut rows = Vec::new();
    for shape in SHAPES {
        for kind in Kind::ALL {
            rows.push(Row { shape, kind, samples: [Vec::new(), Vec::new()] });
        }
    }
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        for row in &mut rows {
            for (server, samples) in servers.iter().zip(&mut row.samples) {
                samples.push(sample(server, row.shape, row.kind, round));
            }
        }
    }
    print(&rows);
    let memory = servers.each_ref().map(Server::memory_mib);
    println!(
        "\nresident memory: agent {} MiB, slapd {} MiB (its database is a file that it maps)",
        memory[0], memory[1]
    );
    replaced::under_load(&servers[0]);
    println!("load of the machine at the end: {}", load());
}

/// Before anything is measured: whole replies tell what they should.
fn agree(server: &Server) {
    let mut random = Random(SEED);
    for kind in Kind::ALL {
        for _ in 0..20 {
            let read = kind.any(&mut random);
            let reply = drive::once(&*server.protocol, server.port, read);
            for text in read.tells() {
                let there = reply.windows(text.len()).any(|window| window == text.as_bytes());
                assert!(there, "{}: {} does not tell {text}", server.name, kind.name());
            }
        }
    }
}

/// One measurement: microseconds, and calls.
struct Sample {
    p50_us: f64,
    p99_us: f64,
    per_second: f64,
    cpu_us: f64,
}

/// The same of both servers.
struct Row {
    shape: (&'static str, usize, usize, usize),
    kind: Kind,
    samples: [Vec<Sample>; 2],
}

fn sample(
    server: &Server,
    (_, calls, connections, depth): (&str, usize, usize, usize),
    kind: Kind,
    round: u64,
) -> Sample {
    // A list is a hundred times as long.
    let calls = if kind == Kind::List { calls / 10 } else { calls };
    let before = server.cpu();
    let run = drive::run(
        &*server.protocol,
        server.port,
        kind,
        calls,
        connections,
        depth,
        &mut Random(SEED + round),
    );
    let cpu = server.cpu() - before;
    let us = |share| run.quantile(share).as_secs_f64() * 1e6;
    Sample {
        p50_us: us(0.5),
        p99_us: us(0.99),
        per_second: run.per_second(),
        cpu_us: cpu.as_secs_f64() * 1e6 / run.latencies.len() as f64,
    }
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(rows: &[Row]) {
    println!("\nMedians of {ROUNDS} interleaved rounds; slapd in how many times the agent's");
    println!(
        "{:<30}{:<16}{:<7}{:>9}{:>9}{:>10}{:>12}",
        "shape", "read", "server", "p50 us", "p99 us", "calls/s", "CPU us/call"
    );
    for row in rows {
        let figures: [[f64; 4]; 2] = row.samples.each_ref().map(|samples| {
            let of = |of: fn(&Sample) -> f64| median(samples, of);
            [of(|s| s.p50_us), of(|s| s.p99_us), of(|s| s.per_second), of(|s| s.cpu_us)]
        });
        for (name, [p50, p99, per_second, cpu]) in ["agent", "slapd"].into_iter().zip(figures) {
            let (shape, kind) = (row.shape.0, row.kind.name());
            println!("{shape:<30}{kind:<16}{name:<7}{p50:>9.1}{p99:>9.1}{per_second:>10.0}{cpu:>12.2}");
        }
        let ratio: Vec<String> = (0..4).map(|n| format!("{:.2}", figures[1][n] / figures[0][n])).collect();
        println!("{:<46}{:<7}{:>9}{:>9}{:>10}{:>12}", "", "ratio", ratio[0], ratio[1], ratio[2], ratio[3]);
    }
}

/// Processes that wanted a processor in the last minute.
fn load() -> String {
    let loads = std::fs::read_to_string("/proc/loadavg").expect("/proc/loadavg");
    loads.split(' ').next().unwrap_or("?").to_owned()
}
