//! What the bytes mean: each operation is a byte that names it and the bytes that it takes.

use super::super::input::Input;
use super::claims::keys;
use super::machine::{Halt, LONGEST_INTERVAL_S, Rng, address};
use super::network::Flight;
use super::world::{MACHINES, World};
use serialnumberd_core::{Entropy, Legacy, License, Product};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

/// All of them.  A corpus is made of their places in this table: new ones go to the end.
const OPERATIONS: [fn(&mut World, &mut Input<'_>); 24] = [
    pass,
    moment,
    claim,
    release,
    relicense,
    restart,
    crash,
    clean_stop,
    lose,
    duplicate,
    delay,
    mutate,
    replay,
    lose_next,
    cut,
    stop_process,
    sleep,
    step_clock,
    generation,
    configure,
    relink,
    mute,
    speak,
    stranger,
];

pub fn perform(world: &mut World, input: &mut Input<'_>) {
    input.one_of(&OPERATIONS)(world, input);
}

const TIMES_MS: [u64; 16] =
    [1, 20, 100, 250, 500, 1000, 2000, 5000, 9000, 10_000, 15_000, 30_000, 61_000, 91_000, 200_000, 300_000];

fn time(input: &mut Input<'_>) -> Duration {
    Duration::from_millis(input.one_of(&TIMES_MS))
}

fn machine(world: &World, input: &mut Input<'_>) -> usize {
    input.below(world.machines.len())
}

fn pass(world: &mut World, input: &mut Input<'_>) {
    world.pass(time(input));
}

fn moment(world: &mut World, input: &mut Input<'_>) {
    world.pass(Duration::from_micros(50 * u64::from(input.byte())));
}

fn license(input: &mut Input<'_>) -> License {
    let shape = input.byte();
    let bit = |n: u8| shape & (1 << n) != 0;
    License {
        product: Product::new("xsvr").expect("a product"),
        keys: keys(usize::from(bit(0))),
        seats: [1, 2, 3, 0][usize::from(shape >> 1 & 3)],
        group: String::from(if bit(3) { "g" } else { "" }),
        standby: bit(4),
        standbys: u16::from(bit(5)),
        since_ms: if bit(6) { 1_790_000_000_000 } else { 0 },
    }
}

fn claim(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    world.claim(n, license(input));
}

fn release(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    world.release(n, keys(input.below(2)).id());
}

fn relicense(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    world.relicense(n, license(input));
}

/// Starts an agent, after killing the one that runs: with its own state directory, an empty one, a copy of another
/// machine's, or as a copy of the machine state with which the other was started.
fn restart(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    let other = machine(world, input);
    world.kill(n);
    match input.below(4) {
        1 => world.rng.fill(&mut world.machines[n].seed),
        2 => world.machines[n].seed = world.machines[other].seed,
        3 => {
            world.machines[n].seed = world.machines[other].seed;
            return world.start_with(n, world.machines[other].pool);
        }
        _ => {}
    }
    world.start(n);
}

fn crash(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    world.kill(n);
}

fn clean_stop(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    world.stop(n);
}

fn intercept(world: &mut World, input: &mut Input<'_>) -> Option<Flight> {
    world.network.intercept(usize::from(input.byte()))
}

fn lose(world: &mut World, input: &mut Input<'_>) {
    intercept(world, input);
}

fn duplicate(world: &mut World, input: &mut Input<'_>) {
    let Some(flight) = intercept(world, input) else { return };
    world.network.send(world.now, Duration::ZERO, flight.clone());
    world.network.send(world.now, time(input), flight);
}

fn delay(world: &mut World, input: &mut Input<'_>) {
    let Some(flight) = intercept(world, input) else { return };
    world.network.send(world.now, time(input), flight);
}

/// Some bytes of a datagram change on the way, or its end is cut off.
fn mutate(world: &mut World, input: &mut Input<'_>) {
    let Some(flight) = intercept(world, input) else { return };
    let mut bytes = flight.bytes.to_vec();
    let at = input.below(bytes.len().max(1));
    let how = input.byte();
    if how == 0 {
        bytes.truncate(at);
    } else if let Some(byte) = bytes.get_mut(at) {
        *byte ^= how;
    }
    let truncated = input.byte() == 255;
    world.network.send(world.now, Duration::ZERO, Flight { bytes: bytes.into(), truncated, ..flight });
}

/// Somebody sends again what was sent before: from wherever, to whomever, from near or far.
fn replay(world: &mut World, input: &mut Input<'_>) {
    let to = machine(world, input);
    let back = input.below(256);
    let tape = &world.network.tape;
    let Some((bytes, source)) = tape.len().checked_sub(back + 1).and_then(|at| tape.get(at)).cloned() else {
        return;
    };
    let how = input.byte();
    let source =
        if how & 1 != 0 { SocketAddr::new(address(usize::from(how >> 4)).into(), 626) } else { source };
    let broadcast = how & 2 != 0;
    let destination = if broadcast { Ipv4Addr::BROADCAST } else { world.machines[to].address };
    let ttl = if how & 4 != 0 { 64 } else { 255 };
    let interface = if how & 8 != 0 { 2 } else { 1 };
    let flight =
        Flight { to, interface, bytes, source, destination: destination.into(), ttl, truncated: false };
    world.network.send(world.now, Duration::ZERO, flight);
}

fn lose_next(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    world.machines[n].losses = input.byte();
}

fn cut(world: &mut World, input: &mut Input<'_>) {
    let (from, to) = (input.below(MACHINES), input.below(MACHINES));
    world.cut[from][to] = !world.cut[from][to];
}

fn stop_process(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    let until = world.now.after(time(input));
    world.machines[n].halt.get_or_insert(Halt::Stopped(until));
}

fn sleep(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    let (since, until) = (world.now, world.now.after(time(input)));
    world.machines[n].halt.get_or_insert(Halt::Asleep { since, until });
}

fn step_clock(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    let wall_ms = world.clocks(n).wall_ms;
    let machine = &mut world.machines[n];
    const YEARS_10_MS: u64 = 10 * 365 * 86_400_000;
    match input.below(6) {
        0 => machine.wall_ahead_ms = machine.wall_ahead_ms.wrapping_add(3_600_000),
        1 => machine.wall_ahead_ms = machine.wall_ahead_ms.wrapping_sub(3_600_000),
        2 => machine.wall_ahead_ms = machine.wall_ahead_ms.wrapping_add(YEARS_10_MS),
        3 => machine.wall_ahead_ms = machine.wall_ahead_ms.wrapping_sub(YEARS_10_MS),
        4 => machine.wall_stopped = Some(wall_ms),
        _ => machine.wall_stopped = None,
    }
}

fn generation(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    world.act(n, |engine, now, entropy| engine.generation_changed(now, entropy));
}

fn configure(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    let shape = input.byte();
    let bit = |n: u8| shape & (1 << n) != 0;
    let settings = &mut world.machines[n].settings;
    settings.interval = Duration::from_secs([LONGEST_INTERVAL_S, 30, 10, 2][usize::from(shape & 3)]);
    settings.confirm_after = Duration::from_secs([90, 10, 1, 90][usize::from(shape >> 2 & 3)]);
    settings.legacy =
        [Legacy::Listen, Legacy::Answer, Legacy::Off, Legacy::Listen][usize::from(shape >> 4 & 3)];
    settings.observe = bit(6);
    settings.expect_peers = u32::from(bit(7));
    let settings = settings.clone();
    world.act(n, |engine, now, _| engine.configure(now, settings));
}

/// Interfaces come and go, and the address changes: to one that another machine may have.
fn relink(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    world.machines[n].nics = u32::from(input.byte() % 3);
    world.machines[n].address = address(input.below(8));
    world.link(n);
}

/// Sending fails, and the agent is told of it or not; or it works again.
fn mute(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    let how = input.byte();
    world.machines[n].mute = how & 1 != 0;
    let why = (how & 3 == 1).then(|| String::from("network unreachable"));
    world.act(n, |engine, now, entropy| engine.set_broken(now, entropy, 1, why));
}

fn speak(world: &mut World, input: &mut Input<'_>) {
    let n = machine(world, input);
    let burst = input.flag();
    world.act(n, |engine, now, entropy| match burst {
        true => engine.burst(now, entropy, None),
        false => engine.announce(now, entropy, Product::new("xsvr").expect("a product")),
    });
}

/// Bytes of a stranger: any, a classic query, or any of 320 bytes for a claim that is held here.
fn stranger(world: &mut World, input: &mut Input<'_>) {
    let to = machine(world, input);
    let how = input.byte();
    let any = input.take(usize::from(how >> 2));
    let bytes: Rc<[u8]> = match how & 3 {
        0 => any.into(),
        1 => [b"SNQUERY: 10.0.0.9:", any, b":xsvr"].concat().into(),
        _ => {
            let mut bytes = [0; 320];
            Rng(u64::from(how)).fill(&mut bytes);
            bytes[..4].copy_from_slice(b"SNv1");
            bytes[4] = 1 + bytes[4] % 3;
            bytes[8..24].copy_from_slice(&keys(0).id().0);
            bytes[24..24 + any.len()].copy_from_slice(any);
            bytes[..].into()
        }
    };
    let source = SocketAddr::new(address(9).into(), 626);
    let destination = IpAddr::V4(Ipv4Addr::BROADCAST);
    let flight = Flight { to, interface: 1, bytes, source, destination, ttl: 255, truncated: false };
    world.network.send(world.now, Duration::ZERO, flight);
}
