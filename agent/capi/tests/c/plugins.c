/* A static plugin whose verdict is required, and one by path; with options, and what is refused of them. */
#include "rig.h"
#include <stdatomic.h>

static atomic_int created, destroyed, asked;

static slnd_status create(const slnd_host *host, const char *instance, void **state, slnd_error *why) {
  (void)instance, (void)why;
  created++;
  *state = (void *)(uintptr_t)host;
  return SLND_OK;
}

static slnd_status configure(void *state, const slnd_kv *options, size_t n, uint32_t is_reload, slnd_error *why) {
  (void)state, (void)why;
  CHECK(is_reload == 0 && n == 1 && strcmp(options[0].key.ptr, "limit") == 0 && strcmp(options[0].value.ptr, "7") == 0);
  return SLND_OK;
}

static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  (void)state;
  for (size_t i = 0; i < n; i++)
    if ((events[i]->flags & SLND_EVF_DECIDE) != 0) {
      asked++;
      slnd_decide(&out[i], SLND_VERDICT_LIMIT, "limited by a plugin of the program");
    }
  return SLND_OK;
}

static void destroy(void *state) {
  (void)state;
  destroyed++;
}

static const slnd_option options[] = {
    {SLND_OPTION_HEAD(SLND_OPT_INT, SLND_OPTF_REQUIRED), "limit", NULL, "A number.", 1, 9, NULL, NULL},
};

static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "limiter", "Limiter", "1.0", "Limits.", NULL, NULL, SLND_PERM_VERDICT, 0,
    SLND_EV_BIT(SLND_EV_STATE) | SLND_EV_BIT(SLND_EV_DUPLICATE), 0, 0, options, 1, sizeof(slnd_option),
    create, configure, NULL, on_events, NULL, NULL, destroy, NULL, NULL,
};

static slnd_kv option(const char *key, const char *value) {
  slnd_kv pair;
  pair.key = slnd_text(key);
  pair.value = slnd_text(value);
  return pair;
}

int main(int argc, char **argv) {
  slnd_config config;
  slnd_agent *agent;
  slnd_kv good = option("limit", "7"), wrong = option("limit", "ten"), unknown = option("limits", "7");
  slnd_verdict verdict = SLND_VERDICT_ABSTAIN;
  slnd_status_info info;
  char reason[1016];
  rig_begin(argc, argv);
  CHECK(argc == 5);
  config = own_config();

  /* An option that cannot be is refused at the start at the latest, in a sentence that names it. */
  for (int i = 0; i < 2; i++) {
    agent = own_agent(&config, 0);
    slnd_status status = slnd_agent_add_plugin_static(agent, &plugin, i == 0 ? &wrong : &unknown, 1, &error);
    if (status == SLND_OK) status = slnd_agent_set(agent, "plugin.limiter.grant", "['verdict']", &error);
    if (status == SLND_OK) status = slnd_agent_start(agent, &error);
    CHECK(status != SLND_OK && strstr(error.message, "limit") != NULL);
    slnd_agent_free(agent);
  }
  CHECK(created == 0);

  agent = own_agent(&config, 0);
  OK(slnd_agent_add_plugin_static(agent, &plugin, &good, 1, &error));
  OK(slnd_agent_set(agent, "plugin.limiter.verdict", "require", &error));
  OK(slnd_agent_set(agent, "plugin.limiter.grant", "['verdict']", &error));
  OK(slnd_agent_add_plugin(agent, argv[4], NULL, 0, &error));
  OK(slnd_agent_start(agent, &error));
  OK(slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  OK(slnd_agent_spawn(agent, &error));
  OK(slnd_agent_wait(agent, PRODUCT, UINT64_C(20000000000)));
  OK(slnd_agent_check(agent, PRODUCT, &verdict, reason, sizeof reason));
  CHECK(verdict == SLND_VERDICT_LIMIT && strstr(reason, "limited by a plugin of the program") != NULL);
  info.struct_size = sizeof info;
  OK(slnd_agent_status(agent, &info));
  CHECK(info.plugins == 2 && info.plugins_stalled == 0);
  CHECK(created == 1 && asked > 0 && destroyed == 0);
  slnd_agent_free(agent);
  CHECK(destroyed == 1);
  return 0;
}
