//! The binder's procedures: which domains there are, and on which ports.

use super::{Domain, Refusal, Server, bind};
use crate::procedure::binder as is;
use crate::rpc::{Call, Outcome};
use crate::status::Status;
use crate::tree::Snapshot;
use crate::xdr::{Reader, Writer};

impl Server {
    pub(super) fn binder(&self, call: &Call<'_>, tree: &Snapshot, out: &mut Writer) -> Result<(), Refusal> {
        let mut arguments = call.arguments;
        match call.procedure {
            is::PING => Ok(()),
            is::GETREGISTER => {
                let domain = self.tagged(arguments.name()?).ok_or(Status::NO_TAG)?;
                out.word(Status::OK.0);
                write_ports(domain, out);
                Ok(())
            }
            is::LISTREG => {
                out.word(Status::OK.0);
                out.length(self.domains.len());
                for domain in &self.domains {
                    out.opaque(domain.tag.as_bytes());
                    write_ports(domain, out);
                }
                Ok(())
            }
            is::BIND => {
                let address = arguments.word()?;
                let (client, server) = (arguments.name()?, arguments.name()?);
                let is_served = self.tagged(server).is_some() && bind::serves(tree, client, address);
                if is_served { Ok(()) } else { Err(Refusal::Rpc(Outcome::SystemError)) }
            }
            procedure => Err(denied(procedure, &mut arguments)),
        }
    }

    fn tagged(&self, tag: &[u8]) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.tag.as_bytes() == tag)
    }
}

fn write_ports(domain: &Domain, out: &mut Writer) {
    out.word(u32::from(domain.port));
    out.word(u32::from(domain.port));
}

/// Domains come and go by this host's configuration only.
fn denied(procedure: u32, arguments: &mut Reader<'_>) -> Refusal {
    let mut read = || -> Result<(), Refusal> {
        match procedure {
            is::REGISTER => {
                arguments.name()?;
                arguments.word()?;
                arguments.word()?;
            }
            is::UNREGISTER | is::CREATEMASTER | is::DESTROYDOMAIN => {
                arguments.name()?;
            }
            is::CREATECLONE => {
                arguments.name()?;
                arguments.name()?;
                arguments.word()?;
                arguments.name()?;
            }
            _ => return Err(Refusal::Rpc(Outcome::ProcedureUnavailable)),
        }
        Ok(())
    };
    read().err().unwrap_or(Refusal::Status(Status::PERMISSION))
}
