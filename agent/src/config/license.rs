//! `[[license]]`: what is licensed on this host.

use serialnumberd_core::Product;
use serialnumberd_core::limits::CLAIMS;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::document::{Document, Section};
use super::value::{boolean, number16, text};
use super::{LicenseConfig, SerialText};

/// Longest name of a fail-over group; the wire carries a digest of it, so this only keeps status readable.
const LONGEST_GROUP: usize = 64;

/// Reads all `[[license]]` entries.
pub(super) fn read_all(document: &Document<'_>, entries: Vec<(DeTable<'_>, usize)>) -> Vec<LicenseConfig> {
    let mut licenses: Vec<(LicenseConfig, usize)> = Vec::new();
    for (table, start) in entries {
        let Some(license) = read(Section::new(document, "[[license]]", table, start)) else { continue };
        if let Some((_, first)) = licenses.iter().find(|(other, _)| other.product == license.product) {
            let (line, _) = document.position(*first);
            document.error(
                start,
                format!(
                    "product \"{}\" has a [[license]] at line {line} already; a host holds one serial of a \
                     product: remove one of the two",
                    license.product
                ),
            );
            continue;
        }
        if licenses.len() == CLAIMS {
            document.error(start, format!("at most {CLAIMS} [[license]] entries"));
            break;
        }
        licenses.push((license, start));
    }
    licenses.into_iter().map(|(license, _)| license).collect()
}

fn read(mut section: Section<'_, '_>) -> Option<LicenseConfig> {
    let s = &mut section;
    let product =
        s.require("product", "product = \"xsvr\"", |v| Product::new(&text(v)?).map_err(|e| e.to_string()));
    let serial = read_serial(s);
    let mut seats = 1;
    s.set("seats", &mut seats, number16(0));
    let mut group = String::new();
    s.set("group", &mut group, group_name);
    let standby = s.take_at("standby", boolean);
    let standbys = s.take_at("standbys", number16(0));
    if group.is_empty() {
        let without =
            "needs a fail-over group, and `group` is empty: name the group, the same on all its hosts";
        if let Some((true, offset)) = standby {
            s.document.error(offset, format!("`standby` in [[license]] {without}"));
        }
        if let Some((1.., offset)) = standbys {
            s.document.error(offset, format!("`standbys` in [[license]] {without}"));
        }
    }
    section.finish();
    Some(LicenseConfig {
        product: product?,
        serial: serial?,
        seats,
        group,
        standby: standby.is_some_and(|(standby, _)| standby),
        standbys: standbys.map_or(0, |(standbys, _)| standbys),
    })
}

/// The serial: written here, or in a file of its own, and not in both.
fn read_serial(section: &mut Section<'_, '_>) -> Option<SerialText> {
    let document = section.document;
    let inline = section.take_value("serial");
    let file = section.take_value("serial_file");
    match (inline, file) {
        (Some(inline), Some(_)) => {
            document.error(
                inline.span().start,
                "this [[license]] has both `serial` and `serial_file`; remove one of them",
            );
            None
        }
        (None, None) => {
            document.error(
                section.start(),
                "this [[license]] has no serial; add serial_file = \"/etc/serialnumberd/PRODUCT.serial\"",
            );
            None
        }
        (Some(inline), None) => {
            if document.others_can_read() {
                document.warning(
                    inline.span().start,
                    "others can read this file and the `serial` in it; run chmod o= on it, or use `serial_file`",
                );
            }
            refuse(document, "serial", &inline, text(inline.get_ref()).and_then(serial_of))
        }
        (None, Some(file)) => {
            let path = text(file.get_ref()).map(|written| document.resolve(&written));
            refuse(document, "serial_file", &file, path.and_then(|path| SerialText::from_file(&path)))
        }
    }
}

/// Wipes the copy that the parser made.
fn serial_of(written: String) -> Result<SerialText, String> {
    SerialText::new(&Zeroizing::new(written))
}

fn refuse<T>(
    document: &Document<'_>,
    key: &str,
    at: &Spanned<DeValue<'_>>,
    result: Result<T, String>,
) -> Option<T> {
    result.map_err(|e| document.error(at.span().start, format!("`{key}` in [[license]]: {e}"))).ok()
}

fn group_name(value: &DeValue<'_>) -> Result<String, String> {
    let name = text(value)?;
    check_group(&name)?;
    Ok(name)
}

/// Whether a fail-over group may be called so; empty is none.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_group(name: &str) -> Result<(), String> {
    if name.len() > LONGEST_GROUP {
        return Err(format!("a group's name has at most {LONGEST_GROUP} bytes"));
    }
    if name.chars().any(char::is_control) {
        return Err("a group's name has no control characters".to_owned());
    }
    Ok(())
}
