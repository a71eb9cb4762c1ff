//! What people read, as whole pages: `golden/NAME.txt`.  `BLESS=1 cargo test` writes them anew, to be reviewed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::exhibit::Checked;
use super::{evidence, exhibit, explain, plugin, status, validate};
use crate::control::protocol::EvidenceSummary;
use crate::evidence::fixture;
use crate::plugin::check::{Finding, Outcome};
use crate::plugin::{Description, Isolation, Manifest, OptionKind, OptionSpec, Permissions};
use crate::status::{
    AgentStatus, ClaimStatus, ClaimantStatus, ConflictStatus, Counters, CoverageStatus, EvidencePair,
    HolderStatus, InterfaceStatus, NextStep, Opinion, PluginStatus, Status,
};
use crate::text::Palette;

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == text, "{name} differs; BLESS=1 writes it anew.\n--- is now\n{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{name} is wider than 100 columns");
    assert!(text.lines().all(|l| l.trim_end() == l), "{name} has blanks at a line's end");
}

fn page(status: &Status) -> String {
    explain::render(Palette::default(), status, &status.claims[0])
}

fn at(clock: &str) -> String {
    format!("2026-11-23T{clock}.000Z")
}

fn this_host() -> HolderStatus {
    HolderStatus {
        installation: "3f9a5b7c".repeat(8),
        boot: "1122334455667788".to_owned(),
        host: "buero".to_owned(),
        is_self: true,
        role: "active".to_owned(),
        seats: 1,
        interval_s: 300,
        since: Some("2026-11-20T09:00:00.000Z".to_owned()),
        verified: true,
        proved: true,
        first_heard: at("12:00:00"),
        last_heard: at("15:04:30"),
        ..HolderStatus::default()
    }
}

fn alpha() -> HolderStatus {
    HolderStatus {
        installation: "abcdef01".repeat(8),
        boot: "99aabbccddeeff00".to_owned(),
        host: "alpha".to_owned(),
        address: Some("192.0.2.7:626".to_owned()),
        interface: Some("eth0".to_owned()),
        is_self: false,
        since: Some(at("14:51:00")),
        over: true,
        first_heard: at("14:51:02"),
        last_heard: at("15:04:26"),
        last_proved: Some(at("15:04:05")),
        ..this_host()
    }
}

fn buero() -> AgentStatus {
    AgentStatus {
        version: "0.1.0".to_owned(),
        installation: "3f9a5b7c".repeat(8),
        boot: "1122334455667788".to_owned(),
        runs: 14,
        host: "buero".to_owned(),
        pid: 4711,
        now: at("15:04:31"),
        uptime_s: 11_071,
        port: 626,
        state_dir: "/var/lib/serialnumberd".to_owned(),
        legacy: "listen".to_owned(),
        ..AgentStatus::default()
    }
}

/// What the default policy says where nobody else is known.
const ALONE: &str = "No other host is known to use the license of xsvr beyond its seats.";

/// A host that is alone, with a plugin that is well.
fn quiet() -> Status {
    let eth0 = InterfaceStatus {
        name: "eth0".to_owned(),
        index: 2,
        state: "none-heard".to_owned(),
        since: at("12:00:00"),
        ..InterfaceStatus::default()
    };
    let claim = ClaimStatus {
        product: "xsvr".to_owned(),
        claim: "5e71".repeat(8),
        state: "clear".to_owned(),
        state_since: at("12:00:01"),
        verdict: "allow".to_owned(),
        reason: ALONE.to_owned(),
        verdict_since: at("12:00:01"),
        opinions: vec![Opinion {
            plugin: "policy".to_owned(),
            verdict: "allow".to_owned(),
            reason: ALONE.to_owned(),
            counted: true,
        }],
        seats: 1,
        heard: 1,
        proved: 1,
        role: "active".to_owned(),
        since: Some("2026-11-20T09:00:00.000Z".to_owned()),
        holders: vec![this_host()],
        coverage: CoverageStatus {
            state: "none-heard".to_owned(),
            since: at("12:00:00"),
            interfaces: vec![eth0],
            ..CoverageStatus::default()
        },
        next: vec![NextStep { at: at("15:09:10"), what: "this host announces itself".to_owned() }],
        ..ClaimStatus::default()
    };
    Status {
        agent: buero(),
        claims: vec![claim],
        plugins: vec![PluginStatus {
            id: "policy".to_owned(),
            version: "0.1.0".to_owned(),
            health: "ok".to_owned(),
            verdict: "require".to_owned(),
            delivered: 1042,
            ..PluginStatus::default()
        }],
        counters: Counters {
            received: 1234,
            fates: BTreeMap::from([
                ("foreign".to_owned(), 1200),
                ("echo".to_owned(), 34),
                ("bad-mac".to_owned(), 0),
            ]),
            sent: 170,
            ..Counters::default()
        },
        ..Status::default()
    }
}

