/* Says what it was told, and when: each answer's reason has the event's own words, so that a test sees what came through.
 * -DSTRAYS: sets a timer in start, and decides by itself when it ticks.  -DWAKES_FOR_EVER: at each tick. */
#include "trace.h"

static slnd_status create(const slnd_host *host, const char *name, void **state, slnd_error *error) {
  (void)name, (void)error;
  return make(host, state);
}
static slnd_status start(void *state, slnd_error *error) {
  instance *i = state;
  (void)i, (void)error;
#ifdef STRAYS
  i->host->timer(i->host->ctx, 7, UINT64_C(2000000000), UINT64_C(2000000000));
#endif
#ifdef WAKES_FOR_EVER
  i->host->timer(i->host->ctx, 8, 1, 1);
  i->host->wake(i->host->ctx, 9);
#endif
  return SLND_OK;
}
static void say(instance *i, const slnd_event *e, slnd_decision *out) {
  if (e->kind == SLND_EV_DUPLICATE) {
    const slnd_ev_duplicate *d = SLND_EVENT(slnd_ev_duplicate, e);
    const slnd_holder *h = SLND_AT(slnd_holder, d->holders, d->holder_stride, 0);
    i->claim = d->claim;
    slnd_decide(out, SLND_VERDICT_WARN, "duplicate flags=%u stage=%u n=%u first=%s on %s wait=%llu now-mono=%lld", e->flags,
                d->stage, d->n_holders, h->host.ptr, h->ifname.ptr, (unsigned long long)(d->deadline_ns - e->mono_ns),
                (long long)(i->host->now_ns(i->host->ctx) - e->mono_ns));
  } else if (e->kind == SLND_EV_STATE) {
    const slnd_ev_state *s = SLND_EVENT(slnd_ev_state, e);
    i->claim = s->claim;
    slnd_decide(out, SLND_VERDICT_ALLOW, "state flags=%u %u->%u", e->flags, s->old_state, s->state);
  } else if (e->kind == SLND_EV_TICK && SLND_EVENT(slnd_ev_tick, e)->timer_id != SLND_TIMER_BEAT) {
    slnd_decision decision = {SLND_VERDICT_LIMIT, 0, ""};
    slnd_decide(&decision, SLND_VERDICT_LIMIT, "tick flags=%u real=%llu", e->flags, (unsigned long long)e->real_ns);
#ifdef WAKES_FOR_EVER
    i->host->wake(i->host->ctx, 9);
#else
    i->host->decide(i->host->ctx, i->claim, &decision);
#endif
  } else if (e->kind == SLND_EV_LOST) {
    const slnd_ev_lost *l = SLND_EVENT(slnd_ev_lost, e);
    slnd_decision decision;
    slnd_decide(&decision, SLND_VERDICT_DENY, "lost %llu-%llu count=%llu", (unsigned long long)l->first_seq,
                (unsigned long long)l->last_seq, (unsigned long long)l->count);
    i->host->decide(i->host->ctx, i->claim, &decision);
  }
}
static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  for (size_t k = 0; k < n; k++) say(state, events[k], &out[k]);
  return SLND_OK;
}
static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "echo", "Echo", "1.0", "Says what it was told.", NULL, NULL, 0, SLND_PERM_VERDICT, ALL_EVENTS, 0, 0,
    NULL, 0, 0, create, NULL, start, on_events, NULL, NULL, free, NULL, NULL};
SLND_PLUGIN_DEFINE(plugin, "echo", "1.0", "")
