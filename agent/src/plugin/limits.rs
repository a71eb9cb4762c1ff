//! Every bound of the plugin host, with its reason.
//!
//! Owns numbers only.  What a plugin or a file states is clamped to these or refused by them.

use std::time::Duration;

/// Longest chain of program headers read from a plugin; linkers write about ten.
pub(super) const PROGRAM_HEADERS_MAX: u16 = 128;
/// Largest note segment read: manifest, build id and properties together are below 2 KiB.
pub(super) const NOTE_SEGMENT_MAX: u64 = 64 * 1024;
/// Largest `struct_size` believed: sixteen times what 1.0 needs, and far from 4 GiB.
pub(super) const DESCRIPTOR_MAX: u32 = 4096;
/// Longest text read from a descriptor or an option: a paragraph.
pub(super) const DESCRIPTOR_TEXT_MAX: usize = 2048;
/// Most options of one plugin: a page of a manual.
pub(super) const OPTIONS_MAX: u32 = 128;
/// Largest distance between two options: as `DESCRIPTOR_MAX` for the smaller struct.
pub(super) const OPTION_STRIDE_MAX: u32 = 1024;
/// Longest value of one option; a list of hosts fits, a file does not belong there.
pub(super) const OPTION_VALUE_MAX: usize = 64 * 1024;

/// Events that may wait for one plugin if it states no wish: a flood of four bursts of 250.
pub(super) const QUEUE_DEFAULT: u32 = 1024;
/// Least queue: twice the reserved room, so that announcements get something too.
pub(super) const QUEUE_MIN: u32 = 128;
/// Greatest queue: 256 KiB of slots.
pub(super) const QUEUE_MAX: u32 = 16 * 1024;
/// Room that only duplicate, resolved and state events may take: every claim of a host changes state, is
/// found duplicate and resolves, twice over.
pub(super) const QUEUE_RESERVED: usize = 64;
/// Events handed over at once if the plugin states no wish: amortizes the call, 32 KiB of decisions.
pub(super) const BATCH_DEFAULT: u32 = 32;
/// Greatest batch: 256 KiB of decisions.
pub(super) const BATCH_MAX: u32 = 256;
/// How long a worker that has done its work looks away before it parks.  To wake a parked thread is a system
/// call of the loop's; of a burst only the first event then costs one, and the others make a batch.  Far below
/// the 50 ms that a verdict is awaited.
pub(super) const LINGER: Duration = Duration::from_micros(200);
/// Messages of one plugin to the loop that may wait; beyond it `decide` and `announce` say "again".
pub(super) const MESSAGES: usize = 256;
/// Messages of one plugin that the loop takes in one turn, so that none can keep it from the network.
pub(super) const MESSAGES_A_TURN: usize = 64;
/// Commands of the loop to one plugin that may wait: a reload and its undoing, four times over.
pub(super) const COMMANDS: usize = 8;
/// Buffers of an event larger than this are given back after its batch: a duplicate with 1,000 holders
/// must not occupy its memory for ever.
pub(super) const SLOT_KEEP_BYTES: usize = 16 * 1024;

/// A call longer than this is `slow`: twice the 50 ms that a verdict is awaited.
pub(super) const CALL_SLOW: Duration = Duration::from_millis(100);
/// A call longer than this is `stalled`: longer than any sane time-out of a network write.
pub(super) const CALL_STALLED: Duration = Duration::from_secs(5);
/// A call that has lasted this long is watched until it stalls.  Most are over by then, and arming a timer for those
/// would wake an idle agent for nothing; a question for a verdict makes the loop turn after 50 ms anyway.
pub(super) const CALL_WATCHED: Duration = Duration::from_millis(25);
/// So many panics or crashes within `PANIC_WINDOW` and the plugin is not called again.
pub(super) const PANICS: usize = 3;
/// See `PANICS`.
pub(super) const PANIC_WINDOW: Duration = Duration::from_secs(600);
/// How long loading, create, configure and start of all plugins may take together.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a reload may take in all plugins together: one that needs longer is stalled.
pub(super) const RELOAD_TIMEOUT: Duration = CALL_STALLED;

