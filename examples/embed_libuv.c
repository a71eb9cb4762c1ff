/* The agent in a foreign loop: libuv's.  Three of its handles are all that it takes.
 *
 *   apt-get install libuv1-dev
 *   cc -o embed_libuv embed_libuv.c $(pkg-config --cflags --libs serialnumberd libuv)
 *   ./embed_libuv xsvr xsvr.serial --mode own --set port=62626 --set state_dir=/tmp/xsvr
 *
 * It tells each new verdict; SIGUSR1 prints the whole status as JSON, SIGINT and SIGTERM end it. */
#include <serialnumberd/serialnumberd.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

typedef struct program {
  slnd_agent *agent;
  slnd_error error; /* filled in by whoever can say more than a status */
  slnd_str product;
  slnd_verdict last;
  int is_good;
  uv_loop_t *loop;
  uv_poll_t readable; /* the agent's descriptor */
  uv_timer_t due;     /* its next deadline */
  uv_prepare_t ahead; /* asks for that deadline before each wait */
  uv_signal_t interrupt, terminate, user1;
} program;

static int is_ok(program *p, slnd_status status, const char *what) {
  if (status == SLND_OK) return 1;
  fprintf(stderr, "embed_libuv: %s: %s\n", what, p->error.message[0] ? p->error.message : slnd_strerror(status));
  return 0;
}

/* Tells a new verdict; 0 if there is no answer and will be none. */
static int report(program *p) {
  slnd_verdict verdict = SLND_VERDICT_ABSTAIN;
  char reason[sizeof(((slnd_decision *)0)->reason)] = "";
  slnd_status status = slnd_agent_check(p->agent, p->product, &verdict, reason, sizeof reason);
  if (!is_ok(p, status, "check")) return 0;
  if (verdict != p->last)
    fprintf(stderr, "%s: %s: %s\n", p->product.ptr,
            verdict >= SLND_VERDICT_DENY ? "DENY" : verdict >= SLND_VERDICT_LIMIT ? "LIMIT" :
            verdict >= SLND_VERDICT_WARN ? "WARN" : "ALLOW", reason);
  p->last = verdict;
  return 1;
}

/* ---- the agent in the loop ------------------------------------------------------------------------- */

static void turn(program *p) {
  if (is_ok(p, slnd_agent_dispatch(p->agent, 64, NULL), "dispatch") && report(p)) return;
  p->is_good = 0;
  uv_stop(p->loop);
}

static void on_readable(uv_poll_t *handle, int status, int events) {
  (void)status, (void)events; /* whatever it is, dispatch finds it */
  turn(handle->data);
}

static void on_due(uv_timer_t *handle) { turn(handle->data); }

static void before_the_wait(uv_prepare_t *handle) {
  program *p = handle->data;
  int64_t ns = slnd_agent_timeout_ns(p->agent);
  /* In whole milliseconds, rounded up: else the last one is spent spinning.  What is below -1 is a status, which the
   * next dispatch answers, too: no reason to wait. */
  uint64_t ms = ns < 0 ? 0 : (uint64_t)ns / 1000000 + (ns % 1000000 > 0);
  if (ns == -1) uv_timer_stop(&p->due);
  else uv_timer_start(&p->due, on_due, ms, 0);
}

/* ---- signals ----------------------------------------------------------------------------------------- */

static void on_stop(uv_signal_t *handle, int number) {
  (void)number;
  uv_stop(handle->loop);
}

static void on_user1(uv_signal_t *handle, int number) {
  program *p = handle->data;
  size_t need = 0, cap = 0;
  char *json = NULL;
  slnd_status status = slnd_agent_status_json(p->agent, NULL, 0, &need);
  (void)number;
  if (status == SLND_OK) {
    cap = need + 4096; /* it may grow before the second call */
    json = malloc(cap);
    status = json == NULL ? SLND_E_NOMEM : slnd_agent_status_json(p->agent, json, cap, &need);
  }
  if (is_ok(p, status, "status")) puts(json), fflush(stdout);
  free(json);
}

/* ---- start and end ----------------------------------------------------------------------------------- */

