//! The SDK from the other side: a host calls an SDK plugin through the C table, in its best and worst moods.
#![allow(unsafe_code, reason = "it calls through the C table")]

mod fake_host;

use std::path::Path;
use std::sync::Mutex;

use fake_host::{
    Dup, FakeHost, HolderSpec, announcement, duplicate, lost, query, resolved, state, tick, unknown,
};
use serialnumberd_plugin::abi::*;
use serialnumberd_plugin::{
    About, ClaimId, Decision, Error, Event, Events, Host, HostHandle, Kinds, OptionSpec, Options,
    Permissions, Plugin,
};

/// Does what its options say, and writes down what it is told.
struct Probe {
    host: Host,
    mood: String,
    limit: i64,
    heard: Vec<String>,
}

/// Handles that outlive their instance.
static KEPT: Mutex<Vec<HostHandle>> = Mutex::new(Vec::new());

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::choice(c"mood", c"good|panic|fail", c"How it behaves.").default(c"good").reloadable(),
    OptionSpec::int(c"limit", 1, 9, c"hosts", c"A number.").required(),
    OptionSpec::duration(c"grace", core::time::Duration::from_secs(60), c"A while.").default(c"1s"),
    OptionSpec::string(c"token", c"A secret.").secret(),
];

impl Plugin for Probe {
    const ABOUT: About = About {
        name: c"Probe",
        vendor: Some(c"nobody"),
        wants: Permissions::VERDICT,
        wants_if_granted: Permissions::HOLDERS.and(Permissions::RAW),
        events: Kinds::DUPLICATE.and(Kinds::TICK),
        queue_hint: 64,
        batch_max: 8,
        options: OPTIONS,
        ..About::new(c"probe", serialnumberd_plugin::version!(), c"Behaves as told.")
    };

    fn create(host: Host, instance: &str) -> Result<Self, Error> {
        log::info!("{instance} made by {} {}", host.name(), host.version());
        log::debug!("the host does not want this line");
        if host.state_dir() == Path::new("/panic") {
            panic!("no place to live");
        }
        KEPT.lock().unwrap().push(host.handle());
        Ok(Probe { host, mood: "good".into(), limit: 0, heard: Vec::new() })
    }

    fn configure(&mut self, options: &Options<'_>, reload: bool) -> Result<(), Error> {
        let mood = options.text("mood")?.to_owned();
        let limit = options.int("limit")?;
        if reload && limit > 5 {
            return Err(Error::invalid("option `limit`: above 5 needs a restart"));
        }
        assert_eq!(options.optional("token"), None);
        (self.mood, self.limit) = (mood, limit);
        Ok(())
    }

    fn on_events(&mut self, events: Events<'_>) -> Result<(), Error> {
        for mut delivery in events {
            self.heard.push(describe(delivery.event()));
            delivery.answer(&Decision::deny("ü".repeat(800)));
            match self.mood.as_str() {
                "panic" => panic!("in a bad mood"),
                "fail" => return Err(Error::failed("in no mood")),
                _ => {}
            }
        }
        Ok(())
    }

    fn status(&self) -> String {
        format!("{{\"limit\":{},\"heard\":{}}}", self.limit, self.heard.len())
    }

    fn flush(&mut self, deadline_ns: u64) -> Result<(), Error> {
        assert_eq!(deadline_ns, u64::MAX);
        Err(Error::failed("the disk is full"))
    }

    fn stop(&mut self) {
        self.host.log(log::Level::Warn, &self.heard.join("\n"));
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.mood == "panic" {
            panic!("even when dropped");
        }
    }
}

