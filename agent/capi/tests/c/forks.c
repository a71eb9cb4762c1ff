/* fork(2) beside an agent that another thread turns, and inside a callback.  The child is told that the agent is its
 * parent's, frees its copies of the descriptors, and may have an agent of its own; the parent notices nothing. */
#include "rig.h"
#include <dirent.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

static slnd_agent *agent;
static int forked_in_callback;
static pid_t child_of_callback = -1;

/* How many are open; those of valgrind have high numbers. */
static int open_descriptors(void) {
  DIR *all = opendir("/proc/self/fd");
  struct dirent *one;
  int count = 0;
  CHECK(all != NULL);
  while ((one = readdir(all)) != NULL) count += one->d_name[0] != '.' && atoi(one->d_name) < 1000;
  closedir(all);
  return count;
}

static void nothing_works(void) {
  slnd_verdict verdict;
  slnd_status_info info = {.struct_size = sizeof info};
  slnd_claim_info claim = {.struct_size = sizeof claim};
  char room[64];
  size_t need;
  EXPECT(SLND_E_CLOSED, slnd_agent_check(agent, PRODUCT, &verdict, room, sizeof room));
  EXPECT(SLND_E_CLOSED, slnd_agent_claim_info(agent, PRODUCT, &claim));
  EXPECT(SLND_E_CLOSED, slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  CHECK(strstr(error.message, "forked") != NULL);
  EXPECT(SLND_E_CLOSED, slnd_agent_release(agent, PRODUCT));
  EXPECT(SLND_E_CLOSED, slnd_agent_wait(agent, PRODUCT, UINT64_MAX));
  EXPECT(SLND_E_CLOSED, slnd_agent_status(agent, &info));
  EXPECT(SLND_E_CLOSED, slnd_agent_status_json(agent, room, sizeof room, &need));
  EXPECT(SLND_E_CLOSED, slnd_agent_set(agent, "interval", "1s", &error));
  EXPECT(SLND_E_CLOSED, slnd_agent_adopt_socket(agent, 0, &error));
  EXPECT(SLND_E_CLOSED, slnd_agent_add_plugin(agent, "x.so", NULL, 0, &error));
  EXPECT(SLND_E_CLOSED, slnd_agent_start(agent, &error));
  EXPECT(SLND_E_CLOSED, slnd_agent_dispatch(agent, 1, NULL));
  EXPECT(SLND_E_CLOSED, slnd_agent_run(agent, &error));
  EXPECT(SLND_E_CLOSED, slnd_agent_spawn(agent, &error));
  EXPECT(SLND_E_CLOSED, slnd_agent_stop(agent));
  CHECK(slnd_agent_fd(agent) == SLND_E_CLOSED && slnd_agent_timeout_ns(agent) == SLND_E_CLOSED);
}

static void agent_of_its_own(void) {
  slnd_config config = own_config();
  slnd_agent *own = own_agent(&config, 1);
  slnd_verdict verdict;
  OK(slnd_agent_start(own, &error));
  OK(slnd_agent_claim(own, slnd_text("child"), slnd_text("CHILD-1"), 1, &error));
  OK(slnd_agent_spawn(own, &error));
  OK(slnd_agent_wait(own, slnd_text("child"), UINT64_C(20000000000)));
  OK(slnd_agent_check(own, slnd_text("child"), &verdict, NULL, 0));
  CHECK(verdict == SLND_VERDICT_ALLOW);
  slnd_agent_free(own);
}

static void await(pid_t child) {
  int status = 0;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Only the first call forks; the child goes on from here, returns, and finds that the agent is not its own. */
static void on_events(void *user, const slnd_event *const *events, size_t n, slnd_decision *out) {
  (void)user, (void)events, (void)n, (void)out;
  if (forked_in_callback++ == 0) {
    CHECK((child_of_callback = fork()) >= 0);
    if (child_of_callback == 0) {
      nothing_works();
      slnd_agent_free(agent);
    }
  }
}

static void fork_beside_its_thread(void) {
  slnd_config config = own_config();
  int before = open_descriptors();
  slnd_verdict verdict;
  agent = own_agent(&config, 0);
  OK(slnd_agent_start(agent, &error));
  OK(slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  OK(slnd_agent_spawn(agent, &error));
  OK(slnd_agent_wait(agent, PRODUCT, UINT64_C(20000000000)));
  CHECK(open_descriptors() > before);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    nothing_works();
    slnd_agent_free(agent);
    CHECK(open_descriptors() == before);
    slnd_agent_free(agent); /* harmless here: the memory stays */
    nothing_works();
    agent_of_its_own();
    _exit(0);
  }
  await(child);
  /* The parent's still works: it takes a new claim up, and says goodbye. */
  OK(slnd_agent_claim(agent, slnd_text("later"), SERIAL, 1, &error));
  OK(slnd_agent_wait(agent, slnd_text("later"), UINT64_C(20000000000)));
  OK(slnd_agent_check(agent, PRODUCT, &verdict, NULL, 0));
  CHECK(verdict == SLND_VERDICT_ALLOW);
  slnd_agent_free(agent);
  CHECK(open_descriptors() == before);
}

static void fork_in_a_callback(void) {
  slnd_config config = own_config();
  int before = open_descriptors();
  config.events = SLND_EV_BIT(SLND_EV_STATE);
  config.on_events = on_events;
  agent = own_agent(&config, 0);
  OK(slnd_agent_start(agent, &error));
  OK(slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  while (forked_in_callback == 0) {
    struct pollfd fd = {slnd_agent_fd(agent), POLLIN, 0};
    CHECK(poll(&fd, 1, (int)(slnd_agent_timeout_ns(agent) / 1000000 + 1)) >= 0);
    slnd_status status = slnd_agent_dispatch(agent, 0, NULL);
    EXPECT(child_of_callback == 0 ? SLND_E_CLOSED : SLND_OK, status);
  }
  if (child_of_callback == 0) {
    CHECK(open_descriptors() == before);
    _exit(0);
  }
  await(child_of_callback);
  OK(slnd_agent_dispatch(agent, 0, NULL));
  slnd_agent_free(agent);
  CHECK(open_descriptors() == before);
}

/* The library is in the middle of a turn: its lock is held, and nobody will unlock it in the child. */
static void on_log(void *user, slnd_level level, const char *message, size_t length) {
  (void)level, (void)message, (void)length;
  if (child_of_callback >= 0) return;
  CHECK((child_of_callback = fork()) >= 0);
  if (child_of_callback == 0) {
    nothing_works();
    slnd_agent_free(agent);
    CHECK(open_descriptors() == *(const int *)user);
    _exit(0);
  }
}

static void fork_in_the_middle_of_a_turn(void) {
  slnd_config config = own_config();
  int before = open_descriptors();
  char text[512];
  config.on_log = on_log;
  config.user = &before;
  agent = own_agent(&config, 0);
  snprintf(text, sizeof text, "%s/control", rig_dir);
  OK(slnd_agent_set(agent, "control", text, &error)); /* and so serves it */
  child_of_callback = 0;
  OK(slnd_agent_start(agent, &error));
  OK(slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  child_of_callback = -1;
  while (child_of_callback < 0) {
    struct pollfd fd = {slnd_agent_fd(agent), POLLIN, 0};
    CHECK(poll(&fd, 1, (int)(slnd_agent_timeout_ns(agent) / 1000000 + 1)) >= 0);
    OK(slnd_agent_dispatch(agent, 0, NULL));
  }
  await(child_of_callback);
  OK(slnd_agent_dispatch(agent, 0, NULL));
  slnd_agent_free(agent);
  CHECK(open_descriptors() == before);
}

int main(int argc, char **argv) {
  rig_begin(argc, argv);
  /* The first agent of a process makes what is kept for its life. */
  slnd_config config = own_config();
  slnd_agent_free(own_agent(&config, 0));
  fork_beside_its_thread();
  fork_in_a_callback();
  fork_in_the_middle_of_a_turn();
  return 0;
}
