/* A program that opens the library itself, and closes it while a thread of it runs: it stays. */
#include "rig.h"
#include <dlfcn.h>

int main(int argc, char **argv) {
  void *library;
  slnd_config config;
  slnd_agent *agent = NULL;
  char text[512];
  rig_begin(argc, argv);
  CHECK(argc == 5);
  library = dlopen(argv[4], RTLD_NOW | RTLD_LOCAL);
  CHECK(library != NULL);
#define FUNCTION(name) __typeof__(&name) my_##name = (__typeof__(&name))dlsym(library, #name)
#pragma GCC diagnostic ignored "-Wpedantic" /* a function is no object, but dlsym says it is */
  FUNCTION(slnd_strerror);
  FUNCTION(slnd_config_init);
  FUNCTION(slnd_agent_new);
  FUNCTION(slnd_agent_set);
  FUNCTION(slnd_agent_start);
  FUNCTION(slnd_agent_spawn);
  FUNCTION(slnd_agent_claim);
  FUNCTION(slnd_agent_wait);
  FUNCTION(slnd_agent_free);
#define slnd_strerror my_slnd_strerror
  OK(my_slnd_config_init(&config, sizeof config));
  config.mode = SLND_MODE_OWN;
  config.port = 62611;
  OK(my_slnd_agent_new(&config, &agent, &error));
  snprintf(text, sizeof text, "%s/0", rig_dir);
  OK(my_slnd_agent_set(agent, "state_dir", text, &error));
  OK(my_slnd_agent_set(agent, "address", rig_addresses[0], &error));
  OK(my_slnd_agent_start(agent, &error));
  OK(my_slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  OK(my_slnd_agent_spawn(agent, &error));
  CHECK(dlclose(library) == 0);
  OK(my_slnd_agent_wait(agent, PRODUCT, UINT64_C(20000000000)));
  my_slnd_agent_free(agent);
  return 0;
}
