//! Loads a plugin's file and reads its descriptor, under the acceptance rules.
//!
//! Owns `dlopen` and every read through pointers that the file gave.  What comes out is owned data and
//! function pointers; nothing of the plugin but its initializers and its entry symbol has run then.
#![allow(unsafe_code, reason = "loads foreign code, and reads the constant data that it points to")]

use std::ffi::c_char;
use std::fs::File;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::Path;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use serialnumberd_plugin::abi::{
    SLND_ABI_MAJOR, SLND_LAYOUT, SLND_OPT_BOOL, SLND_OPT_DURATION, SLND_OPT_ENUM, SLND_OPT_INT,
    SLND_OPT_PATH, SLND_OPT_STRING, SLND_OPTF_RELOADABLE, SLND_OPTF_REQUIRED, SLND_OPTF_SECRET,
    SLND_PLUGIN_ENTRY, slnd_option, slnd_plugin, slnd_plugin_entry_fn,
};
use serialnumberd_plugin::slnd_end;

use super::error::{PluginError, Rule};
use super::foreign::c_text;
use super::limits::{DESCRIPTOR_MAX, DESCRIPTOR_TEXT_MAX, OPTION_STRIDE_MAX, OPTIONS_MAX};
use super::manifest::{Manifest, printable};
use super::options::{self, OptionKind, OptionSpec};
use super::permission::Permissions;

/// What 1.0 has; with a later minor, fields beyond it must be read by `slnd_read!`.
const PLUGIN_1_0: usize = slnd_end!(slnd_plugin, get_extension);
const OPTION_1_0: usize = slnd_end!(slnd_option, unit);
const _: () = assert!(size_of::<slnd_plugin>() == PLUGIN_1_0 && size_of::<slnd_option>() == OPTION_1_0);

/// A loaded plugin's descriptor, its texts and options copied and checked.
#[derive(Clone, Debug)]
pub(super) struct Descriptor {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: String,
    pub(super) vendor: String,
    pub(super) url: String,
    pub(super) wants: Permissions,
    pub(super) wants_if_granted: Permissions,
    pub(super) options: Vec<OptionSpec>,
    /// The slots and numbers; its pointers to texts are not used again.
    pub(super) raw: slnd_plugin,
}

// SAFETY: function pointers and pointers to constant data of a library that is never unmapped.
unsafe impl Send for Descriptor {}

/// Loads the file that was checked, for ever, and reads its descriptor.  Runs the library's initializers:
/// on a thread that may be given up if they hang.
pub(super) fn load(file: File, manifest: &Manifest) -> Result<Descriptor, PluginError> {
    let path = manifest.path.as_path();
    let entry = open_library(file, path)?;
    // SAFETY: the symbol of this name has this type, by the ABI of its major, which the manifest states.
    let raw = unsafe { entry() };
    if raw.is_null() || !raw.is_aligned() {
        let what = format!("{} returned no descriptor", SLND_PLUGIN_ENTRY.to_string_lossy());
        return Err(PluginError::file(path, Rule::Entry, what));
    }
    // SAFETY: not NULL, aligned, and by the ABI it points to a constant descriptor.
    let descriptor = unsafe { read(raw, path)? };
    check_identity(&descriptor, manifest)?;
    Ok(descriptor)
}

/// Reads a descriptor and checks what can be checked without its file.
///
/// # Safety
/// `raw` is aligned and points to what a plugin says is its descriptor: constant for ever, as are the texts and
/// options that it points to.
pub(super) unsafe fn read(raw: *const slnd_plugin, path: &Path) -> Result<Descriptor, PluginError> {
    // SAFETY: as for this function; the reads within are ordered so that each is covered by what was checked before.
    let raw = unsafe { read_struct(raw, path)? };
    // SAFETY: size and canary were right, so the texts and options are where the ABI says.
    let descriptor = unsafe { read_contents(raw, path)? };
    options::check_table(&descriptor.id, &descriptor.options)?;
    Ok(descriptor)
}

type Entry = unsafe extern "C" fn() -> *const slnd_plugin;

