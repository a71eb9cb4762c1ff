//! The directory as hosts find it: through rpcbind, without it, by broadcast, and not from behind a router.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::agent::{Agent, Config, binary};
use crate::clock::{ms, s, within};
use crate::directory_client as client;
use crate::lan::{Families, Host, Lan};
use crate::namespace::command;
use crate::rpc::{
    BINDER, Caller, DIRECTORY, PORTMAPPER, PORTMAPPER_PORT, Reply, call_by_tcp, closed_at_once, string,
};

/// The port of the directory.
const PORT: u16 = 658;
/// Where the first host of a LAN is.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Every host of it.
const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);
/// Protocol numbers, as GETPORT has them.
const UDP: u32 = 17;
const TCP: u32 = 6;
/// AUTH_TOOWEAK.
const TOO_WEAK: u32 = 5;
/// Procedures of the directory.
const PING: u32 = 0;
const ROOT: u32 = 2;
/// Procedures of the binder.
const GETREGISTER: u32 = 3;
const BIND: u32 = 8;

fn tree() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/directory_c/tree.nidump");
    path.to_str().expect("UTF-8").to_owned()
}

/// An agent that serves the file of the C client's tests.
fn serving(host: &Host, portmapper: &str) -> Agent {
    let directory = format!("tree = {:?}\nportmapper = {portmapper:?}", tree());
    host.agent(&Config::new().directory(&directory))
}

/// Debian's rpcbind on a host: with a `/run` of its own, so that it neither meets another one nor leaves anything, and as
/// the child of a process that stays root, since the wish to die with one's parent ends with a change of the user.
struct Rpcbind(Child);

impl Rpcbind {
    fn start(host: &Host, options: &[&str]) -> Rpcbind {
        let mut rpcbind = command("unshare");
        rpcbind.args([
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
            "--kill-child",
            "--",
            "sh",
            "-c",
        ]);
        rpcbind.arg("mount -t tmpfs tmpfs /run && rpcbind -f \"$@\"; exit 1").arg("rpcbind").args(options);
        let child = host.ns.spawn(rpcbind);
        let running = Rpcbind(child);
        let caller = Caller::on(host);
        within(s(5), "rpcbind answers: is it there (apt-get install rpcbind)?", || {
            let null = caller.call((Ipv4Addr::LOCALHOST, PORTMAPPER_PORT), PORTMAPPER, 0, &[]);
            (null == Reply::Results(Vec::new())).then_some(())
        });
        running
    }
}

