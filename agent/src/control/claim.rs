//! A claim as a program asks for it: what is licensed, by which keys, on which terms, and its words on the wire.

use serde_json::{Map, Value};
use serialnumberd_core::{ClaimKeys, Product, Standard};
use zeroize::{Zeroize as _, Zeroizing};

use crate::config::{LicenseConfig, check_group};
use crate::hex;

/// Longest name of a program, in bytes: that of a file is four times as long, and status shows it in a table.
const LONGEST_PROGRAM: usize = 64;
/// The name of a program that does not say it.
const SOME_PROGRAM: &str = "a program";
/// The member that is a secret.
const KEY: &str = "key";

/// What a license says beside product and serial number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How many instances may hold the claim at once; 0 is unlimited.
    pub seats: u16,
    /// The fail-over group's name; empty for none, and from a program for whatever others on this host say.
    pub group: String,
    /// This host waits to take over.  Needs a group.
    pub standby: bool,
    /// How many STANDBY holders of the group take no seat.  Needs a group.
    pub standbys: u16,
}

impl Terms {
    /// Those of the configuration.
    #[must_use]
    pub fn of_license(license: &LicenseConfig) -> Terms {
        let LicenseConfig { product: _, serial: _, seats, ref group, standby, standbys } = *license;
        Terms { seats, group: group.clone(), standby, standbys }
    }
}

/// A claim that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// What is licensed.
    pub product: Product,
    /// Derived from the serial number, which never leaves the program.
    pub keys: ClaimKeys,
    /// What else the license says.
    pub terms: Terms,
    /// The name of the program that asks, for people; empty for the configuration.
    pub program: String,
}

impl ClaimRequest {
    /// What the configuration asks for.
    #[must_use]
    pub fn of_license(license: &LicenseConfig, keys: ClaimKeys) -> ClaimRequest {
        let terms = Terms::of_license(license);
        ClaimRequest { product: license.product, keys, terms, program: String::new() }
    }

    /// Puts it into the members of a request.
    pub(super) fn write(&self, members: &mut Map<String, Value>) {
        let Terms { seats, ref group, standby, standbys } = self.terms;
        members.extend([
            ("product".to_owned(), self.product.as_str().into()),
            (KEY.to_owned(), hex::write(self.keys.secret()).into()),
            ("seats".to_owned(), seats.into()),
            ("group".to_owned(), group.as_str().into()),
            ("standby".to_owned(), standby.into()),
            ("standbys".to_owned(), standbys.into()),
            ("program".to_owned(), self.program.as_str().into()),
        ]);
    }

    /// Reads it from the members of a request, with the defaults of a `[[license]]`; `product` is read already.
    ///
    /// # Errors
    /// A sentence: which member, and what it should be.  Nothing of the key is in it.
    pub(super) fn read(product: Product, members: &mut Map<String, Value>) -> Result<ClaimRequest, String> {
        let keys = take_key(members)
            .map(ClaimKeys::of_secret::<Standard>)
            .ok_or("`key` is the claim's key, 64 hex digits in lower case")?;
        let terms = Terms {
            seats: number(members, "seats", 1)?,
            group: text(members, "group")?.unwrap_or_default(),
            standby: match members.get("standby") {
                None => false,
                Some(value) => value.as_bool().ok_or("`standby` is true or false")?,
            },
            standbys: number(members, "standbys", 0)?,
        };
        check_group(&terms.group).map_err(|e| format!("`group`: {e}"))?;
        if terms.group.is_empty() && (terms.standby || terms.standbys > 0) {
            return Err("`standby` and `standbys` need a fail-over group, and `group` is empty".to_owned());
        }
        let program = text(members, "program")?.unwrap_or_else(|| SOME_PROGRAM.to_owned());
        if program.is_empty() || program.len() > LONGEST_PROGRAM || program.chars().any(char::is_control) {
            return Err(format!(
                "`program` is the name of the program, 1 to {LONGEST_PROGRAM} bytes without control characters"
            ));
        }
        Ok(ClaimRequest { product, keys, terms, program })
    }
}

/// A name of a program that [`ClaimRequest::read`] takes, as near to `text` as may be: a file may be called anything.
pub(crate) fn program_of_text(text: &str) -> String {
    let mut name = text.replace(char::is_control, "");
    name.truncate(name.floor_char_boundary(LONGEST_PROGRAM));
    if name.is_empty() { SOME_PROGRAM.to_owned() } else { name }
}

/// Takes the key out, and leaves no copy of it behind.
fn take_key(members: &mut Map<String, Value>) -> Option<Zeroizing<[u8; 32]>> {
    let Some(Value::String(text)) = members.remove(KEY) else { return None };
    hex::read(&Zeroizing::new(text)).map(Zeroizing::new)
}

/// Wipes the key from the members of a request that was written.
pub(super) fn wipe(members: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = members.get_mut(KEY) {
        text.zeroize();
    }
}

fn number(members: &Map<String, Value>, name: &str, default: u16) -> Result<u16, String> {
    let Some(value) = members.get(name) else { return Ok(default) };
    let number = value.as_u64().and_then(|n| u16::try_from(n).ok());
    number.ok_or_else(|| format!("`{name}` is a whole number up to {}", u16::MAX))
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` is a text")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_program_may_claim_whatever_its_file_is_called() {
        for (file, program) in [
            ("httpd", "httpd".to_owned()),
            ("", SOME_PROGRAM.to_owned()),
            ("\n", SOME_PROGRAM.to_owned()),
            ("a\u{1b}[2Jb\n", "a[2Jb".to_owned()),
            (&"x".repeat(255), "x".repeat(64)),
            // The 64th byte is in the middle of a letter.
            (&format!("x{}", "\u{e4}".repeat(127)), format!("x{}", "\u{e4}".repeat(31))),
        ] {
            assert_eq!(program_of_text(file), program);
            let mut members = Map::new();
            members
                .extend([(KEY.to_owned(), json!("a5".repeat(32))), ("program".to_owned(), json!(program))]);
            let product = Product::new("xsvr").unwrap();
            assert_eq!(ClaimRequest::read(product, &mut members).unwrap().program, program);
        }
    }
}
