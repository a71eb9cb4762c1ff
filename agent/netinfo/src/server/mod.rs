//! The server's side: one message in, one out.
//!
//! Reads are answered, writes are refused, nothing is remembered but counters.  Who may come at all is for whoever owns
//! the sockets; what may be asked over which transport is said here.

mod bind;
mod binder;
mod reads;
mod statistics;
#[cfg(test)]
mod tests;
mod writes;

use std::net::{IpAddr, Ipv4Addr};

use crate::limits::UDP_REPLY_MAX;
use crate::procedure::{self, BINDER, BINDER_VERSION, NETINFO, NETINFO_VERSION};
use crate::rpc::{AuthError, Call, NoCall, Outcome};
use crate::status::Status;
use crate::tree::Snapshot;
use crate::xdr::{Garbage, Reader, Writer};

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// On a connection.
    Tcp,
}

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// How.
    pub transport: Transport,
    /// From whom.
    pub address: IpAddr,
    /// Whether reads are answered.
    pub may_read: bool,
}

/// A domain that is served, as STATISTICS and the binder tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its tag, such as `network`.
    pub tag: String,
    /// Its port, of UDP and TCP.
    pub port: u16,
    /// This host's name.
    pub host: String,
    /// This host's addresses.
    pub addresses: Vec<Ipv4Addr>,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send this.
    Reply {
        /// A whole message, without record marks.
        message: Vec<u8>,
        /// The NetInfo procedure that was carried out, for [`Server::took`].
        procedure: Option<u32>,
    },
    /// Nothing is sent.
    Silent,
    /// The connection is closed.
    Close,
}

/// What is counted of one procedure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often it was called.
    pub calls: u64,
    /// Microseconds that took.
    pub us: u64,
}

/// Answers calls.
#[derive(Clone, Debug)]
pub struct Server {
    domains: Vec<Domain>,
    counts: [Count; procedure::NAMES.len()],
    open: u32,
    most: u32,
}

/// Why a call has no results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// A status word instead.
    Status(Status),
    /// No results at all.
    Rpc(Outcome),
}

impl From<Garbage> for Refusal {
    fn from(_: Garbage) -> Refusal {
        Refusal::Rpc(Outcome::GarbageArguments)
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal::Status(status)
    }
}

/// One call: what is asked of which tree, and where the results go.
struct Asked<'a> {
    arguments: Reader<'a>,
    tree: &'a Snapshot,
    out: &'a mut Writer,
}

/// A procedure.
type Body = fn(&mut Asked<'_>) -> Result<(), Refusal>;

impl Server {
    /// Serves these domains; which one is asked is said with each call.
    #[must_use]
    pub fn new(domains: Vec<Domain>) -> Server {
        Server { domains, counts: [Count::default(); procedure::NAMES.len()], open: 0, most: 0 }
    }

    /// The domains; they may change, as this host's addresses do.
    pub fn domains_mut(&mut self) -> &mut [Domain] {
        &mut self.domains
    }

    /// What was counted of each procedure, by number.
    #[must_use]
    pub fn counts(&self) -> &[Count] {
        &self.counts
    }

    /// Notes how long a procedure took, in microseconds.
    pub fn took(&mut self, procedure: u32, us: u64) {
        if let Some(count) = usize::try_from(procedure).ok().and_then(|n| self.counts.get_mut(n)) {
            count.us = count.us.saturating_add(us);
        }
    }

    /// Notes how many connections are open, and how many may be.
    pub fn connections(&mut self, open: u32, most: u32) {
        (self.open, self.most) = (open, most);
    }

    /// Answers one message, asked of `domain` (its place in the list) while its tree is `tree`.
    pub fn answer(&mut self, domain: usize, tree: &Snapshot, message: &[u8], origin: &Origin) -> Answer {
        let call = match Call::parse(message) {
            Ok(call) => call,
            // As the original: a stream that is not understood is closed.
            Err(NoCall::NotACall | NoCall::OtherRpc) if origin.transport == Transport::Tcp => {
                return Answer::Close;
            }
            Err(_) => return Answer::Silent,
        };
        let (message, procedure) = self.reply(domain, tree, &call, origin);
        if origin.transport == Transport::Udp && message.len() > UDP_REPLY_MAX {
            return Answer::Reply { message: too_weak(&call), procedure };
        }
        Answer::Reply { message, procedure }
    }

    fn reply(
        &mut self,
        domain: usize,
        tree: &Snapshot,
        call: &Call<'_>,
        origin: &Origin,
    ) -> (Vec<u8>, Option<u32>) {
        let refuse = |outcome: Outcome| (outcome.head(call.xid).into_bytes(), None);
        if let Err(why) = call.credentials {
            return refuse(Outcome::AuthError(why));
        }
        let version = match call.program {
            NETINFO => NETINFO_VERSION,
            BINDER => BINDER_VERSION,
            _ => return refuse(Outcome::ProgramUnavailable),
        };
        if call.version != version {
            return refuse(Outcome::ProgramMismatch(version, version));
        }
        if call.program == BINDER {
            return (self.run(call, |server, out| server.binder(call, tree, out)), None);
        }
        if !may_ask(call.procedure, origin) {
            return refuse(Outcome::AuthError(AuthError::TOO_WEAK));
        }
        let Some(count) = usize::try_from(call.procedure).ok().and_then(|n| self.counts.get_mut(n)) else {
            return refuse(Outcome::ProcedureUnavailable);
        };
        count.calls += 1;
        let reply = self.run(call, |server, out| server.netinfo(call, domain, tree, out));
        (reply, Some(call.procedure))
    }

    /// A reply with the results that `body` writes, or with its refusal.
    fn run(
        &self,
        call: &Call<'_>,
        body: impl FnOnce(&Server, &mut Writer) -> Result<(), Refusal>,
    ) -> Vec<u8> {
        let mut out = Outcome::Success.head(call.xid);
        let head = out.len();
        match body(self, &mut out) {
            Ok(()) => {}
            Err(Refusal::Status(status)) => {
                out.truncate(head);
                out.word(status.0);
            }
            Err(Refusal::Rpc(outcome)) => out = outcome.head(call.xid),
        }
        out.into_bytes()
    }

    fn netinfo(
        &self,
        call: &Call<'_>,
        domain: usize,
        tree: &Snapshot,
        out: &mut Writer,
    ) -> Result<(), Refusal> {
        if call.procedure == procedure::STATISTICS {
            let domain = self.domains.get(domain).ok_or(Refusal::Rpc(Outcome::SystemError))?;
            self.statistics(domain, tree, call.credentials.ok(), out);
            return Ok(());
        }
        let body = reads::body(call.procedure)
            .or_else(|| writes::body(call.procedure))
            .ok_or(Refusal::Rpc(Outcome::ProcedureUnavailable))?;
        body(&mut Asked { arguments: call.arguments, tree, out })
    }
}

/// The original answers nothing but PING and BIND over UDP; whoever may read may read here.
fn may_ask(procedure: u32, origin: &Origin) -> bool {
    match procedure {
        procedure::PING => true,
        procedure::BIND => true,
        _ => origin.may_read && (origin.transport == Transport::Tcp || reads::over_udp(procedure)),
    }
}

fn too_weak(call: &Call<'_>) -> Vec<u8> {
    Outcome::AuthError(AuthError::TOO_WEAK).head(call.xid).into_bytes()
}
