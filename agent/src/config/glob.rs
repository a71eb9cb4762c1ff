//! Interface names with `*` and `?`, as in `interfaces = ["eth*"]`.

use std::fmt;

/// A pattern for interface names: `*` is any run of characters, `?` is any one.
#[derive(Clone, PartialEq, Eq)]
pub struct NameGlob(String);

impl NameGlob {
    /// Longest name of an interface: `IFNAMSIZ` of linux/if.h, less its NUL.
    const MAX_NAME: usize = 15;

    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence, if no interface can have such a name.
    pub fn new(text: &str) -> Result<NameGlob, String> {
        if text.is_empty() {
            return Err("an interface name is not empty; \"*\" means all of them".to_owned());
        }
        if text.chars().any(|c| c.is_whitespace() || c == '/') {
            return Err(format!("an interface name has no white space and no '/', but \"{text}\" has"));
        }
        if text.bytes().filter(|b| *b != b'*').count() > NameGlob::MAX_NAME {
            return Err(format!("an interface name has at most 15 characters; \"{text}\" is longer"));
        }
        Ok(NameGlob(text.to_owned()))
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` fits.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        // Where to go on after the last `*`: it then takes one character more.
        let mut retry = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    retry = Some((p + 1, n));
                    p += 1;
                }
                Some(&b) if b == b'?' || b == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => match retry {
                    Some((after, taken)) => {
                        retry = Some((after, taken + 1));
                        p = after;
                        n = taken + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|b| *b == b'*')
    }
}

impl fmt::Debug for NameGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for NameGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        let cases = [
            ("*", "eth0", true),
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth?", "eth0", true),
            ("eth?", "eth", false),
            ("e*0", "enp3s0", true),
            ("e*s*", "enp3s0f1", true),
            ("*a*b", "xaabab", true),
            ("*a*b", "xaaba", false),
            ("en*", "wlan0", false),
        ];
        for (pattern, name, fits) in cases {
            assert_eq!(NameGlob::new(pattern).unwrap().matches(name), fits, "{pattern} on {name}");
        }
    }

    #[test]
    fn impossible_names_are_refused() {
        for text in ["", "a b", "eth/0", "abcdefghijklmnop"] {
            assert!(NameGlob::new(text).is_err(), "{text:?}");
        }
        assert!(NameGlob::new("abcdefghijklmno*").is_ok());
    }
}
