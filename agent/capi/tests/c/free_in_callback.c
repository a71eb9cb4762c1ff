/* slnd_agent_free inside on_events, under each loop: it takes effect when the call around it ends, which says so. */
#include "rig.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

static slnd_agent *agent;
static int fd, calls, lines_after;
static sem_t gone;

static int is_open(int number) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", number);
  return access(path, F_OK) == 0;
}

static void on_events(void *user, const slnd_event *const *events, size_t n, slnd_decision *out) {
  slnd_verdict verdict;
  (void)user, (void)events, (void)n, (void)out;
  CHECK(calls++ == 0); /* never again after free */
  slnd_agent_free(agent);
  slnd_agent_free(agent); /* once is enough */
  CHECK(is_open(fd));     /* it is still there, but answers nothing any more */
  EXPECT(SLND_E_CLOSED, slnd_agent_check(agent, PRODUCT, &verdict, NULL, 0));
  EXPECT(SLND_E_CLOSED, slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  EXPECT(SLND_E_CLOSED, slnd_agent_dispatch(agent, 1, NULL));
  OK(slnd_agent_stop(agent));
}

/* The last words of an agent are lines of its log: after them it is gone. */
static void on_log(void *user, slnd_level level, const char *message, size_t length) {
  slnd_verdict verdict;
  (void)user, (void)level;
  CHECK(strlen(message) == length && strchr(message, '\n') == NULL);
  EXPECT(SLND_E_AGAIN, slnd_agent_check(agent, PRODUCT, &verdict, NULL, 0));
  EXPECT(SLND_E_AGAIN, slnd_agent_set(agent, "interval", "1s", &error));
  if (calls > 0) lines_after++;
}

static void *await_its_end(void *unused) {
  int64_t until = now_ns() + INT64_C(20000000000);
  (void)unused;
  while (is_open(fd)) {
    CHECK(now_ns() < until);
    usleep(1000);
  }
  CHECK(sem_post(&gone) == 0);
  return NULL;
}

int main(int argc, char **argv) {
  slnd_config config;
  rig_begin(argc, argv);
  CHECK(argc == 5);
  config = own_config();
  config.events = SLND_EV_BIT(SLND_EV_STATE);
  config.on_events = on_events;
  config.on_log = on_log;
  agent = own_agent(&config, 0);
  fd = slnd_agent_fd(agent);
  OK(slnd_agent_start(agent, &error));
  OK(slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  if (strcmp(argv[4], "run") == 0) {
    OK(slnd_agent_run(agent, &error));
  } else if (strcmp(argv[4], "spawn") == 0) {
    pthread_t thread;
    CHECK(sem_init(&gone, 0, 0) == 0 && pthread_create(&thread, NULL, await_its_end, NULL) == 0);
    OK(slnd_agent_spawn(agent, &error));
    CHECK(sem_wait(&gone) == 0 && pthread_join(thread, NULL) == 0);
  } else {
    slnd_status status;
    uint32_t done = 0;
    do {
      struct pollfd poll_fd = {fd, POLLIN, 0};
      CHECK(poll(&poll_fd, 1, (int)(slnd_agent_timeout_ns(agent) / 1000000 + 1)) >= 0);
      status = slnd_agent_dispatch(agent, 0, &done);
    } while (status == SLND_OK);
    EXPECT(SLND_E_CLOSED, status);
    CHECK(done > 0);
  }
  CHECK(calls == 1 && !is_open(fd));
  return 0;
}
