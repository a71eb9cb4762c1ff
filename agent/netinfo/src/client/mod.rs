//! The client's side: typed calls over any [`Channel`], and walks that no server can make endless.

#[cfg(test)]
mod tests;
mod walk;

use std::fmt;

use crate::limits::{DIRECTORIES_MAX, NAMES_MAX};
use crate::procedure::{self as is, BINDER, BINDER_VERSION, NETINFO, NETINFO_VERSION};
use crate::status::Status;
use crate::tree::Property;
use crate::xdr::{Garbage, Id, Name, Reader, Writer};

/// Carries calls to a server: record marks, xids and patience are its matter.
pub trait Channel {
    /// Why there are no results.
    type Error;

    /// Calls a procedure; gives the results of a reply that says SUCCESS.
    ///
    /// # Errors
    /// If there is none.
    fn call(
        &mut self,
        program: u32,
        version: u32,
        procedure: u32,
        arguments: &[u8],
    ) -> Result<Vec<u8>, Self::Error>;
}

/// Why a call has no results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// The channel has none.
    Channel(E),
    /// The server says so.
    Refused(Status),
    /// They cannot be read.
    Garbage(Garbage),
    /// They can be read and make no sense; a sentence says why.
    Senseless(&'static str),
}

impl<E> From<Garbage> for Failure<E> {
    fn from(garbage: Garbage) -> Failure<E> {
        Failure::Garbage(garbage)
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Channel(error) => error.fmt(f),
            Failure::Refused(status) => write!(f, "the server refuses: {status}"),
            Failure::Garbage(garbage) => write!(f, "the server's reply cannot be read: {garbage}"),
            Failure::Senseless(why) => write!(f, "the server's reply makes no sense: {why}"),
        }
    }
}

/// A domain, as the binder tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its tag.
    pub tag: Name,
    /// Its UDP port.
    pub udp: u32,
    /// Its TCP port.
    pub tcp: u32,
}

/// One child, as LIST tells it: which, and its values of the property; `None` if it has none.
pub type Entry = (u32, Option<Vec<Name>>);

/// A client.
#[derive(Debug)]
pub struct Client<C> {
    /// What carries its calls.
    pub channel: C,
}

type Answer<T, C> = Result<T, Failure<<C as Channel>::Error>>;

/// Clients send the instance that they have left over; 0 says no more and no less.
fn of(object: u32) -> Writer {
    let mut arguments = Writer::new();
    arguments.id(Id { object, instance: 0 });
    arguments
}

impl<C: Channel> Client<C> {
    /// A client whose calls `channel` carries.
    pub fn new(channel: C) -> Client<C> {
        Client { channel }
    }

    /// A call without a status before its results.
    fn plain(&mut self, program: u32, procedure: u32, arguments: Writer) -> Answer<Vec<u8>, C> {
        let version = if program == BINDER { BINDER_VERSION } else { NETINFO_VERSION };
        self.channel.call(program, version, procedure, &arguments.into_bytes()).map_err(Failure::Channel)
    }

    /// A call with one; `read` gets what is behind it.
    fn ask<T>(
        &mut self,
        program: u32,
        procedure: u32,
        arguments: Writer,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Garbage>,
    ) -> Answer<T, C> {
        let results = self.plain(program, procedure, arguments)?;
        let mut reader = Reader::new(&results);
        match Status(reader.word()?) {
            Status::OK => Ok(read(&mut reader)?),
            refused => Err(Failure::Refused(refused)),
        }
    }

    /// PING.
    ///
    /// # Errors
    /// As of the channel.
    pub fn ping(&mut self) -> Answer<(), C> {
        self.plain(NETINFO, is::PING, Writer::new()).map(drop)
    }

