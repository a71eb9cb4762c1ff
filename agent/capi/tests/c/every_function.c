/* The signature of every function, asserted; and every macro used once: as C11, C17 and C++17 without a warning. */
#include <serialnumberd/serialnumberd.h>

#ifdef __cplusplus
#include <type_traits>
#define SIGNATURE(function, ...) \
  static_assert(std::is_same<decltype(&function), __VA_ARGS__>::value, #function " has another type")
#else
#define SIGNATURE(function, ...) \
  _Static_assert(_Generic(&function, __VA_ARGS__: 1, default: 0), #function " has another type")
#endif

SIGNATURE(slnd_version_number, uint32_t (*)(void));
SIGNATURE(slnd_version_string, const char *(*)(void));
SIGNATURE(slnd_strerror, const char *(*)(slnd_status));
SIGNATURE(slnd_config_init, slnd_status (*)(slnd_config *, size_t));
SIGNATURE(slnd_agent_new, slnd_status (*)(const slnd_config *, slnd_agent **, slnd_error *));
SIGNATURE(slnd_agent_set, slnd_status (*)(slnd_agent *, const char *, const char *, slnd_error *));
SIGNATURE(slnd_agent_adopt_socket, slnd_status (*)(slnd_agent *, int, slnd_error *));
SIGNATURE(slnd_agent_add_plugin, slnd_status (*)(slnd_agent *, const char *, const slnd_kv *, size_t, slnd_error *));
SIGNATURE(slnd_agent_add_plugin_static,
          slnd_status (*)(slnd_agent *, const slnd_plugin *, const slnd_kv *, size_t, slnd_error *));
SIGNATURE(slnd_agent_start, slnd_status (*)(slnd_agent *, slnd_error *));
SIGNATURE(slnd_agent_fd, int (*)(const slnd_agent *));
SIGNATURE(slnd_agent_timeout_ns, int64_t (*)(const slnd_agent *));
SIGNATURE(slnd_agent_dispatch, slnd_status (*)(slnd_agent *, uint32_t, uint32_t *));
SIGNATURE(slnd_agent_run, slnd_status (*)(slnd_agent *, slnd_error *));
SIGNATURE(slnd_agent_spawn, slnd_status (*)(slnd_agent *, slnd_error *));
SIGNATURE(slnd_agent_stop, slnd_status (*)(slnd_agent *));
SIGNATURE(slnd_agent_free, void (*)(slnd_agent *));
SIGNATURE(slnd_agent_claim, slnd_status (*)(slnd_agent *, slnd_str, slnd_str, uint32_t, slnd_error *));
SIGNATURE(slnd_agent_release, slnd_status (*)(slnd_agent *, slnd_str));
SIGNATURE(slnd_agent_check, slnd_status (*)(slnd_agent *, slnd_str, slnd_verdict *, char *, size_t));
SIGNATURE(slnd_agent_claim_info, slnd_status (*)(slnd_agent *, slnd_str, slnd_claim_info *));
SIGNATURE(slnd_agent_wait, slnd_status (*)(slnd_agent *, slnd_str, uint64_t));
SIGNATURE(slnd_agent_status, slnd_status (*)(slnd_agent *, slnd_status_info *));
SIGNATURE(slnd_agent_status_json, slnd_status (*)(slnd_agent *, char *, size_t, size_t *));

/* The callbacks have the signatures that the configuration wants. */
static void on_events(void *user, const slnd_event *const *events, size_t n, slnd_decision *out) {
  size_t i;
  (void)user;
  for (i = 0; i < n; i++)
    if ((events[i]->flags & SLND_EVF_DECIDE) != 0) slnd_decide(&out[i], SLND_VERDICT_WARN, "event %zu", i);
}

static void on_log(void *user, slnd_level level, const char *message, size_t length) {
  (void)user;
  if (level <= SLND_LOG_WARN) fprintf(stderr, "%.*s\n", (int)length, message);
}

int main(void) {
  slnd_config config;
  slnd_agent *agent = NULL;
  slnd_error error;
  slnd_status status;
  if (slnd_version_number() < SLND_VERSION_NUMBER || slnd_config_init(&config, sizeof config) != SLND_OK) return 1;
  config.flags = SLND_CONFIG_NO_BIND | SLND_CONFIG_NO_PLUGINS;
  config.mode = SLND_MODE_AUTO == 1 ? SLND_MODE_OWN : SLND_MODE_CONNECT;
  config.events = SLND_EV_BIT(SLND_EV_DUPLICATE) | SLND_EV_BIT(SLND_EV_STATE);
  config.on_events = on_events;
  config.on_log = on_log;
  status = slnd_agent_new(&config, &agent, &error);
  if (status == SLND_OK) status = slnd_agent_claim(agent, slnd_text("xsvr"), slnd_text("1-2-3"), 1, &error);
  if (status != SLND_OK) fprintf(stderr, "%s: %s\n", slnd_strerror(status), error.message);
  slnd_agent_free(agent);
  return status == SLND_OK ? 0 : 1;
}
