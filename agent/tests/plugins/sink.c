/* Takes events as fast as they come, and looks at each: what delivery itself costs. */
#include "trace.h"

static slnd_status create(const slnd_host *host, const char *name, void **state, slnd_error *error) {
  (void)name, (void)error;
  return make(host, state);
}
static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  (void)out;
  for (size_t k = 0; k < n; k++) ((instance *)state)->verdict += events[k]->kind;
  return SLND_OK;
}
static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "sink", "Sink", "1.0", "Takes events.", NULL, NULL, 0, 0, ALL_EVENTS, 16384, 0, NULL, 0, 0,
    create, NULL, NULL, on_events, NULL, NULL, free, NULL, NULL};
SLND_PLUGIN_DEFINE(plugin, "sink", "1.0", "")
