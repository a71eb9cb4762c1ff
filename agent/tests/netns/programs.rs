//! Programs that claim their license at the agent of their host: what the rest of the LAN sees of their life and death.

use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serialnumberd::embed::{Embedded, Failure, Mode};

use crate::agent::{Agent, Config, SERIAL};
use crate::clock::{ms, pass, s, within};
use crate::lan::{Families, Host, Lan};
use crate::namespace::command;
use crate::wire::{GOODBYE, Tap, field};

/// Where a program finds its agent, and what it claims there.
const CONTROL: &str = "SLND_TEST_CONTROL";
const CLAIMED: &str = "SLND_TEST_SERIAL";

/// A licensed program: this very binary, running [`licensed_program`].
struct Program {
    child: Child,
    lines: Receiver<String>,
}

/// How one is started: by itself, or by something that runs it.
fn program_of(mut runner: Command) -> Command {
    let this = std::env::current_exe().expect("this test's binary");
    runner.arg(this).args(["--exact", "programs::licensed_program", "--ignored", "--nocapture"]);
    runner
}

impl Program {
    fn start(agent: &Agent, serial: &str) -> Program {
        let mut runner = Command::new("setpriv");
        runner.args(["--pdeathsig", "KILL", "--"]);
        Program::start_by(runner, agent, serial)
    }

