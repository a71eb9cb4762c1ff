//! Paths of directories, as NetInfo's tools write them: `/users/alice`, `/users/uid=501`; a backslash takes the next
//! character for itself.

use std::fmt;

use crate::limits::DEPTH_MAX;
use crate::tree::NAME;

/// One step down: the child whose property `key` has the value `value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// `name`, unless the path says another.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// Where a directory is, from the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Component>);

impl Path {
    /// Reads a path.  It begins with `/`; `/` alone is the root, and empty components count for nothing.
    ///
    /// # Errors
    /// One sentence without a full stop.
    pub fn parse(written: &str) -> Result<Path, String> {
        let Some(rest) = written.strip_prefix('/') else {
            return Err(format!("a path begins with \"/\", such as /users/alice; \"{written}\" does not"));
        };
        let mut path = Path::default();
        let mut component = Partial::default();
        let mut bytes = rest.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => {
                    component.text.push(bytes.next().ok_or("a backslash ends the path; write two of them")?)
                }
                b'/' => component.end(&mut path),
                b'=' if component.key.is_none() => component.key = Some(std::mem::take(&mut component.text)),
                other => component.text.push(other),
            }
        }
        component.end(&mut path);
        if path.0.len() > DEPTH_MAX {
            return Err(format!("a path has at most {DEPTH_MAX} components"));
        }
        Ok(path)
    }
}

#[derive(Default)]
struct Partial {
    key: Option<Vec<u8>>,
    text: Vec<u8>,
}

impl Partial {
    fn end(&mut self, path: &mut Path) {
        let Partial { key, text } = std::mem::take(self);
        if key.is_some() || !text.is_empty() {
            path.0.push(Component { key: key.unwrap_or_else(|| NAME.into()), value: text });
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key != NAME.as_bytes() {
            write!(f, "{}=", escaped(&self.key))?;
        }
        f.write_str(&escaped(&self.value))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|component| write!(f, "/{component}"))
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for character in String::from_utf8_lossy(bytes).chars() {
        if matches!(character, '/' | '=' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(written: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Path::parse(written).unwrap().0.iter().map(|c| (text(&c.key), text(&c.value))).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn components_are_names_or_say_their_key() {
        assert_eq!(components("/"), []);
        assert_eq!(components("//users//alice/"), [pair("name", "users"), pair("name", "alice")]);
        assert_eq!(components("/users/uid=501"), [pair("name", "users"), pair("uid", "501")]);
        assert_eq!(components("/a/b=c=d"), [pair("name", "a"), pair("b", "c=d")]);
        assert_eq!(components("/a/b="), [pair("name", "a"), pair("b", "")]);
        assert_eq!(
            components(r"/a\/b/c\=d/e\\"),
            [pair("name", "a/b"), pair("name", "c=d"), pair("name", r"e\")]
        );
    }

    #[test]
    fn a_path_is_written_as_it_is_read() {
        for written in ["/", "/users/alice", "/users/uid=501", r"/a\/b/c\=d/e\\/k\==v"] {
            assert_eq!(Path::parse(written).unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_path_is_said() {
        assert!(Path::parse("users").unwrap_err().contains("begins with"));
        assert!(Path::parse("").is_err());
        assert!(Path::parse("/a\\").unwrap_err().contains("backslash"));
        assert!(Path::parse(&"/a".repeat(DEPTH_MAX + 1)).unwrap_err().contains("at most"));
    }
}
