/* serialnumberd/plugin.h - the plugin ABI of serialnumberd, major 1.  Header-only: a plugin links nothing.
 *
 *   cc -shared -fPIC -o libexample.so example.c        and see examples/plugin_minimal.c
 *
 * Here are the rules, the numbers, the macros and the inline helpers; the types and slots, with their
 * documentation, are in types.h.
 *
 * Rules, which every release of major 1 keeps:
 *  R1 A released name never changes type, meaning, number, ownership or thread tag.
 *  R2 A struct marked GROWS starts with struct_size (events: in their head) and only ever gains fields at the
 *     end: read a field only if SLND_HAS or SLND_EV_HAS.  A struct marked FROZEN never changes: it is embedded.
 *  R3 Arrays of GROWS structs carry a stride: SLND_AT.  Event batches are arrays of pointers.
 *  R4 No slot of slnd_host that its size covers is NULL: what is unavailable answers SLND_E_UNSUPPORTED, what is
 *     not granted SLND_E_DENIED.  In slnd_plugin only slots marked REQUIRED must be set.
 *  R5 No memory crosses: who allocates frees.  Pointers in events live until the callback returns.
 *  R6 Enumerations are integers with named constants, 0 is "unknown", and what is not known is ignored.
 *  R7 Every call into one instance is made on that instance's own thread, never two at once: [worker].
 *     [any] is any thread, also the plugin's own, from create until stop returns.
 *  R8 Nothing may unwind across this boundary: no C++ exception, no Rust panic, no longjmp.
 *  R9 A plugin is never unmapped.  stop joins every thread that the plugin started.
 *
 * Units are in the names: _ns are nanoseconds of CLOCK_BOOTTIME unless said otherwise, _ms Unix milliseconds,
 * _s seconds.  Texts are UTF-8.
 */
#ifndef SERIALNUMBERD_PLUGIN_H
#define SERIALNUMBERD_PLUGIN_H
#include <stddef.h>
#include <stdint.h>
#ifndef SLND_NO_STDIO /* define it to do without slnd_logf */
#include <stdarg.h>
#include <stdio.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#include "types.h"

/* ---- version: the major is in the name of the entry symbol too --------------------------------------- */
#define SLND_ABI_MAJOR 1 /* a host of another major does not find the entry symbol */
#define SLND_ABI_MINOR 0 /* grows with every addition */
#define SLND_PLUGIN_ENTRY "serialnumberd_plugin_v1" /* the one symbol that a plugin exports */

/* ---- slnd_status ------------------------------------------------------------------------------------- */
#define SLND_OK            ((slnd_status)0)   /* done */
#define SLND_E_FAIL        ((slnd_status)-1)  /* it did not work; the message says why */
#define SLND_E_NOMEM       ((slnd_status)-2)  /* no memory, or a bound of the host is reached */
#define SLND_E_INVALID     ((slnd_status)-3)  /* an argument or option is wrong */
#define SLND_E_UNSUPPORTED ((slnd_status)-4)  /* this host or plugin cannot do that */
#define SLND_E_AGAIN       ((slnd_status)-5)  /* not now; try again */
#define SLND_E_DENIED      ((slnd_status)-6)  /* the permission was not granted */
#define SLND_E_TIMEOUT     ((slnd_status)-7)  /* a deadline passed */
#define SLND_E_CLOSED      ((slnd_status)-8)  /* too late: the instance is stopped */
#define SLND_E_PANIC       ((slnd_status)-9)  /* the SDK's barrier caught a panic or an exception */
#define SLND_E_VERSION     ((slnd_status)-10) /* the other side is too old or too new */
#define SLND_E_NOT_WORKER  ((slnd_status)-11) /* a [worker] function was called on another thread */

/* ---- slnd_level -------------------------------------------------------------------------------------- */
#define SLND_LOG_ERROR ((slnd_level)1) /* somebody must act */
#define SLND_LOG_WARN  ((slnd_level)2) /* somebody should look */
#define SLND_LOG_INFO  ((slnd_level)3) /* worth knowing */
#define SLND_LOG_DEBUG ((slnd_level)4) /* for who debugs the plugin */

/* ---- slnd_verdict: of several counted ones the greatest wins ------------------------------------------- */
#define SLND_VERDICT_ABSTAIN ((slnd_verdict)0)   /* no opinion; the host fills it in before it asks */
#define SLND_VERDICT_ALLOW   ((slnd_verdict)100) /* run */
#define SLND_VERDICT_WARN    ((slnd_verdict)200) /* run, and tell people */
#define SLND_VERDICT_LIMIT   ((slnd_verdict)300) /* run restricted: read-only, fewer users */
#define SLND_VERDICT_DENY    ((slnd_verdict)400) /* do not run */

