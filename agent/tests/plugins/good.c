/* Does everything right, and tells what happens to it.
 * -DGATED: on_events waits for the gate.  -DNO_TICKS: does not want the beat.  -DID: has another id.
 * -DDECIDES: answers states too, and a reload replaces its verdict on the claim that it heard of last. */
#include "trace.h"
#ifndef ID
#define ID "good"
#endif

static slnd_status create(const slnd_host *host, const char *name, void **state, slnd_error *error) {
  (void)error;
  trace(host, "create %s worker=%u host=%s granted=%llu", name, host->is_worker_thread(host->ctx), host->name.ptr,
        (unsigned long long)host->granted);
  return make(host, state);
}

static slnd_status configure(void *state, const slnd_kv *kv, size_t n, uint32_t is_reload, slnd_error *error) {
  instance *i = state;
  for (size_t k = 0; k < n; k++) {
    trace(i->host, "%s %s=%s", is_reload ? "reload" : "configure", kv[k].key.ptr, kv[k].value.ptr);
    if (strcmp(kv[k].key.ptr, "mode") == 0 && strcmp(kv[k].value.ptr, "refused") == 0) {
      snprintf(error->message, sizeof error->message, "this mode is refused; the token is hush");
      return error->code = SLND_E_INVALID;
    }
    if (strcmp(kv[k].key.ptr, "mode") == 0)
      i->verdict = strcmp(kv[k].value.ptr, "strict") == 0 ? SLND_VERDICT_DENY : SLND_VERDICT_WARN;
  }
#ifdef DECIDES
  slnd_decision decision = {i->verdict, 0, "reloaded"};
  if (is_reload) trace(i->host, "decide %d", i->host->decide(i->host->ctx, i->claim, &decision));
#endif
  return SLND_OK;
}

static slnd_status start(void *state, slnd_error *error) {
  instance *i = state;
  (void)error;
  trace(i->host, "start timer=%d", i->host->timer(i->host->ctx, 7, 1000000, 0));
  i->host->metric(i->host->ctx, "started_total", 1, 1);
  return SLND_OK;
}

static void tell_holder(const slnd_host *host, const slnd_holder *h) {
  trace(host, "holder host=%s group=%s transport=%s ifname=%s family=%u flags=%u boot=%llx", h->host.ptr, h->group.ptr,
        h->transport.ptr, h->ifname.ptr, h->from.family, h->flags, (unsigned long long)h->boot_id);
}

static void tell(instance *i, const slnd_event *e, slnd_decision *out) {
  const slnd_host *host = i->host;
  unsigned long long seq = e->seq;
  if (e->kind == SLND_EV_ANNOUNCEMENT) {
    const slnd_ev_announcement *a = SLND_EVENT(slnd_ev_announcement, e);
    trace(host, "announcement %llu %s raw=%zu", seq, a->product.ptr, a->raw_len);
    tell_holder(host, a->holder);
  } else if (e->kind == SLND_EV_DUPLICATE) {
    const slnd_ev_duplicate *d = SLND_EVENT(slnd_ev_duplicate, e);
    trace(host, "duplicate %llu %s n=%u seats=%u deadline=%llu flags=%u", seq, d->product.ptr, d->n_holders, d->seats,
          (unsigned long long)d->deadline_ns, e->flags);
    i->claim = d->claim;
    for (uint32_t k = 0; k < d->n_holders; k++) tell_holder(host, SLND_AT(slnd_holder, d->holders, d->holder_stride, k));
    slnd_decide(out, i->verdict, "%u holders", d->n_holders);
  } else if (e->kind == SLND_EV_RESOLVED) {
    trace(host, "resolved %llu cause=%u", seq, SLND_EVENT(slnd_ev_resolved, e)->cause);
  } else if (e->kind == SLND_EV_STATE) {
    const slnd_ev_state *s = SLND_EVENT(slnd_ev_state, e);
    trace(host, "state %llu %u->%u verdict=%u reason=%s", seq, s->old_state, s->state, s->verdict, s->reason.ptr);
    i->claim = s->claim;
#ifdef DECIDES
    slnd_decide(out, i->verdict, "state %u", s->state);
#endif
  } else if (e->kind == SLND_EV_QUERY) {
    const slnd_ev_query *q = SLND_EVENT(slnd_ev_query, e);
    trace(host, "query %llu %.*s", seq, (int)q->text_len, (const char *)q->text);
  } else if (e->kind == SLND_EV_TICK) {
    trace(host, "tick %llu id=%llu real=%llu", seq, (unsigned long long)SLND_EVENT(slnd_ev_tick, e)->timer_id,
          (unsigned long long)e->real_ns);
  } else if (e->kind == SLND_EV_LOST) {
    const slnd_ev_lost *l = SLND_EVENT(slnd_ev_lost, e);
    trace(host, "lost %llu-%llu count=%llu announcements=%llu ticks=%llu", (unsigned long long)l->first_seq,
          (unsigned long long)l->last_seq, (unsigned long long)l->count,
          (unsigned long long)l->by_kind[SLND_EV_ANNOUNCEMENT], (unsigned long long)l->by_kind[SLND_EV_TICK]);
  }
}

static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  instance *i = state;
#ifdef GATED
  await_gate(i->host);
#endif
  if (!i->host->is_worker_thread(i->host->ctx)) trace(i->host, "on_events on a foreign thread");
  for (size_t k = 0; k < n; k++) tell(i, events[k], &out[k]);
  return SLND_OK;
}

static slnd_status status(void *state, char *json, size_t cap, size_t *need) {
  static const char text[] = "{\"mood\":\"good\"}";
  (void)state;
  *need = sizeof text - 1;
  if (cap >= *need) memcpy(json, text, *need);
  return SLND_OK;
}
static slnd_status flush(void *state, uint64_t deadline_ns) {
  trace(((instance *)state)->host, "flush deadline=%d", deadline_ns != 0);
  return SLND_OK;
}
static void stop(void *state) { trace(((instance *)state)->host, "stop"); }
static void destroy(void *state) {
  const slnd_host *host = ((instance *)state)->host;
  trace(host, "destroy wake=%d", host->wake(host->ctx, 1));
  free(state);
}

static const slnd_option options[] = {
    {SLND_OPTION_HEAD(SLND_OPT_ENUM, SLND_OPTF_RELOADABLE), "mode", "observe", "What it does.", 0, 0,
     "observe|strict|refused", NULL},
    {SLND_OPTION_HEAD(SLND_OPT_DURATION, 0), "grace", "15m", "How long it waits.", 0, 0, NULL, NULL},
    {SLND_OPTION_HEAD(SLND_OPT_STRING, SLND_OPTF_SECRET | SLND_OPTF_RELOADABLE), "token", NULL, "A secret.", 0, 0, NULL,
     NULL},
};
#ifdef NO_TICKS
#define EVENTS (ALL_EVENTS & ~SLND_EV_BIT(SLND_EV_TICK))
#else
#define EVENTS ALL_EVENTS
#endif
static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, ID, "Good", "1.0", "Does everything right.", NULL, NULL, 0,
    SLND_PERM_VERDICT | SLND_PERM_RAW | SLND_PERM_HOLDERS, EVENTS, 128, 8, options, 3, sizeof(slnd_option), create,
    configure, start, on_events, status, stop, destroy, flush, NULL};
SLND_PLUGIN_DEFINE(plugin, ID, "1.0", "")
