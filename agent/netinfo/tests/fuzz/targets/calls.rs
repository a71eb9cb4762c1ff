//! Sequences of calls against a server, while its tree is replaced: every reply is the one that the tree says, can be
//! read to its end, and is given again when it is asked for again.

use std::net::Ipv4Addr;

use netinfo::procedure::{self as is, NETINFO, NETINFO_VERSION};
use netinfo::rpc::{AuthError, Call, Outcome};
use netinfo::server::{Answer, Domain, Origin, Server, Transport};
use netinfo::tree::{Directory, Snapshot};
use netinfo::xdr::{Id, Writer};

use super::input::Input;
use super::model::{Model, Question, TEXTS, tree};
use super::results;

/// Levels of a tree: what is deeper is more of the same.
const DEPTH: usize = 3;
/// Calls of a sequence.
const LONGEST: usize = 64;
/// Its transaction.
const XID: u32 = 9;

pub fn calls(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let domain =
        Domain { tag: "network".into(), port: 658, host: "h".into(), addresses: vec![Ipv4Addr::LOCALHOST] };
    let mut server = Server::new(vec![domain]);
    let mut directory = tree(&mut input, DEPTH);
    let mut snapshot = Snapshot::new(&directory).expect("a small tree");
    for _ in 0..LONGEST {
        if input.is_empty() {
            break;
        }
        if input.below(8) == 0 {
            let next = tree(&mut input, DEPTH);
            snapshot = replace(&directory, &snapshot, &next);
            directory = next;
        }
        call(&mut server, &directory, &snapshot, &mut input);
    }
}

/// The next tree; what stands where it stood, by its name, is what it was.
fn replace(directory: &Directory, snapshot: &Snapshot, next: &Directory) -> Snapshot {
    let successor = snapshot.succeed(next).expect("a small tree");
    assert_eq!(successor.directory(), *next);
    let (before, after) = (Model::new(directory, snapshot).paths(), Model::new(next, &successor).paths());
    for (path, object) in before {
        if let Some(now) = after.get(&path) {
            assert_eq!(*now, object, "{path:?} has another object");
            let instances = [snapshot, &successor].map(|tree| tree.id(object).map(|id| id.instance));
            assert!(instances[0] <= instances[1], "{path:?} became younger");
        }
    }
    let again = successor.succeed(next).expect("the same tree");
    assert_eq!(again.checksum(), successor.checksum(), "nothing was written");
    successor
}

fn call(server: &mut Server, directory: &Directory, snapshot: &Snapshot, input: &mut Input<'_>) {
    let transport = if input.flag() { Transport::Udp } else { Transport::Tcp };
    let origin = Origin { transport, address: Ipv4Addr::LOCALHOST.into(), may_read: input.below(4) != 0 };
    let question = question(input);
    let mut message = Call::head(XID, NETINFO, NETINFO_VERSION, question.procedure);
    let plain = input.below(4) != 0;
    if plain {
        arguments(&question, &mut message);
    } else {
        message.raw(input.take(40));
    }
    let message = message.into_bytes();
    let reply = answer(server, snapshot, &message, &origin);
    results::check(&message, &reply, &origin);
    if question.procedure != is::STATISTICS {
        assert_eq!(answer(server, snapshot, &message, &origin), reply, "the same call, another reply");
    }
    if plain && let Some(results) = Model::new(directory, snapshot).answer(&question) {
        assert_eq!(reply, expected(&results, &origin), "{question:?}");
    }
}

fn answer(server: &mut Server, snapshot: &Snapshot, message: &[u8], origin: &Origin) -> Vec<u8> {
    match server.answer(0, snapshot, message, origin) {
        Answer::Reply { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

/// The results in a reply, or what is said instead of them.
fn expected(results: &[u8], origin: &Origin) -> Vec<u8> {
    let mut reply = Outcome::Success.head(XID);
    reply.raw(results);
    let fits = origin.transport == Transport::Tcp || reply.len() <= netinfo::limits::UDP_REPLY_MAX;
    let refused = Outcome::AuthError(AuthError::TOO_WEAK).head(XID);
    if fits && origin.may_read { reply.into_bytes() } else { refused.into_bytes() }
}

fn question(input: &mut Input<'_>) -> Question<'static> {
    let odd = [u32::MAX, u32::MAX - 1, 1 << 31];
    // Most name a directory, a property or a value that there is.
    let mut number = |most: usize| match input.below(most + 1) {
        n if n == most => input.one_of(&odd),
        n => n.try_into().unwrap(),
    };
    Question {
        procedure: number(is::NAMES.len()),
        id: Id { object: number(24), instance: number(4) },
        place: number(5),
        nth: number(5),
        key: input.one_of(&TEXTS),
        value: input.one_of(&TEXTS),
    }
}

fn arguments(question: &Question<'_>, out: &mut Writer) {
    if question.procedure == is::READALL {
        out.word(question.place);
        return;
    }
    out.id(question.id);
    match question.procedure {
        is::LOOKUP | is::LOOKUPREAD => {
            out.opaque(question.key);
            out.opaque(question.value);
        }
        is::LIST => out.opaque(question.key),
        _ => {
            out.word(question.place);
            out.word(question.nth);
        }
    }
}
