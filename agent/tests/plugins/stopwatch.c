/* Takes the time: how long after its own time each event is in the plugin's hands.  Writes all of them, one a line and
 * each with its number, into "times" in its state directory when it is to flush. */
#include "trace.h"

#define MOST 1000000
static struct {
  uint64_t seq, late_ns;
} times[MOST];
static size_t taken;

static slnd_status create(const slnd_host *host, const char *name, void **state, slnd_error *error) {
  (void)name, (void)error;
  return make(host, state);
}
static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  const slnd_host *host = ((instance *)state)->host;
  (void)out;
  for (size_t k = 0; k < n && taken < MOST; k++) {
    times[taken].seq = events[k]->seq;
    times[taken++].late_ns = host->now_ns(host->ctx) - events[k]->mono_ns;
  }
  return SLND_OK;
}
static slnd_status flush(void *state, uint64_t deadline_ns) {
  char path[4096];
  FILE *file;
  (void)deadline_ns;
  snprintf(path, sizeof path, "%s/times", ((instance *)state)->host->state_dir.ptr);
  file = fopen(path, "w");
  if (file == NULL) return SLND_E_FAIL;
  for (size_t k = 0; k < taken; k++)
    fprintf(file, "%llu %llu\n", (unsigned long long)times[k].seq, (unsigned long long)times[k].late_ns);
  return fclose(file) == 0 ? SLND_OK : SLND_E_FAIL;
}
static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "stopwatch", "Stopwatch", "1.0", "Takes the time.", NULL, NULL, 0, 0, ALL_EVENTS, 16384, 64, NULL, 0,
    0, create, NULL, NULL, on_events, NULL, NULL, free, flush, NULL};
SLND_PLUGIN_DEFINE(plugin, "stopwatch", "1.0", "")
