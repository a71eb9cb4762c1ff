//! The tree is replaced while it is read: no reply mixes two generations, and ids stay.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::data::{self, DEPARTMENTS, MEMBERS, Random, object};
use crate::drive::connect;
use crate::netinfo::{call, record};
use crate::servers::Server;

/// How often the tree is replaced.
const GENERATIONS: u32 = 5;
/// How many read meanwhile, each on a connection of its own.
const READERS: u64 = 4;
/// By when a new tree must be served.
const SERVED_WITHIN: Duration = Duration::from_secs(30);
/// The procedure: all properties of all children, 100 directories in one reply.
const LISTALL: u32 = 23;
const LIST: u32 = 11;

/// Replaces the tree under load and prints what that took.
pub fn under_load(agent: &Server) {
    let (done, newest, port) = (&AtomicBool::new(false), &AtomicU32::new(1), agent.port);
    let (took, reads) = std::thread::scope(|scope| {
        let readers: Vec<_> =
            (0..READERS).map(|seed| scope.spawn(move || read(port, seed, done, newest))).collect();
        let took = replace(agent, newest);
        done.store(true, Ordering::Relaxed);
        (took, readers.into_iter().map(|reader| reader.join().expect("no torn read")).collect::<Vec<_>>())
    });
    let replies: usize = reads.iter().map(|(count, _)| count).sum();
    let longest = reads.iter().map(|(_, longest)| *longest).max().unwrap_or_default();
    println!(
        "\nTree replaced {GENERATIONS} times under load (SIGHUP): {replies} replies of {MEMBERS} directories each, none mixed, \
         all ids as before"
    );
    let took: Vec<u128> = took.iter().map(Duration::as_millis).collect();
    println!(
        "until the new tree is served: {took:?} ms; longest wait of a reader: {} ms",
        longest.as_millis()
    );
}

/// Gives how long each took from the signal to the first reply of the new tree.
fn replace(agent: &Server, newest: &AtomicU32) -> Vec<Duration> {
    let mut stream = connect(agent.port);
    (2..2 + GENERATIONS)
        .map(|generation| {
            // Written beside it and renamed: a file that is half written is no tree.
            fs::write(agent.file("new"), data::nidump(generation)).expect("the new tree");
            fs::rename(agent.file("new"), agent.file("tree.nidump")).expect("in its place");
            newest.store(generation, Ordering::Relaxed);
            let began = Instant::now();
            kill(agent.pid(), Signal::SIGHUP).expect("the agent runs");
            loop {
                if generations(&ask(&mut stream, LIST, &[object::department(0), 0], &["generation"]))
                    == BTreeSet::from([generation])
                {
                    break began.elapsed();
                }
                assert!(began.elapsed() < SERVED_WITHIN, "generation {generation} is not served");
            }
        })
        .collect()
}

/// Reads until `done`: how many replies there were, and the longest wait for one.
fn read(port: u16, seed: u64, done: &AtomicBool, newest: &AtomicU32) -> (usize, Duration) {
    let (mut stream, mut random) = (connect(port), Random(seed));
    let (mut count, mut longest, mut seen) = (0, Duration::ZERO, 1);
    while !done.load(Ordering::Relaxed) {
        let number = random.below(DEPARTMENTS);
        let began = Instant::now();
        let reply = ask(&mut stream, LISTALL, &[object::department(number), 0], &[]);
        longest = longest.max(began.elapsed());
        let name = data::Person::of(number, MEMBERS - 1).name();
        assert!(contains(&reply, name.as_bytes()), "the object of {name}'s department is another one");
        let mixed = generations(&reply);
        let [generation] = mixed.iter().copied().collect::<Vec<_>>()[..] else {
            panic!("a torn read: {mixed:?}")
        };
        assert!((seen..=newest.load(Ordering::Relaxed)).contains(&generation), "{generation} after {seen}");
        seen = generation;
        count += 1;
    }
    (count, longest)
}

/// Asks and gives the results.
fn ask(stream: &mut TcpStream, procedure: u32, words: &[u32], strings: &[&str]) -> Vec<u8> {
    let (mut request, mut input, mut buffer) = (Vec::new(), Vec::new(), [0; 65536]);
    call(1, procedure, words, strings, &mut request);
    stream.write_all(&request).expect("sent");
    loop {
        if let Some((reply, _)) = record(&input) {
            assert_eq!(reply[20..28], [0; 8], "done, and status 0");
            return reply[28..].to_vec();
        }
        let n = stream.read(&mut buffer).expect("a reply");
        assert_ne!(n, 0, "closed instead of a reply");
        input.extend_from_slice(&buffer[..n]);
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// All generations in a reply of LISTALL (each behind its property's name) or LIST (each a list of one name).
fn generations(results: &[u8]) -> BTreeSet<u32> {
    let words: Vec<&[u8]> = results.chunks(4).collect();
    // One value, one byte long, at a word: a generation is a digit, and no other value here is.
    let one = |word: &[u8]| word == [0, 0, 0, 1];
    let digit = |word: &&[u8]| matches!(word, [b'1'..=b'9', 0, 0, 0]);
    let found = words.windows(3).filter(|w| one(w[0]) && one(w[1]) && digit(&w[2]));
    found.map(|w| u32::from(w[2][0] - b'0')).collect()
}
