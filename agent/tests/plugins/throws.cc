// A C++ exception leaves a slot (R8): no host can catch it, whatever it is written in.
#include <serialnumberd/plugin.h>

#include <stdexcept>

namespace {
int only;

slnd_status create(const slnd_host *, const char *, void **state, slnd_error *) {
  *state = &only;
  return SLND_OK;
}
slnd_status on_events(void *, const slnd_event *const *, size_t, slnd_decision *) {
  throw std::runtime_error("out of a slot");
}
void destroy(void *) {}

const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "throws", "Throws", "1.0", "Throws an exception out of a slot.", nullptr, nullptr, 0,
    SLND_PERM_VERDICT, ~UINT64_C(0), 0, 0, nullptr, 0, 0, create, nullptr, nullptr, on_events, nullptr, nullptr,
    destroy, nullptr, nullptr};
}  // namespace

SLND_PLUGIN_DEFINE(plugin, "throws", "1.0", "")