impl Drop for Rpcbind {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program on a host to its end: whether it succeeded, and all that it said.
fn said(host: &Host, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> (bool, String) {
    let mut bounded = command("timeout");
    bounded.arg("60").arg(program).args(arguments).stdin(Stdio::null());
    let output = host.ns.output(bounded);
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The lines of `rpcinfo -p` of a program.
fn listed(host: &Host, program: &str) -> Vec<String> {
    let (done, text) = said(host, "rpcinfo", &["-p", "10.0.0.1"]);
    assert!(done, "rpcinfo: {text}");
    let rows = text.lines().map(|line| line.split_whitespace().take(4).collect::<Vec<_>>().join(" "));
    rows.filter(|row| row.starts_with(program)).collect()
}

/// rpcinfo reaches both programs over both transports.
fn rpcinfo_pings(host: &Host) {
    for (program, version) in [("200100000", "2"), ("200100001", "1")] {
        for transport in ["udp", "tcp"] {
            let (done, text) = said(host, "rpcinfo", &["-T", transport, "10.0.0.1", program, version]);
            assert!(done && text.contains("ready and waiting"), "{transport} {program}: {text}");
        }
    }
}

/// What the original's tools do first: the portmapper names the binder, the binder the directory.
fn discover(host: &Host) {
    let caller = Caller::on(host);
    let binder = caller.port_of(SERVER, BINDER, UDP);
    assert_eq!(binder, u32::from(PORT));
    binder_tells(&caller);
    let root = call_by_tcp(host, (SERVER, PORT), DIRECTORY, ROOT, &[]);
    let Reply::Results(root) = root else { panic!("ROOT: {root:?}") };
    assert_eq!(root[..2], [0, 0]);
}

#[test]
fn clients_find_the_directory_through_rpcbind_and_read_it() {
    let lan = Lan::of(2, Families::V4);
    let [server, client] = [&lan.hosts[0], &lan.hosts[1]];
    let _rpcbind = Rpcbind::start(server, &[]);
    let mut agent = serving(server, "register");
    within(s(3), "both programs are registered", || (listed(client, "20010000").len() == 4).then_some(()));
    for row in ["200100000 2 udp 658", "200100000 2 tcp 658", "200100001 1 udp 658", "200100001 1 tcp 658"] {
        assert!(listed(client, "20010000").iter().any(|r| r == row), "{row}");
    }
    rpcinfo_pings(client);
    discover(client);
    let text = std::fs::read_to_string(tree()).expect("the tree");
    for transport in ["udp", "tcp"] {
        let read = said(client, client::reader(), &[transport, "10.0.0.1", "658"]);
        assert_eq!(read, (true, text.clone()), "{transport}");
    }
    let dumped = said(client, binary(), &["directory", "dump", "/", "--host", "10.0.0.1"]);
    assert_eq!(dumped, (true, text));
    assert_eq!(agent.stop(s(3)).0, 0);
    assert_eq!(
        listed(client, "20010000"),
        Vec::<String>::new(),
        "an agent that ends takes its registrations with it"
    );
}

#[test]
fn where_no_rpcbind_runs_the_agent_answers_getport_itself() {
    let lan = Lan::of(2, Families::V4);
    let _agent = serving(&lan.hosts[0], "embedded");
    let caller = Caller::on(&lan.hosts[1]);
    for (program, protocol) in [(DIRECTORY, UDP), (DIRECTORY, TCP), (BINDER, UDP), (BINDER, TCP)] {
        assert_eq!(caller.port_of(SERVER, program, protocol), u32::from(PORT));
    }
    let nfs = crate::rpc::Program(100_003, 3);
    assert_eq!(caller.port_of(SERVER, nfs, TCP), 0, "what is not here is nowhere");
    discover(&lan.hosts[1]);
    rpcinfo_pings(&lan.hosts[1]);
}

/// What a child domain broadcasts to find its parent: the binder's BIND, passed on by the portmapper.
fn broadcast_bind(host: &Host) {
    let caller = Caller::on(host);
    let arguments = |address: [u8; 4], client: &str, tag: &str| {
        [vec![u32::from_be_bytes(address)], string(client), string(tag)].concat()
    };
    let served = arguments([10, 0, 0, 2], "local", "network");
    for stray in [4, 0] {
        let (reply, from) = caller.callit(BROADCAST, BINDER, BIND, &served, stray);
        assert_eq!((reply, from), (Reply::Results(vec![u32::from(PORT), 0]), SERVER), "{stray} stray bytes");
    }
    for (address, client, tag) in [
        ([10, 0, 0, 2], "local", "elsewhere"),
        ([10, 0, 0, 2], "stranger", "network"),
        ([10, 0, 0, 9], "local", "network"),
    ] {
        let (reply, _) = caller.callit(BROADCAST, BINDER, BIND, &arguments(address, client, tag), 4);
        assert_eq!(reply, Reply::Nothing, "{address:?} {client} {tag}: others may be its parent");
    }
}

#[test]
fn a_broadcast_bind_finds_its_parent_without_rpcbind() {
    let lan = Lan::of(2, Families::V4);
    let _agent = serving(&lan.hosts[0], "embedded");
    broadcast_bind(&lan.hosts[1]);
}

#[test]
fn a_broadcast_bind_finds_its_parent_through_rpcbind() {
    let lan = Lan::of(2, Families::V4);
    // Debian's rpcbind passes calls on only if told so.
    let _rpcbind = Rpcbind::start(&lan.hosts[0], &["-r"]);
    let _agent = serving(&lan.hosts[0], "register");
    let caller = Caller::on(&lan.hosts[1]);
    within(s(3), "it is registered", || (caller.port_of(SERVER, BINDER, UDP) != 0).then_some(()));
    broadcast_bind(&lan.hosts[1]);
}

/// A host on another LAN, and a router between them.
fn routed(near: &Lan) -> (Lan, Host) {
    let far_lan = Lan::of(0, Families::V4);
    let router = &near.hosts[1];
    far_lan.plug(router, "eth1", "10.0.1.1/24");
    router.ns.sysctl("net/ipv4/ip_forward", "1");
    let far = Host::new(2, Families::V4);
    far_lan.plug(&far, "eth0", "10.0.1.2/24");
    far.ns.ip("route add default via 10.0.1.1");
    near.hosts[0].ns.ip("route add 10.0.1.0/24 via 10.0.0.2");
    (far_lan, far)
}

#[test]
fn a_host_behind_a_router_is_refused_and_one_on_the_link_reads() {
    let near = Lan::of(2, Families::V4);
    let (_far_lan, far) = routed(&near);
    let _agent = serving(&near.hosts[0], "off");
    let ask = |host: &Host, procedure| Caller::on(host).call((SERVER, PORT), DIRECTORY, procedure, &[]);
    // PING is everybody's, and shows that the road is open.
    within(s(3), "the router forwards", || (ask(&far, PING) == Reply::Results(Vec::new())).then_some(()));
    assert!(matches!(ask(&near.hosts[1], ROOT), Reply::Results(_)), "on the link");
    assert_eq!(ask(&far, ROOT), Reply::Denied(TOO_WEAK));
    assert!(matches!(call_by_tcp(&near.hosts[1], (SERVER, PORT), DIRECTORY, ROOT, &[]), Reply::Results(_)));
    assert!(closed_at_once(&far, (SERVER, PORT)) < ms(500));
    assert_eq!(call_by_tcp(&far, (SERVER, PORT), DIRECTORY, ROOT, &[]), Reply::Nothing);
}

#[test]
fn without_udp_reads_the_link_is_refused_too_and_reads_by_tcp() {
    let lan = Lan::of(2, Families::V4);
    let directory = format!("tree = {:?}\nudp_reads = false", tree());
    let _agent = lan.hosts[0].agent(&Config::new().directory(&directory));
    let caller = Caller::on(&lan.hosts[1]);
    assert_eq!(caller.call((SERVER, PORT), DIRECTORY, ROOT, &[]), Reply::Denied(TOO_WEAK));
    assert_eq!(caller.call((SERVER, PORT), DIRECTORY, PING, &[]), Reply::Results(Vec::new()));
    binder_tells(&caller);
    assert!(matches!(call_by_tcp(&lan.hosts[1], (SERVER, PORT), DIRECTORY, ROOT, &[]), Reply::Results(_)));
}

/// The binder is asked over UDP, always.
fn binder_tells(caller: &Caller) {
    let found = caller.call((SERVER, PORT), BINDER, GETREGISTER, &string("network"));
    assert_eq!(found, Reply::Results(vec![0, u32::from(PORT), u32::from(PORT)]));
}
