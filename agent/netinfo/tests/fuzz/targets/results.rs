//! Replies as a client reads them: whole, in the protocol's order, and with nothing behind.

use netinfo::procedure::{self as is, BINDER, NETINFO, binder};
use netinfo::rpc::{AuthError, Call, Outcome};
use netinfo::server::{Origin, Transport};
use netinfo::xdr::{Garbage, Reader};

/// What results consist of.
#[derive(Clone, Copy)]
enum Part {
    Word,
    Id,
    Name,
    Names,
    Properties,
    Objects,
    Entries,
    Records,
    Chain,
    Registrations,
}

/// A bound for lists that is never reached here.
const MOST: usize = 1 << 20;

impl Part {
    fn read(self, from: &mut Reader<'_>) -> Result<(), Garbage> {
        match self {
            Part::Word => from.word().map(drop),
            Part::Id => from.id().map(drop),
            Part::Name => from.name().map(drop),
            Part::Names => from.names().map(drop),
            Part::Properties => from.properties().map(drop),
            Part::Objects => from.list(MOST, Reader::word).map(drop),
            Part::Entries => from.list(MOST, entry).map(drop),
            Part::Records => from.list(MOST, Reader::properties).map(drop),
            Part::Chain => chain(from),
            Part::Registrations => from.list(MOST, registration).map(drop),
        }
    }
}

fn entry(from: &mut Reader<'_>) -> Result<(), Garbage> {
    from.word()?;
    if from.boolean()? { from.names().map(drop) } else { Ok(()) }
}

fn registration(from: &mut Reader<'_>) -> Result<(), Garbage> {
    from.name()?;
    from.word()?;
    from.word().map(drop)
}

/// The objects of READALL, each behind a true; then a false.
fn chain(from: &mut Reader<'_>) -> Result<(), Garbage> {
    while from.boolean()? {
        for part in [Part::Id, Part::Properties, Part::Word, Part::Objects] {
            part.read(from)?;
        }
    }
    Ok(())
}

/// What follows status 0; `None` where there is no status 0 (all writes, and RPARENT of a root).
fn parts(program: u32, procedure: u32) -> Option<&'static [Part]> {
    use Part::*;
    let parts: &[Part] = match (program, procedure) {
        (NETINFO, is::ROOT | is::SELF) => &[Id],
        (NETINFO, is::PARENT) => &[Word, Id],
        (NETINFO, is::READ | is::LOOKUPREAD) => &[Id, Properties],
        (NETINFO, is::CHILDREN | is::LOOKUP) => &[Objects, Id],
        (NETINFO, is::LIST) => &[Entries, Id],
        (NETINFO, is::READPROP | is::LISTPROPS) => &[Names, Id],
        (NETINFO, is::READNAME) => &[Id, Name],
        (NETINFO, is::LISTALL) => &[Id, Records],
        (NETINFO, is::READALL) => &[Word, Word, Chain],
        (NETINFO, is::RESYNC) => &[],
        (BINDER, binder::GETREGISTER) => &[Word, Word],
        (BINDER, binder::LISTREG) => &[Registrations],
        _ => return None,
    };
    Some(parts)
}

/// Whether the results have no status word, and what they are then.
fn without_status(program: u32, procedure: u32) -> Option<&'static [Part]> {
    match (program, procedure) {
        (NETINFO, is::STATISTICS) => Some(&[Part::Properties]),
        (NETINFO, is::PING | is::BIND | is::CRASHED) | (BINDER, binder::PING | binder::BIND) => Some(&[]),
        _ => None,
    }
}

/// The reply belongs to the call, is whole words, fits its transport and can be read to its end.
pub fn check(call: &[u8], reply: &[u8], origin: &Origin) {
    let call = Call::parse(call).expect("only calls are answered");
    let (xid, outcome, mut results) = Outcome::parse(reply).expect("a reply");
    assert_eq!((xid, reply.len() % 4), (call.xid, 0));
    let udp = origin.transport == Transport::Udp;
    assert!(!udp || reply.len() <= netinfo::limits::UDP_REPLY_MAX, "{} bytes", reply.len());
    let free = call.program == BINDER || matches!(call.procedure, is::PING | is::BIND);
    if outcome == Outcome::AuthError(AuthError::TOO_WEAK) {
        assert!(udp || !origin.may_read);
    }
    if outcome == Outcome::Success {
        assert!(free || origin.may_read, "{} of {}", call.procedure, call.program);
        read(&call, &mut results);
    }
    assert_eq!(results.rest(), b"", "nothing behind the results of {}", call.procedure);
}

fn read(call: &Call<'_>, results: &mut Reader<'_>) {
    let parts = match without_status(call.program, call.procedure) {
        Some(parts) => parts,
        None if results.word().expect("a status") != 0 => return,
        None => parts(call.program, call.procedure).expect("this never succeeds"),
    };
    for part in parts {
        part.read(results).expect("the results are whole");
    }
}
