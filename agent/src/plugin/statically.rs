//! A plugin that is linked into the program: its descriptor without a file.
#![allow(unsafe_code, reason = "takes a pointer that a program gave, and reads the constant data behind it")]

use std::path::Path;
use std::sync::Arc;

use serialnumberd_plugin::abi::{slnd_is_id, slnd_plugin};
use serialnumberd_plugin::{Plugin, private};

use super::descriptor::{self, Descriptor};
use super::error::{PluginError, Rule};

/// A plugin in the program itself, under the same rules as one from a file.
#[derive(Clone, Debug)]
pub struct StaticPlugin(Arc<Kept>);

#[derive(Debug)]
struct Kept(Descriptor);

// SAFETY: function pointers and pointers to constant data, as `StaticPlugin::new` demands.
unsafe impl Sync for Kept {}

impl PartialEq for StaticPlugin {
    fn eq(&self, other: &StaticPlugin) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl StaticPlugin {
    /// Reads and checks a descriptor.
    ///
    /// # Errors
    /// The rule that it breaks, or that `raw` is NULL or not aligned.
    ///
    /// # Safety
    /// `raw` is NULL or points to the descriptor of a plugin: a `slnd_plugin` that is constant, with all that it points
    /// to, until the process ends, and whose functions obey the plugin ABI.
    pub unsafe fn new(raw: *const slnd_plugin) -> Result<StaticPlugin, PluginError> {
        let place = Path::new("(static)");
        if raw.is_null() || !raw.is_aligned() {
            return Err(PluginError::file(place, Rule::Entry, "its descriptor is NULL or not aligned"));
        }
        // SAFETY: aligned, not NULL, and constant for ever by the contract of this function.
        let descriptor = unsafe { descriptor::read(raw, place)? };
        if !slnd_is_id(descriptor.id.as_bytes()) {
            let what = format!(
                "its id \"{}\" is none: [a-z0-9][a-z0-9._-]*, at most 63 characters",
                descriptor.id.escape_debug()
            );
            return Err(PluginError::file(place, Rule::Identity, what));
        }
        Ok(StaticPlugin(Arc::new(Kept(descriptor))))
    }

    /// A plugin that is written with the SDK, whose `log` lines go where the program's go.
    ///
    /// # Errors
    /// The rule that its table of options or its id breaks.
    pub fn of<P: Plugin>() -> Result<StaticPlugin, PluginError> {
        // As for `export_plugin!`: where panics abort there is no barrier.
        const { assert!(cfg!(panic = "unwind")) };
        private::leave_alone();
        // SAFETY: a constant of the program, made by the SDK.
        unsafe { StaticPlugin::new(const { &private::descriptor::<P>() }) }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.0.id
    }

    pub(super) fn descriptor(&self) -> Descriptor {
        self.0.0.clone()
    }
}
