//! Registers the directory with this host's rpcbind, keeps it registered, and takes it back at the end.
//!
//! Over UDP on loopback, as every portmapper since the first has it.  rpcbind believes such a caller if its port is a
//! reserved one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use netinfo::portmap::{self, Mapping};
use serialnumberd_core::Mono;

/// How long an answer is awaited; on loopback it comes in microseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// When to try again after rpcbind did not answer, or refused.
const AGAIN: Duration = Duration::from_secs(15);
/// How often is looked whether rpcbind still knows: one that was started anew knows nothing.
const LOOK: Duration = Duration::from_secs(60);
/// How long a stop waits for rpcbind, in all.
const FAREWELL: Duration = Duration::from_millis(300);
/// Ports that only root may have: what the original's manual calls free reserved ones.
const RESERVED: std::ops::Range<u16> = 600..1024;

/// What is asked next, of which mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Does rpcbind know it?
    Ask(usize),
    /// Tell it.
    Set(usize),
}

/// The registration.
pub(super) struct Registrar {
    socket: UdpSocket,
    mappings: [Mapping; 4],
    step: Step,
    xid: u32,
    /// A call is under way.
    asked: bool,
    /// When its answer is given up, or the next call is due.
    at: Mono,
    trouble: Option<String>,
}

impl Registrar {
    /// Begins to register the directory on `port`.
    pub(super) fn open(port: u16) -> io::Result<Registrar> {
        Registrar::with(port, SocketAddrV4::new(Ipv4Addr::LOCALHOST, portmap::PORT).into())
    }

    fn with(port: u16, rpcbind: SocketAddr) -> io::Result<Registrar> {
        let here = |port| UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        let socket = RESERVED.rev().find_map(|port| here(port).ok()).map_or_else(|| here(0), Ok)?;
        socket.connect(rpcbind)?;
        socket.set_nonblocking(true)?;
        let mappings = Mapping::of_directory(port);
        let registrar = Registrar {
            socket,
            mappings,
            step: Step::Ask(0),
            xid: 0,
            asked: false,
            at: Mono(0),
            trouble: None,
        };
        Ok(registrar)
    }