    fn start_by(runner: Command, agent: &Agent, serial: &str) -> Program {
        let mut program = program_of(runner);
        program.env(CONTROL, agent.dir.join("control.sock")).env(CLAIMED, serial);
        let mut child = program.stdout(Stdio::piped()).spawn().expect("it runs");
        let (send, lines) = channel();
        let output = std::io::BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(told) = line.strip_prefix("program: ")
                    && send.send(told.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        Program { child, lines }
    }

    /// Waits until it tells this; gives all that it told meanwhile.
    fn tells(&self, what: &str, bound: Duration) -> Vec<String> {
        let mut told = Vec::new();
        within(bound, &format!("the program tells: {what}"), || {
            told.extend(self.lines.try_iter());
            told.iter().any(|line| line.contains(what)).then_some(())
        });
        told
    }

    /// Ends it without a word (SIGKILL).
    fn kill(&mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("it is dead");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "is the program that the other tests start"]
fn licensed_program() {
    let (Ok(control), Ok(serial)) = (std::env::var(CONTROL), std::env::var(CLAIMED)) else { return };
    let run = || -> Result<std::convert::Infallible, Failure> {
        let mut embedded = Embedded::new(None)?;
        embedded.set_mode(Mode::Connect)?;
        embedded.set("control", &control)?;
        embedded.start()?;
        let handle = embedded.handle();
        handle.claim("xsvr", &serial, 1)?;
        let mut before = String::new();
        loop {
            embedded.turn(1)?;
            let answer = handle.check("xsvr")?;
            let age = if answer.age.is_zero() { "now" } else { "before" };
            let line = format!("{} {} {age} connected={}", answer.verdict, answer.state, answer.connected);
            if line != before {
                println!("program: {line}");
                before = line;
            }
        }
    };
    let Err(failure) = run();
    println!("program: {failure}");
}

/// A host whose agent has no license of its own, and one that has.
fn two_hosts(lan: &Lan) -> (Agent, Agent) {
    (lan.hosts[0].agent(&Config::new()), lan.hosts[1].agent(&Config::xsvr()))
}

fn goodbyes(tap: &Tap, span: Duration) -> usize {
    tap.all(span).iter().filter(|d| d[field::KIND] == GOODBYE).count()
}

fn claims(agent: &Agent) -> usize {
    agent.status().0["claims"].as_array().expect("claims").len()
}

#[test]
fn a_program_that_is_killed_says_goodbye_within_a_second_and_the_other_host_is_clear() {
    let lan = Lan::new(3);
    let (here, there) = two_hosts(&lan);
    let mut program = Program::start(&here, SERIAL);
    there.reaches("duplicate", s(10));
    program.tells("warn duplicate now connected=true", s(10));
    let held_by = here.status().claim("xsvr")["held_by"][0].clone();
    assert_eq!((&held_by["kind"], &held_by["pid"]), (&"program".into(), &program.child.id().into()));
    let tap = Tap::new(&lan.hosts[2]);
    program.kill();
    let goodbye = || tap.next(ms(100)).filter(|d| d[field::KIND] == GOODBYE);
    within(s(1), "a goodbye", goodbye);
    // An interval is 1 s, so it would expire after 3.3 s.
    there.reaches("clear", s(1));
    assert_eq!(claims(&here), 0);
}

#[test]
fn two_programs_share_a_claim_and_the_last_one_says_goodbye() {
    let lan = Lan::of(2, Families::V4);
    let here = lan.hosts[0].agent(&Config::new());
    let mut programs = [Program::start(&here, SERIAL), Program::start(&here, "xsvr 0123 4567 89ab cdef")];
    programs.iter().for_each(|program| drop(program.tells("allow clear now", s(5))));
    assert_eq!(here.status().claim("xsvr")["held_by"].as_array().map(Vec::len), Some(2));
    let other = Program::start(&here, "ANOTHER-SERIAL");
    other.tells("xsvr is claimed on this host with another serial number, by netns-", s(5));
    let tap = Tap::new(&lan.hosts[1]);
    programs[0].kill();
    assert_eq!(goodbyes(&tap, s(1)), 0, "the other one holds on");
    Config::new().license("more", "MORE-1", "").write(&here.dir);
    assert!(here.ask(&["reload"]).status.success());
    assert_eq!((goodbyes(&tap, ms(300)), claims(&here)), (0, 2), "a reload is none of its business");
    programs[1].kill();
    assert_eq!(goodbyes(&tap, s(1)), 2, "the goodbye and its repetition");
}

#[test]
fn an_agent_that_is_restarted_or_killed_gets_the_claim_again_and_no_verdict_is_lost() {
    let lan = Lan::new(1);
    let host = &lan.hosts[0];
    let mut agent = host.agent(&Config::new());
    let program = Program::start(&agent, SERIAL);
    program.tells("allow clear now connected=true", s(5));
    for end in [Agent::kill as fn(&mut Agent), |agent| assert_eq!(agent.stop(s(2)).0, 0)] {
        end(&mut agent);
        program.tells("allow clear before connected=false", s(1));
        // Longer than the first pauses between attempts.
        pass(ms(500));
        agent = host.agent(&Config::new());
        // The pauses have grown to 0.8 s at the most.
        let told = program.tells("allow clear now connected=true", s(4));
        assert!(told.iter().all(|line| line.starts_with("allow ")), "{told:?}");
        assert_eq!(agent.status().claim("xsvr")["held_by"][0]["pid"], program.child.id());
    }
}

#[test]
fn an_agent_that_hangs_is_noticed_and_forgiven() {
    let lan = Lan::new(1);
    let agent = lan.hosts[0].agent(&Config::new());
    let program = Program::start(&agent, SERIAL);
    program.tells("allow clear now connected=true", s(5));
    agent.signal(nix::sys::signal::Signal::SIGSTOP);
    // It is asked after 30 s of silence, and has 5 s to answer.
    program.tells("allow clear before connected=false", s(40));
    agent.signal(nix::sys::signal::Signal::SIGCONT);
    program.tells("allow clear now connected=true", s(15));
}

#[test]
fn a_user_who_may_not_use_the_agent_is_told_so() {
    let lan = Lan::new(1);
    let host: &Host = &lan.hosts[0];
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(host.dir.path(), open).expect("the host's directory");
    let agent = host.agent(&Config::new().raw("control_uids", "[4242]"));
    let user = |uid: &str| {
        let mut runner = command("setpriv");
        runner.args(["--reuid", uid, "--regid", uid, "--clear-groups", "--"]);
        Program::start_by(runner, &agent, SERIAL)
    };
    user("4444").tells("user 4444 may not use this agent; add 4444 to `control_uids`", s(5));
    user("4242").tells("allow clear now connected=true", s(5));
}