fn pair(round: u32, asked: &str, answered: &str) -> EvidencePair {
    EvidencePair {
        question: format!("{round}a").repeat(16),
        answer: format!("{round}b").repeat(16),
        installation: alpha().installation,
        boot: alpha().boot,
        asked: at(asked),
        answered: at(answered),
        address: "192.0.2.7:626".to_owned(),
        interface: "eth0".to_owned(),
        round,
    }
}

/// `buero` and `alpha` share a serial; the policy denies the later one.
fn duplicate() -> Status {
    let mut status = quiet();
    let claim = &mut status.claims[0];
    claim.state = "duplicate".to_owned();
    claim.state_since = at("14:52:34");
    claim.reason = "The license of xsvr has one seat, and 2 hosts use it, this one (since 2026-11-20T09:00:00Z) and \
                    \"alpha\" at 192.0.2.7 on eth0 (since 2026-11-23T14:51:00Z); proved twice. Mode seniority: this \
                    host is within the seats and goes on, later ones are denied. Stop xsvr on the hosts beyond the \
                    seats, or get a license for each."
        .to_owned();
    claim.opinions[0].reason = claim.reason.clone();
    claim.verdict_since = at("14:52:34");
    claim.heard = 2;
    claim.proved = 2;
    claim.holders.push(alpha());
    claim.coverage.state = "good".to_owned();
    claim.coverage.peers = 1;
    claim.coverage.interfaces[0].state = "good".to_owned();
    claim.coverage.interfaces[0].peers = 1;
    claim.conflict = Some(ConflictStatus {
        id: 1,
        class: "copy".to_owned(),
        stage: "duplicate".to_owned(),
        since: at("14:51:03"),
        confirmed: Some(at("14:52:34")),
        evidence: "77e1".repeat(8),
        pairs: vec![pair(1, "14:51:02", "14:51:03"), pair(2, "14:52:33", "14:52:34")],
    });
    claim.next.push(NextStep { at: at("15:05:05"), what: "all holders heard are asked again".to_owned() });
    status
}

#[test]
fn a_host_that_is_alone() {
    golden("explain-clear.txt", &page(&quiet()));
    golden("status-clear.txt", &status::render(Palette::default(), &quiet()));
}

#[test]
fn a_license_that_programs_claim() {
    let mut status = quiet();
    let program =
        |name: &str, pid| ClaimantStatus { kind: "program".to_owned(), program: Some(name.to_owned()), pid };
    let configuration = ClaimantStatus { kind: "configuration".to_owned(), ..ClaimantStatus::default() };
    let httpd = program("httpd", Some(4711));
    status.claims[0].held_by = vec![configuration.clone(), httpd.clone()];
    golden("explain-claimed.txt", &page(&status));
    golden("status-claimed.txt", &status::render(Palette::default(), &status));
    let claimants = |held_by: &[ClaimantStatus]| {
        ClaimStatus { held_by: held_by.to_vec(), ..ClaimStatus::default() }.claimants()
    };
    assert_eq!(claimants(&[configuration]), None, "it goes without saying");
    assert_eq!(claimants(&[program("a", None)]).unwrap(), "a");
    let many: Vec<_> = (1..=7).map(|n| program("a", Some(n))).collect();
    assert_eq!(claimants(&many).unwrap(), "a (pid 1), a (pid 2), a (pid 3), a (pid 4) and 3 more");
}

