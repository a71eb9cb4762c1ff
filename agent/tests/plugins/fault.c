/* One fault, in one slot: -DFAULT=name -DSLOT="\"on_events\"".  Accepted by every host, and well-behaved up to there.
 * suite.rs lists all that are built; what each fault breaks stands beside it.
 * -DWISHES=0: does not even ask for the permission to decide. */
#include "trace.h"
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#ifndef SLOT
#define SLOT "on_events"
#endif
#ifndef WISHES
#define WISHES SLND_PERM_VERDICT
#endif
/* A host without a bound on memory is not to lose all of its own: what is taken at most. */
#define HOG_MAX ((size_t)4 << 30)

/* What the fault sees: the batch that on_events got; in other slots there is none. */
typedef struct scene {
  const slnd_host *host;
  const slnd_event *const *events;
  size_t n;
} scene;
typedef void fault_fn(scene *s);

/* ---- R8: nothing may leave a slot but by return ---------------------------------------------------------- */
__attribute__((unused)) static void aborts(scene *s) { (void)s; abort(); }
__attribute__((unused)) static void segfaults(scene *s) { *(volatile char *)8 = (char)s->n; }
__attribute__((unused)) static void exits(scene *s) { (void)s; exit(0); }
__attribute__((unused)) static void hangs(scene *s) { (void)s; for (;;) pause(); }
static volatile uint64_t turns;
__attribute__((unused)) static void spins(scene *s) { (void)s; for (;;) turns++; }

/* ---- R9: stop joins every thread -------------------------------------------------------------------------- */
static void *call_on(void *host) {
  const slnd_host *h = host;
  for (;;) {
    h->wake(h->ctx, 1);
    usleep(1000);
  }
  return NULL;
}
__attribute__((unused)) static void leaks_a_thread(scene *s) {
  pthread_t thread;
  pthread_create(&thread, NULL, call_on, (void *)s->host);
}

/* ---- R5: pointers in events live until the callback returns, and what they point to is the host's ---------- */
static const slnd_event *kept;
__attribute__((unused)) static void keeps_an_event(scene *s) {
  volatile uint64_t seen = 0;
  if (kept != NULL) seen = kept->seq;
  (void)seen;
  if (s->n > 0) kept = s->events[0];
}
__attribute__((unused)) static void changes_events(scene *s) {
  for (size_t k = 0; k < s->n; k++) ((slnd_event *)s->events[k])->flags = 0;
}

/* ---- R2, R3, R6: what a newer host may send ----------------------------------------------------------------- */
__attribute__((unused)) static void reads_past_the_end(scene *s) {
  volatile char seen = 0;
  for (size_t k = 0; k < s->n; k++) seen = ((const char *)s->events[k])[s->events[k]->struct_size];
  (void)seen;
}
__attribute__((unused)) static void takes_every_kind_for_a_duplicate(scene *s) {
  volatile char seen = 0;
  for (size_t k = 0; k < s->n; k++) {
    uint16_t kind = s->events[k]->kind;
    if (kind > 0 && kind < 8 && kind != SLND_EV_DUPLICATE) continue;
    seen = SLND_EVENT(slnd_ev_duplicate, s->events[k])->product.ptr[0];
  }
  (void)seen;
}
__attribute__((unused)) static void ignores_the_stride(scene *s) {
  volatile char seen = 0;
  for (size_t k = 0; k < s->n; k++) {
    const slnd_ev_duplicate *d = SLND_EVENT(slnd_ev_duplicate, s->events[k]);
    if (d->h.kind != SLND_EV_DUPLICATE) continue;
    for (uint32_t i = 0; i < d->n_holders; i++) seen = d->holders[i].host.ptr[0];
  }
  (void)seen;
}

/* ---- what belongs to others: descriptors, memory, files, verdicts ------------------------------------------ */
__attribute__((unused)) static void closes_descriptors(scene *s) {
  (void)s;
  syscall(SYS_close_range, 3, ~0U, 0);
}
__attribute__((unused)) static void leaks_a_descriptor(scene *s) { (void)s, (void)!open("/dev/null", O_RDONLY); }
__attribute__((unused)) static void hogs_memory(scene *s) {
  const size_t step = (size_t)16 << 20;
  for (size_t taken = 0; taken < HOG_MAX; taken += step) {
    void *more = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (more == MAP_FAILED) break; /* its own out-of-memory handling is none */
  }
  trace(s->host, "hogged");
  abort();
}
__attribute__((unused)) static void leaks_memory(scene *s) {
  volatile char *lost = malloc(100);
  (void)s;
  if (lost != NULL) lost[0] = 1;
}
__attribute__((unused)) static void writes_outside(scene *s) {
  char path[4096];
  FILE *file;
  snprintf(path, sizeof path, "%s/../escaped", s->host->state_dir.ptr);
  file = fopen(path, "w");
  if (file != NULL) fclose(file);
}
__attribute__((unused)) static void decides_unasked(scene *s) {
  slnd_decision decision = {SLND_VERDICT_DENY, 0, "because"};
  slnd_id16 claim = {{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}};
  s->host->decide(s->host->ctx, claim, &decision);
}

