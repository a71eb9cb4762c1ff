//! ONC RPC version 2 (RFC 5531): the heads of calls and replies.
//!
//! Authenticators are bounded as the RFC has it, 400 bytes: AUTH_SYS with a long machine name and all its groups fits.

use std::fmt;

use crate::limits::{AUTHENTICATOR_MAX, GROUPS_MAX, MACHINE_NAME_MAX};
use crate::xdr::{Garbage, Reader, Writer};

/// `rpcvers` (section 9).
const RPC_VERSION: u32 = 2;
/// `msg_type` (section 9).
const CALL: u32 = 0;
const REPLY: u32 = 1;
/// `reply_stat` (section 9).
const ACCEPTED: u32 = 0;
const DENIED: u32 = 1;
/// `reject_stat` (section 9).
const AUTH_ERROR: u32 = 1;
/// `auth_flavor` (section 8.2).
const AUTH_NONE: u32 = 0;
const AUTH_SYS: u32 = 1;

/// Who calls, as the caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// AUTH_NONE.
    None,
    /// AUTH_SYS, in older words AUTH_UNIX.
    Sys {
        /// The caller's machine; NetInfo hides a password in it.
        machine: &'a [u8],
        /// The caller's user id.
        uid: u32,
    },
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Repeated in the reply.
    pub xid: u32,
    /// Which program.
    pub program: u32,
    /// Which version of it.
    pub version: u32,
    /// Which of its procedures.
    pub procedure: u32,
    /// Who calls, or which AUTH_ERROR that deserves.
    pub credentials: Result<Credentials<'a>, AuthError>,
    /// Its arguments.
    pub arguments: Reader<'a>,
}

/// Why no reply can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCall {
    /// It is a reply, or too short for either.
    NotACall,
    /// Another version of RPC: the original closes the connection.
    OtherRpc,
}

impl<'a> Call<'a> {
    /// Reads a call's head.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(message: &'a [u8]) -> Result<Call<'a>, NoCall> {
        let mut reader = Reader::new(message);
        let mut word = || reader.word().map_err(|_| NoCall::NotACall);
        let (xid, kind) = (word()?, word()?);
        if kind != CALL {
            return Err(NoCall::NotACall);
        }
        if word()? != RPC_VERSION {
            return Err(NoCall::OtherRpc);
        }
        let (program, version, procedure) = (word()?, word()?, word()?);
        let credentials = authenticator(&mut reader).map_err(|_| NoCall::NotACall)?;
        let _verifier = authenticator(&mut reader).map_err(|_| NoCall::NotACall)?;
        let credentials = identify(credentials);
        Ok(Call { xid, program, version, procedure, credentials, arguments: reader })
    }

    /// Writes the head of a call with AUTH_NONE; its arguments follow.
    #[must_use]
    pub fn head(xid: u32, program: u32, version: u32, procedure: u32) -> Writer {
        let mut writer = Writer::new();
        for word in [xid, CALL, RPC_VERSION, program, version, procedure, AUTH_NONE, 0, AUTH_NONE, 0] {
            writer.word(word);
        }
        writer
    }
}

/// Flavor and body.
fn authenticator<'a>(reader: &mut Reader<'a>) -> Result<(u32, &'a [u8]), Garbage> {
    Ok((reader.word()?, reader.opaque(AUTHENTICATOR_MAX)?))
}

fn identify((flavor, body): (u32, &[u8])) -> Result<Credentials<'_>, AuthError> {
    match flavor {
        AUTH_NONE => Ok(Credentials::None),
        AUTH_SYS => sys(body).map_err(|_| AuthError::BAD_CREDENTIALS),
        _ => Err(AuthError::REJECTED_CREDENTIALS),
    }
}

/// `authsys_parms` (appendix A).
fn sys(body: &[u8]) -> Result<Credentials<'_>, Garbage> {
    let mut reader = Reader::new(body);
    let _stamp = reader.word()?;
    let machine = reader.opaque(MACHINE_NAME_MAX)?;
    let uid = reader.word()?;
    let _gid = reader.word()?;
    for _ in 0..reader.length(GROUPS_MAX)? {
        reader.word()?;
    }
    Ok(Credentials::Sys { machine, uid })
}

/// `auth_stat` (section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthError(pub u32);

impl AuthError {
    /// AUTH_BADCRED: they cannot be read.
    pub const BAD_CREDENTIALS: AuthError = AuthError(1);
    /// AUTH_REJECTEDCRED: of a flavor that is not known here.
    pub const REJECTED_CREDENTIALS: AuthError = AuthError(2);
    /// AUTH_TOOWEAK: what the original answers to reads over UDP.
    pub const TOO_WEAK: AuthError = AuthError(5);
}

/// What a reply says before its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// SUCCESS: the results follow.
    Success,
    /// PROG_UNAVAIL.
    ProgramUnavailable,
    /// PROG_MISMATCH, with the lowest and the highest version that there is.
    ProgramMismatch(u32, u32),
    /// PROC_UNAVAIL.
    ProcedureUnavailable,
    /// GARBAGE_ARGS.
    GarbageArguments,
    /// SYSTEM_ERR.
    SystemError,
    /// Denied: AUTH_ERROR.
    AuthError(AuthError),
    /// Denied: RPC_MISMATCH, with the lowest and the highest version of RPC.
    RpcMismatch(u32, u32),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Success => f.write_str("success"),
            Outcome::ProgramUnavailable => f.write_str("the server does not have the program"),
            Outcome::ProgramMismatch(low, high) => {
                write!(f, "the server has versions {low} to {high} of the program only")
            }
            Outcome::ProcedureUnavailable => f.write_str("the server does not have the procedure"),
            Outcome::GarbageArguments => f.write_str("the server could not read the arguments"),
            Outcome::SystemError => f.write_str("the server's system failed"),
            Outcome::AuthError(AuthError(5)) => {
                f.write_str("the server refuses: credentials too weak; it answers reads over TCP only")
            }
            Outcome::AuthError(AuthError(why)) => {
                write!(f, "the server refuses the credentials (AUTH_ERROR {why})")
            }
            Outcome::RpcMismatch(low, high) => write!(f, "the server speaks RPC {low} to {high} only"),
        }
    }
}

