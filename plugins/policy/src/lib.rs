//! The default policy plugin: turns what the agent knows of a claim into a verdict.
//!
//! The parts, from pure to plumbing:
//!
//! ```text
//!  events ─▶ facts ──▶ verdict::judge ──▶ decision with a sentence (sentence)
//!               ▲            ▲
//!            rules (options) └── grace: how much is used up ──▶ store (a file)
//! ```
//!
//! `verdict::judge` is a pure function of rules, facts and time; `policy` calls it after every batch of events,
//! answers what was asked, and replaces its standing verdict when time alone has changed it.  No clock is read here:
//! time comes from the host.
#![forbid(unsafe_code)]

mod facts;
mod grace;
mod policy;
mod rules;
mod sentence;
mod status;
mod store;
mod verdict;

pub use policy::Policy;

serialnumberd_plugin::export_plugin!(Policy);