/* ---- what belongs to the whole process ----------------------------------------------------------------------- */
static void on_signal(int number) { (void)number; }
__attribute__((unused)) static void takes_a_signal(scene *s) { (void)s, signal(SIGTERM, on_signal); }
__attribute__((unused)) static void blocks_signals(scene *s) {
  sigset_t all;
  (void)s;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
}
__attribute__((unused)) static void changes_umask(scene *s) { (void)s, umask(0); }
__attribute__((unused)) static void changes_directory(scene *s) { (void)s, (void)!chdir("/"); }
__attribute__((unused)) static void changes_locale(scene *s) { (void)s, setlocale(LC_ALL, "C.UTF-8"); }
__attribute__((unused)) static void changes_environment(scene *s) { (void)s, setenv("TZ", "UTC", 1); }
__attribute__((unused)) static void changes_a_limit(scene *s) {
  struct rlimit limit = {64, 64};
  (void)s;
  setrlimit(RLIMIT_NOFILE, &limit);
}
__attribute__((unused)) static void sets_an_alarm(scene *s) { (void)s, alarm(3600); }
/* Twice, and in a session of its own: neither its group nor its parent tells whose it is. */
__attribute__((unused)) static void leaves_a_process(scene *s) {
  pid_t child = fork();
  if (child > 0) waitpid(child, NULL, 0);
  if (child != 0) return;
  setsid();
  if (fork() == 0) {
    trace(s->host, "%d", (int)getpid());
    sleep(600);
  }
  _exit(0);
}
static const char *given_name;
__attribute__((unused)) static void keeps_its_name(scene *s) { s->host->log(s->host->ctx, SLND_LOG_INFO, given_name, 1); }
static void *waits(void *host) { return (void)pause(), host; }
static pthread_t early;
__attribute__((unused)) static void starts_a_thread(scene *s) {
  pthread_create(&early, NULL, waits, (void *)s->host);
}
/* No fault: it takes its time. */
__attribute__((unused)) static void is_slow(scene *s) { (void)s, usleep(30000); }

#ifndef FAULT
#error "name a fault: -DFAULT=aborts"
#endif

static void at(const char *slot, const slnd_host *host, const slnd_event *const *events, size_t n) {
  fault_fn *const fault = FAULT;
  scene s = {host, events, n};
  if (strcmp(slot, SLOT) != 0) return;
  trace(host, "%s", slot);
  fault(&s);
}

static slnd_status create(const slnd_host *host, const char *name, void **state, slnd_error *error) {
  (void)error;
  given_name = name;
  at("create", host, NULL, 0);
  return make(host, state);
}
static slnd_status configure(void *state, const slnd_kv *kv, size_t n, uint32_t is_reload, slnd_error *error) {
  (void)kv, (void)n, (void)is_reload, (void)error;
  at("configure", ((instance *)state)->host, NULL, 0);
  return SLND_OK;
}
static slnd_status start(void *state, slnd_error *error) {
  (void)error;
  at("start", ((instance *)state)->host, NULL, 0);
  return SLND_OK;
}
static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  for (size_t k = 0; k < n; k++)
    if (events[k]->flags & SLND_EVF_DECIDE) slnd_decide(&out[k], SLND_VERDICT_WARN, "a duplicate");
  at("on_events", ((instance *)state)->host, events, n);
  return SLND_OK;
}
static slnd_status status(void *state, char *json, size_t cap, size_t *need) {
  at("status", ((instance *)state)->host, NULL, 0);
  *need = 2;
  if (cap >= 2) memcpy(json, "{}", 2);
  return SLND_OK;
}
static slnd_status flush(void *state, uint64_t deadline_ns) {
  (void)deadline_ns;
  at("flush", ((instance *)state)->host, NULL, 0);
  return SLND_OK;
}
static void stop(void *state) {
  at("stop", ((instance *)state)->host, NULL, 0);
#ifdef HANGS_IN_STOP
  trace(((instance *)state)->host, "hangs");
  pause();
#endif
}
static void destroy(void *state) {
  at("destroy", ((instance *)state)->host, NULL, 0);
  free(state);
}
static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "fault", "Fault", "1.0", "Has one fault.", NULL, NULL, 0, WISHES, ALL_EVENTS, 0, 0, NULL, 0, 0,
    create, configure, start, on_events, status, stop, destroy, flush, NULL};
SLND_PLUGIN_DEFINE(plugin, "fault", "1.0", "")