    pub(super) fn source(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub(super) fn deadline(&self) -> Mono {
        self.at
    }

    /// Why the directory is not registered, if it should be by now.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Takes answers in and asks what is due.
    pub(super) fn turn(&mut self, now: Mono) {
        while let Some(answer) = self.receive() {
            match answer {
                Ok(answer) => self.advance(now, answer),
                Err(why) => self.fail(now, &why),
            }
        }
        if now < self.at {
            return;
        }
        if self.asked {
            self.fail(now, "rpcbind does not answer; is it running?");
        } else {
            self.ask(now);
        }
    }

    fn ask(&mut self, now: Mono) {
        self.xid = self.xid.wrapping_add(1);
        let call = match self.step {
            Step::Ask(n) => portmap::get_port(self.xid, self.mappings[n]),
            Step::Set(n) => portmap::set(self.xid, self.mappings[n]),
        };
        (self.asked, self.at) = (true, now.after(PATIENCE));
        // Refused is what a port without a server answers to the call before.
        if let Err(e) = self.socket.send(&call).or_else(|_| self.socket.send(&call)) {
            self.fail(now, &e.to_string());
        }
    }

    /// The answer to the call under way; `None` if there is none yet.
    fn receive(&mut self) -> Option<Result<u32, String>> {
        let mut room = [0; 256];
        let length = match self.socket.recv(&mut room) {
            Ok(length) => length,
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused && self.asked => {
                return Some(Err("no rpcbind is running".to_owned()));
            }
            Err(_) => return None,
        };
        match portmap::answer(&room[..length]) {
            Ok((xid, result)) if xid == self.xid && self.asked => {
                Some(result.map_err(|refusal| refusal.to_string()))
            }
            // A late answer to another call; the loop asks for the next.
            _ => self.receive(),
        }
    }

    fn advance(&mut self, now: Mono, answer: u32) {
        self.asked = false;
        self.at = now;
        let next = |n: usize| Step::Ask(n + 1);
        self.step = match self.step {
            Step::Ask(n) if answer == u32::from(self.mappings[n].port) => next(n),
            Step::Ask(n) if answer == 0 => Step::Set(n),
            Step::Ask(n) => {
                let Mapping { program, version, .. } = self.mappings[n];
                let sentence = format!(
                    "rpcbind has program {program} on port {answer}: stop the server there, or `rpcinfo -d {program} {version}` \
                     if there is none any more"
                );
                return self.fail(now, &sentence);
            }
            Step::Set(n) if answer != 0 => next(n),
            Step::Set(_) => return self.fail(now, "rpcbind refuses the registration; run the agent as root"),
        };
        if self.step == Step::Ask(self.mappings.len()) {
            if self.trouble.take().is_some() {
                log::info!("the directory is registered with rpcbind");
            }
            (self.step, self.at) = (Step::Ask(0), now.after(LOOK));
        }
    }

    fn fail(&mut self, now: Mono, why: &str) {
        let sentence =
            format!("the directory is not registered: {why}; tried again every {} s", AGAIN.as_secs());
        if self.trouble.as_deref() != Some(&sentence) {
            log::warn!("{sentence}");
        }
        self.trouble = Some(sentence);
        (self.asked, self.step, self.at) = (false, Step::Ask(0), now.after(AGAIN));
    }

    /// Takes the registration back, if there is one.
    pub(super) fn stop(mut self) {
        if self.trouble.is_some() || self.socket.set_nonblocking(false).is_err() {
            return;
        }
        for mapping in [self.mappings[0], self.mappings[2]] {
            self.xid = self.xid.wrapping_add(1);
            self.asked = true;
            let told = self.socket.send(&portmap::unset(self.xid, mapping));
            // Waited for, so that whoever starts next finds a clean table.
            let _ = self.socket.set_read_timeout(Some(FAREWELL / 2));
            if told.is_err() || !matches!(self.receive(), Some(Ok(1))) {
                log::warn!("rpcbind did not take the registration of program {} back", mapping.program);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netinfo::portmap::Answer;

    fn at(s: u64) -> Mono {
        Mono((1000 + s) * 1_000_000_000)
    }

    /// A portmapper whose answers the test gives.
    struct Rpcbind(UdpSocket);

    impl Rpcbind {
        fn new() -> Rpcbind {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            Rpcbind(socket)
        }

        fn registrar(&self) -> Registrar {
            Registrar::with(658, self.0.local_addr().unwrap()).unwrap()
        }

        /// Answers one call with a word; gives the call's procedure.
        fn answer(&self, word: u32) -> u32 {
            let mut room = [0; 256];
            let (length, from) = self.0.recv_from(&mut room).unwrap();
            let call = netinfo::rpc::Call::parse(&room[..length]).unwrap();
            let mut out = netinfo::rpc::Outcome::Success.head(call.xid);
            out.word(word);
            self.0.send_to(&out.into_bytes(), from).unwrap();
            call.procedure
        }
    }

    #[test]
    fn all_four_are_registered_and_looked_after() {
        let (rpcbind, now) = (Rpcbind::new(), at(0));
        let mut registrar = rpcbind.registrar();
        let mut asked = Vec::new();
        for answer in [0, 1, 0, 1, 658, 0, 1] {
            registrar.turn(now);
            asked.push(rpcbind.answer(answer));
        }
        registrar.turn(now);
        assert_eq!(asked, [3, 1, 3, 1, 3, 3, 1]);
        assert_eq!((registrar.trouble(), registrar.deadline()), (None, at(60)));
        // It was started anew and has forgotten.
        registrar.turn(at(60));
        assert_eq!(rpcbind.answer(0), 3);
        registrar.turn(at(60));
        assert_eq!(rpcbind.answer(1), 1);
    }

    #[test]
    fn what_hinders_is_said_and_tried_again() {
        let rpcbind = Rpcbind::new();
        let mut registrar = rpcbind.registrar();
        registrar.turn(at(0));
        registrar.turn(at(2));
        assert!(registrar.trouble().unwrap().contains("does not answer"));
        assert_eq!(registrar.deadline(), at(17));
        registrar.turn(at(17));
        // The first call's late answer counts for nothing.
        rpcbind.answer(658);
        registrar.turn(at(17));
        rpcbind.answer(1033);
        registrar.turn(at(17));
        let sentence = registrar.trouble().unwrap();
        assert!(sentence.contains("program 200100000 on port 1033: stop"), "{sentence}");
        assert!(sentence.contains("rpcinfo -d 200100000 2"), "{sentence}");
        drop(rpcbind);
        registrar.turn(at(40));
        registrar.turn(at(41));
        assert!(registrar.trouble().unwrap().contains("no rpcbind is running"));
    }

    #[test]
    fn a_portmapper_of_our_own_is_understood() {
        let rpcbind = Rpcbind::new();
        let mut registrar = rpcbind.registrar();
        for _ in 0..4 {
            registrar.turn(at(0));
            let mut room = [0; 256];
            let (length, from) = rpcbind.0.recv_from(&mut room).unwrap();
            let Answer::Reply(reply) = portmap::serve(&room[..length], &Mapping::of_directory(658)) else {
                panic!("no reply");
            };
            rpcbind.0.send_to(&reply, from).unwrap();
        }
        registrar.turn(at(0));
        assert_eq!(registrar.deadline(), at(60));
    }
}
