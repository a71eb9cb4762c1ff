//! The handshakes of the loop and a plugin's thread, model-checked: every interleaving, and every value that a load
//! may answer by the memory model, is tried.  With weaker orderings each of them fails.

#[path = "../../src/plugin/handshake.rs"]
mod handshake;
#[path = "../../src/plugin/mailbox.rs"]
mod mailbox;
mod models;
mod sync;

use sync::{Weakening, with};

#[test]
fn no_message_is_left_behind_and_no_wake_up_lost() {
    models::doorbell();
}

#[test]
fn who_stops_a_worker_learns_that_it_ended_even_if_it_was_about_to_end_anyway() {
    models::ending();
}

#[test]
fn what_was_done_before_the_end_is_known_after_it() {
    models::last_words();
}

#[test]
fn a_value_goes_through_the_mailbox_whole_and_once() {
    models::mailbox();
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_bell_that_releases_nothing_leaves_a_message_behind() {
    with(Weakening::Release, models::doorbell);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_bell_that_acquires_nothing_leaves_a_message_behind() {
    with(Weakening::Acquire, models::doorbell);
}

#[test]
#[should_panic(expected = "deadlock")]
fn an_end_that_releases_nothing_is_missed() {
    with(Weakening::Release, models::ending);
}

#[test]
#[should_panic(expected = "deadlock")]
fn an_end_that_acquires_nothing_is_missed() {
    with(Weakening::Acquire, models::ending);
}

#[test]
#[should_panic(expected = "are not there")]
fn an_end_that_releases_nothing_comes_before_what_was_done() {
    with(Weakening::Release, models::last_words);
}

#[test]
#[should_panic(expected = "are not there")]
fn an_end_that_acquires_nothing_comes_before_what_was_done() {
    with(Weakening::Acquire, models::last_words);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_mailbox_that_releases_nothing_hands_out_what_is_still_being_written() {
    with(Weakening::Release, models::mailbox);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_mailbox_that_acquires_nothing_hands_out_what_is_still_being_written() {
    with(Weakening::Acquire, models::mailbox);
}