/* ---- slnd_kind: which body follows the head of an event ------------------------------------------------ */
#define SLND_EV_ANNOUNCEMENT ((slnd_kind)1) /* slnd_ev_announcement: a valid announcement was heard */
#define SLND_EV_DUPLICATE    ((slnd_kind)2) /* slnd_ev_duplicate: a claim held here is over-subscribed */
#define SLND_EV_RESOLVED     ((slnd_kind)3) /* slnd_ev_resolved: that conflict ended */
#define SLND_EV_STATE        ((slnd_kind)4) /* slnd_ev_state: state, coverage or verdict of a local claim changed */
#define SLND_EV_QUERY        ((slnd_kind)5) /* slnd_ev_query: a classic text query or response was seen */
#define SLND_EV_TICK         ((slnd_kind)6) /* slnd_ev_tick: the scheduler's beat, a timer or a wake */
#define SLND_EV_LOST         ((slnd_kind)7) /* slnd_ev_lost: this instance's queue overflowed */
#define SLND_EV_BIT(kind)    (UINT64_C(1) << (kind)) /* for slnd_plugin.events */

#define SLND_EVF_REPLAY ((uint16_t)0x0001) /* from a recording, not from the wire */
#define SLND_EVF_DECIDE ((uint16_t)0x0002) /* a verdict is awaited until the event's deadline_ns */
#define SLND_EVF_SELF   ((uint16_t)0x0004) /* caused by this agent's own announcement */

/* ---- slnd_perms: wanted in the descriptor, granted in the configuration -------------------------------- */
#define SLND_PERM_VERDICT   (UINT64_C(1) << 0) /* its verdicts count */
#define SLND_PERM_ANNOUNCE  (UINT64_C(1) << 1) /* may ask for an announcement or a probe now */
#define SLND_PERM_HOLDERS   (UINT64_C(1) << 2) /* may read the holder table */
#define SLND_PERM_RAW       (UINT64_C(1) << 3) /* sees raw datagrams */
#define SLND_PERM_DIRECTORY (UINT64_C(1) << 4) /* may publish a subtree of the directory */

/* ---- slnd_holder.flags --------------------------------------------------------------------------------- */
#define SLND_HOLDER_SELF     UINT32_C(1)  /* it is this agent */
#define SLND_HOLDER_VERIFIED UINT32_C(2)  /* the MAC of a claim held here was right: it knows the serial */
#define SLND_HOLDER_PROVED   UINT32_C(4)  /* it freshly answered a question of this agent's */
#define SLND_HOLDER_STANDBY  UINT32_C(8)  /* it waits to take over within its fail-over group */
#define SLND_HOLDER_OVER     UINT32_C(16) /* beyond the seats in the order of (since, public key, boot id) */
#define SLND_HOLDER_SILENT   UINT32_C(32) /* heard, but it left a whole round unanswered */

/* ---- states, stages, classes, coverage, causes: the protocol's words ----------------------------------- */
#define SLND_STATE_PROBING   UINT32_C(1) /* the start-up burst is under way */
#define SLND_STATE_CLEAR     UINT32_C(2) /* no over-subscription known */
#define SLND_STATE_SUSPECTED UINT32_C(3) /* more holders heard than seats, but not proved */
#define SLND_STATE_CONFLICT  UINT32_C(4) /* a round proved more holders than seats */
#define SLND_STATE_DUPLICATE UINT32_C(5) /* a second round, confirm_after later, proved it again */

#define SLND_STAGE_CONFLICT  UINT32_C(1) /* proved once */
#define SLND_STAGE_DUPLICATE UINT32_C(2) /* proved again, confirm_after later */

#define SLND_CLASS_COPY        UINT32_C(1) /* another installation holds the same license */
#define SLND_CLASS_CLONE       UINT32_C(2) /* two runs with one installation key */
#define SLND_CLASS_SPLIT_BRAIN UINT32_C(3) /* two active holders of one fail-over group */

#define SLND_COVERAGE_GOOD       UINT32_C(1) /* somebody else was heard within three intervals */
#define SLND_COVERAGE_NONE_HEARD UINT32_C(2) /* nobody else was; neutral, a host may be alone */
#define SLND_COVERAGE_ONE_WAY    UINT32_C(3) /* an instance that is heard left a whole round unanswered */
#define SLND_COVERAGE_BLIND      UINT32_C(4) /* cannot bind, send or join, or peers are missing */

#define SLND_CAUSE_GOODBYE UINT32_C(1) /* the other holder said goodbye */
#define SLND_CAUSE_EXPIRED UINT32_C(2) /* the other holder was not heard for its lifetime */
#define SLND_CAUSE_SILENT  UINT32_C(3) /* the other holder left a whole round unanswered */
#define SLND_CAUSE_SEATS   UINT32_C(4) /* the local license changed its seats, group or role */