fn describe(event: Event<'_>) -> String {
    match event {
        Event::Announcement(e) => format!(
            "announcement {} {} {:?} {} {:?}",
            e.product, e.holder.host, e.holder.from, e.holder.ifname, e.raw
        ),
        Event::Duplicate(e) => {
            let holders: Vec<String> = e
                .holders
                .iter()
                .map(|h| format!("{}{}{}", h.host, h.flags.is_self(), h.flags.over()))
                .collect();
            format!("duplicate {} {} {} {} {}", e.claim, e.stage, e.class, e.coverage, holders.join(","))
        }
        Event::Resolved(e) => format!("resolved {} {}", e.conflict_id, e.cause),
        Event::State(e) => format!("state {} {} {} {} {}", e.old, e.state, e.coverage, e.verdict.0, e.reason),
        Event::Query(e) => format!("query {:?} {:?} {:?}", e.product, e.from.unwrap(), e.text),
        Event::Tick(e) => format!("tick {:?} {}", e.timer, e.overruns),
        Event::Lost(e) => format!("lost {} {:?}", e.count, e.by_kind),
        _ => "?".to_owned(),
    }
}

fn running(mood: &str) -> FakeHost {
    let mut host = FakeHost::new::<Probe>(Path::new("/nowhere"));
    host.create().unwrap();
    host.configure(&[("mood", mood), ("limit", "3")], false).unwrap();
    host.start().unwrap();
    host.lines();
    host
}

fn some_duplicate() -> Dup {
    let holders = vec![HolderSpec::other(1, "first", "10.0.0.9:626"), HolderSpec::me(2).over()];
    Dup { claim: 0xAB, conflict_id: 1, stage: 2, class: 2, seats: 1, coverage: 1, holders }
}

#[test]
fn the_descriptor_says_what_the_plugin_says() {
    let host = FakeHost::new::<Probe>(Path::new("/nowhere"));
    let d = host.descriptor();
    // SAFETY: constants of the plugin.
    let text = |p| unsafe { std::ffi::CStr::from_ptr(p) }.to_str().unwrap();
    assert_eq!((text(d.id), text(d.name), text(d.vendor)), ("probe", "Probe", "nobody"));
    assert_eq!(text(d.version), env!("CARGO_PKG_VERSION"));
    assert!(d.url.is_null());
    assert_eq!((d.wants, d.wants_if_granted), (SLND_PERM_VERDICT, SLND_PERM_HOLDERS | SLND_PERM_RAW));
    assert_eq!(d.events, 1 << SLND_EV_DUPLICATE | 1 << SLND_EV_TICK);
    assert_eq!((d.queue_hint, d.batch_max, d.layout), (64, 8, SLND_LAYOUT));
    assert_eq!(d.option_stride as usize, size_of::<slnd_option>());
    // SAFETY: a table of the plugin, as long as it says.
    let options = unsafe { std::slice::from_raw_parts(d.options, d.n_options as usize) };
    let types: Vec<u32> = options.iter().map(|o| o.value_type).collect();
    assert_eq!(types, [SLND_OPT_ENUM, SLND_OPT_INT, SLND_OPT_DURATION, SLND_OPT_STRING]);
    let flags: Vec<u32> = options.iter().map(|o| o.flags).collect();
    assert_eq!(flags, [SLND_OPTF_RELOADABLE, SLND_OPTF_REQUIRED, 0, SLND_OPTF_SECRET]);
    assert_eq!((options[1].min, options[1].max, options[2].max), (1, 9, 60_000_000_000));
    assert_eq!((text(options[0].choices), text(options[2].default_value)), ("good|panic|fail", "1s"));
}

#[test]
fn every_kind_of_event_is_understood_also_when_it_has_grown() {
    let mut host = running("good");
    let other = HolderSpec::other(1, "first", "10.0.0.9:626");
    let events = [
        announcement(&other, b"raw"),
        duplicate(&some_duplicate()).grown(),
        resolved(1, 5, SLND_CAUSE_SILENT).grown(),
        state(1, SLND_STATE_CLEAR, SLND_STATE_SUSPECTED, SLND_COVERAGE_ONE_WAY).grown(),
        query(b"SN\xff").grown(),
        tick(0),
        tick(9).grown(),
        lost([0, 5, 0, 0, 0, 0, 0, 0]).grown(),
    ];
    host.deliver(&events).unwrap();
    host.stop();
    let said = host.lines().pop().unwrap().1;
    let expected = "announcement xsvr first Some(10.0.0.9:626) eth0 [114, 97, 119]\n\
        duplicate abababababababababababababababab duplicate clone good firstfalsefalse,heretruetrue\n\
        resolved 5 silent\n\
        state clear suspected one-way 100 because\n\
        query \"\" [fe80::1%3]:626 [83, 78, 255]\n\
        tick None 4\n\
        tick Some(9) 4\n\
        lost 5 [0, 5, 0, 0, 0, 0, 0, 0]";
    assert_eq!(said, expected);
}

