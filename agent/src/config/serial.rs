//! The serial number as configured: a secret that is wiped, never shown, and read only from where
//! strangers cannot read it.

use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serialnumberd_core::Serial;
use zeroize::Zeroizing;

use super::regular;

/// No serial file is longer: a serial has some dozen characters, and a wrong path may name a disk.
const MAX_FILE: u64 = 4096;

/// A serial number as it was written, known to be a valid one.  Wiped when dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SerialText(Zeroizing<String>);

impl SerialText {
    /// Takes a serial in any spelling.
    ///
    /// # Errors
    /// A sentence that does not show it, if it is empty or not ASCII.
    pub fn new(text: &str) -> Result<SerialText, String> {
        Serial::new(text).map_err(|e| e.to_string())?;
        Ok(SerialText(Zeroizing::new(text.trim_ascii().to_owned())))
    }

    /// Reads a serial file.
    ///
    /// # Errors
    /// A sentence, if the file cannot be read, is no regular file, is too long, is readable by
    /// others, or holds no serial.
    pub fn from_file(path: &Path) -> Result<SerialText, String> {
        let shown = path.display();
        let fail = |e: std::io::Error| {
            format!("cannot read the serial file {shown}: {e}; write the serial into it, with mode 0600")
        };
        let Some((file, meta)) = regular::open(path).map_err(fail)? else {
            return Err(format!("the serial file {shown} is no regular file"));
        };
        if meta.permissions().mode() & 0o004 != 0 {
            return Err(format!("others can read the serial file {shown}; run: chmod o= {shown}"));
        }
        // Room for all of it from the start: growing would leave copies behind that nobody wipes.
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * 4096));
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(format!("the serial file {shown} has more than {MAX_FILE} bytes: that is no serial"));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            format!("the serial file {shown} is no text: a serial is made of ASCII characters")
        })?;
        SerialText::new(text).map_err(|e| format!("{e} (in the serial file {shown})"))
    }

    /// The secret, for deriving the claim key from it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SerialText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SerialText(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(text: &[u8], mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("xsvr.serial");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn an_empty_or_foreign_serial_is_refused_without_showing_it() {
        assert!(SerialText::new(" -\n- ").unwrap_err().contains("is empty"));
        let error = SerialText::new("SECRET\u{e4}").unwrap_err();
        assert!(error.contains("outside ASCII") && !error.contains("SECRET"), "{error}");
    }

    #[test]
    fn debug_is_redacted() {
        assert_eq!(format!("{:?}", SerialText::new("SECRET").unwrap()), "SerialText(redacted)");
    }

    #[test]
    fn a_file_is_read() {
        for mode in [0o600, 0o640, 0o400] {
            let (_dir, path) = written(b"abc-1\n", mode);
            assert_eq!(SerialText::from_file(&path).unwrap().expose(), "abc-1");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let (_dir, path) = written(b"abc\n", 0o644);
        let error = SerialText::from_file(&path).unwrap_err();
        assert_eq!(error, format!("others can read the serial file {0}; run: chmod o= {0}", path.display()));
    }

    #[test]
    fn what_is_no_serial_file_is_refused() {
        let (dir, path) = written(&[b'a'; 4097], 0o600);
        assert!(SerialText::from_file(&path).unwrap_err().contains("more than 4096 bytes"));
        let (_dir, path) = written(b"\xff", 0o600);
        assert!(SerialText::from_file(&path).unwrap_err().contains("is no text"));
        assert!(SerialText::from_file(dir.path()).unwrap_err().contains("no regular file"));
        let missing = dir.path().join("missing");
        assert!(SerialText::from_file(&missing).unwrap_err().contains("with mode 0600"));
    }
}