/* ---- timers and options -------------------------------------------------------------------------------- */
#define SLND_TIMER_BEAT UINT64_C(0)  /* slnd_ev_tick.timer_id of the scheduler's beat */
#define SLND_TIMERS_MAX UINT32_C(64) /* of one instance at once */

#define SLND_OPT_STRING   UINT32_C(1) /* any text */
#define SLND_OPT_INT      UINT32_C(2) /* a whole number; min and max apply */
#define SLND_OPT_BOOL     UINT32_C(3) /* true or false */
#define SLND_OPT_DURATION UINT32_C(4) /* a span of time; min and max apply, in nanoseconds */
#define SLND_OPT_PATH     UINT32_C(5) /* an absolute path */
#define SLND_OPT_ENUM     UINT32_C(6) /* one of choices */

#define SLND_OPTF_REQUIRED   UINT32_C(1) /* must be given */
#define SLND_OPTF_SECRET     UINT32_C(2) /* never shown, never logged */
#define SLND_OPTF_RELOADABLE UINT32_C(4) /* a reload may change it */

/* ---- reading structs that grow (R2, R3) ---------------------------------------------------------------- */
#define SLND_END_(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))
/* Is that field there?  p points to a struct that starts with struct_size. */
#define SLND_HAS(type, p, field) ((p)->struct_size >= SLND_END_(type, field))
/* The same for the field of an event's body. */
#define SLND_EV_HAS(type, ev, field) ((ev)->h.struct_size >= SLND_END_(type, field))
/* Element i of an array with a stride. */
#define SLND_AT(type, array, stride, i) \
  ((const type *)(const void *)((const char *)(array) + (size_t)(stride) * (size_t)(i)))
/* The body of an event, after a look at its kind. */
#define SLND_EVENT(type, ev) ((const type *)(const void *)(ev))

/* ---- the layout canary: FNV over the FROZEN sizes and the offset of each GROWS struct's last 1.0 field ---- */
#define SLND_L_(h, v) (((h) ^ (uint64_t)(v)) * UINT64_C(1099511628211))
#define SLND_LAYOUT_1_                                                                             \
  SLND_L_(SLND_L_(SLND_L_(SLND_L_(SLND_L_(SLND_L_(SLND_L_(UINT64_C(14695981039346656037),          \
    sizeof(slnd_str)), sizeof(slnd_addr)), sizeof(slnd_id16)), sizeof(slnd_error)),                \
    sizeof(slnd_kv)), sizeof(slnd_decision)), sizeof(slnd_event))
#define SLND_LAYOUT_2_                                                                             \
  SLND_L_(SLND_L_(SLND_L_(SLND_L_(SLND_L_(SLND_L_(SLND_LAYOUT_1_,                                  \
    offsetof(slnd_holder, last_proved_ns)), offsetof(slnd_ev_announcement, zero)),                 \
    offsetof(slnd_ev_duplicate, deadline_ns)), offsetof(slnd_ev_resolved, zero)),                  \
    offsetof(slnd_ev_state, deadline_ns)), offsetof(slnd_ev_query, text_len))
/* What slnd_plugin.layout must be: another value means packing flags, or an edited header. */
#define SLND_LAYOUT                                                                                \
  SLND_L_(SLND_L_(SLND_L_(SLND_L_(SLND_L_(SLND_LAYOUT_2_,                                          \
    offsetof(slnd_ev_tick, overruns)), offsetof(slnd_ev_lost, by_kind)),                           \
    offsetof(slnd_host, metric)), offsetof(slnd_option, unit)), offsetof(slnd_plugin, get_extension))

/* ---- exporting a plugin -------------------------------------------------------------------------------- */
/* Before what is visible to the host. */
#define SLND_PLUGIN_EXPORT __attribute__((visibility("default")))
SLND_PLUGIN_EXPORT const slnd_plugin *serialnumberd_plugin_v1(void);

/* The first fields of a descriptor. */
#define SLND_PLUGIN_HEAD (uint32_t)sizeof(slnd_plugin), SLND_ABI_MAJOR, SLND_ABI_MINOR, SLND_LAYOUT
/* The first fields of an option. */
#define SLND_OPTION_HEAD(value_type, flags) (uint32_t)sizeof(slnd_option), (value_type), (flags), 0

/* The manifest: an ELF note that tells a host what this is before any of its code runs. */
#define SLND_SECTION   ".note.serialnumberd" /* its section */
#define SLND_NOTE_NAME "serialnumberd"       /* its name */
#define SLND_NOTE_TYPE 1                     /* its type */
#define SLND_STR_(x)   #x
#define SLND_XSTR_(x)  SLND_STR_(x)
#define SLND_MANIFEST_(text)                                                                       \
  __attribute__((used, aligned(4), section(SLND_SECTION))) static const struct {                   \
    uint32_t namesz, descsz, type;                                                                 \
    char name[16], desc[sizeof(text)];                                                             \
  } slnd_manifest_ = {sizeof(SLND_NOTE_NAME), sizeof(text), SLND_NOTE_TYPE, SLND_NOTE_NAME, text};

