/* The loops and how they end: `run`, `spawn` or `dispatch`, stopped by a signal handler, from another thread, or
 * from inside a callback. */
#include "rig.h"
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static slnd_agent *agent;
static pthread_t main_thread;
static volatile sig_atomic_t handled;

static void on_alarm(int number) {
  (void)number;
  errno = 4711;
  if (pthread_equal(pthread_self(), main_thread) && slnd_agent_stop(agent) == SLND_OK && errno == 4711) handled = 1;
}

static void on_tick(void *user, const slnd_event *const *events, size_t n, slnd_decision *out) {
  static int stopped;
  slnd_verdict verdict;
  (void)user, (void)events, (void)n, (void)out;
  if (stopped) {
    /* The last events of an agent that ends: it answers nothing that it no longer knows. */
    EXPECT(SLND_E_CLOSED, slnd_agent_check(agent, PRODUCT, &verdict, NULL, 0));
    EXPECT(SLND_E_CLOSED, slnd_agent_claim(agent, slnd_text("late"), SERIAL, 0, &error));
    return;
  }
  /* What may not be done here is refused, what may be done is. */
  EXPECT(SLND_E_NOT_WORKER, slnd_agent_dispatch(agent, 1, NULL));
  EXPECT(SLND_E_NOT_WORKER, slnd_agent_run(agent, &error));
  EXPECT(SLND_E_NOT_WORKER, slnd_agent_set(agent, "interval", "1s", &error));
  EXPECT(SLND_E_AGAIN, slnd_agent_wait(agent, PRODUCT, UINT64_MAX));
  char room[16384];
  size_t need = 0;
  slnd_status_info info = {.struct_size = sizeof info};
  OK(slnd_agent_check(agent, PRODUCT, &verdict, room, sizeof room));
  OK(slnd_agent_status(agent, &info));
  OK(slnd_agent_status_json(agent, room, sizeof room, &need));
  CHECK(need == strlen(room) + 1 && room[0] == '{');
  OK(slnd_agent_claim(agent, slnd_text("other"), SERIAL, 0, &error));
  OK(slnd_agent_release(agent, slnd_text("other")));
  OK(slnd_agent_stop(agent));
  stopped = 1;
}

static void *stop(void *unused) {
  (void)unused;
  EXPECT(SLND_E_TIMEOUT, slnd_agent_wait(agent, PRODUCT, 1));
  OK(slnd_agent_wait(agent, PRODUCT, UINT64_C(20000000000)));
  OK(slnd_agent_stop(agent));
  return NULL;
}

/* Whether every thread but this one, which are all the library's, blocks what a program handles. */
static int its_threads_are_deaf(void) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *task;
  int others = 0;
  CHECK(tasks != NULL);
  while ((task = readdir(tasks)) != NULL) {
    char path[300], line[256];
    unsigned long long mask;
    FILE *status;
    if (task->d_name[0] == '.' || atoi(task->d_name) == getpid()) continue;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
    if ((status = fopen(path, "r")) == NULL) continue;
    while (fgets(line, sizeof line, status) != NULL) {
      if (sscanf(line, "SigBlk: %llx", &mask) != 1) continue;
      CHECK((mask >> (SIGALRM - 1) & 1) && (mask >> (SIGTERM - 1) & 1));
      others++;
    }
    fclose(status);
  }
  closedir(tasks);
  return others > 0;
}

static void alarm_soon(void) {
  struct sigaction action;
  struct itimerval timer = {{0, 0}, {0, 200000}};
  memset(&action, 0, sizeof action);
  action.sa_handler = on_alarm;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

int main(int argc, char **argv) {
  slnd_config config;
  pthread_t thread;
  const char *loop, *by;
  rig_begin(argc, argv);
  CHECK(argc == 6);
  loop = argv[4];
  by = argv[5];
  main_thread = pthread_self();
  config = own_config();
  if (strcmp(by, "callback") == 0) {
    config.events = SLND_EV_BIT(SLND_EV_TICK);
    config.on_events = on_tick;
  }
  agent = own_agent(&config, 0);
  OK(slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  OK(slnd_agent_start(agent, &error));
  if (strcmp(by, "signal") == 0) alarm_soon();
  if (strcmp(loop, "run") == 0) {
    OK(slnd_agent_run(agent, &error));
  } else if (strcmp(loop, "spawn") == 0) {
    OK(slnd_agent_spawn(agent, &error));
    CHECK(its_threads_are_deaf());
    EXPECT(SLND_E_NOT_WORKER, slnd_agent_spawn(agent, &error));
    if (strcmp(by, "thread") == 0) {
      CHECK(pthread_create(&thread, NULL, stop, NULL) == 0 && pthread_join(thread, NULL) == 0);
    } else {
      while (slnd_agent_wait(agent, PRODUCT, 1000000) != SLND_E_CLOSED || (strcmp(by, "signal") == 0 && !handled)) {
      }
    }
  } else {
    struct pollfd fd = {slnd_agent_fd(agent), POLLIN, 0};
    slnd_status status;
    do {
      int64_t timeout = slnd_agent_timeout_ns(agent);
      CHECK(timeout >= -1);
      if (poll(&fd, 1, timeout < 0 ? -1 : (int)(timeout / 1000000 + 1)) < 0) CHECK(errno == EINTR);
      status = slnd_agent_dispatch(agent, 0, NULL);
    } while (status == SLND_OK);
    EXPECT(SLND_E_CLOSED, status);
    CHECK(slnd_agent_fd(agent) == fd.fd);
  }
  if (strcmp(by, "signal") == 0) CHECK(handled);
  slnd_agent_free(agent);
  return 0;
}
