//! Options: declared as constants, and read from what the host hands over.
#![allow(unsafe_code, reason = "reads the host's texts")]

use core::ffi::CStr;
use core::ptr;
use core::time::Duration;

use crate::Error;
use crate::abi::{self, slnd_kv, slnd_option};
use crate::text;

/// The declaration of one option.  The host checks the configuration against it and shows it to people.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct OptionSpec(slnd_option);

impl OptionSpec {
    const fn new(value_type: u32, name: &'static CStr, help: &'static CStr) -> OptionSpec {
        const SIZE: usize = size_of::<slnd_option>();
        const { assert!(SIZE < 1 << 16) };
        OptionSpec(slnd_option {
            #[expect(clippy::cast_possible_truncation, reason = "asserted above; try_from is not const")]
            struct_size: SIZE as u32,
            value_type,
            flags: 0,
            zero: 0,
            name: name.as_ptr(),
            default_value: ptr::null(),
            help: help.as_ptr(),
            min: 0,
            max: 0,
            choices: ptr::null(),
            unit: ptr::null(),
        })
    }

    /// Any text.
    #[must_use]
    pub const fn string(name: &'static CStr, help: &'static CStr) -> OptionSpec {
        OptionSpec::new(abi::SLND_OPT_STRING, name, help)
    }

    /// A whole number from `min` to `max`; `unit` is shown to people.
    #[must_use]
    pub const fn int(
        name: &'static CStr,
        min: i64,
        max: i64,
        unit: &'static CStr,
        help: &'static CStr,
    ) -> OptionSpec {
        assert!(min < max, "an option's range is empty");
        let mut spec = OptionSpec::new(abi::SLND_OPT_INT, name, help);
        spec.0.min = min;
        spec.0.max = max;
        spec.0.unit = unit.as_ptr();
        spec
    }

    /// True or false.
    #[must_use]
    pub const fn flag(name: &'static CStr, help: &'static CStr) -> OptionSpec {
        OptionSpec::new(abi::SLND_OPT_BOOL, name, help)
    }

    /// A span of time from zero to `most`.
    #[must_use]
    pub const fn duration(name: &'static CStr, most: Duration, help: &'static CStr) -> OptionSpec {
        const I64_MAX: u128 = i64::MAX as u128;
        assert!(most.as_nanos() > 0 && most.as_nanos() <= I64_MAX, "at most 292 years");
        let mut spec = OptionSpec::new(abi::SLND_OPT_DURATION, name, help);
        #[expect(clippy::cast_possible_truncation, reason = "asserted above; try_from is not const")]
        let most = most.as_nanos() as i64;
        spec.0.max = most;
        spec
    }

    /// An absolute path.
    #[must_use]
    pub const fn path(name: &'static CStr, help: &'static CStr) -> OptionSpec {
        OptionSpec::new(abi::SLND_OPT_PATH, name, help)
    }

    /// One of `choices`, which are separated by '|'.
    #[must_use]
    pub const fn choice(name: &'static CStr, choices: &'static CStr, help: &'static CStr) -> OptionSpec {
        let mut spec = OptionSpec::new(abi::SLND_OPT_ENUM, name, help);
        spec.0.choices = choices.as_ptr();
        spec
    }

    /// What it is if it is not given, as one would write it in the configuration.
    #[must_use]
    pub const fn default(mut self, value: &'static CStr) -> OptionSpec {
        self.0.default_value = value.as_ptr();
        self
    }

    /// It must be given.
    #[must_use]
    pub const fn required(mut self) -> OptionSpec {
        self.0.flags |= abi::SLND_OPTF_REQUIRED;
        self
    }

    /// It is never shown and never logged.
    #[must_use]
    pub const fn secret(mut self) -> OptionSpec {
        self.0.flags |= abi::SLND_OPTF_SECRET;
        self
    }

    /// A reload may change it.
    #[must_use]
    pub const fn reloadable(mut self) -> OptionSpec {
        self.0.flags |= abi::SLND_OPTF_RELOADABLE;
        self
    }
}

/// The options of an instance as the host checked them: every one that is given or has a default.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pairs: &'a [slnd_kv],
}

impl<'a> Options<'a> {
    /// Takes the host's array.
    ///
    /// # Safety
    /// `pairs` is NULL, or `n` pairs live there, with their texts, as long as `'a`.
    pub(crate) unsafe fn new(pairs: *const slnd_kv, n: usize) -> Options<'a> {
        if pairs.is_null() || n == 0 {
            return Options { pairs: &[] };
        }
        // SAFETY: not NULL, and the caller's.
        Options { pairs: unsafe { core::slice::from_raw_parts(pairs, n) } }
    }

    /// The value as text; `None` if it is neither given nor has a default.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&'a str> {
        // SAFETY: texts of the host's array, which live as long as 'a.
        let pair = self.pairs.iter().find(|p| unsafe { text::read(p.key) } == name)?;
        // SAFETY: as above.
        Some(unsafe { text::read(pair.value) })
    }

    /// The value as text.
    ///
    /// # Errors
    /// If it is neither given nor has a default.
    pub fn text(&self, name: &str) -> Result<&'a str, Error> {
        self.optional(name).ok_or_else(|| Error::invalid(format!("option `{name}` is missing")))
    }

    /// A whole number.
    ///
    /// # Errors
    /// If it is missing or none.
    pub fn int(&self, name: &str) -> Result<i64, Error> {
        let value = self.text(name)?;
        value.parse().map_err(|_| Error::invalid(format!("option `{name}`: \"{value}\" is no whole number")))
    }

    /// True or false.
    ///
    /// # Errors
    /// If it is missing or neither.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        let value = self.text(name)?;
        value
            .parse()
            .map_err(|_| Error::invalid(format!("option `{name}`: \"{value}\" is not true or false")))
    }

    /// A span of time.
    ///
    /// # Errors
    /// If it is missing or none.
    pub fn duration(&self, name: &str) -> Result<Duration, Error> {
        let value = self.text(name)?;
        let ns = value.parse().map_err(|_| {
            Error::invalid(format!("option `{name}`: \"{value}\" is no whole number of nanoseconds"))
        })?;
        Ok(Duration::from_nanos(ns))
    }
}
