use std::net::Ipv4Addr;

use super::*;
use crate::path::Path;
use crate::rpc::{Call, Outcome};
use crate::server::{self, Domain, Origin, Server, Transport};
use crate::tree::Snapshot;

/// A server in memory.
struct Memory {
    server: Server,
    tree: Snapshot,
}

impl Channel for Memory {
    type Error = Outcome;

    fn call(
        &mut self,
        program: u32,
        version: u32,
        procedure: u32,
        arguments: &[u8],
    ) -> Result<Vec<u8>, Outcome> {
        let mut call = Call::head(1, program, version, procedure);
        call.raw(arguments);
        let origin =
            Origin { transport: Transport::Tcp, address: Ipv4Addr::LOCALHOST.into(), may_read: true };
        let server::Answer::Reply { message, .. } =
            self.server.answer(0, &self.tree, &call.into_bytes(), &origin)
        else {
            panic!("no reply");
        };
        match Outcome::parse(&message).unwrap() {
            (1, Outcome::Success, results) => Ok(results.rest().to_vec()),
            (_, refused, _) => Err(refused),
        }
    }
}

fn client() -> Client<Memory> {
    let text = include_bytes!("../../tests/captures/network.nidump");
    let tree = Snapshot::new(&crate::dump::parse(text).unwrap()).unwrap();
    let domain =
        Domain { tag: "network".to_owned(), port: 658, host: "nitest".to_owned(), addresses: Vec::new() };
    Client::new(Memory { server: Server::new(vec![domain]), tree })
}

fn at(client: &mut Client<Memory>, path: &str) -> Result<u32, usize> {
    client.find(&Path::parse(path).unwrap()).unwrap()
}

#[test]
fn every_call_reads_what_the_server_writes() {
    let mut client = client();
    client.ping().unwrap();
    assert_eq!(client.root().unwrap().object, 0);
    let alice = at(&mut client, "/users/uid=501").unwrap();
    assert_eq!(alice, at(&mut client, "/users/alice").unwrap());
    assert_eq!(at(&mut client, "/users/nobody/x"), Err(1));
    assert_eq!((client.id(alice).unwrap().object, client.parent(alice).unwrap()), (alice, 5));
    let properties = client.read(alice).unwrap();
    assert_eq!(client.lookup_read(5, b"uid", b"501").unwrap(), properties);
    assert_eq!(client.list_all(5).unwrap()[1], properties);
    let names: Vec<Name> = properties.iter().map(|p| p.name.clone()).collect();
    assert_eq!(client.list_properties(alice).unwrap(), names);
    assert_eq!(client.read_property(alice, 2).unwrap(), [b"501"]);
    assert_eq!(client.read_name(alice, 2, 0).unwrap(), b"501");
    assert_eq!(client.list(5, b"shell").unwrap()[1], (alice, Some(vec![b"/bin/tcsh".to_vec()])));
    assert_eq!(client.list(0, b"uid").unwrap()[0].1, None);
    assert_eq!(client.network_parent(), Err(Failure::Refused(Status::NETWORK_ROOT)));
    assert_eq!(client.statistics().unwrap().len(), 44);
    assert_eq!(client.read(999), Err(Failure::Refused(Status::NO_DIRECTORY)));
    let mut arguments = of(alice);
    arguments.word(0);
    assert_eq!(client.write(is::DESTROYPROP, arguments), Err(Failure::Refused(Status::READ_ONLY)));
    let registered = Registration { tag: b"network".to_vec(), udp: 658, tcp: 658 };
    assert_eq!(client.registration(b"network"), Ok(registered.clone()));
    assert_eq!(client.registrations(), Ok(vec![registered]));
    assert_eq!(client.registration(b"bogus"), Err(Failure::Refused(Status::NO_TAG)));
}

#[test]
fn a_whole_tree_is_read_as_it_is_served() {
    let mut client = client();
    assert_eq!(client.tree(0).unwrap(), client.channel.tree.directory());
}

/// A server that answers the same to everything.
struct Liar(Vec<u8>);

impl Channel for Liar {
    type Error = ();

    fn call(&mut self, _: u32, _: u32, procedure: u32, _: &[u8]) -> Result<Vec<u8>, ()> {
        // READ must succeed for a walk to go on.
        Ok(if procedure == is::READ { vec![0; 16] } else { self.0.clone() })
    }
}

#[test]
fn no_server_can_make_a_walk_endless() {
    let mut own_child = Writer::new();
    [0, 1, 7].into_iter().for_each(|word| own_child.word(word));
    assert_eq!(
        Client::new(Liar(own_child.into_bytes())).tree(7),
        Err(Failure::Senseless("a directory is in two places"))
    );
    let empty = Client::new(Liar(vec![0; 8])).lookup(0, b"name", b"x");
    assert_eq!(empty, Ok(Vec::new()));
    assert_eq!(Client::new(Liar(vec![0; 3])).root(), Err(Failure::Garbage(Garbage::Short)));
}
