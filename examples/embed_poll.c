/* cat(1) with a license: the agent in a loop of poll(2), beside the program's own descriptor.
 *
 *   cc -o embed_poll embed_poll.c $(pkg-config --cflags --libs serialnumberd)
 *   ./embed_poll xsvr xsvr.serial --mode own --set port=62626 --set state_dir=/tmp/xsvr <in >out
 *
 * It copies standard input to standard output while the verdict is ALLOW or WARN; else the input waits.
 * News go to standard error.  It ends at the end of the input, and by SIGINT or SIGTERM. */
#include <serialnumberd/serialnumberd.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static slnd_agent *agent;
static slnd_error error; /* filled in by whoever can say more than a status */

static int is_ok(slnd_status status, const char *what) {
  if (status == SLND_OK) return 1;
  fprintf(stderr, "embed_poll: %s: %s\n", what, error.message[0] ? error.message : slnd_strerror(status));
  return 0;
}

static void on_signal(int number) {
  (void)number;
  (void)slnd_agent_stop(agent); /* async-signal-safe: the next dispatch answers SLND_E_CLOSED */
}

/* Options are keys of the configuration file, so the library has a sentence for each mistake. */
static int set_option(const char *option, char *value) {
  char *equals = value == NULL ? NULL : strchr(value, '=');
  if (value != NULL && strcmp(option, "--mode") == 0)
    return is_ok(slnd_agent_set(agent, "mode", value, &error), option);
  if (equals == NULL || strcmp(option, "--set") != 0) {
    fprintf(stderr, "embed_poll: %s: expected --mode connect|own|auto or --set KEY=VALUE\n", option);
    return 0;
  }
  *equals = '\0';
  return is_ok(slnd_agent_set(agent, value, equals + 1, &error), value);
}

/* Claims the license with the serial in that file: by read(2), for stdio would leave a copy behind. */
static int claim(slnd_str product, const char *path) {
  char serial[4096];
  int fd = open(path, O_RDONLY | O_CLOEXEC), good;
  ssize_t n = fd < 0 ? -1 : read(fd, serial, sizeof serial - 1);
  if (n < 0) fprintf(stderr, "embed_poll: cannot read the serial file %s: %s\n", path, strerror(errno));
  if (fd >= 0) close(fd);
  if (n < 0) return 0;
  serial[n] = '\0';
  good = is_ok(slnd_agent_claim(agent, product, (slnd_str){serial, (size_t)n}, 1, &error), "claim");
  explicit_bzero(serial, sizeof serial);
  return good;
}

/* May this program run?  Tells what is new; -1 if there is no answer and will be none. */
static int may_run(slnd_str product) {
  static slnd_verdict last = SLND_VERDICT_ABSTAIN; /* which is: still probing */
  slnd_verdict verdict = SLND_VERDICT_ABSTAIN;
  char reason[sizeof(((slnd_decision *)0)->reason)] = "";
  slnd_status status = slnd_agent_check(agent, product, &verdict, reason, sizeof reason);
  if (!is_ok(status, "check")) return -1;
  if (verdict != last)
    fprintf(stderr, "%s: %s: %s\n", product.ptr,
            verdict >= SLND_VERDICT_DENY ? "DENY" : verdict >= SLND_VERDICT_LIMIT ? "LIMIT" :
            verdict >= SLND_VERDICT_WARN ? "WARN" : "ALLOW", reason);
  last = verdict;
  /* A cat has nothing to restrict: LIMIT is as good as DENY. */
  return verdict >= SLND_VERDICT_ALLOW && verdict < SLND_VERDICT_LIMIT;
}

/* What was read and not yet written.  No more than PIPE_BUF: so much a writable pipe takes without waiting. */
static char bytes[PIPE_BUF];
static size_t written, held;

/* Reads or writes once: how much; 0 at the end of the input, -1 if it failed. */
static ssize_t copy(void) {
  ssize_t n = held > 0 ? write(STDOUT_FILENO, bytes + written, held) : read(STDIN_FILENO, bytes, sizeof bytes);
  if (n < 0) perror("embed_poll: copying");
  if (n <= 0) return n;
  written = held > 0 ? written + (size_t)n : 0;
  held = held > 0 ? held - (size_t)n : (size_t)n;
  return n;
}

/* Whole milliseconds, rounded up: else the last one is spent spinning.  What is below -1 is a status, which the next
 * dispatch answers, too: no reason to wait. */
static int milliseconds(int64_t ns) {
  int64_t ms = ns < 0 ? 0 : ns / 1000000 + (ns % 1000000 > 0);
  return ns == -1 ? -1 : ms > INT_MAX ? INT_MAX : (int)ms;
}

static int loop(slnd_str product) {
  int fd = slnd_agent_fd(agent); /* the same for the agent's life */
  if (fd < 0) return is_ok(fd, "fd");
  for (;;) {
    struct pollfd fds[] = {{fd, POLLIN, 0},
                           {held > 0 ? STDOUT_FILENO : STDIN_FILENO, held > 0 ? POLLOUT : POLLIN, 0}};
    slnd_status status;
    ssize_t n = 1;
    int may = may_run(product), ready;
    if (may < 0) return 0;
    if (!may) fds[1].fd = -1; /* not polled: else poll would return at once for it */
    ready = poll(fds, 2, milliseconds(slnd_agent_timeout_ns(agent)));
    if (ready < 0 && errno != EINTR) return perror("embed_poll: poll"), 0;
    /* It never waits: no need to ask whether it was the descriptor, the timeout or neither. */
    status = slnd_agent_dispatch(agent, 64, NULL);
    if (status == SLND_E_CLOSED) return 1;
    if (!is_ok(status, "dispatch")) return 0;
    if (ready > 0 && fds[1].revents != 0) n = copy();
    if (n <= 0) return n == 0;
  }
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}; /* poll(2) returns all the same */
  slnd_config config;
  slnd_str product;
  int good;
  if (argc < 3) {
    fprintf(stderr, "usage: %s PRODUCT SERIAL_FILE [--mode connect|own|auto] [--set KEY=VALUE]...\n", argv[0]);
    return 2;
  }
  product = (slnd_str){argv[1], strlen(argv[1])};
  good = is_ok(slnd_config_init(&config, sizeof config), "config") &&
         is_ok(slnd_agent_new(&config, &agent, &error), "new");
  for (int i = 3; good && i < argc; i += 2) good = set_option(argv[i], argv[i + 1]);
  good = good && is_ok(slnd_agent_start(agent, &error), "start") && claim(product, argv[2]);
  if (good) {
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* else a reader that leaves ends us without a goodbye */
    good = loop(product);
  }
  slnd_agent_free(agent); /* says goodbye to the other hosts */
  if (good) fprintf(stderr, "embed_poll: goodbye\n");
  return good ? 0 : 1;
}
