/* What the test programs share: checks that say where they failed, and agents on loopback.
 * A program is called with a directory of its own and two addresses. */
#ifndef RIG_H
#define RIG_H
#include <serialnumberd/serialnumberd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);       \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

/* A call and the status that it must answer. */
#define EXPECT(expected, call)                                                      \
  do {                                                                              \
    slnd_status status_ = (call);                                                   \
    if (status_ != (expected)) {                                                    \
      fprintf(stderr, "%s:%d: %s: %s, not %s: %s\n", __FILE__, __LINE__, #call,     \
              slnd_strerror(status_), slnd_strerror(expected), error.message);      \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)
#define OK(call) EXPECT(SLND_OK, call)

#define RIG_UNUSED __attribute__((unused)) static

RIG_UNUSED slnd_error error;
RIG_UNUSED const char *rig_dir, *rig_addresses[2];
#define PRODUCT slnd_text("xsvr")
#define SERIAL slnd_text("TEST-0042")

RIG_UNUSED void rig_begin(int argc, char **argv) {
  CHECK(argc >= 4);
  rig_dir = argv[1];
  rig_addresses[0] = argv[2];
  rig_addresses[1] = argv[3];
}

RIG_UNUSED int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* A configuration for an agent of its own. */
RIG_UNUSED slnd_config own_config(void) {
  slnd_config config;
  OK(slnd_config_init(&config, sizeof config));
  config.mode = SLND_MODE_OWN;
  config.port = 62611;
  config.announce_ns = 1000000000;
  return config;
}

/* An agent at the first or second address, the other one its peer; not started. */
RIG_UNUSED slnd_agent *own_agent(const slnd_config *config, int place) {
  slnd_agent *agent = NULL;
  char text[512];
  OK(slnd_agent_new(config, &agent, &error));
  snprintf(text, sizeof text, "%s/%d", rig_dir, place);
  OK(slnd_agent_set(agent, "state_dir", text, &error));
  OK(slnd_agent_set(agent, "address", rig_addresses[place], &error));
  snprintf(text, sizeof text, "['%s:62611']", rig_addresses[!place]);
  OK(slnd_agent_set(agent, "peers", text, &error));
  OK(slnd_agent_set(agent, "confirm_after", "2s", &error));
  return agent;
}
#endif
