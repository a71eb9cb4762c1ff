//! The license: claiming it, and the question that licensed software asks.

use std::ffi::c_char;
use std::ptr;
use std::time::Duration;

use serialnumberd_plugin::abi::*;

use crate::argument::{room, text, usable, write_grown};
use crate::barrier::{Refusal, guard};
use crate::convert::{claim_info, status_info};
use crate::instance::{enter, slnd_agent};
use crate::turn::check_alive;
use crate::types::{slnd_claim_info, slnd_status_info};

/// \[any\] Claims a license: from here on it is announced and watched. `seats` is how many hosts may use the serial at
/// once, 0 for any number. The serial is copied, and wiped as soon as its keys are derived, which takes 30 ms of this
/// thread; it is never logged, and never leaves the program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_claim(
    agent: *mut slnd_agent,
    product: slnd_str,
    serial: slnd_str,
    seats: u32,
    error: *mut slnd_error,
) -> slnd_status {
    let claim = || {
        // SAFETY: the caller's agent and texts.
        let (agent, product, serial) =
            unsafe { (enter(agent)?, text(product, "product")?, text(serial, "serial")?) };
        Ok(agent.handle.claim(product, serial, seats)?)
    };
    // SAFETY: the caller's struct.
    unsafe { guard(error, claim) }
}

/// \[any\] Gives a claim up, with a goodbye.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_release(agent: *mut slnd_agent, product: slnd_str) -> slnd_status {
    let release = || {
        // SAFETY: the caller's agent and text.
        let (agent, product) = unsafe { (enter(agent)?, text(product, "product")?) };
        Ok(agent.handle.release(product)?)
    };
    // SAFETY: NULL.
    unsafe { guard(ptr::null_mut(), release) }
}

/// \[any\] May the licensed software run? Answers at once with what is known: `*out` becomes the verdict, and `reason`
/// as much of its reason as fits into `cap` bytes with a NUL; NULL with 0 for none. While the agent of this host is away, it
/// is the last verdict; slnd_agent_claim_info tells its age.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_check(
    agent: *mut slnd_agent,
    product: slnd_str,
    out: *mut slnd_verdict,
    reason: *mut c_char,
    cap: usize,
) -> slnd_status {
    let check = || {
        usable(out, "out")?;
        // SAFETY: the caller's agent, text and room.
        let (agent, product, reason) =
            unsafe { (enter(agent)?, text(product, "product")?, room(reason, cap, "reason")?) };
        check_alive(&agent)?;
        let answer = agent.handle.check(product)?;
        reason.put(&answer.reason);
        // SAFETY: the caller's place for a verdict.
        unsafe { out.write(answer.verdict.0) };
        Ok(())
    };
    // SAFETY: NULL.
    unsafe { guard(ptr::null_mut(), check) }
}

/// \[any\] What slnd_agent_check answers, in numbers, with its age.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_claim_info(
    agent: *mut slnd_agent,
    product: slnd_str,
    out: *mut slnd_claim_info,
) -> slnd_status {
    let tell = || {
        // SAFETY: the caller's agent and text.
        let (agent, product) = unsafe { (enter(agent)?, text(product, "product")?) };
        check_alive(&agent)?;
        let info = claim_info(&agent.handle.check(product)?);
        // SAFETY: the caller's struct, of the size that it states.
        unsafe { write_grown(out, &info) }
    };
    // SAFETY: NULL.
    unsafe { guard(ptr::null_mut(), tell) }
}

/// \[any\] Waits until the start-up probe of a claim is over, so that slnd_agent_check has an answer: after run or spawn, on
/// another thread than theirs, not in a callback. SLND_E_TIMEOUT if it is not over by then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_wait(
    agent: *mut slnd_agent,
    product: slnd_str,
    timeout_ns: u64,
) -> slnd_status {
    let wait = || {
        // SAFETY: the caller's agent and text.
        let (agent, product) = unsafe { (enter(agent)?, text(product, "product")?) };
        check_alive(&agent)?;
        if agent.is_in_callback() {
            return Err(Refusal::new(SLND_E_AGAIN, "not from inside a callback"));
        }
        agent.handle.wait(product, Duration::from_nanos(timeout_ns))?;
        // The turn that settled it is over, too: many a program forks now, and a turn does not survive that.
        agent.core.with(|_| Ok(()))
    };
    // SAFETY: NULL.
    unsafe { guard(ptr::null_mut(), wait) }
}

/// \[any\] The agent in numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_status(
    agent: *mut slnd_agent,
    out: *mut slnd_status_info,
) -> slnd_status {
    let tell = || {
        // SAFETY: the caller's agent, and struct of the size that it states.
        unsafe { write_grown(out, &status_info(&enter(agent)?.handle.counts())) }
    };
    // SAFETY: NULL.
    unsafe { guard(ptr::null_mut(), tell) }
}

/// \[any\] The agent's whole status as JSON, as `serialnumberd status --json` has it: `*need` becomes its bytes with a
/// NUL, if it is not NULL, and if `cap` suffices they are in `buf`. If it does not, SLND_E_NOMEM, and nothing is; with
/// `buf` NULL and `cap` 0 it is only measured. Waits for the loop's turn, and in `connect` for the agent of this host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn slnd_agent_status_json(
    agent: *mut slnd_agent,
    buf: *mut c_char,
    cap: usize,
    need: *mut usize,
) -> slnd_status {
    let tell = || {
        if !need.is_null() {
            usable(need, "need")?;
        }
        // SAFETY: the caller's agent and room.
        let (agent, buf) = unsafe { (enter(agent)?, room(buf, cap, "buf")?) };
        let json = agent.core.with(|inside| Ok(inside.embedded.status_json()?))?;
        if !need.is_null() {
            // SAFETY: the caller's place for a number.
            unsafe { need.write(json.len() + 1) };
        }
        if cap != 0 && cap <= json.len() {
            let what =
                format!("the status has {} bytes with its NUL, and there is room for {cap}", json.len() + 1);
            return Err(Refusal::new(SLND_E_NOMEM, what));
        }
        buf.put(&json);
        Ok(())
    };
    // SAFETY: NULL.
    unsafe { guard(ptr::null_mut(), tell) }
}
