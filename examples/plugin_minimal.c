/* A whole plugin in C: logs what it is told, and with grant = ["verdict"] its verdict decides.
 *   cc -shared -fPIC -Iinclude -o libplugin_minimal.so examples/plugin_minimal.c */
#include <serialnumberd/plugin.h>
#include <stdlib.h>
#include <string.h>

typedef struct { const slnd_host *host; slnd_verdict verdict; } minimal;

static slnd_status create(const slnd_host *host, const char *instance, void **state, slnd_error *error) {
  minimal *m = calloc(1, sizeof *m);
  (void)instance, (void)error;
  if (m == NULL) return SLND_E_NOMEM;
  m->host = host;
  *state = m;
  return SLND_OK;
}
static slnd_status configure(void *state, const slnd_kv *options, size_t n, uint32_t is_reload, slnd_error *error) {
  minimal *m = state;
  (void)is_reload, (void)error;
  for (size_t i = 0; i < n; i++) /* the host has checked name and value */
    m->verdict = strcmp(options[i].value.ptr, "deny") == 0 ? SLND_VERDICT_DENY : SLND_VERDICT_WARN;
  return SLND_OK;
}
static void on_event(const minimal *m, const slnd_event *event, slnd_decision *out) {
  if (event->kind == SLND_EV_ANNOUNCEMENT) {
    const slnd_ev_announcement *e = SLND_EVENT(slnd_ev_announcement, event);
    slnd_logf(m->host, SLND_LOG_INFO, "announcement %s from %s", e->product.ptr, e->holder->host.ptr);
  } else if (event->kind == SLND_EV_DUPLICATE) {
    const slnd_ev_duplicate *e = SLND_EVENT(slnd_ev_duplicate, event);
    slnd_verdict verdict = e->stage == SLND_STAGE_DUPLICATE ? m->verdict : SLND_VERDICT_WARN;
    slnd_logf(m->host, SLND_LOG_WARN, "duplicate %s stage %u: %u holders", e->product.ptr, e->stage, e->n_holders);
    slnd_decide(out, verdict, "%u hosts use the license of %s: stop one", e->n_holders, e->product.ptr);
  } else if (event->kind == SLND_EV_RESOLVED) {
    const slnd_ev_resolved *e = SLND_EVENT(slnd_ev_resolved, event);
    slnd_logf(m->host, SLND_LOG_INFO, "resolved %s cause %u", e->product.ptr, e->cause);
  } else if (event->kind == SLND_EV_STATE) {
    const slnd_ev_state *e = SLND_EVENT(slnd_ev_state, event);
    slnd_verdict verdict = e->state == SLND_STATE_DUPLICATE ? m->verdict : SLND_VERDICT_WARN;
    slnd_logf(m->host, SLND_LOG_INFO, "state %s %u -> %u", e->product.ptr, e->old_state, e->state);
    if (e->state == SLND_STATE_CLEAR || e->state == SLND_STATE_SUSPECTED) verdict = SLND_VERDICT_ALLOW;
    if (e->state != SLND_STATE_PROBING) slnd_decide(out, verdict, "%s is in state %u", e->product.ptr, e->state);
  } else if (event->kind == SLND_EV_TICK) {
    slnd_logf(m->host, SLND_LOG_DEBUG, "tick");
  }
}
static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  for (size_t i = 0; i < n; i++) on_event(state, events[i], &out[i]);
  return SLND_OK;
}
static const slnd_option options[] = {{SLND_OPTION_HEAD(SLND_OPT_ENUM, SLND_OPTF_RELOADABLE), "verdict", "deny",
                                       "What a proved duplicate gets.", 0, 0, "warn|deny", NULL}};
static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "minimal", "Minimal", "1.0", "Logs, and decides on duplicates.", NULL, NULL,
    0, SLND_PERM_VERDICT, SLND_EV_BIT(SLND_EV_ANNOUNCEMENT) | SLND_EV_BIT(SLND_EV_DUPLICATE) |
    SLND_EV_BIT(SLND_EV_RESOLVED) | SLND_EV_BIT(SLND_EV_STATE) | SLND_EV_BIT(SLND_EV_TICK), 0, 0, options, 1,
    sizeof(slnd_option), create, configure, NULL, on_events, NULL, NULL, free, NULL, NULL};
SLND_PLUGIN_DEFINE(plugin, "minimal", "1.0", "")