/* Exports a plugin: once, at the end of one file, without a semicolon.  `descriptor` is a static const slnd_plugin;
 * id and version are its own, as literals; wants is a literal list of permissions: "verdict,holders", or "". */
#define SLND_PLUGIN_DEFINE(descriptor, id, version, wants)                                         \
  SLND_MANIFEST_("abi=" SLND_XSTR_(SLND_ABI_MAJOR) "." SLND_XSTR_(SLND_ABI_MINOR) "\nid=" id       \
                 "\nversion=" version "\nwants=" wants "\n")                                       \
  SLND_PLUGIN_EXPORT const slnd_plugin *serialnumberd_plugin_v1(void) { return &(descriptor); }

/* ---- inline helpers: no variadic function is in the ABI itself ----------------------------------------- */
#ifndef SLND_NO_STDIO
/* Writes a formatted line to the log; what is beyond 1023 bytes is cut off. */
__attribute__((format(printf, 3, 4), unused)) static void slnd_logf(const slnd_host *host, slnd_level level,
                                                                    const char *format, ...) {
  char line[1024];
  va_list args;
  int n;
  if (!host->log_enabled(host->ctx, level)) return;
  va_start(args, format);
  n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (n >= 0) host->log(host->ctx, level, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

/* Fills a decision in; a reason beyond 1015 bytes is cut off before the character that does not fit. */
__attribute__((format(printf, 3, 4), unused)) static void slnd_decide(slnd_decision *out, slnd_verdict verdict,
                                                                      const char *format, ...) {
  va_list args;
  int n;
  out->verdict = verdict;
  out->zero = 0;
  va_start(args, format);
  n = vsnprintf(out->reason, sizeof out->reason, format, args);
  va_end(args);
  if (n < 0) n = 0;
  if ((size_t)n >= sizeof out->reason) {
    /* Go back over the bytes of a character that was cut, and over its first byte. */
    size_t end = sizeof out->reason - 1, first = end;
    while (first > 0 && ((unsigned char)out->reason[first - 1] & 0xC0) == 0x80) first--;
    if (first > 0) {
      unsigned char lead = (unsigned char)out->reason[first - 1];
      size_t whole = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
      if (end - (first - 1) < whole) end = first - 1;
    }
    n = (int)end;
  }
  out->reason[n] = '\0';
}
#endif

/* ---- what this header relies on -------------------------------------------------------------------------- */
#ifdef __cplusplus
#define SLND_STATIC_ASSERT_(c, m) static_assert(c, m)
#else
#define SLND_STATIC_ASSERT_(c, m) _Static_assert(c, m)
#endif
/* R2: a field that fits into tail padding would not change struct_size. */
#define SLND_NO_TAIL_(type, last) \
  SLND_STATIC_ASSERT_(SLND_END_(type, last) == sizeof(type), "tail padding in " #type)

SLND_STATIC_ASSERT_(sizeof(void *) == 8, "major 1 is for 64-bit ELF systems");
SLND_STATIC_ASSERT_(sizeof(slnd_str) == 16, "frozen");
SLND_STATIC_ASSERT_(sizeof(slnd_addr) == 24, "frozen");
SLND_STATIC_ASSERT_(sizeof(slnd_id16) == 16, "frozen");
SLND_STATIC_ASSERT_(sizeof(slnd_error) == 256, "frozen");
SLND_STATIC_ASSERT_(sizeof(slnd_kv) == 32, "frozen");
SLND_STATIC_ASSERT_(sizeof(slnd_decision) == 1024, "frozen");
SLND_STATIC_ASSERT_(sizeof(slnd_event) == 32, "frozen");
SLND_NO_TAIL_(slnd_holder, last_proved_ns);
SLND_NO_TAIL_(slnd_ev_announcement, zero);
SLND_NO_TAIL_(slnd_ev_duplicate, deadline_ns);
SLND_NO_TAIL_(slnd_ev_resolved, zero);
SLND_NO_TAIL_(slnd_ev_state, deadline_ns);
SLND_NO_TAIL_(slnd_ev_query, text_len);
SLND_NO_TAIL_(slnd_ev_tick, overruns);
SLND_NO_TAIL_(slnd_ev_lost, by_kind);
SLND_NO_TAIL_(slnd_option, unit);
SLND_NO_TAIL_(slnd_host, metric);
SLND_NO_TAIL_(slnd_plugin, get_extension);

#ifdef __cplusplus
}
#endif
#endif
