//! What a procedure answers first: the protocol's status word.

use std::fmt;

/// A status word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

macro_rules! statuses {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Status {
            $(#[doc = concat!("The ", $text, ".")] pub const $name: Status = Status($value);)*

            /// Every status with its name, in their order.
            pub const ALL: &[(Status, &str)] = &[$((Status::$name, $text),)*];
        }
    };
}

statuses! {
    OK = 0, "operation succeeded";
    BAD_ID = 1, "object id is not valid";
    STALE = 2, "object was changed since";
    NO_SPACE = 3, "server has no space left";
    PERMISSION = 4, "permission is denied";
    NO_DIRECTORY = 5, "directory does not exist";
    NO_PROPERTY = 6, "property does not exist";
    NO_NAME = 7, "value does not exist";
    NOT_EMPTY = 8, "directory is not empty";
    UNRELATED = 9, "object is no child of that parent";
    SERIAL = 10, "version is out of order";
    NETWORK_ROOT = 11, "domain is the root: it has no parent";
    NO_RESPONSE = 12, "parent has not answered yet";
    READ_ONLY = 13, "directory is read-only";
    SYSTEM_ERROR = 14, "server's system failed";
    ALIVE = 15, "server is alive";
    NOT_MASTER = 16, "server is not the master";
    NO_ADDRESS = 17, "address cannot be found";
    DUPLICATE_TAG = 18, "tag is in use";
    NO_TAG = 19, "tag is not served";
    AUTHENTICATION = 20, "password is wrong";
    NO_USER = 21, "user does not exist";
    MASTER_BUSY = 22, "master is busy";
    INVALID_DOMAIN = 23, "domain is not valid";
    BAD_OPERATION = 24, "operation is not valid";
    FAILED = 9999, "client failed";
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Status::ALL.iter().find(|(status, _)| status == self) {
            Some((_, text)) => write!(f, "the {text} (status {})", self.0),
            None => write!(f, "status {}", self.0),
        }
    }
}
