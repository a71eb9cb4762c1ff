//! The host as a plugin sees it: what may be asked of it, from its own thread and from any other.

use core::marker::PhantomData;
use core::ops::Deref;
use core::time::Duration;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::abi::{self, slnd_decision, slnd_id16};
use crate::table::Table;
use crate::{ClaimId, Decision, Error, Holders, Permissions, logger};

/// What all handles of an instance share.  A call holds the lock for reading; closing takes it for writing, and so
/// waits for the calls under way.
pub(crate) struct Shared {
    table: RwLock<Option<Table>>,
    name: String,
    version: String,
    granted: Permissions,
    state_dir: PathBuf,
}

/// The host, from any thread.  Once the instance is stopped it is inert: it answers `SLND_E_CLOSED` or does nothing.
#[derive(Clone)]
pub struct HostHandle(pub(crate) Arc<Shared>);

/// The host, from the instance's own thread; all that a [`HostHandle`] can, and timers.
pub struct Host {
    handle: HostHandle,
    own_thread_only: PhantomData<*const ()>,
}

impl core::fmt::Debug for HostHandle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "HostHandle({} {})", self.0.name, self.0.version)
    }
}

impl core::fmt::Debug for Host {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Host({} {})", self.0.name, self.0.version)
    }
}

impl HostHandle {
    pub(crate) fn new(table: Table) -> HostHandle {
        let (name, version) = (table.name.clone(), table.version.clone());
        let (granted, state_dir) = (table.granted, table.state_dir.clone());
        HostHandle(Arc::new(Shared { table: RwLock::new(Some(table)), name, version, granted, state_dir }))
    }

    /// Makes every handle inert, after the calls that are under way.
    pub(crate) fn close(&self) {
        *self.0.table.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn with<T>(&self, call: impl FnOnce(&Table) -> T) -> Option<T> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(call)
    }

    fn checked(&self, what: &str, call: impl FnOnce(&Table) -> abi::slnd_status) -> Result<(), Error> {
        Error::check(what, self.with(call).unwrap_or(abi::SLND_E_CLOSED))
    }

    /// The host program's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The host program's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// What was granted to this instance.
    #[must_use]
    pub fn granted(&self) -> Permissions {
        self.0.granted
    }

    /// This instance's own directory; it exists, with mode 0700.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.0.state_dir
    }

    /// Nanoseconds of `CLOCK_BOOTTIME`; a replay has its own time.  0 once the instance is stopped.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.with(Table::now_ns).unwrap_or(0)
    }

    /// Whether this is the instance's own thread.
    #[must_use]
    pub fn is_worker_thread(&self) -> bool {
        self.with(Table::is_worker_thread).unwrap_or(false)
    }

    /// Writes a line to the host's log.  The macros of the crate `log` do it too.
    pub fn log(&self, level: log::Level, line: &str) {
        self.with(|t| t.log(logger::level(level), line));
    }

    /// Whether a line of that level would be written.
    #[must_use]
    pub fn log_enabled(&self, level: log::Level) -> bool {
        self.with(|t| t.log_enabled(logger::level(level))).unwrap_or(false)
    }

    /// From now on, what the calling thread writes with the crate `log` is this instance's.  For threads of a plugin's
    /// own; without it their lines go to the instance that was made last.
    pub fn log_from_this_thread(&self) {
        logger::set_current(Some(self.clone()));
    }

    /// Asks for a tick with that id soon; several before it is delivered become one.
    ///
    /// # Errors
    /// If the id is the beat's, or the instance is stopped.
    pub fn wake(&self, id: u64) -> Result<(), Error> {
        self.checked("wake", |t| t.wake(id))
    }

    /// Replaces this instance's standing verdict on a claim held here.
    ///
    /// # Errors
    /// If [`Permissions::VERDICT`] is not granted, the claim is not held here (`SLND_E_INVALID`; a reload may have taken
    /// its license away), the host's queue is full (`SLND_E_AGAIN`), or the instance is stopped.
    pub fn decide(&self, claim: ClaimId, decision: &Decision) -> Result<(), Error> {
        let mut room = slnd_decision::ABSTAIN;
        decision.write(&mut room);
        self.checked("decide", |t| t.decide(slnd_id16 { b: claim.0 }, &room))
    }

    /// Asks for an announcement of a product, or of all for "", now; with `probe` for the whole burst and a round.
    ///
    /// # Errors
    /// If [`Permissions::ANNOUNCE`] is not granted, the product is not held here, the host's queue is full, or the instance
    /// is stopped.
    pub fn announce(&self, product: &str, probe: bool) -> Result<(), Error> {
        let product = c_text("announce", product)?;
        self.checked("announce", |t| t.announce(&product, probe))
    }

    /// Reads the holders of a product's claim.
    ///
    /// # Errors
    /// If [`Permissions::HOLDERS`] is not granted, the product is unknown, or the instance is stopped.
    pub fn holders<T>(&self, product: &str, read: impl FnOnce(Holders<'_>) -> T) -> Result<T, Error> {
        let product = c_text("holders", product)?;

        // `read` is the plugin's: it runs without the lock, and may call the host again.
        let closed = || Err(Error::closed("holders"));
        let table = self.with(|t| t.holders(&product)).unwrap_or_else(closed)?;
        Ok(read(table.view()))
    }

    /// Sets a level that is shown with the agent's own figures.  A name is `[a-z0-9_]{1,64}`.
    ///
    /// # Errors
    /// If the name is none, there are too many, or the instance is stopped.
    pub fn gauge(&self, name: &str, value: f64) -> Result<(), Error> {
        let name = c_text("gauge", name)?;
        self.checked("gauge", |t| t.metric(&name, value, false))
    }

    /// Sets a total that only rises, likewise.
    ///
    /// # Errors
    /// As [`HostHandle::gauge`].
    pub fn counter(&self, name: &str, total: f64) -> Result<(), Error> {
        let name = c_text("counter", name)?;
        self.checked("counter", |t| t.metric(&name, total, true))
    }
}

fn c_text(call: &str, text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::invalid(format!("{call}: {text:?} has a NUL")))
}

fn nanoseconds(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

impl Host {
    pub(crate) fn new(handle: HostHandle) -> Host {
        Host { handle, own_thread_only: PhantomData }
    }

    /// For threads of the plugin's own.
    #[must_use]
    pub fn handle(&self) -> HostHandle {
        self.handle.clone()
    }

    /// Asks for a tick with that id after `after`, and then, if given, every `every`.  The same id again replaces it.
    ///
    /// # Errors
    /// If the id is the beat's, or there are more than `SLND_TIMERS_MAX`.
    pub fn timer(&self, id: u64, after: Duration, every: Option<Duration>) -> Result<(), Error> {
        // 0 and 0 would end it: the shortest wait is a nanosecond.
        let after = nanoseconds(after).max(1);
        self.checked("timer", |t| t.timer(id, after, every.map_or(0, nanoseconds)))
    }

    /// Ends a timer; one that is not running is none to end.
    ///
    /// # Errors
    /// If the id is the beat's.
    pub fn cancel_timer(&self, id: u64) -> Result<(), Error> {
        self.checked("cancel_timer", |t| t.timer(id, 0, 0))
    }
}

impl Deref for Host {
    type Target = HostHandle;

    fn deref(&self) -> &HostHandle {
        &self.handle
    }
}
