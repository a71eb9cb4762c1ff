//! The whole agent under load, beside a bare `recvmmsg` loop and Debian's rsyslog (imudp, discarding),
//! measured in the same run: CPU time per datagram, and the highest rate without loss.
//!
//! `make bench` builds the release agent and runs this; rounds are interleaved, so that a change of the
//! machine's mood meets all alike, and medians are printed.  Targets run on one processor, the sender on
//! another (Debian's packages rsyslog and util-linux, which has `taskset`).  Every target's socket has the same
//! receive buffer.  As root that is 4 MiB; an ordinary user gets what `net.core.rmem_max` allows, and says so.
#![allow(clippy::disallowed_methods, reason = "the agent is measured from outside, on a clock of our own")]

mod bare;
mod measure;
mod target;
mod traffic;

use measure::{Sample, median};
use target::Target;
use traffic::{Sender, Shape, Traffic};

/// Interleaved rounds; odd, so that the median is one of them.
const ROUNDS: usize = 7;
/// Rates that are tried for the highest without loss, as a factor on the one before.
const STEP: f64 = 1.15;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, address] = &arguments[..]
        && mode == "bare"
    {
        bare::receive(address);
    }
    // `cargo test --benches` only asks whether it starts.
    if !arguments.iter().any(|a| a == "--bench") {
        return;
    }
    let targets = [target::bare(), target::agent(), target::rsyslog()];
    cost(&targets);
    highest_rate(&targets);
}

/// One row of the table.
struct Row<'a> {
    target: &'a Target,
    traffic: Traffic,
    shape: Shape,
    samples: Vec<Sample>,
}

impl Row<'_> {
    fn ns(&self) -> f64 {
        median(self.samples.iter().map(|s| s.ns_per_datagram).collect())
    }

    fn lost_percent(&self) -> f64 {
        median(self.samples.iter().map(|s| s.lost_percent).collect())
    }
}

fn cost(targets: &[Target]) {
    let mut rows = Vec::new();
    for shape in Shape::ALL {
        for target in targets {
            let traffic = target.traffic().iter().filter(|t| shape.fits(**t));
            rows.extend(traffic.map(|&traffic| Row { target, traffic, shape, samples: Vec::new() }));
        }
    }
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        for row in &mut rows {
            let mut sender = Sender::new(row.target, row.traffic);
            row.samples.push(measure::sample(row.target, || sender.send(row.shape)));
        }
    }
    println!("\nCPU per datagram, median of {ROUNDS} interleaved rounds");
    println!("{:<16}{:<10}{:<22}{:>9}{:>9}{:>9}", "shape", "target", "datagrams", "ns", "ratio", "lost %");
    for row in &rows {
        let base = rows.iter().find(|r| r.shape == row.shape).map_or(f64::NAN, Row::ns);
        // New ones have their own pace, so nothing to be compared with.
        let ratio =
            if row.shape == Shape::NewOnes { "-".to_owned() } else { format!("{:.2}", row.ns() / base) };
        let (shape, name, traffic) = (row.shape.name(), row.target.name, row.traffic.name());
        println!("{shape:<16}{name:<10}{traffic:<22}{:>9.0}{ratio:>9}{:>9.1}", row.ns(), row.lost_percent());
    }
}

/// Raises the rate until something is lost, or the sender cannot keep it up.
fn highest_rate(targets: &[Target]) {
    println!("\nHighest rate without loss, foreign claims, best of 3");
    for target in targets {
        let mut sender = Sender::new(target, Traffic::Foreign);
        let (mut best, mut rate) = (0.0, 50_000.0);
        let ended = loop {
            // A hiccup of the machine is no limit of the target.
            let tries: Vec<Try> = (0..3).map(|_| at_rate(target, &mut sender, rate)).collect();
            match tries.iter().filter(|t| !t.lost).map(|t| t.reached).reduce(f64::max) {
                None => break "then it loses some",
                Some(reached) if reached < rate * 0.95 => break "the sender's limit, without loss",
                Some(reached) => best = f64::max(best, reached),
            }
            rate *= STEP;
        };
        println!("{:<10}{best:>9.0} datagrams/s, {ended}", target.name);
    }
}

/// Half a second at a rate.
struct Try {
    reached: f64,
    lost: bool,
}

fn at_rate(target: &Target, sender: &mut Sender, rate: f64) -> Try {
    let mut reached = 0.0;
    let sample = measure::sample(target, || {
        let (sent, seconds) = sender.at_rate(rate);
        reached = sent as f64 / seconds;
        sent
    });
    Try { reached, lost: sample.lost_percent > 0.0 }
}