#[test]
fn what_is_unknown_or_cut_short_is_passed_over_and_abstains() {
    let mut host = running("good");
    let events = [unknown(), tick(1), duplicate(&some_duplicate()).cut(), tick(2)];
    let verdicts: Vec<slnd_verdict> = host.deliver(&events).unwrap().into_iter().map(|a| a.0).collect();
    assert_eq!(verdicts, [0, SLND_VERDICT_DENY, 0, SLND_VERDICT_DENY]);
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let mut host = running("good");
    let (verdict, reason) = host.ask(tick(1));
    assert_eq!((verdict, reason.len()), (SLND_VERDICT_DENY, 1014));
    assert!(reason.chars().all(|c| c == 'ü'));
}

#[test]
fn a_panic_does_not_pass_and_is_told() {
    let mut host = running("panic");
    assert_eq!(host.deliver(&[tick(1), tick(2)]).unwrap_err(), SLND_E_PANIC);
    assert_eq!(host.lines(), [(SLND_LOG_ERROR, "on_events panicked: in a bad mood".to_owned())]);
    // It lives on, and can even be destroyed, though that panics too.
    assert_eq!(host.status(), "{\"limit\":3,\"heard\":1}");
    host.destroy();
    assert_eq!(host.lines(), [(SLND_LOG_ERROR, "destroy panicked: even when dropped".to_owned())]);
}

#[test]
fn a_panic_in_create_makes_no_instance() {
    let mut host = FakeHost::new::<Probe>(Path::new("/panic"));
    let (status, message) = host.create().unwrap_err();
    assert_eq!((status, message.as_str()), (SLND_E_PANIC, "create panicked: no place to live"));
}

#[test]
fn a_failed_batch_answers_nothing() {
    let mut host = running("fail");
    assert_eq!(host.deliver(&[tick(1)]).unwrap_err(), SLND_E_FAIL);
    let events = [tick(1)];
    let pointers = events.each_ref().map(|e| e.head());
    let mut out = [slnd_decision { verdict: 7, ..slnd_decision::ABSTAIN }];
    let on_events = host.descriptor().on_events.unwrap();
    // SAFETY: no instance: it must be refused before anything is touched.
    let status = unsafe { on_events(std::ptr::null_mut(), pointers.as_ptr(), 1, out.as_mut_ptr()) };
    assert_eq!((status, out[0].verdict), (SLND_E_INVALID, SLND_VERDICT_ABSTAIN));
}

#[test]
fn a_failed_reload_keeps_the_old_options() {
    let host = running("good");
    let (status, message) = host.configure(&[("mood", "fail"), ("limit", "7")], true).unwrap_err();
    assert_eq!((status, message.as_str()), (SLND_E_INVALID, "option `limit`: above 5 needs a restart"));
    assert_eq!(host.status(), "{\"limit\":3,\"heard\":0}");
    let (_, message) = host.configure(&[("mood", "good"), ("limit", "x")], true).unwrap_err();
    assert_eq!(message, "option `limit`: \"x\" is no whole number");
    let (_, message) = host.configure(&[("limit", "4")], true).unwrap_err();
    assert_eq!(message, "option `mood` is missing");
}

#[test]
fn a_failed_flush_is_logged_and_status_leaves_too_small_a_room_alone() {
    let host = running("good");
    assert_eq!(host.flush(), SLND_E_FAIL);
    assert_eq!(host.lines(), [(SLND_LOG_ERROR, "the disk is full".to_owned())]);
    assert_eq!(host.status(), "{\"limit\":3,\"heard\":0}");
}

