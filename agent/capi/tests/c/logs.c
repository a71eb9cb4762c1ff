/* Two agents write to two logs, whatever thread works for them, and nothing after they are freed. */
#include "rig.h"
#include <stdatomic.h>

static atomic_int lines[2], is_freed[2];

static void on_log(void *user, slnd_level level, const char *message, size_t length) {
  int which = *(const int *)user;
  char other[64];
  snprintf(other, sizeof other, "%s/%d", rig_dir, !which);
  CHECK(!is_freed[which]);
  CHECK(level >= SLND_LOG_ERROR && level <= SLND_LOG_DEBUG && message[length] == '\0' && strlen(message) == length);
  CHECK(strstr(message, other) == NULL); /* the other one's directory */
  CHECK(strstr(message, "0042") == NULL); /* the serial, in whatever form */
  lines[which]++;
}

int main(int argc, char **argv) {
  static int names[2] = {0, 1};
  slnd_agent *agents[2];
  rig_begin(argc, argv);
  for (int i = 0; i < 2; i++) {
    slnd_config config = own_config();
    config.on_log = on_log;
    config.user = &names[i];
    agents[i] = own_agent(&config, i);
    OK(slnd_agent_start(agents[i], &error));
    OK(slnd_agent_claim(agents[i], i == 0 ? slnd_text("a") : slnd_text("b"), SERIAL, 1, &error));
    OK(slnd_agent_spawn(agents[i], &error));
  }
  OK(slnd_agent_wait(agents[0], slnd_text("a"), UINT64_C(20000000000)));
  OK(slnd_agent_wait(agents[1], slnd_text("b"), UINT64_C(20000000000)));
  for (int i = 0; i < 2; i++) {
    slnd_agent_free(agents[i]);
    is_freed[i] = 1;
    CHECK(lines[i] > 0);
  }
  return 0;
}
