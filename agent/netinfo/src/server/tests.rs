use super::*;
use crate::procedure as is;
use crate::status::Status;
use crate::tree::Directory;

fn tree() -> Snapshot {
    let machine = |name: &str, address: &str, serves: &[&str]| {
        Directory::named(name).with("ip_address", [address]).with("serves", serves)
    };
    let machines = Directory::named("machines")
        .child(machine("nitest", "10.5.0.1", &["./network", "../up"]))
        .child(machine("mac1", "10.5.0.2", &["mac1/local"]));
    let long = Directory::named("long").with("text", [vec![b'x'; UDP_REPLY_MAX]]);
    Snapshot::new(&Directory::default().with("master", ["h/network"]).child(machines).child(long)).unwrap()
}

fn server() -> Server {
    let addresses = vec![Ipv4Addr::new(10, 5, 0, 1)];
    Server::new(vec![Domain { tag: "network".to_owned(), port: 658, host: "h".to_owned(), addresses }])
}

fn from(transport: Transport, may_read: bool) -> Origin {
    Origin { transport, address: Ipv4Addr::LOCALHOST.into(), may_read }
}

/// What the call is answered: the outcome and the words of the results.
fn ask(
    origin: &Origin,
    program: u32,
    procedure: u32,
    write: impl FnOnce(&mut Writer),
) -> (Outcome, Vec<u32>) {
    let version = if program == NETINFO { NETINFO_VERSION } else { BINDER_VERSION };
    let mut call = Call::head(7, program, version, procedure);
    write(&mut call);
    let Answer::Reply { message, .. } = server().answer(0, &tree(), &call.into_bytes(), origin) else {
        panic!("no reply to {procedure}");
    };
    let (xid, outcome, results) = Outcome::parse(&message).unwrap();
    assert_eq!(xid, 7);
    let words = results.rest().chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().unwrap()));
    (outcome, words.collect())
}

fn words(list: &'static [u32]) -> impl FnOnce(&mut Writer) {
    move |writer| list.iter().for_each(|&word| writer.word(word))
}

const TOO_WEAK: Outcome = Outcome::AuthError(AuthError::TOO_WEAK);

#[test]
fn over_udp_reads_are_for_those_who_may_and_the_rest_is_refused() {
    let (readers, others) = (from(Transport::Udp, true), from(Transport::Udp, false));
    assert_eq!(ask(&others, NETINFO, is::PING, |_| {}), (Outcome::Success, vec![]));
    assert_eq!(ask(&others, NETINFO, is::ROOT, |_| {}), (TOO_WEAK, vec![]));
    assert_eq!(ask(&readers, NETINFO, is::ROOT, |_| {}), (Outcome::Success, vec![0, 0, 1]));
    assert_eq!(ask(&readers, NETINFO, is::READALL, words(&[0])), (TOO_WEAK, vec![]));
    assert_eq!(ask(&readers, NETINFO, is::DESTROYPROP, words(&[0, 0, 0])), (TOO_WEAK, vec![]));
    assert_eq!(ask(&readers, NETINFO, 99, |_| {}), (TOO_WEAK, vec![]));
    // A reply that takes more than a frame is for TCP.
    assert_eq!(ask(&readers, NETINFO, is::READ, words(&[4, 0])), (TOO_WEAK, vec![]));
    assert_eq!(ask(&from(Transport::Tcp, true), NETINFO, is::READ, words(&[4, 0])).0, Outcome::Success);
    assert_eq!(ask(&others, BINDER, is::binder::PING, |_| {}), (Outcome::Success, vec![]));
}

#[test]
fn every_write_is_read_only_and_one_cut_short_is_garbage() {
    let tcp = from(Transport::Tcp, true);
    let whole = |writer: &mut Writer| (0..8).for_each(|_| writer.word(0));
    let read_only = (Outcome::Success, vec![Status::READ_ONLY.0]);
    let all = [
        is::CREATE,
        is::DESTROY,
        is::WRITE,
        is::CREATEPROP,
        is::DESTROYPROP,
        is::WRITEPROP,
        is::RENAMEPROP,
        is::CREATENAME,
        is::DESTROYNAME,
        is::WRITENAME,
    ];
    for procedure in all {
        assert_eq!(ask(&tcp, NETINFO, procedure, whole), read_only, "{procedure}");
        assert_eq!(
            ask(&tcp, NETINFO, procedure, |w| w.word(0)),
            (Outcome::GarbageArguments, vec![]),
            "{procedure}"
        );
    }
    for procedure in [is::binder::REGISTER, is::binder::UNREGISTER, is::binder::CREATECLONE] {
        let denied = (Outcome::Success, vec![Status::PERMISSION.0]);
        assert_eq!(ask(&tcp, BINDER, procedure, whole), denied, "{procedure}");
        assert_eq!(ask(&tcp, BINDER, procedure, |_| {}), (Outcome::GarbageArguments, vec![]), "{procedure}");
    }
}