#[test]
fn a_confirmed_copy() {
    golden("explain-copy.txt", &page(&duplicate()));
    golden("status-copy.txt", &status::render(Palette::default(), &duplicate()));
}

#[test]
fn a_cloned_machine_that_denies_and_a_stalled_policy() {
    let mut status = duplicate();
    let unsent = "eth1: nothing can be sent: Network is unreachable (os error 101)";
    status.agent.health.push(unsent.to_owned());
    let plugin = &mut status.plugins[0];
    plugin.health = "stalled".to_owned();
    plugin.why = "in its on_events since 61.0 s".to_owned();
    plugin.lost = 12;
    let claim = &mut status.claims[0];
    claim.verdict = "deny".to_owned();
    claim.verdict_pending = true;
    // A stalled policy is dead, and on_policy_failure = "deny".
    claim.reason =
        "a required policy plugin failed to answer, and on_policy_failure = \"deny\"; see the plugins in \
                    the status"
            .to_owned();
    claim.opinions[0].verdict = "warn".to_owned();
    claim.opinions[0].reason = "The installation on this host was copied: 2 runs with one key use the license of \
                                xsvr, this one (since 2026-11-20T09:00:00Z) and \"alpha\" at 192.0.2.7 on eth0 (since \
                                2026-11-23T14:51:00Z); proved twice. Mode observe: nothing is stopped. On the copy, \
                                remove the state directory of serialnumberd and give it a license of its own."
        .to_owned();
    claim.conflict.as_mut().unwrap().class = "clone".to_owned();
    claim.holders[1].installation = this_host().installation;
    golden("explain-clone.txt", &page(&status));
    golden("status-clone.txt", &status::render(Palette::default(), &status));
}

#[test]
fn a_silent_holder() {
    let mut status = duplicate();
    let claim = &mut status.claims[0];
    claim.state = "suspected".to_owned();
    claim.conflict = None;
    claim.proved = 1;
    claim.reason = "more holders than seats were heard, but they are not proved".to_owned();
    claim.opinions.clear();
    let alpha = &mut claim.holders[1];
    (alpha.proved, alpha.silent, alpha.last_proved, alpha.over) = (false, true, None, false);
    claim.coverage.state = "one-way".to_owned();
    claim.coverage.why = "eth0: somebody is heard who leaves every question unanswered".to_owned();
    let eth0 = &mut claim.coverage.interfaces[0];
    eth0.state = "one-way".to_owned();
    eth0.why = "somebody is heard who leaves every question unanswered".to_owned();
    status.plugins.clear();
    golden("explain-suspected.txt", &page(&status));
}

#[test]
fn a_split_brain() {
    let mut status = duplicate();
    let claim = &mut status.claims[0];
    claim.group = "web".to_owned();
    claim.standbys = 1;
    claim.conflict.as_mut().unwrap().class = "split-brain".to_owned();
    claim.reason = "2 members of one fail-over group serve xsvr at once, this one (since 2026-11-20T09:00:00Z) and \
                    \"alpha\" at 192.0.2.7 on eth0 (since 2026-11-23T14:51:00Z); proved twice. Mode seniority: this \
                    host is within the seats and goes on, later ones are denied. Make all of them but one a standby."
        .to_owned();
    claim.opinions[0].reason = claim.reason.clone();
    golden("explain-split-brain.txt", &page(&status));
}

#[test]
fn the_first_second() {
    let mut status = quiet();
    let claim = &mut status.claims[0];
    claim.state = "probing".to_owned();
    claim.verdict = "abstain".to_owned();
    claim.reason = String::new();
    claim.opinions.clear();
    status.plugins.clear();
    golden("explain-probing.txt", &page(&status));
    golden("status-probing.txt", &status::render(Palette::default(), &status));
}

