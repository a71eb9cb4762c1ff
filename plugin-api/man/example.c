#include <serialnumberd/plugin.h>

static const slnd_host *the_host;

static slnd_status create(const slnd_host *host, const char *name,
                          void **state, slnd_error *error) {
  (void)name, (void)error;
  the_host = host;
  *state = NULL;
  return SLND_OK;
}

static slnd_status on_events(void *state, const slnd_event *const *events,
                             size_t n, slnd_decision *out) {
  (void)state;
  for (size_t i = 0; i < n; i++) {
    const slnd_ev_duplicate *dup;
    if (events[i]->kind != SLND_EV_DUPLICATE) continue;
    dup = SLND_EVENT(slnd_ev_duplicate, events[i]);
    slnd_logf(the_host, SLND_LOG_WARN, "%s is used by %u hosts",
              dup->product.ptr, dup->n_holders);
    slnd_decide(&out[i], SLND_VERDICT_WARN, "used by %u hosts",
                dup->n_holders);
  }
  return SLND_OK;
}

static void destroy(void *state) { (void)state; }

static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "example", "Example", "1.0",
    "Warns of duplicates.", NULL, NULL, /* vendor, url */
    0, SLND_PERM_VERDICT,               /* wants, wants_if_granted */
    SLND_EV_BIT(SLND_EV_DUPLICATE) | SLND_EV_BIT(SLND_EV_STATE),
    0, 0,                               /* queue_hint, batch_max */
    NULL, 0, 0,                         /* no options */
    create, NULL, NULL, on_events, NULL, NULL, destroy, NULL, NULL,
};

SLND_PLUGIN_DEFINE(plugin, "example", "1.0", "")
