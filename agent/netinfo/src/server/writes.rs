//! The procedures that write: their arguments are read, and the answer is "read only".
//!
//! A directory here mirrors what an agent knows; there is nothing that a client could change.

use super::{Asked, Body, Refusal};
use crate::procedure as is;
use crate::status::Status;
use crate::xdr::{Garbage, Reader};

/// What a write's arguments consist of.
#[derive(Clone, Copy)]
enum Part {
    Id,
    Word,
    Name,
    Names,
    Property,
    Properties,
    OptionalId,
}

impl Part {
    fn read(self, from: &mut Reader<'_>) -> Result<(), Garbage> {
        match self {
            Part::Id => from.id().map(drop),
            Part::Word => from.word().map(drop),
            Part::Name => from.name().map(drop),
            Part::Names => from.names().map(drop),
            Part::Property => from.property().map(drop),
            Part::Properties => from.properties().map(drop),
            Part::OptionalId => match from.boolean()? {
                true => from.id().map(drop),
                false => Ok(()),
            },
        }
    }
}

macro_rules! refuse {
    ($($part:ident)*) => {
        |asked| {
            $(Part::$part.read(&mut asked.arguments)?;)*
            read_only(asked)
        }
    };
}

pub(super) fn body(procedure: u32) -> Option<Body> {
    let body: Body = match procedure {
        is::CREATE => refuse!(Id Properties Word OptionalId),
        is::DESTROY => refuse!(Id Id),
        is::WRITE => refuse!(Id Properties),
        is::CREATEPROP => refuse!(Id Property Word),
        is::DESTROYPROP => refuse!(Id Word),
        is::WRITEPROP => refuse!(Id Word Names),
        is::RENAMEPROP => refuse!(Id Word Name),
        is::CREATENAME => refuse!(Id Word Name Word),
        is::DESTROYNAME => refuse!(Id Word Word),
        is::WRITENAME => refuse!(Id Word Word Name),
        _ => return None,
    };
    Some(body)
}

fn read_only(_: &mut Asked<'_>) -> Result<(), Refusal> {
    Err(Status::READ_ONLY.into())
}
