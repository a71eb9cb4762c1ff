/* Breaks what it promises about its own options and answers: -DHALF_APPLIES a reload that it then refuses,
 * -DNEEDS_THIS_HOST refuses a host of another size, -DODD_ANSWERS no verdict and no text, -DODD_STATUS no JSON,
 * -DCALLS_AFTER_STOP: a function of the host from destroy. */
#include "trace.h"

static slnd_status create(const slnd_host *host, const char *name, void **state, slnd_error *error) {
  (void)name;
#ifdef NEEDS_THIS_HOST
  if (host->struct_size != sizeof *host) {
    snprintf(error->message, sizeof error->message, "this host has another size");
    return error->code = SLND_E_VERSION;
  }
#endif
  (void)error;
  return make(host, state);
}
static slnd_status configure(void *state, const slnd_kv *kv, size_t n, uint32_t is_reload, slnd_error *error) {
  instance *i = state;
  (void)is_reload;
  for (size_t k = 0; k < n; k++) {
    if (strcmp(kv[k].key.ptr, "mode") == 0)
      i->verdict = strcmp(kv[k].value.ptr, "strict") == 0 ? SLND_VERDICT_DENY : SLND_VERDICT_WARN;
    if (strcmp(kv[k].key.ptr, "until") == 0 && strcmp(kv[k].value.ptr, "now") == 0) {
      /* the mode above is in force already */
      snprintf(error->message, sizeof error->message, "that is too early");
      return error->code = SLND_E_INVALID;
    }
  }
  return SLND_OK;
}
static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  for (size_t k = 0; k < n; k++) {
    if (!(events[k]->flags & SLND_EVF_DECIDE)) continue;
    slnd_decide(&out[k], ((instance *)state)->verdict, "as configured");
#ifdef ODD_ANSWERS
    out[k].verdict = 666;
    memset(out[k].reason, '\xff', sizeof out[k].reason);
#endif
  }
  return SLND_OK;
}
static slnd_status status(void *state, char *json, size_t cap, size_t *need) {
  (void)state;
  *need = 2;
#ifdef ODD_STATUS
  if (cap >= 2) memcpy(json, "no", 2);
#else
  if (cap >= 2) memcpy(json, "{}", 2);
#endif
  return SLND_OK;
}
static void destroy(void *state) {
#ifdef CALLS_AFTER_STOP
  const slnd_host *host = ((instance *)state)->host;
  host->wake(host->ctx, 1);
#endif
  free(state);
}
static const slnd_option options[] = {
    {SLND_OPTION_HEAD(SLND_OPT_ENUM, SLND_OPTF_RELOADABLE), "mode", "mild", "What it says.", 0, 0, "mild|strict", NULL},
#ifdef HALF_APPLIES
    {SLND_OPTION_HEAD(SLND_OPT_ENUM, SLND_OPTF_RELOADABLE), "until", "later", "Until when.", 0, 0, "later|now", NULL},
#endif
};
static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "rash", "Rash", "1.0", "Breaks promises.", NULL, NULL, 0, SLND_PERM_VERDICT, ALL_EVENTS, 0, 0,
    options, sizeof options / sizeof *options, sizeof(slnd_option), create, configure, NULL, on_events, status, NULL,
    destroy, NULL, NULL};
SLND_PLUGIN_DEFINE(plugin, "rash", "1.0", "")
