/* What the library costs a program: slnd_agent_check in nanoseconds, and the time until it is heard. */
#include "rig.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECKS 1000000
#define STARTS 20

static int64_t spans[CHECKS];

static int by_size(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static void tell(const char *what, size_t n, const char *unit, int64_t divisor) {
  qsort(spans, n, sizeof *spans, by_size);
  printf("%-44s median %6.1f, p99 %6.1f, greatest %8.1f %s\n", what, (double)spans[n / 2] / (double)divisor,
         (double)spans[n * 99 / 100] / (double)divisor, (double)spans[n - 1] / (double)divisor, unit);
}

static int hearer(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in name;
  memset(&name, 0, sizeof name);
  name.sin_family = AF_INET;
  name.sin_port = htons(62611);
  CHECK(fd >= 0 && inet_pton(AF_INET, rig_addresses[1], &name.sin_addr) == 1);
  CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
  return fd;
}

/* From slnd_agent_new to the first datagram, of which the protocol has up to 250 ms wait on purpose. */
static slnd_agent *started(int fd, int64_t *started_ns, int64_t *heard_ns) {
  slnd_config config = own_config();
  int64_t began = now_ns();
  char datagram[512];
  slnd_agent *agent = own_agent(&config, 0);
  OK(slnd_agent_start(agent, &error));
  OK(slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  OK(slnd_agent_spawn(agent, &error));
  *started_ns = now_ns() - began;
  CHECK(recv(fd, datagram, sizeof datagram, 0) == 320);
  *heard_ns = now_ns() - began;
  return agent;
}

int main(int argc, char **argv) {
  int64_t up[STARTS], heard[STARTS], began;
  slnd_agent *agent = NULL;
  slnd_verdict verdict;
  char reason[1016];
  int fd;
  rig_begin(argc, argv);
  fd = hearer();
  for (int i = 0; i < STARTS; i++) {
    char rest[512];
    agent = started(fd, &up[i], &heard[i]);
    if (i == STARTS - 1) break;
    slnd_agent_free(agent);
    while (recv(fd, rest, sizeof rest, MSG_DONTWAIT) > 0) {
    }
  }
  memcpy(spans, up, sizeof up);
  tell("agent_new, start, claim, spawn", STARTS, "ms", 1000000);
  memcpy(spans, heard, sizeof heard);
  tell("agent_new to the first datagram", STARTS, "ms", 1000000);
  OK(slnd_agent_wait(agent, PRODUCT, UINT64_C(20000000000)));
  for (int i = 0; i < CHECKS; i++) {
    began = now_ns();
    (void)slnd_agent_check(agent, PRODUCT, &verdict, reason, sizeof reason);
    spans[i] = now_ns() - began;
  }
  tell("slnd_agent_check, with the clock's own 25 ns", CHECKS, "ns", 1);
  began = now_ns();
  for (int i = 0; i < CHECKS; i++) (void)slnd_agent_check(agent, PRODUCT, &verdict, NULL, 0);
  printf("slnd_agent_check, without a reason: %.1f ns each\n", (double)(now_ns() - began) / CHECKS);
  slnd_agent_free(agent);
  close(fd);
  return 0;
}