/// A call into a plugin in a process of its own, or the answer to what that process was sent, that takes so long ends
/// the process: six times what is shown as `stalled`, so that people may see it before, and as long as a careful network
/// client waits for its server.  On a thread there is no such bound: threads cannot be ended.
pub(super) const CALL_KILLED: Duration = Duration::from_secs(30);
/// After a crash the process is started again after this time, and after twice as long each time that it crashes again ...
pub(super) const RESTART_FIRST: Duration = Duration::from_secs(1);
/// ... up to this: what a fault that passes by itself, a full disk or a missing server, may cost at most.
pub(super) const RESTART_LONGEST: Duration = Duration::from_secs(60);
/// Batches that a plugin's process is sent before it has taken them: one that it handles, and the next one, so that it
/// need not wait for it.  What it was sent is lost when it crashes, so no more.
pub(super) const BATCHES_SENT: usize = 2;
/// Events in one frame to a plugin's process: a burst costs a system call for each so many.
pub(super) const FRAME_EVENTS: usize = 64;
/// Holders in the events of one frame, unless one event alone has more.
pub(super) const FRAME_HOLDERS: usize = 4096;
/// Holders of one event or one table that can be told to another process.  A LAN has some thousand hosts.
pub(super) const PIPE_HOLDERS: usize = 16 * 1024;
/// Longest frame to a plugin's process: `PIPE_HOLDERS` at less than 1 KiB each.
pub(super) const FRAME_TO_CHILD: usize = 16 * 1024 * 1024;
/// Longest frame from a plugin's process, which is believed nothing: the greatest options table, with room to spare.
pub(super) const FRAME_FROM_CHILD: usize = 2 * 1024 * 1024;
/// How long the agent waits for a plugin's process to read what it is sent.  Its reading thread does nothing else.
pub(super) const PIPE_PATIENCE: Duration = Duration::from_secs(5);
/// Words of a plugin's process that may wait for its supervisor, which handles at most so many before it looks at the
/// clock.  An honest one asks one question after the other and says the rest once; 16 leaves room for panics.
pub(super) const WORDS: usize = 16;
/// How long a process whose pipe has closed may take to have ended, before it is ended.
pub(super) const EXIT_PATIENCE: Duration = Duration::from_millis(200);
/// Of the time to stop, the last part of so many is kept for ending a process that does not stop by itself ...
pub(super) const KILL_SHARE: u64 = 8;
/// ... but never more than this.
pub(super) const KILL_TIME: Duration = Duration::from_millis(250);
/// A plugin's process reports its figures at most this often, unless there is more to say.
pub(super) const FIGURES_EVERY: Duration = STATUS_EVERY;
/// Memory that a plugin's process may take if the configuration does not say: some thirty threads' stacks, or a small
/// database; the policy plugin takes a hundredth.
pub(super) const MEMORY_MIB: u32 = 256;
/// Its address space is limited to so many times its memory: that holds libraries and what is reserved and never used,
/// and bounds memory that is shared and therefore not counted as its own.
pub(super) const ADDRESS_SPACE_FACTOR: u64 = 4;
/// Descriptors that a plugin's process may have open.
pub(super) const DESCRIPTORS: u64 = 256;
/// Sentences of a plugin's process on its sandbox, and the longest of them: there are fewer than ten.
pub(super) const SANDBOX_LINES: usize = 16;
/// See `SANDBOX_LINES`.
pub(super) const SANDBOX_LINE_MAX: usize = 512;

/// Longest log line taken from a plugin; the rest is cut off.
pub(super) const LOG_LINE_MAX: usize = 2048;
/// Log lines of one plugin in a burst.
pub(super) const LOG_BURST: u64 = 50;
/// Log lines of one plugin per second after the burst.
pub(super) const LOG_PER_SECOND: u64 = 10;
/// Figures of one plugin.
pub(super) const METRICS: usize = 64;
/// Longest name of a figure, as the header states it.
pub(super) const METRIC_NAME_MAX: usize = 64;
/// Wakes with distinct ids that may wait.
pub(super) const WAKES: usize = 64;
/// A periodic timer's least period: a plugin that wants more spins on a thread of its own.
pub(super) const TIMER_PERIOD_MIN: Duration = Duration::from_millis(1);
/// Longest status text taken from a plugin.
pub(super) const STATUS_MAX: usize = 16 * 1024;
/// How often the status text is asked for at most.
pub(super) const STATUS_EVERY: Duration = Duration::from_secs(1);

const _: () = assert!(QUEUE_MIN as usize >= 2 * QUEUE_RESERVED);
const _: () = assert!(QUEUE_MIN <= QUEUE_DEFAULT && QUEUE_DEFAULT <= QUEUE_MAX);
const _: () = assert!(BATCH_DEFAULT <= BATCH_MAX && BATCH_MAX as usize <= MESSAGES);
const _: () = assert!(MESSAGES_A_TURN <= MESSAGES);
const _: () = assert!(CALL_KILLED.as_secs() > CALL_STALLED.as_secs(), "stalled is shown before the end");
const _: () = assert!(PIPE_HOLDERS * 1024 <= FRAME_TO_CHILD);
