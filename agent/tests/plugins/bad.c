/* Accepted, and then behaves badly: -DSLEEPS in on_events for a minute, -DPANICS in each on_events, -DFAILS it,
 * -DHANGS_IN_START, -DABUSES the host's functions, -DREADS_HOLDERS or -DANNOUNCES in each on_events (-DOFTEN: it has a timer for that), -DLEAVES_A_THREAD that goes on calling after destroy. */
#include "trace.h"

#ifdef LEAVES_A_THREAD
static const slnd_host *left_to;
static void *linger(void *unused) {
  const slnd_host *host = left_to;
  slnd_decision decision = {SLND_VERDICT_DENY, 0, "still here"};
  slnd_id16 claim = {{0}};
  (void)unused;
  while (host->wake(host->ctx, 1) == SLND_OK) usleep(1000);
  host->log(host->ctx, SLND_LOG_ERROR, "after the end", 13);
  trace(host, "after destroy: wake=%d decide=%d metric=%d timer=%d", host->wake(host->ctx, 1),
        host->decide(host->ctx, claim, &decision), host->metric(host->ctx, "late", 1, 0),
        host->timer(host->ctx, 1, 1, 1));
  return NULL;
}
#endif

#ifdef ABUSES
static void *from_another_thread(void *arg) {
  const slnd_host *host = arg;
  trace(host, "foreign: worker=%u timer=%d wake=%d", host->is_worker_thread(host->ctx), host->timer(host->ctx, 1, 1, 0),
        host->wake(host->ctx, 9));
  return NULL;
}

static void abuse(const slnd_host *host) {
  slnd_host_ctx *ctx = host->ctx;
  slnd_str none = {NULL, 0}, huge = {"x", SIZE_MAX}, bad = {"\xff\xfe", 2}, upper = {"XSVR", 4}, good = {"xsvr", 4}, other = {"ysvr", 4};
  slnd_id16 claim, foreign = {{1}};
  slnd_decision endless, odd = {350, 0, "\xff"};
  slnd_holder holder;
  char text[64], name[200];
  size_t need = 0, text_need = 0;
  pthread_t thread;
  memset(claim.b, 7, sizeof claim.b);
  memset(&endless, 'x', sizeof endless);
  memset(name, 'a', sizeof name);
  host->log(ctx, SLND_LOG_ERROR, NULL, SIZE_MAX);
  host->log(ctx, 77, "\xff\x1b[2J\nforged", 12);
  host->log(NULL, SLND_LOG_ERROR, "x", 1);
  for (int i = 0; i < 1000; i++) host->log(ctx, SLND_LOG_ERROR, "flood", 5);
  trace(host, "null ctx: %d %d %u %llu", host->wake(NULL, 1), host->decide(NULL, claim, &odd),
        host->is_worker_thread(NULL), (unsigned long long)host->now_ns(NULL));
  trace(host, "decide: %d %d %d %d", host->decide(ctx, claim, NULL), host->decide(ctx, claim, &endless),
        host->decide(ctx, claim, &odd), host->decide(ctx, claim, (const slnd_decision *)((char *)&odd + 1)));
  trace(host, "announce all: %d", host->announce(ctx, none, 0));
  trace(host, "announce: %d %d %d %d", host->announce(ctx, huge, 0), host->announce(ctx, bad, 0),
        host->announce(ctx, upper, 0), host->announce(ctx, good, 1));
  odd.reason[0] = 0;
  trace(host, "not held: %d %d held: %d", host->decide(ctx, foreign, &odd), host->announce(ctx, other, 0),
        host->decide(ctx, claim, &odd));
  trace(host, "metric: %d %d %d %d", host->metric(ctx, NULL, 1, 0), host->metric(ctx, name, 1, 0),
        host->metric(ctx, "UPPER", 1, 0), host->metric(ctx, "fine", 0.0 / 0.0, 0));
  trace(host, "holders: %d %d %d %d", host->holders(ctx, good, NULL, 0, 0, NULL, NULL, 0, NULL),
        host->holders(ctx, good, NULL, sizeof holder, 5, &need, NULL, 0, &text_need),
        host->holders(ctx, good, &holder, 4, 1, &need, text, sizeof text, &text_need),
        host->holders(ctx, huge, &holder, sizeof holder, 1, &need, text, sizeof text, &text_need));
  trace(host, "timer: %d wake: %d extension: %d", host->timer(ctx, 0, 1, 1), host->wake(ctx, 0),
        host->get_extension(ctx, NULL) == NULL && host->get_extension(ctx, "serialnumberd.directory/1") == NULL);
  if (pthread_create(&thread, NULL, from_another_thread, (void *)host) == 0) pthread_join(thread, NULL);
  trace(host, "survived");
}
#endif

#ifdef READS_HOLDERS
static void read_holders(const slnd_host *host) {
  slnd_holder rows[2] = {0};
  slnd_str product = {"xsvr", 4};
  char text[256];
  size_t need = 0, text_need = 0;
  slnd_status status =
      host->holders(host->ctx, product, rows, sizeof rows[0], 2, &need, text, sizeof text, &text_need);
  if (status != SLND_OK) {
    trace(host, "holders %d", status);
    return;
  }
  trace(host, "holders 0 n=%zu %s %s too_small=%d", need, rows[0].host.ptr, need == 2 ? rows[1].host.ptr : "-",
        host->holders(host->ctx, product, rows, sizeof rows[0], 1, &need, text, sizeof text, &text_need));
}
#endif

static slnd_status create(const slnd_host *host, const char *name, void **state, slnd_error *error) {
  (void)name, (void)error;
  return make(host, state);
}
static slnd_status start(void *state, slnd_error *error) {
  instance *i = state;
  (void)i, (void)error;
#ifdef HANGS_IN_START
  sleep(60);
#endif
#ifdef OFTEN
  i->host->timer(i->host->ctx, 1, 20000000, 20000000);
#endif
#ifdef ABUSES
  abuse(i->host);
#endif
#ifdef LEAVES_A_THREAD
  left_to = i->host;
  pthread_create(&i->thread, NULL, linger, NULL);
#endif
  return SLND_OK;
}
static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  instance *i = state;
  (void)events, (void)n;
  trace(i->host, "on_events");
#ifdef READS_HOLDERS
  read_holders(i->host);
#endif
#ifdef ANNOUNCES
  trace(i->host, "announce %d", i->host->announce(i->host->ctx, (slnd_str){"xsvr", 4}, 0));
#endif
  out[0].verdict = SLND_VERDICT_DENY;
  memset(out[0].reason, 'x', sizeof out[0].reason); /* without its NUL */
#ifdef SLEEPS
  sleep(60);
#endif
#ifdef PANICS
  return SLND_E_PANIC;
#elif defined(FAILS)
  return SLND_E_FAIL;
#else
  return SLND_OK;
#endif
}
static void stop(void *state) { trace(((instance *)state)->host, "stop"); }
static void destroy(void *state) {
  trace(((instance *)state)->host, "destroy");
  free(state);
}
static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "bad", "Bad", "1.0", "Behaves badly.", NULL, NULL, 0,
    SLND_PERM_VERDICT | SLND_PERM_ANNOUNCE | SLND_PERM_HOLDERS, ALL_EVENTS, 0, 1, NULL, 0, 0, create, NULL, start, on_events,
    NULL, stop, destroy, NULL, NULL};
SLND_PLUGIN_DEFINE(plugin, "bad", "1.0", "")
