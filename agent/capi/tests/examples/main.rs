//! The examples as their readers run them, on loopback addresses: built as their first lines say, fed, warned,
//! denied, asked to end.

mod build;
mod daemon;
mod http;
mod program;
#[path = "../rig/mod.rs"]
mod rig;
mod server;
mod site;

use nix::sys::signal::Signal;

use daemon::Daemon;
use program::Program;

const COMPILED: [&str; 4] = ["embed_poll.c", "embed_epoll.cc", "embed_libuv.c", "licensed_httpd.c"];
const SPAWN: &str = "embed_spawn.py";

/// What it calls itself.
fn name(file: &str) -> &str {
    file.split_once('.').expect("an extension").0
}

fn start(file: &str, arguments: &[String]) -> Program {
    Program::start(name(file), build::run(file).args(arguments))
}

/// Under valgrind, if it is compiled: an error or a leak spoils its exit code.
fn start_checked(file: &str, arguments: &[String]) -> Program {
    if file == SPAWN {
        return start(file, arguments);
    }
    Program::start(name(file), build::run_checked(file).args(arguments))
}

#[test]
fn clang_builds_them_too_without_a_warning() {
    for file in COMPILED {
        build::compiled(file, "clang");
    }
}

/// One is alone, another comes and goes; `verdicts` are what each of them says of that.
fn another_comes_and_goes(file: &str, network: u8, verdicts: [&str; 2]) {
    let sites = site::pair(network);
    let first = start_checked(file, &sites[0].own());
    first.await_line("xsvr: ALLOW: ");
    let second = start(file, &sites[1].own());
    first.await_line(&format!("xsvr: {}: ", verdicts[0]));
    second.await_line(&format!("xsvr: {}: ", verdicts[1]));
    second.stop(Signal::SIGTERM);
    first.await_line("xsvr: ALLOW: ");
    first.stop(Signal::SIGINT);
}

#[test]
fn poll_warns_while_another_uses_the_license() {
    another_comes_and_goes("embed_poll.c", 21, ["WARN", "WARN"]);
}

#[test]
fn epoll_denies_who_came_later() {
    another_comes_and_goes("embed_epoll.cc", 22, ["WARN", "DENY"]);
}

#[test]
fn libuv_warns_while_another_uses_the_license() {
    another_comes_and_goes("embed_libuv.c", 23, ["WARN", "WARN"]);
}

#[test]
fn spawn_warns_while_another_uses_the_license() {
    another_comes_and_goes(SPAWN, 24, ["WARN", "WARN"]);
}

/// Denies every holder of a duplicate.
fn policy() -> String {
    let path = build::plugin_minimal();
    format!("[[plugin]]\npath = \"{}\"\nverdict = \"require\"\ngrant = [\"verdict\"]\n", path.display())
}

/// As a client of this host's agent, whose policy denies every holder of a duplicate; `then` is done meanwhile.
fn the_agent_of_the_host_decides(file: &str, network: u8, then: impl FnOnce(&mut Program)) -> Program {
    let sites = site::pair(network);
    let _agent = Daemon::start(&sites[0], &policy());
    let mut program = start_checked(file, &sites[0].connected());
    program.await_line("xsvr: ALLOW: ");
    let other = Daemon::start(&sites[1], &sites[1].license());
    program.await_line("xsvr: DENY: 2 hosts use the license of xsvr: stop one");
    then(&mut program);
    drop(other);
    program.await_line("xsvr: ALLOW: ");
    program
}

#[test]
fn a_cat_without_a_license_waits() {
    let feed = |program: &mut Program| program.feed("to be copied later\n");
    let mut program = the_agent_of_the_host_decides("embed_poll.c", 25, feed);
    // Not before that, or it would not be found now.
    program.await_line("to be copied later");
    program.feed("to be copied at once\n");
    program.await_line("to be copied at once");
    program.end_input();
    let (code, text) = program.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("embed_poll: goodbye"), "{text}");
}

#[test]
fn epoll_obeys_the_agent_of_the_host_and_is_not_asked() {
    let program = the_agent_of_the_host_decides("embed_epoll.cc", 26, |_| ());
    program.stop(Signal::SIGTERM);
}

#[test]
fn libuv_obeys_the_agent_of_the_host_and_shows_its_status() {
    let show = |program: &mut Program| {
        program.signal(Signal::SIGUSR1);
        program.await_line("\"xsvr\"");
    };
    let program = the_agent_of_the_host_decides("embed_libuv.c", 27, show);
    program.stop(Signal::SIGTERM);
}

#[test]
fn spawn_obeys_the_agent_of_the_host() {
    let program = the_agent_of_the_host_decides(SPAWN, 28, |_| ());
    program.stop(Signal::SIGTERM);
}

#[test]
fn wrong_arguments_get_a_sentence() {
    let sites = site::pair(29);
    let (own, serial) = (sites[0].own(), sites[0].serial_file().display().to_string());
    let missing = sites[0].path("missing").display().to_string();
    let with =
        |more: &[&str]| own.iter().cloned().chain(more.iter().map(|&s| s.to_owned())).collect::<Vec<_>>();
    for file in COMPILED.into_iter().chain([SPAWN]) {
        for (arguments, code, sentence) in [
            (vec![], 2, "usage: "),
            (vec!["xsvr".to_owned(), serial.clone(), "--sett".to_owned()], 1, "--sett: expected "),
            (with(&["--mode"]), 1, "--mode: expected "),
            (with(&["--mode", "perhaps"]), 1, "perhaps"),
            (with(&["--set", "port"]), 1, "expected "),
            (with(&["--set", "prot=626"]), 1, "unknown key `prot`"),
            (with(&["--set", "interval=sometimes"]), 1, "sometimes"),
        ] {
            let (found, text) = start(file, &arguments).end();
            // Python's own parser has words of its own.
            let (code, sentence) =
                if text.contains("embed_spawn.py: error: ") { (2, "usage: ") } else { (code, sentence) };
            assert_eq!(found, Some(code), "{file} {arguments:?}\n{text}");
            assert!(text.contains(sentence) && !text.contains("Traceback"), "{file} {arguments:?}\n{text}");
        }
        let mut arguments = own.clone();
        arguments[1].clone_from(&missing);
        let (found, text) = start(file, &arguments).end();
        assert_eq!(found, Some(1), "{file}\n{text}");
        assert!(text.contains(&missing) && text.contains("No such file"), "{file}\n{text}");
    }
}
