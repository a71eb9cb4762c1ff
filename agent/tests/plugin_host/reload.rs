//! New options for plugins that run: all of them take them, or nothing changes.

use serialnumberd::plugin::{Action, Claims, PluginError, PluginHost, VerdictUse};
use serialnumberd::record::{Decision, Verdict};

use crate::rig::{CLAIM, Rig, duplicate, eventually};
use crate::{STOP, actions, await_action};

/// Waits for a reload to end, on a time that stands still: it is never given up for lasting too long.
fn finish_reload(host: &mut PluginHost, now_ns: u64) -> Result<(), PluginError> {
    let mut outcome = None;
    eventually("the reload ends", || {
        host.tick(now_ns);
        assert_eq!(actions(host), []);
        outcome = host.poll_reload(now_ns);
        outcome.is_some()
    });
    outcome.expect("just seen")
}

fn a_reload_is_a_transaction(rig: Rig) {
    let library = rig.build("good", "good.so", &[]);
    let mut spec = rig.spec(library);
    spec.options = "token = \"hush\"".parse().expect("toml");
    let mut host = rig.start(vec![spec.clone()]).expect("it starts");
    assert_eq!(host.poll_reload(rig.now_ns()), None, "none is under way");

    let mut wrong = spec.clone();
    wrong.options = "mdoe = \"strict\"".parse().expect("toml");
    let error = host.prepare_reload(&[wrong], rig.now_ns()).expect_err("a typo");
    assert!(error.to_string().contains("did you mean \"mode\"?"), "{error}");
    let mut fixed = spec.clone();
    fixed.options.insert("grace".to_owned(), "1s".into());
    let error = host.prepare_reload(&[fixed], rig.now_ns()).expect_err("not reloadable");
    assert_eq!(error.option(), Some("grace"));
    let error = host.prepare_reload(&[], rig.now_ns()).expect_err("one less");
    assert!(error.to_string().contains("plugin good: a reload cannot remove it"), "{error}");
    assert!(!rig.trace("good").iter().any(|line| line.starts_with("reload")), "the plugin saw none of these");

    let mut bad = spec.clone();
    bad.options.insert("mode".to_owned(), "refused".into());
    host.prepare_reload(&[bad], rig.now_ns()).expect("fits the table");
    assert!(host.prepare_reload(std::slice::from_ref(&spec), rig.now_ns()).is_err(), "one at a time");
    let error = finish_reload(&mut host, rig.now_ns()).expect_err("the plugin refuses it");
    assert!(error.to_string().contains("this mode is refused; the token is (secret)"), "{error}");
    rig.await_line("good", "reload mode=observe");

    let mut new = spec;
    new.options.insert("mode".to_owned(), "strict".into());
    (new.verdict, new.options["token"]) = (VerdictUse::Advise, "hush2".into());
    host.prepare_reload(&[new], rig.now_ns()).expect("fits the table");
    finish_reload(&mut host, rig.now_ns()).expect("the plugin takes it");
    host.commit_reload();
    assert_eq!(host.status(rig.now_ns())[0].verdict, VerdictUse::Advise);
    assert!(rig.trace("good").contains(&"reload mode=strict".to_owned()));
    assert_eq!(host.stop(STOP), Vec::<String>::new());
}

fn what_is_decided_with_new_options_waits_until_they_are_in_force(new_rig: fn() -> Rig) {
    for takes_them in [true, false] {
        let rig = new_rig();
        let mut policy = rig.spec(rig.build("good", "good.so", &["DECIDES"]));
        (policy.verdict, policy.grant) = (VerdictUse::Require, vec!["verdict".to_owned()]);
        let mut twin = rig.spec(rig.build("good", "twin.so", &["ID=\"twin\"", "GATED"]));
        let mut host = rig.start(vec![policy.clone(), twin.clone()]).expect("both start");
        host.publish(&duplicate(1, None));
        rig.await_line("good", "duplicate 1");
        eventually("the twin is in on_events", || {
            host.status(rig.now_ns())[1].present_call.is_some_and(|(call, _)| call == "on_events")
        });
        let now_ns = rig.now_ns();
        policy.options = "mode = \"strict\"".parse().expect("toml");
        twin.options = (if takes_them { "" } else { "mode = \"refused\"" }).parse().expect("toml");
        host.prepare_reload(&[policy, twin], now_ns).expect("fits the tables");
        // It has them, and the twin is still busy.
        rig.await_line("good", "reload mode=strict");
        assert_eq!(host.publish(&duplicate(2, Some(now_ns))), [0]);
        let put_off = Action::PutOff { plugin: 0, claim: CLAIM, seq: 2 };
        assert_eq!(await_action(&mut host), put_off, "neither what it decided by itself nor the answer");
        rig.open_gate("twin");
        let outcome = finish_reload(&mut host, now_ns);
        assert_eq!(outcome.is_ok(), takes_them);
        let decided = |verdict, reason: &str, answers| {
            let decision = Decision { verdict, reason: reason.to_owned() };
            Action::Decided { plugin: 0, claim: CLAIM, decision, answers }
        };
        if takes_them {
            host.commit_reload();
            assert_eq!(host.next_deadline_ns(), Some(now_ns), "there is something to hand out");
            assert_eq!(actions(&mut host), [decided(Verdict::DENY, "2 holders", Some(2))]);
        } else {
            assert_eq!(await_action(&mut host), Action::AskAnew { plugin: 0 });
            assert_eq!(await_action(&mut host), decided(Verdict::WARN, "reloaded", None));
        }
        // From then on as ever.
        host.publish(&duplicate(3, Some(now_ns)));
        let verdict = if takes_them { Verdict::DENY } else { Verdict::WARN };
        assert_eq!(await_action(&mut host), decided(verdict, "2 holders", Some(3)));
        assert_eq!(host.stop(STOP), Vec::<String>::new());
    }
}

