//! A process whose plugin writes on the pipe: what is no word, and what no honest process says, is its end.

use serialnumberd::plugin::{Action, Health};

use super::Puppet;

/// A frame of this word, as the puppet is told to write it.
fn frame(word: &str) -> String {
    format!("frame {} {word}", word.len())
}

fn ends_it(text: &str, why: &str) {
    let mut puppet = Puppet::new();
    puppet.tell(text);
    let mut told = Vec::new();
    crate::rig::eventually(why, || {
        told.extend(puppet.turn());
        puppet.status().health == Health::Restarting
    });
    let error = puppet.status().last_error.expect("it lied");
    assert!(error.starts_with("its process said ") && error.contains(why), "{error}");
    assert!(told.iter().all(|action| !matches!(action, Action::Decided { .. } | Action::Announce { .. })));
}

#[test]
fn an_impossible_length() {
    ends_it("frame 0xffffffff", "a frame of 4294967295 bytes, and 2097152 are the most");
    ends_it("frame 0x7fffffff nothing", "a frame of 2147483647 bytes");
}

#[test]
fn garbage() {
    ends_it("frame 4 {{{{", "a frame that is no word");
    ends_it(&frame("{\"Verdict\":400}"), "a frame that is no word");
    ends_it(&frame("[]"), "a frame that is no word");
}

#[test]
fn what_was_not_granted() {
    ends_it(
        &frame("{\"Announce\":{\"product\":null,\"probe\":true}}"),
        "a wish to announce, for which it has no permission",
    );
    ends_it(
        &frame("{\"AskHolders\":{\"product\":\"xsvr\"}}"),
        "a question for holders, for which it has no permission",
    );
}

#[test]
fn what_was_not_asked() {
    let claim = "07".repeat(16);
    let decided =
        format!("{{\"Decided\":{{\"claim\":\"{claim}\",\"verdict\":400,\"reason\":\"\",\"answers\":77}}}}");
    ends_it(&frame(&decided), "an answer to what it was not asked");
    ends_it(
        &frame("{\"Configured\":{\"generation\":1,\"error\":null}}"),
        "that it took options, of which it got none",
    );
    let figures = "{\"Figures\":{\"taken\":999,\"delivered\":0,\"calls\":9999,\"slow_calls\":0,\"slowest_ns\":0,\"latest_ns\":0,\"errors\":0,\"panics\":0}}";
    ends_it(&frame(figures), "that it took 9");
}

#[test]
fn another_sandbox_than_it_was_put_into() {
    ends_it(&frame("{\"Sandbox\":[\"landlock: whatever you want\"]}"), "that its sandbox is another one");
}

#[test]
fn questions_without_an_end() {
    let mut puppet = Puppet::with(|spec| spec.grant.push("holders".to_owned()));
    puppet.tell("ask");
    let status = puppet.until_health(Health::Restarting);
    assert_eq!(status.last_error.as_deref(), Some("its process said more than it waited to be answered"));
}

#[test]
fn what_is_no_figure_or_text() {
    ends_it(&frame("{\"Detail\":\"no object\"}"), "a status that is none");
    ends_it(
        &frame("{\"Call\":{\"call\":\"of duty\",\"lasted_ns\":1}}"),
        "that it is in a call that there is not",
    );
    ends_it(&frame("{\"AskHolders\":{\"product\":\"\"}}"), "a question for holders");
}

#[test]
fn a_verdict_on_a_claim_that_is_not_held_comes_to_nothing() {
    let mut puppet = Puppet::new();
    let claim = "08".repeat(16);
    let decided =
        format!("{{\"Decided\":{{\"claim\":\"{claim}\",\"verdict\":400,\"reason\":\"\",\"answers\":null}}}}");
    puppet.tell(&frame(&decided));
    let status = puppet.until("it is noted", |status| status.last_error.is_some());
    assert_eq!(status.last_error.as_deref(), Some("it spoke of a claim that is not held here"));
    assert_eq!((status.health, status.crashes), (Health::Ok, 0), "it may have been released a moment ago");
    assert_eq!(puppet.turn(), []);
}

#[test]
fn another_stop_than_the_one_asked_for() {
    let mut puppet = Puppet::new();
    puppet.tell(&frame("{\"Ended\":{\"is_quarantined\":false}}"));
    let status = puppet.until_health(Health::Restarting);
    assert_eq!(status.last_error.as_deref(), Some("its process stopped without having been asked to"));
}