#[test]
fn lines_go_to_the_instance_whose_thread_writes_them() {
    let mut first = FakeHost::new::<Probe>(Path::new("/first"));
    let mut second = FakeHost::new::<Probe>(Path::new("/second"));
    first.create().unwrap();
    second.create().unwrap();
    let made = [(SLND_LOG_INFO, "test made by fake 0".to_owned())];
    assert_eq!((first.lines(), second.lines()), (made.to_vec(), made.to_vec()));
}

#[test]
fn the_host_is_reached_and_goes_inert_when_the_instance_stops() {
    let mut host = running("good");
    // The first handle kept by this test's own thread: others may run beside it.
    let handle = KEPT.lock().unwrap().iter().rev().find(|h| h.is_worker_thread()).unwrap().clone();
    assert_eq!((handle.now_ns(), handle.granted()), (1_000_000_000, Permissions::VERDICT));
    std::thread::scope(|s| {
        s.spawn(|| {
            assert!(!handle.is_worker_thread());
            handle.log_from_this_thread();
            log::warn!("from a thread");
            handle.wake(5).unwrap();
            handle.decide(ClaimId([3; 16]), &Decision::limit("late")).unwrap();
            handle.announce("xsvr", true).unwrap();
            handle.gauge("level", 1.5).unwrap();
            handle.counter("total", 2.0).unwrap();
        });
    });
    assert_eq!(host.lines(), [(SLND_LOG_WARN, "from a thread".to_owned())]);
    assert_eq!(*host.seen.wakes.lock().unwrap(), [5]);
    assert_eq!(host.decisions(), [([3; 16], SLND_VERDICT_LIMIT, "late".to_owned())]);
    assert_eq!(*host.seen.announced.lock().unwrap(), [("xsvr".to_owned(), true)]);
    assert_eq!(host.seen.metrics.lock().unwrap()["level"], (1.5, false));
    assert_eq!(host.seen.metrics.lock().unwrap()["total"], (2.0, true));
    host.seen.holders.lock().unwrap().push(HolderSpec::other(1, "first", "10.0.0.9:626"));
    let names = handle.holders("xsvr", |h| h.iter().map(|h| h.host.to_owned()).collect::<Vec<_>>()).unwrap();
    assert_eq!(names, ["first"]);

    host.stop();
    host.lines();
    assert_eq!(handle.wake(5).unwrap_err().status(), SLND_E_CLOSED);
    assert_eq!(handle.holders("xsvr", |h| h.len()).unwrap_err().status(), SLND_E_CLOSED);
    assert_eq!((handle.now_ns(), handle.log_enabled(log::Level::Error)), (0, false));
    handle.log(log::Level::Error, "into nothing");
    host.destroy();
    handle.log(log::Level::Error, "into nothing");
    assert!(host.lines().is_empty());
}

#[test]
fn a_smaller_host_is_served_and_what_it_lacks_is_unsupported() {
    let mut host = FakeHost::new::<Probe>(Path::new("/nowhere"));
    let small = core::mem::offset_of!(slnd_host, timer);
    host.table().struct_size = u32::try_from(small).unwrap();
    host.create().unwrap();
    let handle = KEPT.lock().unwrap().iter().rev().find(|h| h.is_worker_thread()).unwrap().clone();
    assert_eq!(handle.wake(1).unwrap_err().status(), SLND_E_UNSUPPORTED);
    assert_eq!(handle.holders("x", |h| h.len()).unwrap_err().status(), SLND_E_UNSUPPORTED);
}

#[test]
fn a_host_of_another_major_or_none_at_all_is_refused() {
    let mut host = FakeHost::new::<Probe>(Path::new("/nowhere"));
    host.table().abi_major = 2;
    let (status, message) = host.create().unwrap_err();
    assert_eq!((status, message.as_str()), (SLND_E_VERSION, "a host of ABI 2, and this plugin is of 1"));
    host.table().abi_major = 1;
    host.table().struct_size = 8;
    assert_eq!(host.create().unwrap_err().0, SLND_E_VERSION);
    // SAFETY: NULL is refused before anything is touched.
    let status = unsafe {
        host.descriptor().create.unwrap()(
            std::ptr::null(),
            c"x".as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    assert_eq!(status, SLND_E_INVALID);
}