impl Outcome {
    /// `accept_stat` (section 9), and the words behind it.
    fn accepted(self) -> Option<(u32, Option<(u32, u32)>)> {
        match self {
            Outcome::Success => Some((0, None)),
            Outcome::ProgramUnavailable => Some((1, None)),
            Outcome::ProgramMismatch(low, high) => Some((2, Some((low, high)))),
            Outcome::ProcedureUnavailable => Some((3, None)),
            Outcome::GarbageArguments => Some((4, None)),
            Outcome::SystemError => Some((5, None)),
            Outcome::AuthError(_) | Outcome::RpcMismatch(..) => None,
        }
    }

    /// Writes the head of a reply; after [`Outcome::Success`] the results follow.
    #[must_use]
    pub fn head(self, xid: u32) -> Writer {
        let mut writer = Writer::new();
        writer.word(xid);
        writer.word(REPLY);
        match (self, self.accepted()) {
            (_, Some((accept, versions))) => {
                for word in [ACCEPTED, AUTH_NONE, 0, accept] {
                    writer.word(word);
                }
                for word in versions.into_iter().flat_map(|(low, high)| [low, high]) {
                    writer.word(word);
                }
            }
            (Outcome::AuthError(AuthError(why)), None) => {
                [DENIED, AUTH_ERROR, why].into_iter().for_each(|word| writer.word(word));
            }
            (Outcome::RpcMismatch(low, high), None) => {
                [DENIED, 0, low, high].into_iter().for_each(|word| writer.word(word));
            }
            (_, None) => unreachable!("every other outcome is accepted"),
        }
        writer
    }

    /// Reads a reply's head; what is left of the message are the results.
    ///
    /// # Errors
    /// If it is no reply.
    pub fn parse(message: &[u8]) -> Result<(u32, Outcome, Reader<'_>), Garbage> {
        let mut reader = Reader::new(message);
        let xid = reader.word()?;
        if reader.word()? != REPLY {
            return Err(Garbage::Short);
        }
        let outcome = if reader.word()? == ACCEPTED {
            authenticator(&mut reader)?;
            match reader.word()? {
                0 => Outcome::Success,
                1 => Outcome::ProgramUnavailable,
                2 => Outcome::ProgramMismatch(reader.word()?, reader.word()?),
                3 => Outcome::ProcedureUnavailable,
                4 => Outcome::GarbageArguments,
                _ => Outcome::SystemError,
            }
        } else if reader.word()? == AUTH_ERROR {
            Outcome::AuthError(AuthError(reader.word()?))
        } else {
            Outcome::RpcMismatch(reader.word()?, reader.word()?)
        };
        Ok((xid, outcome, reader))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_read_as_it_was_written() {
        for outcome in [
            Outcome::Success,
            Outcome::ProgramUnavailable,
            Outcome::ProgramMismatch(2, 2),
            Outcome::ProcedureUnavailable,
            Outcome::GarbageArguments,
            Outcome::SystemError,
            Outcome::AuthError(AuthError::TOO_WEAK),
            Outcome::RpcMismatch(2, 2),
        ] {
            let bytes = outcome.head(9).into_bytes();
            let (xid, read, rest) = Outcome::parse(&bytes).unwrap();
            assert_eq!((xid, read, rest.rest()), (9, outcome, &[][..]));
        }
    }

    #[test]
    fn credentials_are_read_bounded_and_never_believed_further() {
        let call = |flavor: u32, body: &[u8]| {
            let mut writer = Writer::new();
            [9, CALL, RPC_VERSION, 1, 2, 3, flavor].into_iter().for_each(|word| writer.word(word));
            writer.opaque(body);
            [AUTH_NONE, 0, 77].into_iter().for_each(|word| writer.word(word));
            writer.into_bytes()
        };
        let mut sys = Writer::new();
        sys.word(0);
        sys.opaque(&[b'm'; MACHINE_NAME_MAX]);
        [501, 20, 16].into_iter().chain(0..16).for_each(|word| sys.word(word));
        let sys = sys.into_bytes();
        let whole = call(AUTH_SYS, &sys);
        let read = Call::parse(&whole).unwrap();
        assert_eq!(read.credentials, Ok(Credentials::Sys { machine: &[b'm'; MACHINE_NAME_MAX], uid: 501 }));
        assert_eq!(read.arguments.rest(), [0, 0, 0, 77]);
        let short = call(AUTH_SYS, &sys[..sys.len() - 4]);
        assert_eq!(Call::parse(&short).unwrap().credentials, Err(AuthError::BAD_CREDENTIALS));
        let gss = call(6, &[0; 8]);
        assert_eq!(Call::parse(&gss).unwrap().credentials, Err(AuthError::REJECTED_CREDENTIALS));
        assert_eq!(Call::parse(&call(AUTH_NONE, &[0; 404])).unwrap_err(), NoCall::NotACall);
        assert_eq!(Call::parse(&Outcome::Success.head(1).into_bytes()).unwrap_err(), NoCall::NotACall);
    }
}
