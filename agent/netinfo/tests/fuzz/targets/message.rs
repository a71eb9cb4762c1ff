//! A message from a stranger: read as a call and as a reply, its arguments as everything that they could be, and answered.

use std::net::Ipv4Addr;

use netinfo::rpc::{Call, NoCall, Outcome};
use netinfo::server::{Answer, Domain, Origin, Server, Transport};
use netinfo::tree::{Directory, Snapshot};
use netinfo::xdr::{Reader, Writer};

use super::results;

pub fn message(bytes: &[u8]) {
    let call = Call::parse(bytes);
    let reply = Outcome::parse(bytes);
    assert!(call.is_err() || reply.is_err(), "no message is both");
    if let Ok((xid, outcome, results)) = reply {
        let written = outcome.head(xid).into_bytes();
        assert_eq!(Outcome::parse(&written).map(|(xid, outcome, _)| (xid, outcome)), Ok((xid, outcome)));
        assert!(results.rest().len() <= bytes.len());
    }
    arguments(bytes);
    for transport in [Transport::Udp, Transport::Tcp] {
        for may_read in [false, true] {
            answered(
                bytes,
                call.as_ref().err().copied(),
                &Origin { transport, address: Ipv4Addr::LOCALHOST.into(), may_read },
            );
        }
    }
}

/// Whatever can be read is written as it was, but for what the padding held; and nothing is made of a mere promise.
fn arguments(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    if let Ok(properties) = reader.properties() {
        let mut writer = Writer::new();
        writer.length(properties.len());
        properties.iter().for_each(|property| writer.property(property));
        let read = bytes.len() - reader.rest().len();
        assert_eq!(writer.len(), read);
        let mut again = Reader::new(bytes);
        assert_eq!(again.properties(), Ok(properties));
    }
    if let Ok(names) = Reader::new(bytes).names() {
        assert!(names.len() <= bytes.len() / 4);
    }
}

fn answered(bytes: &[u8], refused: Option<NoCall>, origin: &Origin) {
    let domain =
        Domain { tag: "network".into(), port: 658, host: "h".into(), addresses: vec![Ipv4Addr::LOCALHOST] };
    let child = Directory::named("machines").child(Directory::named("h").with("serves", ["h/local"]));
    let tree = Snapshot::new(&Directory::default().with("master", ["h/network"]).child(child)).unwrap();
    let answer = Server::new(vec![domain]).answer(0, &tree, bytes, origin);
    match (refused, origin.transport, answer) {
        (Some(_), Transport::Tcp, Answer::Close) | (Some(_), Transport::Udp, Answer::Silent) => {}
        (None, _, Answer::Reply { message, .. }) => results::check(bytes, &message, origin),
        (refused, transport, answer) => panic!("{answer:?} over {transport:?} for {refused:?}"),
    }
}