fn a_plugin_that_cannot_be_told_of_a_reload_refuses_it(rig: Rig) {
    let mut busy = rig.spec(rig.build("good", "good.so", &["GATED"]));
    let mut twin = rig.spec(rig.build("good", "twin.so", &["ID=\"twin\""]));
    let mut host = rig.start(vec![busy.clone(), twin.clone()]).expect("both start");
    eventually("it is in on_events", || {
        host.status(rig.now_ns())[0].present_call.is_some_and(|(call, _)| call == "on_events")
    });
    // Busy, and by this time never stalled; each reload and its undoing wait for it.
    let now_ns = rig.now_ns();
    twin.options = "mode = \"refused\"".parse().expect("toml");
    for _ in 0..4 {
        host.prepare_reload(&[busy.clone(), twin.clone()], now_ns).expect("fits the tables");
        finish_reload(&mut host, now_ns).expect_err("the twin refuses it");
    }
    twin.options.clear();
    busy.options = "mode = \"strict\"".parse().expect("toml");
    let both = [busy, twin];
    let error = host.prepare_reload(&both, now_ns).expect_err("there is no room for the command");
    assert!(error.to_string().starts_with("plugin good: it is busy"), "{error}");
    rig.open_gate("good");
    eventually("it obeys again", || {
        assert_eq!(actions(&mut host), []);
        host.prepare_reload(&both, now_ns).is_ok()
    });
    finish_reload(&mut host, now_ns).expect("both take it");
    host.commit_reload();
    assert_eq!(rig.trace("good").iter().filter(|line| *line == "reload mode=strict").count(), 1);
    assert_eq!(host.stop(STOP), Vec::<String>::new());
}

fn no_secret_of_a_refused_reload_is_shown(rig: Rig) {
    let mut spec = rig.spec(rig.build("good", "good.so", &[]));
    // The plugin quotes the new one, of which the old one is the beginning.
    spec.options = "token = \"hus\"".parse().expect("toml");
    let mut host = rig.start(vec![spec.clone()]).expect("it starts");
    spec.options = "token = \"hush\"\nmode = \"refused\"".parse().expect("toml");
    host.prepare_reload(&[spec], rig.now_ns()).expect("fits the table");
    let told = finish_reload(&mut host, rig.now_ns()).expect_err("the plugin refuses it").to_string();
    let status = host.status(rig.now_ns()).remove(0).last_error.expect("it failed");
    for text in [told, status] {
        assert!(text.contains("this mode is refused; the token is (secret)"), "{text}");
        assert!(!text.contains("(secret)h"), "{text}");
    }
}

fn a_verdict_on_a_claim_that_is_not_held_any_more_is_refused(rig: Rig) {
    let mut spec = rig.spec(rig.build("good", "good.so", &["DECIDES"]));
    (spec.verdict, spec.grant) = (VerdictUse::Require, vec!["verdict".to_owned()]);
    let mut host = rig.start(vec![spec.clone()]).expect("it starts");
    host.publish(&duplicate(1, None));
    rig.await_line("good", "duplicate 1");
    let reload = |host: &mut PluginHost| {
        host.prepare_reload(&[spec.clone()], rig.now_ns()).expect("fits the table");
        finish_reload(host, rig.now_ns()).expect("the plugin takes it");
        host.commit_reload();
        actions(host).len()
    };
    assert_eq!(reload(&mut host), 1);
    host.set_claims(Claims::new());
    assert_eq!(reload(&mut host), 0);
    host.set_claims(rig.claims.clone());
    assert_eq!(reload(&mut host), 1);
    let trace = rig.trace("good");
    let answers: Vec<&str> = trace.iter().filter_map(|line| line.strip_prefix("decide ")).collect();
    assert_eq!(answers, ["0", "-3", "0"]);
    assert_eq!(host.stop(STOP), Vec::<String>::new());
}

in_both_modes! {
    a_reload_is_a_transaction,
    what_is_decided_with_new_options_waits_until_they_are_in_force,
    a_plugin_that_cannot_be_told_of_a_reload_refuses_it,
    no_secret_of_a_refused_reload_is_shown,
    a_verdict_on_a_claim_that_is_not_held_any_more_is_refused,
}