#[test]
fn what_is_not_served_is_said_as_rpc_says_it() {
    let tcp = from(Transport::Tcp, true);
    assert_eq!(ask(&tcp, NETINFO, 29, |_| {}), (Outcome::ProcedureUnavailable, vec![]));
    assert_eq!(ask(&tcp, BINDER, 9, |_| {}), (Outcome::ProcedureUnavailable, vec![]));
    assert_eq!(ask(&tcp, NETINFO, is::SELF, |_| {}), (Outcome::GarbageArguments, vec![]));
    assert_eq!(ask(&tcp, 100_003, 0, |_| {}).0, Outcome::ProgramUnavailable);
    let old = Call::head(1, NETINFO, 1, is::PING).into_bytes();
    let Answer::Reply { message, .. } = server().answer(0, &tree(), &old, &tcp) else { panic!("no reply") };
    assert_eq!(Outcome::parse(&message).unwrap().1, Outcome::ProgramMismatch(2, 2));
    let mut rpc3 = Call::head(1, NETINFO, NETINFO_VERSION, is::PING).into_bytes();
    rpc3[11] = 3;
    assert_eq!(server().answer(0, &tree(), &rpc3, &tcp), Answer::Close);
    assert_eq!(server().answer(0, &tree(), &rpc3, &from(Transport::Udp, true)), Answer::Silent);
    let reply = Outcome::Success.head(1).into_bytes();
    assert_eq!(server().answer(0, &tree(), &reply, &from(Transport::Udp, true)), Answer::Silent);
}

#[test]
fn late_servers_answer_more_to_self() {
    let tcp = from(Transport::Tcp, true);
    let none = u32::MAX;
    assert_eq!(ask(&tcp, NETINFO, is::SELF, words(&[2, 77])), (Outcome::Success, vec![0, 2, 1]));
    assert_eq!(ask(&tcp, NETINFO, is::SELF, words(&[u32::MAX - 1, 3])), (Outcome::Success, vec![0, 3, 1]));
    assert_eq!(ask(&tcp, NETINFO, is::SELF, words(&[u32::MAX - 1, 9])), (Outcome::Success, vec![5]));
    let (outcome, last) =
        ask(&tcp, NETINFO, is::SELF, move |w| [none, none].into_iter().for_each(|n| w.word(n)));
    assert_eq!((outcome, last), (Outcome::Success, vec![0, 4, 1]));
}

#[test]
fn statistics_has_44_properties_or_the_checksum_only() {
    let tcp = from(Transport::Tcp, true);
    let statistics = |machine: Option<&[u8]>| {
        let mut call = Writer::new();
        [7, 0, 2, NETINFO, NETINFO_VERSION, is::STATISTICS].into_iter().for_each(|word| call.word(word));
        let mut sys = Writer::new();
        if let Some(machine) = machine {
            sys.word(0);
            sys.opaque(machine);
            [0, 0, 0].into_iter().for_each(|word| sys.word(word));
        }
        call.word(u32::from(machine.is_some()));
        call.opaque(&sys.into_bytes());
        [0, 0].into_iter().for_each(|word| call.word(word));
        let mut server = server();
        let Answer::Reply { message, procedure } = server.answer(0, &tree(), &call.into_bytes(), &tcp) else {
            panic!("no reply");
        };
        server.took(procedure.unwrap(), 5);
        assert_eq!(server.counts()[is::STATISTICS as usize], Count { calls: 1, us: 5 });
        let (_, outcome, mut results) = Outcome::parse(&message).unwrap();
        assert_eq!(outcome, Outcome::Success);
        results.properties().unwrap()
    };
    let all = statistics(None);
    assert_eq!(all.len(), 44);
    assert_eq!(all[14].name, b"connections");
    assert_eq!(all[15 + 28].values, [b"28".to_vec(), b"0".to_vec(), b"0".to_vec()]);
    let hidden: Vec<u8> = b"checksum".iter().map(|byte| !byte).collect();
    assert_eq!(statistics(Some(&hidden)), all[..1]);
    assert_eq!(statistics(Some(b"checksum")).len(), 44);
}

#[test]
fn a_machine_binds_if_it_serves_a_domain_below_this_one() {
    let udp = from(Transport::Udp, false);
    let bind = |tag: &'static str, address: u32| {
        let write = move |writer: &mut Writer| {
            writer.opaque(tag.as_bytes());
            writer.word(address);
        };
        ask(&udp, NETINFO, is::BIND, write).0
    };
    assert_eq!(bind("local", 0x0A05_0002), Outcome::Success);
    assert_eq!(bind("local", 0x0A05_0063), Outcome::SystemError);
    assert_eq!(bind("mac1", 0x0A05_0002), Outcome::SystemError);
    // Neither itself nor its parent.
    assert_eq!(bind("network", 0x0A05_0001), Outcome::SystemError);
    assert_eq!(bind("up", 0x0A05_0001), Outcome::SystemError);
}
