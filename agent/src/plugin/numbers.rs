//! The core's words as the ABI's numbers.

use std::net::SocketAddr;

use serialnumberd_core::{Class, Coverage, ResolvedCause, Stage, State};
use serialnumberd_plugin::abi::*;

/// `None`, this agent itself, has family 0.
pub(super) fn address(from: Option<SocketAddr>) -> slnd_addr {
    let mut address = slnd_addr::default();
    match from {
        None => {}
        Some(SocketAddr::V4(v4)) => {
            (address.family, address.port) = (4, v4.port());
            address.ip[..4].copy_from_slice(&v4.ip().octets());
        }
        Some(SocketAddr::V6(v6)) => {
            (address.family, address.port, address.scope_id) = (6, v6.port(), v6.scope_id());
            address.ip = v6.ip().octets();
        }
    }
    address
}

/// A state as the ABI's `SLND_STATE_*`.
#[must_use]
pub fn state_number(state: State) -> u32 {
    match state {
        State::Probing => SLND_STATE_PROBING,
        State::Clear => SLND_STATE_CLEAR,
        State::Suspected => SLND_STATE_SUSPECTED,
        State::Conflict => SLND_STATE_CONFLICT,
        State::Duplicate => SLND_STATE_DUPLICATE,
    }
}

pub(super) fn stage_number(stage: Stage) -> u32 {
    match stage {
        Stage::Conflict => SLND_STAGE_CONFLICT,
        Stage::Duplicate => SLND_STAGE_DUPLICATE,
    }
}

pub(super) fn class_number(class: Class) -> u32 {
    match class {
        Class::Copy => SLND_CLASS_COPY,
        Class::Clone => SLND_CLASS_CLONE,
        Class::SplitBrain => SLND_CLASS_SPLIT_BRAIN,
    }
}

pub(super) fn coverage_number(coverage: Coverage) -> u32 {
    match coverage {
        Coverage::Good => SLND_COVERAGE_GOOD,
        Coverage::NoneHeard => SLND_COVERAGE_NONE_HEARD,
        Coverage::OneWay => SLND_COVERAGE_ONE_WAY,
        Coverage::Blind => SLND_COVERAGE_BLIND,
    }
}

pub(super) fn cause_number(cause: ResolvedCause) -> u32 {
    match cause {
        ResolvedCause::Goodbye => SLND_CAUSE_GOODBYE,
        ResolvedCause::Expired => SLND_CAUSE_EXPIRED,
        ResolvedCause::Silent => SLND_CAUSE_SILENT,
        ResolvedCause::Seats => SLND_CAUSE_SEATS,
    }
}