fn open_library(file: File, path: &Path) -> Result<Entry, PluginError> {
    // glibc knows a loaded library by the name it was opened with: were the descriptor closed and its
    // number used for the next plugin, that one's dlopen would return this library.  So it stays open.
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE;
    // SAFETY: runs the initializers of a file that only root or the agent's user can have written, which is
    // to trust them; no termination routine ever runs, since the library is never closed.
    let library = unsafe { Library::open(Some(&name), flags) }.map_err(|error| {
        let why = reason(&error).replace(&name, &path.display().to_string());
        PluginError::file(path, Rule::Load, format!("the dynamic linker refuses it: {why}"))
    })?;
    let _kept_open = file.into_raw_fd();
    // SAFETY: a function of this type, see `load`; `Option` because a symbol's value may be NULL.
    let entry = unsafe { library.get::<slnd_plugin_entry_fn>(SLND_PLUGIN_ENTRY) }.map(|symbol| *symbol);
    // Never unmapped: its threads and thread-local destructors would run into nothing.
    std::mem::forget(library);
    entry.ok().flatten().ok_or_else(|| {
        let what = format!(
            "it does not export {}: define it with SLND_PLUGIN_DEFINE or the SDK's export macro",
            SLND_PLUGIN_ENTRY.to_string_lossy()
        );
        PluginError::file(path, Rule::Entry, what)
    })
}

