//! The portmapper, version 2 (RFC 1833 section 3): what is asked of one, and the little that one of our own answers.

use crate::procedure::{self, BINDER, BINDER_VERSION, NETINFO, NETINFO_VERSION};
use crate::rpc::{Call, Outcome};
use crate::xdr::{Garbage, Reader, Writer};

/// Its UDP port (section 3.2).
pub const PORT: u16 = 111;
/// Its program (section 3.2).
pub const PROGRAM: u32 = 100_000;
/// The version spoken here.
pub const VERSION: u32 = 2;
/// `IPPROTO_TCP` (section 3.1).
pub const TCP: u32 = 6;
/// `IPPROTO_UDP` (section 3.1).
pub const UDP: u32 = 17;

/// Its procedures (section 3.1).
const NULL: u32 = 0;
const SET: u32 = 1;
const UNSET: u32 = 2;
const GETPORT: u32 = 3;
const DUMP: u32 = 4;
const CALLIT: u32 = 5;

/// Bytes of the arguments of a relayed call; the binder's BIND has a tenth of it.
const RELAYED_MAX: usize = 1024;

/// What is registered: a version of a program, over UDP or TCP, and its port (`mapping`, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The program.
    pub program: u32,
    /// Its version.
    pub version: u32,
    /// [`UDP`] or [`TCP`].
    pub protocol: u32,
    /// Its port.
    pub port: u16,
}

impl Mapping {
    /// All that a directory on `port` has to register: both programs, over UDP and TCP.
    #[must_use]
    pub fn of_directory(port: u16) -> [Mapping; 4] {
        let map = |(program, version), protocol| Mapping { program, version, protocol, port };
        let (netinfo, binder) = ((NETINFO, NETINFO_VERSION), (BINDER, BINDER_VERSION));
        [map(netinfo, UDP), map(netinfo, TCP), map(binder, UDP), map(binder, TCP)]
    }

    fn write(self, out: &mut Writer) {
        for word in [self.program, self.version, self.protocol, u32::from(self.port)] {
            out.word(word);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Mapping, Garbage> {
        let (program, version, protocol) = (from.word()?, from.word()?, from.word()?);
        let port = u16::try_from(from.word()?).unwrap_or(0);
        Ok(Mapping { program, version, protocol, port })
    }
}

fn call(xid: u32, procedure: u32, mapping: Mapping) -> Vec<u8> {
    let mut writer = Call::head(xid, PROGRAM, VERSION, procedure);
    mapping.write(&mut writer);
    writer.into_bytes()
}

/// The call that registers.
#[must_use]
pub fn set(xid: u32, mapping: Mapping) -> Vec<u8> {
    call(xid, SET, mapping)
}

/// The call that takes a registration back; it counts for both protocols.
#[must_use]
pub fn unset(xid: u32, mapping: Mapping) -> Vec<u8> {
    call(xid, UNSET, Mapping { protocol: 0, port: 0, ..mapping })
}

/// The call that asks for a port.
#[must_use]
pub fn get_port(xid: u32, mapping: Mapping) -> Vec<u8> {
    call(xid, GETPORT, mapping)
}

/// What a portmapper answered: the xid of the call, and the word that is the result of SET, UNSET and GETPORT.
///
/// # Errors
/// If it is no such answer.
pub fn answer(message: &[u8]) -> Result<(u32, Result<u32, Outcome>), Garbage> {
    let (xid, outcome, mut results) = Outcome::parse(message)?;
    match outcome {
        Outcome::Success => Ok((xid, Ok(results.word()?))),
        refused => Ok((xid, Err(refused))),
    }
}

/// What is relayed: a call of the binder, and how its results become the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The call, to be answered as if it had come to the directory's own port.
    pub call: Vec<u8>,
    xid: u32,
    port: u16,
}

impl Relay {
    /// The reply to the relayed call, if it succeeded; a relay is silent otherwise (section 3.1).
    #[must_use]
    pub fn reply(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let Ok((_, Outcome::Success, results)) = Outcome::parse(answer) else { return None };
        let mut out = Outcome::Success.head(self.xid);
        out.word(u32::from(self.port));
        out.opaque(results.rest());
        Some(out.into_bytes())
    }
}

/// What becomes of a call to a portmapper of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send this.
    Reply(Vec<u8>),
    /// Answer this first.
    Relay(Relay),
    /// Nothing is sent.
    Silent,
}

/// Answers a call to a portmapper that knows only `mappings`.  Nothing can be registered with it, and relayed is only
/// what a client needs that looks for its parent: BIND and GETREGISTER of the binder.
#[must_use]
pub fn serve(message: &[u8], mappings: &[Mapping]) -> Answer {
    let Ok(call) = Call::parse(message) else { return Answer::Silent };
    let outcome = |outcome: Outcome| Answer::Reply(outcome.head(call.xid).into_bytes());
    if let Err(why) = call.credentials {
        return outcome(Outcome::AuthError(why));
    }
    match (call.program, call.version) {
        (PROGRAM, VERSION) => {}
        (PROGRAM, _) => return outcome(Outcome::ProgramMismatch(VERSION, VERSION)),
        _ => return outcome(Outcome::ProgramUnavailable),
    }
    let mut out = Outcome::Success.head(call.xid);
    match answer_into(&call, mappings, &mut out) {
        Ok(Some(answer)) => answer,
        Ok(None) => Answer::Reply(out.into_bytes()),
        // A relay is silent about everything.
        Err(_) if call.procedure == CALLIT => Answer::Silent,
        Err(_) => outcome(Outcome::GarbageArguments),
    }
}

