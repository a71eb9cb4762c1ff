/* Uses every macro and helper of plugin.h once, as C11, C17 and C++17, without one warning. */
#include <serialnumberd/plugin.h>

typedef struct {
  const slnd_host *host;
} instance;

static instance the_only_one;

static slnd_status create(const slnd_host *host, const char *name, void **state, slnd_error *error) {
  (void)error;
  the_only_one.host = host;
  *state = &the_only_one;
  if (SLND_HAS(slnd_host, host, metric)) slnd_logf(host, SLND_LOG_INFO, "%s", name);
  return SLND_OK;
}

static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  size_t i;
  (void)state;
  for (i = 0; i < n; i++) {
    const slnd_ev_duplicate *dup = SLND_EVENT(slnd_ev_duplicate, events[i]);
    uint32_t k;
    if (events[i]->kind != SLND_EV_DUPLICATE || !SLND_EV_HAS(slnd_ev_duplicate, dup, deadline_ns)) continue;
    for (k = 0; k < dup->n_holders; k++) {
      const slnd_holder *holder = SLND_AT(slnd_holder, dup->holders, dup->holder_stride, k);
      if ((holder->flags & SLND_HOLDER_SELF) != 0 && (events[i]->flags & SLND_EVF_DECIDE) != 0)
        slnd_decide(&out[i], SLND_VERDICT_WARN, "%s: %u", dup->product.ptr, k);
    }
  }
  return SLND_OK;
}

static void destroy(void *state) { (void)state; }

static const slnd_option options[] = {
    {SLND_OPTION_HEAD(SLND_OPT_INT, SLND_OPTF_REQUIRED | SLND_OPTF_RELOADABLE), "limit", NULL, "A number.", 1, 9,
     NULL, "hosts"},
};

static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD,
    "every-macro",
    "Every macro",
    "1.0",
    "Uses every macro.",
    NULL,
    NULL,
    SLND_PERM_VERDICT,
    0,
    SLND_EV_BIT(SLND_EV_DUPLICATE) | SLND_EV_BIT(SLND_EV_STATE),
    0,
    0,
    options,
    1,
    sizeof(slnd_option),
    create,
    NULL,
    NULL,
    on_events,
    NULL,
    NULL,
    destroy,
    NULL,
    NULL,
};

SLND_PLUGIN_DEFINE(plugin, "every-macro", "1.0", "verdict")