#[test]
fn a_stranger_cannot_write_to_the_terminal() {
    let mut status = duplicate();
    let claim = &mut status.claims[0];
    claim.holders[1].host = "evil\x1b[2J\x07".to_owned();
    claim.reason = "\x1b]0;title\x07".to_owned();
    claim.coverage.why = "\x1b[31m".to_owned();
    claim.held_by = vec![ClaimantStatus {
        kind: "program".to_owned(),
        program: Some("evil\x1b[2J".to_owned()),
        pid: None,
    }];
    let whole = page(&status) + &status::render(Palette::default(), &status);
    assert!(!whole.chars().any(|c| c.is_control() && c != '\n'), "{whole:?}");
}

#[test]
fn colors_do_not_move_columns() {
    let plain = page(&duplicate());
    let colored = explain::render(Palette { colored: true }, &duplicate(), &duplicate().claims[0]);
    let mut stripped = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_ne!(plain, colored);
    assert_eq!(plain, stripped);
}

#[test]
fn an_empty_agent_is_told_without_nonsense() {
    golden("status-empty.txt", &status::render(Palette::default(), &Status::default()));
}

fn manifest(path: &str) -> Manifest {
    Manifest {
        path: path.into(),
        abi: (1, 0),
        id: "gate".to_owned(),
        version: "2.1".to_owned(),
        wants: Permissions::from_names(["verdict"]).unwrap(),
    }
}

fn option(name: &str, kind: OptionKind) -> OptionSpec {
    OptionSpec {
        name: name.to_owned(),
        kind,
        default: None,
        help: String::new(),
        required: false,
        secret: false,
        reloadable: true,
        range: None,
        choices: Vec::new(),
        unit: None,
    }
}

#[test]
fn a_plugin_in_a_process_is_told_with_its_sandbox() {
    let mut status = quiet();
    let sandbox = [
        "memory: 256 MiB",
        "capabilities: none",
        "landlock: files, tcp, signals",
        "seccomp: no programs, no sockets",
    ];
    let confined = PluginStatus {
        isolation: "process".to_owned(),
        pid: Some(4711),
        sandbox: sandbox.map(str::to_owned).to_vec(),
        ..status.plugins[0].clone()
    };
    let down = PluginStatus {
        id: "mqtt".to_owned(),
        health: "restarting".to_owned(),
        pid: None,
        crashes: 2,
        lost: 3,
        last_error: Some("its process was killed by SIGSEGV".to_owned()),
        ..confined.clone()
    };
    status.plugins = vec![confined, down];
    golden("status-process.txt", &status::render(Palette::default(), &status));
}

#[test]
fn a_plugin_is_described_with_what_to_write_into_the_configuration() {
    let options = vec![
        OptionSpec {
            default: Some("soft".to_owned()),
            choices: vec!["soft".to_owned(), "hard".to_owned()],
            help: "How it closes.".to_owned(),
            ..option("mode", OptionKind::Enum)
        },
        OptionSpec { secret: true, required: true, reloadable: false, ..option("token", OptionKind::String) },
        OptionSpec {
            default: Some("3".to_owned()),
            range: Some((1, 9)),
            unit: Some("tries".to_owned()),
            ..option("tries", OptionKind::Int)
        },
        OptionSpec { range: Some((0, 60_000_000_000)), ..option("delay", OptionKind::Duration) },
    ];
    let description = Description {
        manifest: manifest("/opt/plugins/libgate.so"),
        name: "The gate".to_owned(),
        description: "Closes a gate.".to_owned(),
        vendor: String::new(),
        url: "https://example.org/gate".to_owned(),
        wants_if_granted: Permissions::from_names(["raw"]).unwrap(),
        events: vec!["duplicate", "lost"],
        options,
    };
    golden("plugin-info.txt", &plugin::render_info(Palette::default(), &description));
}

#[test]
fn plugins_are_listed_with_those_that_are_hidden() {
    let found = |path: &str, hidden, loaded| plugin::Found {
        path: path.into(),
        manifest: Ok(manifest(path)),
        hidden,
        loaded,
    };
    let all = [
        found("/a/libgate.so", false, None),
        found("/b/libgate.so", true, None),
        found("/b/libown.so", false, Some(Isolation::Process)),
    ];
    let text = plugin::render_list(Palette::default(), &["/a".into(), "/b".into()], &all);
    assert_eq!(
        text,
        "gate  2.1  ABI 1.0  wants verdict  /a/libgate.so\n\
         gate  2.1  ABI 1.0  wants verdict  /b/libgate.so (hidden by an earlier one)\n\
         gate  2.1  ABI 1.0  wants verdict  /b/libown.so (loaded, in a process)\n"
    );
    let none = plugin::render_list(Palette::default(), &["/a".into()], &[]);
    assert_eq!(none, "no plugin in /a\n");
}