fn answer_into(call: &Call<'_>, mappings: &[Mapping], out: &mut Writer) -> Result<Option<Answer>, Garbage> {
    let mut arguments = call.arguments;
    match call.procedure {
        NULL => {}
        // False: nothing can be registered here.
        SET | UNSET => {
            Mapping::read(&mut arguments)?;
            out.word(0);
        }
        GETPORT => {
            let wanted = Mapping::read(&mut arguments)?;
            let is_wanted = |m: &&Mapping| m.program == wanted.program && m.protocol == wanted.protocol;
            // As rpcbind: the version asked for, else whichever there is.
            let of_version = mappings.iter().filter(is_wanted).find(|m| m.version == wanted.version);
            let found = of_version.or_else(|| mappings.iter().find(is_wanted));
            out.word(found.map_or(0, |m| u32::from(m.port)));
        }
        DUMP => {
            for &mapping in mappings {
                out.word(1);
                mapping.write(out);
            }
            out.word(0);
        }
        CALLIT => return Ok(Some(relay(call.xid, &mut arguments, mappings)?)),
        _ => return Ok(Some(Answer::Reply(Outcome::ProcedureUnavailable.head(call.xid).into_bytes()))),
    }
    Ok(None)
}

fn relay(xid: u32, arguments: &mut Reader<'_>, mappings: &[Mapping]) -> Result<Answer, Garbage> {
    use procedure::binder::{BIND, GETREGISTER};
    let (program, version, procedure) = (arguments.word()?, arguments.word()?, arguments.word()?);
    // Original clients say 4 bytes more than the arguments have; what is left over does no harm.
    let relayed = arguments.opaque(RELAYED_MAX)?;
    let is_served = (program, version) == (BINDER, BINDER_VERSION) && matches!(procedure, BIND | GETREGISTER);
    let mapping = mappings.iter().find(|m| m.program == BINDER && m.protocol == UDP);
    let Some(mapping) = mapping.filter(|_| is_served) else { return Ok(Answer::Silent) };
    let mut call = Call::head(xid, program, version, procedure);
    call.raw(relayed);
    Ok(Answer::Relay(Relay { call: call.into_bytes(), xid, port: mapping.port }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::AuthError;

    const HERE: u16 = 658;

    fn ask(message: &[u8]) -> Answer {
        serve(message, &Mapping::of_directory(HERE))
    }

    fn words(reply: Answer) -> Vec<u32> {
        let Answer::Reply(message) = reply else { panic!("no reply") };
        let (_, outcome, results) = Outcome::parse(&message).unwrap();
        assert_eq!(outcome, Outcome::Success);
        results.rest().chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect()
    }

    #[test]
    fn ports_are_told_and_nothing_can_be_registered() {
        let netinfo = Mapping { program: NETINFO, version: 2, protocol: TCP, port: 0 };
        assert_eq!(words(ask(&get_port(1, netinfo))), [658]);
        assert_eq!(words(ask(&get_port(1, Mapping { version: 9, ..netinfo }))), [658]);
        assert_eq!(words(ask(&get_port(1, Mapping { program: 100_003, ..netinfo }))), [0]);
        assert_eq!(words(ask(&set(1, Mapping { port: 9, ..netinfo }))), [0]);
        assert_eq!(words(ask(&unset(1, netinfo))), [0]);
        assert_eq!(words(ask(&Call::head(1, PROGRAM, VERSION, DUMP).into_bytes())).len(), 4 * 5 + 1);
        let Answer::Reply(reply) = ask(&get_port(7, netinfo)) else { panic!("no reply") };
        assert_eq!(answer(&reply), Ok((7, Ok(658))));
        let version4 = Call::head(1, PROGRAM, 4, NULL).into_bytes();
        assert_eq!(ask(&version4), Answer::Reply(Outcome::ProgramMismatch(2, 2).head(1).into_bytes()));
        assert_eq!(ask(b"nonsense"), Answer::Silent);
    }

    fn call_it(procedure: u32, stray: usize) -> Vec<u8> {
        let mut call = Call::head(5, PROGRAM, VERSION, CALLIT);
        let mut arguments = Writer::new();
        arguments.word(0x0A05_0002);
        arguments.opaque(b"local");
        arguments.opaque(b"network");
        let mut arguments = arguments.into_bytes();
        arguments.resize(arguments.len() + stray, 0xee);
        for word in [BINDER, BINDER_VERSION, procedure] {
            call.word(word);
        }
        call.opaque(&arguments);
        call.into_bytes()
    }

    #[test]
    fn bind_is_relayed_with_its_stray_bytes_and_nothing_else_is() {
        for stray in [0, 4] {
            let Answer::Relay(relay) = ask(&call_it(procedure::binder::BIND, stray)) else {
                panic!("no relay")
            };
            let call = Call::parse(&relay.call).unwrap();
            assert_eq!((call.program, call.procedure), (BINDER, procedure::binder::BIND));
            let reply = relay.reply(&Outcome::Success.head(5).into_bytes()).unwrap();
            assert_eq!(words(Answer::Reply(reply)), [658, 0]);
            assert_eq!(relay.reply(&Outcome::SystemError.head(5).into_bytes()), None);
            assert_eq!(relay.reply(&Outcome::AuthError(AuthError::TOO_WEAK).head(5).into_bytes()), None);
        }
        assert_eq!(ask(&call_it(procedure::binder::LISTREG, 0)), Answer::Silent);
        let mut short = call_it(procedure::binder::BIND, 0);
        short.truncate(short.len() - 4);
        assert_eq!(ask(&short), Answer::Silent);
    }
}
