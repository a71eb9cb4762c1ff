/* A program outside of the tree: .ci/install builds it against what `make install` has put there, with pkg-config and
 * with CMake, as C and as C++.  Called with a directory of its own, it claims a license on loopback. */
#include <serialnumberd/serialnumberd.h>

#define TRY(call)                                                          \
  do {                                                                     \
    slnd_status status = (call);                                           \
    if (status != SLND_OK) {                                               \
      fprintf(stderr, "%s: %s: %s\n", #call, slnd_strerror(status), error.message); \
      return 1;                                                            \
    }                                                                      \
  } while (0)

int main(int argc, char **argv) {
  slnd_error error = {0, 0, ""};
  slnd_config config;
  slnd_agent *agent = NULL;
  slnd_verdict verdict = SLND_VERDICT_ABSTAIN;
  if (argc != 2 || slnd_version_number() != SLND_VERSION_NUMBER) return 2;
  TRY(slnd_config_init(&config, sizeof config));
  config.mode = SLND_MODE_OWN;
  config.port = 62693;
  TRY(slnd_agent_new(&config, &agent, &error));
  TRY(slnd_agent_set(agent, "state_dir", argv[1], &error));
  TRY(slnd_agent_set(agent, "address", "127.93.1.1", &error));
  TRY(slnd_agent_claim(agent, slnd_text("xsvr"), slnd_text("TEST-0042"), 1, &error));
  TRY(slnd_agent_start(agent, &error));
  TRY(slnd_agent_spawn(agent, &error));
  TRY(slnd_agent_wait(agent, slnd_text("xsvr"), UINT64_C(30000000000)));
  TRY(slnd_agent_check(agent, slnd_text("xsvr"), &verdict, NULL, 0));
  slnd_agent_free(agent);
  printf("%s: %u\n", slnd_version_string(), verdict);
  return verdict == SLND_VERDICT_ALLOW ? 0 : 1;
}
