//! The panic barrier before every function: whatever panics inside, a status comes out.

use std::collections::BTreeSet;
use std::ptr;

use serialnumberd_plugin::abi::*;

use crate::barrier::tests::want_panic;
use crate::convert::DEFAULTS;
use crate::functions::*;
use crate::instance::slnd_agent;
use crate::types::{slnd_claim_info, slnd_status_info};

const TEXT: slnd_str = slnd_str { ptr: c"xsvr".as_ptr(), len: 4 };

/// Every function that answers a status or what may be one, and its answer when its body panics.
fn panicking(agent: *mut slnd_agent) -> Vec<(&'static str, i64)> {
    let mut config = DEFAULTS;
    let mut info = DEFAULTS_OF_INFO;
    let mut claim = DEFAULTS_OF_CLAIM;
    let (mut made, mut verdict) = (ptr::null_mut(), 0);
    let (text, none) = (c"1".as_ptr(), ptr::null_mut());
    macro_rules! each {
        ($($name:ident($($argument:expr),*);)*) => {
            vec![$({
                want_panic();
                // SAFETY: an agent, and places of this test's; and it panics before it looks at them.
                (stringify!($name), i64::from(unsafe { $name($($argument),*) }))
            }),*]
        };
    }
    each! {
        slnd_config_init(&raw mut config, size_of_val(&DEFAULTS));
        slnd_agent_new(&raw const config, &raw mut made, none);
        slnd_agent_set(agent, text, text, none);
        slnd_agent_adopt_socket(agent, 0, none);
        slnd_agent_add_plugin(agent, text, ptr::null(), 0, none);
        slnd_agent_add_plugin_static(agent, ptr::null(), ptr::null(), 0, none);
        slnd_agent_start(agent, none);
        slnd_agent_fd(agent);
        slnd_agent_timeout_ns(agent);
        slnd_agent_dispatch(agent, 1, ptr::null_mut());
        slnd_agent_run(agent, none);
        slnd_agent_spawn(agent, none);
        slnd_agent_stop(agent);
        slnd_agent_claim(agent, TEXT, TEXT, 1, none);
        slnd_agent_release(agent, TEXT);
        slnd_agent_check(agent, TEXT, &raw mut verdict, ptr::null_mut(), 0);
        slnd_agent_claim_info(agent, TEXT, &raw mut claim);
        slnd_agent_wait(agent, TEXT, 0);
        slnd_agent_status(agent, &raw mut info);
        slnd_agent_status_json(agent, ptr::null_mut(), 0, ptr::null_mut());
    }
}

const DEFAULTS_OF_INFO: slnd_status_info = slnd_status_info {
    struct_size: 0,
    state: 0,
    rx: 0,
    tx: 0,
    rx_malformed: 0,
    claims: 0,
    conflicts: 0,
    lost_events: 0,
    plugins: 0,
    plugins_stalled: 0,
    mode: 0,
    connected: 0,
};
const DEFAULTS_OF_CLAIM: slnd_claim_info =
    slnd_claim_info { struct_size: 0, state: 0, verdict: 0, connected: 0, age_ns: 0 };

fn new_agent() -> *mut slnd_agent {
    let mut config = DEFAULTS;
    let mut agent = ptr::null_mut();
    // SAFETY: places of this test's.
    unsafe {
        assert_eq!(slnd_config_init(&raw mut config, size_of_val(&config)), SLND_OK);
        assert_eq!(slnd_agent_new(&raw const config, &raw mut agent, ptr::null_mut()), SLND_OK);
    }
    agent
}

#[test]
fn whatever_panics_a_status_comes_out() {
    let agent = new_agent();
    let answers = panicking(agent);
    for (name, status) in &answers {
        assert_eq!(*status, i64::from(SLND_E_PANIC), "{name}");
    }
    let tested: BTreeSet<&str> = answers.into_iter().map(|(name, _)| name).collect();
    // These four have no status, and nothing in them that could panic but what free calls.
    let others = ["slnd_version_number", "slnd_version_string", "slnd_strerror", "slnd_agent_free"];
    let header = include_str!("../../../include/serialnumberd/serialnumberd.h");
    let declared =
        header.split("SLND_API").skip(1).filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next());
    let declared: BTreeSet<&str> =
        declared.filter(|n| n.starts_with("slnd_") && !others.contains(n)).collect();
    assert_eq!(tested, declared, "every function is tested");
    want_panic();
    // SAFETY: it panics before it does anything; the second call frees.
    unsafe {
        slnd_agent_free(agent);
        slnd_agent_free(agent);
    }
}

/// A panic while the agent is locked ends its use, but not the program.
#[test]
fn after_a_panic_inside_the_agent_every_call_says_so_and_free_works() {
    let agent = new_agent();
    // SAFETY: just made.
    let core = unsafe { &(*agent).core };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _never = core.with::<()>(|_| panic!("wanted by a test"));
    }));
    assert!(panicked.is_err());
    // SAFETY: as above.
    unsafe {
        assert_eq!(
            slnd_agent_set(agent, c"interval".as_ptr(), c"1s".as_ptr(), ptr::null_mut()),
            SLND_E_PANIC
        );
        assert_eq!(slnd_agent_timeout_ns(agent), i64::from(SLND_E_PANIC));
        slnd_agent_free(agent);
    }
}