#[test]
fn evidence_says_what_is_proved_and_what_is_only_said() {
    let case = fixture::case();
    let found = serialnumberd_core::evidence::check::<serialnumberd_core::Standard>(&case.exhibit).unwrap();
    let page = |checked| exhibit::render(Palette::default(), &case, &found, checked);
    golden("evidence.txt", &page(Checked::WithoutSerial));
    golden("evidence-serial.txt", &page(Checked::WithSerial { of_group: Some(4) }));
    let document = exhibit::document(&case, &found, Checked::WithoutSerial);
    golden("evidence.json", &format!("{document:#}\n"));
}

#[test]
fn evidence_of_a_clone_does_not_prove_two_machines() {
    let clone = fixture::clone();
    let found = serialnumberd_core::evidence::check::<serialnumberd_core::Standard>(&clone.exhibit).unwrap();
    golden(
        "evidence-clone.txt",
        &exhibit::render(Palette::default(), &clone, &found, Checked::WithoutSerial),
    );
}

#[test]
fn kept_evidence_is_listed_with_what_is_damaged() {
    let good = EvidenceSummary {
        id: "77e1".repeat(8),
        product: "xsvr".to_owned(),
        class: "copy".to_owned(),
        stage: "duplicate".to_owned(),
        declared: at("14:51:03"),
        ended: Some(at("15:00:00")),
        others: vec!["alpha".to_owned(), "evil\x1b[2J".to_owned()],
        bytes: 4000,
        flaw: None,
    };
    let damaged = EvidenceSummary {
        id: "88e1".repeat(8),
        flaw: Some("it was cut off: it does not end with its recorder's signature".to_owned()),
        ..EvidenceSummary::default()
    };
    let alone = EvidenceSummary {
        others: vec!["evil\x1b[2J".to_owned()],
        ended: None,
        stage: "conflict".to_owned(),
        ..good.clone()
    };
    golden("evidence-list.txt", &evidence::render_list(Palette::default(), &[good, alone, damaged]));
    assert!(evidence::render_list(Palette::default(), &[]).contains("no conflict was found here"));
}

/// A plugin that failed one check, so that another was not even run.
fn checked() -> Vec<Finding> {
    let finding = |name, title, outcome| Finding { name, title, outcome, took: Duration::from_millis(250) };
    let note = "60 events, sealed, guarded, then gone".to_owned();
    let what =
        "it called wake after stop had returned, from a thread named \"evil\x1b[2J\" # SKIP".to_owned();
    vec![
        finding("memory", "what it is given is only read", Outcome::Passed { note }),
        finding(
            "stop",
            "after stop nothing of it runs or calls",
            Outcome::Failed { rule: "R9".to_owned(), what, mend: "join every thread in stop".to_owned() },
        ),
        finding("fuzz", "chance does no harm", Outcome::Skipped { why: "needs stop".to_owned() }),
    ]
}

#[test]
fn a_checked_plugin_is_told_to_people_harnesses_and_programs() {
    let (file, all) = (Path::new("/opt/libgate.so"), checked());
    let lines: String = all.iter().map(|one| validate::line(Palette::default(), one)).collect();
    let head = format!("{}\n", validate::head(file, 42).split(',').next().unwrap());
    golden("plugin-check.txt", &format!("{head}{lines}{}", validate::sum(Palette::default(), &all)));
    golden("plugin-check.tap", &validate::tap(file, 42, &all));
    golden("plugin-check.json", &format!("{:#}\n", validate::document(file, 42, &all)));
    let passed = validate::sum(Palette::default(), &all[..1]);
    assert_eq!(passed, "it passed: 1 passed, 0 failed, 0 skipped in 0.2 s\n");
}