    /// STATISTICS.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn statistics(&mut self) -> Answer<Vec<Property>, C> {
        let results = self.plain(NETINFO, is::STATISTICS, Writer::new())?;
        Ok(Reader::new(&results).properties()?)
    }

    /// ROOT.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn root(&mut self) -> Answer<Id, C> {
        self.ask(NETINFO, is::ROOT, Writer::new(), |results| results.id())
    }

    /// SELF: the id of a directory, with its instance.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn id(&mut self, object: u32) -> Answer<Id, C> {
        self.ask(NETINFO, is::SELF, of(object), |results| results.id())
    }

    /// PARENT.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn parent(&mut self, object: u32) -> Answer<u32, C> {
        self.ask(NETINFO, is::PARENT, of(object), |results| results.word())
    }

    /// READ.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn read(&mut self, object: u32) -> Answer<Vec<Property>, C> {
        self.ask(NETINFO, is::READ, of(object), |results| {
            results.id()?;
            results.properties()
        })
    }

    /// CHILDREN.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn children(&mut self, object: u32) -> Answer<Vec<u32>, C> {
        self.ask(NETINFO, is::CHILDREN, of(object), |results| results.list(DIRECTORIES_MAX, Reader::word))
    }

    /// LOOKUP: the children whose property `key` has the value; none is no error here.
    ///
    /// # Errors
    /// [`Failure`]; also if there is no directory `object`, which servers say in the same way: ask [`Client::id`].
    pub fn lookup(&mut self, object: u32, key: &[u8], value: &[u8]) -> Answer<Vec<u32>, C> {
        let mut arguments = of(object);
        arguments.opaque(key);
        arguments.opaque(value);
        match self.ask(NETINFO, is::LOOKUP, arguments, |results| results.list(DIRECTORIES_MAX, Reader::word))
        {
            Err(Failure::Refused(Status::NO_DIRECTORY)) => Ok(Vec::new()),
            other => other,
        }
    }

    /// LOOKUPREAD: the properties of the first that LOOKUP finds.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn lookup_read(&mut self, object: u32, key: &[u8], value: &[u8]) -> Answer<Vec<Property>, C> {
        let mut arguments = of(object);
        arguments.opaque(key);
        arguments.opaque(value);
        self.ask(NETINFO, is::LOOKUPREAD, arguments, |results| {
            results.id()?;
            results.properties()
        })
    }

    /// LIST.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn list(&mut self, object: u32, key: &[u8]) -> Answer<Vec<Entry>, C> {
        let mut arguments = of(object);
        arguments.opaque(key);
        let entry = |results: &mut Reader<'_>| {
            let child = results.word()?;
            let values = if results.boolean()? { Some(results.names()?) } else { None };
            Ok((child, values))
        };
        self.ask(NETINFO, is::LIST, arguments, |results| results.list(DIRECTORIES_MAX, entry))
    }

    /// LISTPROPS.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn list_properties(&mut self, object: u32) -> Answer<Vec<Name>, C> {
        self.ask(NETINFO, is::LISTPROPS, of(object), |results| results.names())
    }

    /// READPROP: the values of the property at `place`.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn read_property(&mut self, object: u32, place: u32) -> Answer<Vec<Name>, C> {
        let mut arguments = of(object);
        arguments.word(place);
        self.ask(NETINFO, is::READPROP, arguments, |results| {
            results.list(NAMES_MAX, |results| results.name().map(<[u8]>::to_vec))
        })
    }

    /// READNAME: one value of a property.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn read_name(&mut self, object: u32, place: u32, value: u32) -> Answer<Name, C> {
        let mut arguments = of(object);
        arguments.word(place);
        arguments.word(value);
        self.ask(NETINFO, is::READNAME, arguments, |results| {
            results.id()?;
            results.name().map(<[u8]>::to_vec)
        })
    }

    /// RPARENT: tag and IPv4 address of the domain above; [`Status::NETWORK_ROOT`] if there is none.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn network_parent(&mut self) -> Answer<(Name, std::net::Ipv4Addr), C> {
        self.ask(NETINFO, is::RPARENT, Writer::new(), |results| {
            let tag = results.name()?.to_vec();
            Ok((tag, std::net::Ipv4Addr::from_bits(results.word()?)))
        })
    }

    /// LISTALL: the properties of every child.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn list_all(&mut self, object: u32) -> Answer<Vec<Vec<Property>>, C> {
        self.ask(NETINFO, is::LISTALL, of(object), |results| {
            results.id()?;
            results.list(DIRECTORIES_MAX, Reader::properties)
        })
    }

    /// Any of the procedures that write, with its arguments; gives what the server says of it.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn write(&mut self, procedure: u32, arguments: Writer) -> Answer<(), C> {
        self.ask(NETINFO, procedure, arguments, |_| Ok(()))
    }

    /// GETREGISTER of the binder: the ports of a tag.
    ///
    /// # Errors
    /// [`Failure`]; [`Status::NO_TAG`] if it is not served.
    pub fn registration(&mut self, tag: &[u8]) -> Answer<Registration, C> {
        let mut arguments = Writer::new();
        arguments.opaque(tag);
        self.ask(BINDER, is::binder::GETREGISTER, arguments, |results| {
            Ok(Registration { tag: tag.to_vec(), udp: results.word()?, tcp: results.word()? })
        })
    }

    /// LISTREG of the binder: all tags.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn registrations(&mut self) -> Answer<Vec<Registration>, C> {
        /// As in the interface file.
        const MOST: usize = 32;
        let registration = |results: &mut Reader<'_>| {
            Ok(Registration { tag: results.name()?.to_vec(), udp: results.word()?, tcp: results.word()? })
        };
        self.ask(BINDER, is::binder::LISTREG, Writer::new(), |results| results.list(MOST, registration))
    }
}
