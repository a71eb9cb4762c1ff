#include <serialnumberd/serialnumberd.h>

int main(void) {
  slnd_error error;
  slnd_config config;
  slnd_agent *agent;
  slnd_verdict verdict = SLND_VERDICT_ALLOW;
  char reason[200] = "";
  slnd_str product = slnd_text("xsvr");

  if (slnd_config_init(&config, sizeof config) != SLND_OK) return 1;
  if (slnd_agent_new(&config, &agent, &error) != SLND_OK ||
      slnd_agent_claim(agent, product, slnd_text("TRY-0042"), 1,
                       &error) != SLND_OK ||
      slnd_agent_start(agent, &error) != SLND_OK ||
      slnd_agent_spawn(agent, &error) != SLND_OK) {
    fprintf(stderr, "%s\n", error.message);
    slnd_agent_free(agent);
    return 1;
  }
  if (slnd_agent_wait(agent, product, UINT64_C(10000000000)) == SLND_OK)
    slnd_agent_check(agent, product, &verdict, reason, sizeof reason);
  if (verdict == SLND_VERDICT_DENY)
    fprintf(stderr, "not licensed: %s\n", reason);
  else
    puts("serving"); /* and check again now and then */

  slnd_agent_free(agent);
  return verdict == SLND_VERDICT_DENY;
}