fn reason(error: &libloading::Error) -> String {
    use std::error::Error;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// # Safety
/// `raw` is aligned and points to what a plugin says is its descriptor.
unsafe fn read_struct(raw: *const slnd_plugin, path: &Path) -> Result<slnd_plugin, PluginError> {
    let refuse = |rule, what: String| Err(PluginError::file(path, rule, what));
    // SAFETY: every descriptor of every major begins with its size and version.
    let (size, major) =
        unsafe { ((&raw const (*raw).struct_size).read(), (&raw const (*raw).abi_major).read()) };
    if usize::try_from(size).unwrap_or(usize::MAX) < PLUGIN_1_0 || size > DESCRIPTOR_MAX {
        return refuse(
            Rule::StructSize,
            format!(
                "its descriptor says it has {size} bytes, not {PLUGIN_1_0} to {DESCRIPTOR_MAX}: set struct_size to sizeof(slnd_plugin)"
            ),
        );
    }
    if major != SLND_ABI_MAJOR {
        return refuse(
            Rule::Abi,
            format!("its descriptor says major {major}, its manifest {SLND_ABI_MAJOR}"),
        );
    }
    // SAFETY: the size covers all of the 1.0 struct, of which `layout` is one of the first fields.
    let layout = unsafe { (&raw const (*raw).layout).read() };
    if layout != SLND_LAYOUT {
        return refuse(
            Rule::Layout,
            format!(
                "its layout canary is {layout:#018x}, not {SLND_LAYOUT:#018x}: build it with an unchanged serialnumberd/plugin.h and without packing flags"
            ),
        );
    }
    // SAFETY: as above; constant data.
    let descriptor = unsafe { raw.read() };
    let missing = [
        ("create", descriptor.create.is_none()),
        ("on_events", descriptor.on_events.is_none()),
        ("destroy", descriptor.destroy.is_none()),
        ("configure, which options need", descriptor.n_options > 0 && descriptor.configure.is_none()),
    ];
    match missing.iter().find(|(_, missing)| *missing) {
        Some((slot, _)) => refuse(Rule::Slots, format!("its descriptor does not set {slot}")),
        None => Ok(descriptor),
    }
}

/// # Safety
/// `raw` was read from a descriptor of the right size and layout.
unsafe fn read_contents(raw: slnd_plugin, path: &Path) -> Result<Descriptor, PluginError> {
    let must = |field: &str, text: *const c_char| {
        // SAFETY: a descriptor's texts are NULL or NUL-terminated constants.
        unsafe { c_text(text, DESCRIPTOR_TEXT_MAX) }.map(str::to_owned).map_err(|what| {
            PluginError::file(path, Rule::Identity, format!("its descriptor's {field} {what}"))
        })
    };
    let may = |field: &str, text: *const c_char| {
        if text.is_null() { Ok(String::new()) } else { must(field, text) }
    };
    Ok(Descriptor {
        id: must("id", raw.id)?,
        name: must("name", raw.name)?,
        version: printable(&must("version", raw.version)?),
        description: may("description", raw.description)?,
        vendor: may("vendor", raw.vendor)?,
        url: may("url", raw.url)?,
        wants: Permissions(raw.wants),
        wants_if_granted: Permissions(raw.wants_if_granted),
        // SAFETY: as for this function.
        options: unsafe { read_options(&raw, path)? },
        raw,
    })
}

/// # Safety
/// `raw` was read from a descriptor of the right size and layout.
unsafe fn read_options(raw: &slnd_plugin, path: &Path) -> Result<Vec<OptionSpec>, PluginError> {
    let refuse = |what: String| PluginError::file(path, Rule::Options, what);
    if raw.n_options == 0 {
        return Ok(Vec::new());
    }
    let stride = usize::try_from(raw.option_stride).unwrap_or(usize::MAX);
    let stride_fits =
        stride >= OPTION_1_0 && raw.option_stride <= OPTION_STRIDE_MAX && stride.is_multiple_of(8);
    if raw.n_options > OPTIONS_MAX || !stride_fits || raw.options.is_null() || !raw.options.is_aligned() {
        return Err(refuse(format!(
            "its options table is none: {} rows of {} bytes (at most {OPTIONS_MAX} of {OPTION_1_0} to {OPTION_STRIDE_MAX})",
            raw.n_options, raw.option_stride
        )));
    }
    let rows = 0..usize::try_from(raw.n_options).unwrap_or(0);
    rows.map(|row| {
        // SAFETY: the table has that many rows of that many bytes each, constant; the sum is below 128 KiB.
        let option = unsafe { raw.options.byte_add(row * stride).read() };
        if option.struct_size > raw.option_stride
            || usize::try_from(option.struct_size).unwrap_or(0) < OPTION_1_0
        {
            return Err(refuse(format!("row {row} of its options table says {} bytes", option.struct_size)));
        }
        // SAFETY: a row of the right size; its texts are NULL or NUL-terminated constants.
        unsafe { read_option(&option) }
            .map_err(|what| refuse(format!("row {row} of its options table: {what}")))
    })
    .collect()
}

/// # Safety
/// The texts of `option` are NULL or NUL-terminated constants.
unsafe fn read_option(option: &slnd_option) -> Result<OptionSpec, String> {
    let must = |field: &str, text: *const c_char| {
        // SAFETY: as for this function.
        unsafe { c_text(text, DESCRIPTOR_TEXT_MAX) }
            .map(str::to_owned)
            .map_err(|what| format!("its {field} {what}"))
    };
    let may = |field: &str, text: *const c_char| {
        if text.is_null() { Ok(None) } else { must(field, text).map(Some) }
    };
    let choices = may("choices", option.choices)?.unwrap_or_default();
    Ok(OptionSpec {
        name: must("name", option.name)?,
        kind: match option.value_type {
            SLND_OPT_STRING => OptionKind::String,
            SLND_OPT_INT => OptionKind::Int,
            SLND_OPT_BOOL => OptionKind::Bool,
            SLND_OPT_DURATION => OptionKind::Duration,
            SLND_OPT_PATH => OptionKind::Path,
            SLND_OPT_ENUM => OptionKind::Enum,
            unknown => return Err(format!("the type {unknown} is unknown to this agent")),
        },
        default: may("default", option.default_value)?,
        help: may("help", option.help)?.unwrap_or_default(),
        required: option.flags & SLND_OPTF_REQUIRED != 0,
        secret: option.flags & SLND_OPTF_SECRET != 0,
        reloadable: option.flags & SLND_OPTF_RELOADABLE != 0,
        range: ((option.min, option.max) != (0, 0)).then_some((option.min, option.max)),
        choices: choices.split('|').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        unit: may("unit", option.unit)?,
    })
}

/// What `plugin list` shows without loading must be what is loaded.
fn check_identity(descriptor: &Descriptor, manifest: &Manifest) -> Result<(), PluginError> {
    let refuse = |what| Err(PluginError::file(&manifest.path, Rule::Identity, what));
    if descriptor.id != manifest.id {
        return refuse(format!(
            "its descriptor says id \"{}\", its manifest \"{}\": make them equal",
            descriptor.id.escape_debug(),
            manifest.id
        ));
    }
    let hidden = descriptor.wants.without(manifest.wants);
    if hidden != Permissions::NONE {
        return refuse(format!(
            "its descriptor wants {hidden}, of which its manifest says nothing: add it there"
        ));
    }
    if descriptor.version != manifest.version {
        return refuse(format!(
            "its descriptor says version \"{}\", its manifest \"{}\": make them equal",
            descriptor.version, manifest.version
        ));
    }
    Ok(())
}