/* 0, or what libuv says went wrong. */
static int start_handles(program *p) {
  uv_loop_t *l = p->loop;
  int e;
  p->readable.data = p->due.data = p->ahead.data = p->user1.data = p;
  (void)((e = uv_poll_init(l, &p->readable, slnd_agent_fd(p->agent))) < 0 ||
         (e = uv_timer_init(l, &p->due)) < 0 || (e = uv_prepare_init(l, &p->ahead)) < 0 ||
         (e = uv_signal_init(l, &p->interrupt)) < 0 || (e = uv_signal_init(l, &p->terminate)) < 0 ||
         (e = uv_signal_init(l, &p->user1)) < 0 ||
         (e = uv_poll_start(&p->readable, UV_READABLE, on_readable)) < 0 ||
         (e = uv_prepare_start(&p->ahead, before_the_wait)) < 0 ||
         (e = uv_signal_start(&p->interrupt, on_stop, SIGINT)) < 0 ||
         (e = uv_signal_start(&p->terminate, on_stop, SIGTERM)) < 0 ||
         (e = uv_signal_start(&p->user1, on_user1, SIGUSR1)) < 0);
  return e;
}

static void close_handle(uv_handle_t *handle, void *unused) {
  (void)unused;
  if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

static int run(program *p) {
  int e = start_handles(p);
  if (e < 0) fprintf(stderr, "embed_libuv: libuv: %s\n", uv_strerror(e));
  p->is_good = e == 0;
  if (p->is_good) uv_run(p->loop, UV_RUN_DEFAULT);
  uv_walk(p->loop, close_handle, NULL);
  uv_run(p->loop, UV_RUN_DEFAULT); /* the handles close */
  uv_loop_close(p->loop);
  return p->is_good;
}

/* Claims the license with the serial in that file: by read(2), for stdio would leave a copy behind. */
static int claim(program *p, const char *path) {
  char serial[4096];
  int fd = open(path, O_RDONLY | O_CLOEXEC), good;
  ssize_t n = fd < 0 ? -1 : read(fd, serial, sizeof serial - 1);
  if (n < 0) fprintf(stderr, "embed_libuv: cannot read the serial file %s: %s\n", path, strerror(errno));
  if (fd >= 0) close(fd);
  if (n < 0) return 0;
  serial[n] = '\0';
  good = is_ok(p, slnd_agent_claim(p->agent, p->product, (slnd_str){serial, (size_t)n}, 1, &p->error), "claim");
  explicit_bzero(serial, sizeof serial);
  return good;
}

static int set_option(program *p, const char *option, char *value) {
  char *equals = value == NULL ? NULL : strchr(value, '=');
  if (value != NULL && strcmp(option, "--mode") == 0)
    return is_ok(p, slnd_agent_set(p->agent, "mode", value, &p->error), option);
  if (equals == NULL || strcmp(option, "--set") != 0) {
    fprintf(stderr, "embed_libuv: %s: expected --mode connect|own|auto or --set KEY=VALUE\n", option);
    return 0;
  }
  *equals = '\0';
  return is_ok(p, slnd_agent_set(p->agent, value, equals + 1, &p->error), value);
}

int main(int argc, char **argv) {
  program p = {.loop = uv_default_loop()};
  slnd_config config;
  int good;
  if (argc < 3) {
    fprintf(stderr, "usage: %s PRODUCT SERIAL_FILE [--mode connect|own|auto] [--set KEY=VALUE]...\n", argv[0]);
    return 2;
  }
  p.product = (slnd_str){argv[1], strlen(argv[1])};
  good = is_ok(&p, slnd_config_init(&config, sizeof config), "config") &&
         is_ok(&p, slnd_agent_new(&config, &p.agent, &p.error), "new");
  for (int i = 3; good && i < argc; i += 2) good = set_option(&p, argv[i], argv[i + 1]);
  good = good && is_ok(&p, slnd_agent_start(p.agent, &p.error), "start") && claim(&p, argv[2]) && run(&p);
  slnd_agent_free(p.agent); /* says goodbye to the other hosts */
  if (good) fprintf(stderr, "embed_libuv: goodbye\n");
  return good ? 0 : 1;
}
