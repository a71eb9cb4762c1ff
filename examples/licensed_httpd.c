/* What an existing server looks like after adoption: a small threaded HTTP server with one document.
 *
 *   apt-get install libmicrohttpd-dev
 *   cc -pthread -o licensed_httpd licensed_httpd.c $(pkg-config --cflags --libs serialnumberd libmicrohttpd)
 *   ./licensed_httpd xsvr xsvr.serial --listen 8080 --mode own --set port=62626 --set state_dir=/tmp/xsvr
 *   curl http://127.0.0.1:8080/ ; curl -T page.html http://127.0.0.1:8080/
 *
 *   ALLOW  GET and HEAD show the document, PUT and POST replace it
 *   WARN   the same, and every page begins with a banner
 *   LIMIT  as WARN, but the document is read-only: PUT and POST are 403 with the reason
 *   DENY   everything is 503 with the reason
 *
 * Adoption is three places: `serve` asks before each request, which costs less than a microsecond and
 * never waits; `main` starts and ends the agent; the policy is the vendor's and is compiled in, so that nobody
 * can put a kinder file in its place.  Where an agent runs on the host already (--mode connect, or auto) the
 * administrator's policy decides instead: the server obeys whoever decides, and needs no code for it. */
#include <serialnumberd/serialnumberd.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static slnd_agent *agent; /* both are set before there is a second thread */
static slnd_str product;

/* ---- the policy: a plugin without a file ------------------------------------------------------------- *
 * Who was first runs on, and is told.  Whoever came later may only read, and stops when the grace is over. */

typedef struct policy {
  const slnd_host *host;
  slnd_id16 claim;
  slnd_decision decision; /* what stands */
  uint64_t grace_ns;
} policy;

static slnd_status policy_create(const slnd_host *host, const char *instance, void **state, slnd_error *error) {
  policy *p = calloc(1, sizeof *p);
  (void)instance, (void)error;
  if (p == NULL) return SLND_E_NOMEM;
  p->host = host;
  *state = p;
  return SLND_OK;
}

static slnd_status policy_configure(void *state, const slnd_kv *options, size_t n, uint32_t is_reload, slnd_error *error) {
  (void)is_reload, (void)error;
  for (size_t i = 0; i < n; i++) ((policy *)state)->grace_ns = strtoull(options[i].value.ptr, NULL, 10);
  return SLND_OK;
}

static void policy_duplicate(policy *p, const slnd_ev_duplicate *e) {
  int is_later = 0;
  for (uint32_t i = 0; i < e->n_holders; i++) {
    uint32_t flags = SLND_AT(slnd_holder, e->holders, e->holder_stride, i)->flags;
    if ((flags & SLND_HOLDER_SELF) && (flags & SLND_HOLDER_OVER)) is_later = 1;
  }
  if (e->stage != SLND_STAGE_DUPLICATE) return; /* proved once: the second proof follows, or all was an error */
  if (!is_later) {
    slnd_decide(&p->decision, SLND_VERDICT_WARN, "this license is in use on another host, too; this one was first");
  } else if (p->decision.verdict < SLND_VERDICT_LIMIT) {
    slnd_decide(&p->decision, SLND_VERDICT_LIMIT, "this license is in use on another host, which was first");
    p->claim = e->claim;
    (void)p->host->timer(p->host->ctx, 1, p->grace_ns, 0);
  }
}

static void policy_event(policy *p, const slnd_event *event) {
  if (event->kind == SLND_EV_DUPLICATE) {
    policy_duplicate(p, SLND_EVENT(slnd_ev_duplicate, event));
  } else if (event->kind == SLND_EV_STATE && SLND_EVENT(slnd_ev_state, event)->state < SLND_STATE_CONFLICT) {
    slnd_decide(&p->decision, SLND_VERDICT_ALLOW, "no other host uses this license");
    (void)p->host->timer(p->host->ctx, 1, 0, 0); /* ended */
  } else if (event->kind == SLND_EV_TICK && p->decision.verdict == SLND_VERDICT_LIMIT) {
    slnd_decide(&p->decision, SLND_VERDICT_DENY, "this license is in use on another host, and the grace is over");
    (void)p->host->decide(p->host->ctx, p->claim, &p->decision);
  }
}

static slnd_status policy_on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  policy *p = state;
  for (size_t i = 0; i < n; i++) {
    policy_event(p, events[i]);
    out[i] = p->decision; /* read only where a verdict is awaited */
  }
  return SLND_OK;
}

static const slnd_option policy_options[] = {
    {SLND_OPTION_HEAD(SLND_OPT_DURATION, 0), "grace", "24h", "From LIMIT to DENY.", 1, INT64_MAX, NULL, NULL}};
static const slnd_plugin policy_plugin = {
    SLND_PLUGIN_HEAD, "licensed-httpd", "Licensed HTTP server", "1.0", "First come, first served.", NULL, NULL,
    SLND_PERM_VERDICT, 0, SLND_EV_BIT(SLND_EV_DUPLICATE) | SLND_EV_BIT(SLND_EV_STATE), 0, 0, policy_options, 1, sizeof(slnd_option),
    policy_create, policy_configure, NULL, policy_on_events, NULL, NULL, free, NULL, NULL};

/* ---- the server, as it was before, but for the verdict ------------------------------------------------- */

enum { DOCUMENT_MAX = 65536, REASON_MAX = sizeof(((slnd_decision *)0)->reason) };

typedef struct document {
  size_t len;
  int is_too_long;
  char bytes[DOCUMENT_MAX];
} document;
typedef struct MHD_Connection connection;

static document page = {25, 0, "The document. Replace me\n"};
static pthread_mutex_t page_lock = PTHREAD_MUTEX_INITIALIZER;

static enum MHD_Result answer(connection *c, unsigned status, const char *first, const char *body, size_t len) {
  /* Plain text: a reason has names of other hosts in it, which must not become markup. */
  static const char type[] = "text/plain; charset=utf-8";
  char out[REASON_MAX + DOCUMENT_MAX + 16];
  struct MHD_Response *response;
  enum MHD_Result result = MHD_NO;
  int n = snprintf(out, sizeof out, "%s%s", first, first[0] != '\0' ? "\n" : "");
  memcpy(out + n, body, len);
  response = MHD_create_response_from_buffer((size_t)n + len, out, MHD_RESPMEM_MUST_COPY);
  if (response == NULL) return MHD_NO;
  if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES)
    result = MHD_queue_response(c, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result show(connection *c, const char *banner) {
  enum MHD_Result result;
  pthread_mutex_lock(&page_lock);
  result = answer(c, MHD_HTTP_OK, banner, page.bytes, page.len);
  pthread_mutex_unlock(&page_lock);
  return result;
}

static enum MHD_Result replace(connection *c, const document *body) {
  if (body->is_too_long) return answer(c, MHD_HTTP_CONTENT_TOO_LARGE, "at most 64 KiB", "", 0);
  pthread_mutex_lock(&page_lock);
  page = *body;
  pthread_mutex_unlock(&page_lock);
  return answer(c, MHD_HTTP_NO_CONTENT, "", "", 0);
}

/* The whole request is here.  Verdicts are compared, not matched: a later version may know one in between. */
static enum MHD_Result serve(connection *c, const char *method, const document *body) {
  int is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
  int is_write = strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0;
  slnd_verdict verdict = SLND_VERDICT_ABSTAIN; /* still probing: no reason to refuse */
  char reason[REASON_MAX] = "";
  slnd_status status = slnd_agent_check(agent, product, &verdict, reason, sizeof reason);
  if (status != SLND_OK) return answer(c, MHD_HTTP_SERVICE_UNAVAILABLE, slnd_strerror(status), "", 0);
  if (verdict >= SLND_VERDICT_DENY) return answer(c, MHD_HTTP_SERVICE_UNAVAILABLE, reason, "", 0);
  if (is_read) return show(c, verdict >= SLND_VERDICT_WARN ? reason : "");
  if (!is_write) return answer(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, HEAD, PUT or POST", "", 0);
  if (verdict >= SLND_VERDICT_LIMIT) return answer(c, MHD_HTTP_FORBIDDEN, reason, "", 0);
  return replace(c, body);
}

/* Called when the head is there, for each part of the body, and once without a part: then it is answered. */
static enum MHD_Result on_request(void *unused, connection *c, const char *url, const char *method,
                                  const char *version, const char *part, size_t *part_len, void **state) {
  document *body = *state;
  (void)unused, (void)url, (void)version;
  if (body == NULL) return (*state = calloc(1, sizeof *body)) == NULL ? MHD_NO : MHD_YES;
  if (*part_len == 0) return serve(c, method, body);
  if (*part_len > DOCUMENT_MAX - body->len) {
    body->is_too_long = 1;
  } else {
    memcpy(body->bytes + body->len, part, *part_len);
    body->len += *part_len;
  }
  *part_len = 0;
  return MHD_YES;
}

static void on_request_end(void *unused, connection *c, void **state, enum MHD_RequestTerminationCode code) {
  (void)unused, (void)c, (void)code;
  free(*state);
}

/* On 127.0.0.1; port 0 is any that is free. */
static struct MHD_Daemon *listen_on(uint16_t port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct MHD_Daemon *daemon =
      MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, port, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &at,
                       MHD_OPTION_THREAD_POOL_SIZE, 4u, MHD_OPTION_NOTIFY_COMPLETED, on_request_end, NULL, MHD_OPTION_END);
  const union MHD_DaemonInfo *info = daemon == NULL ? NULL : MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
  if (info == NULL) fprintf(stderr, "licensed_httpd: cannot listen on 127.0.0.1:%u: %s\n", port, strerror(errno));
  else fprintf(stderr, "licensed_httpd: http://127.0.0.1:%u/\n", info->port);
  return daemon;
}

/* ---- start and end ----------------------------------------------------------------------------------- */

static slnd_error error; /* filled in by whoever can say more than a status */

static int is_ok(slnd_status status, const char *what) {
  if (status == SLND_OK) return 1;
  fprintf(stderr, "licensed_httpd: %s: %s\n", what, error.message[0] ? error.message : slnd_strerror(status));
  return 0;
}

/* On the agent's thread: each new verdict goes to the log. */
static void on_events(void *unused, const slnd_event *const *events, size_t n, slnd_decision *out) {
  static slnd_verdict last = SLND_VERDICT_ABSTAIN;
  (void)unused, (void)out;
  for (size_t i = 0; i < n; i++) {
    const slnd_ev_state *e = SLND_EVENT(slnd_ev_state, events[i]);
    if (e->h.kind != SLND_EV_STATE || e->verdict == last) continue;
    last = e->verdict;
    fprintf(stderr, "%s: %s: %s\n", e->product.ptr,
            last >= SLND_VERDICT_DENY ? "DENY" : last >= SLND_VERDICT_LIMIT ? "LIMIT" :
            last >= SLND_VERDICT_WARN ? "WARN" : "ALLOW", e->reason.ptr);
  }
}

typedef struct settings { uint16_t port; slnd_kv grace; } settings;

static int set_option(settings *s, const char *option, char *value) {
  char *end = value == NULL ? NULL : strchr(value, '=');
  unsigned long port;
  if (value != NULL && strcmp(option, "--mode") == 0)
    return is_ok(slnd_agent_set(agent, "mode", value, &error), option);
  if (value != NULL && strcmp(option, "--grace") == 0)
    return s->grace.value = (slnd_str){value, strlen(value)}, 1; /* the agent checks it against the policy's table */
  if (value != NULL && strcmp(option, "--listen") == 0) {
    port = strtoul(value, &end, 10);
    s->port = (uint16_t)port;
    if (port <= 65535 && end != value && *end == '\0') return 1;
    fprintf(stderr, "licensed_httpd: --listen %s: expected a port, 0 to 65535\n", value);
    return 0;
  }
  if (end == NULL || strcmp(option, "--set") != 0) {
    fprintf(stderr, "licensed_httpd: %s: expected --listen PORT, --grace DURATION, --mode connect|own|auto or "
            "--set KEY=VALUE\n", option);
    return 0;
  }
  *end = '\0';
  return is_ok(slnd_agent_set(agent, value, end + 1, &error), value);
}

/* Claims the license with the serial in that file: by read(2), for stdio would leave a copy behind. */
static int claim(const char *path) {
  char serial[4096];
  int fd = open(path, O_RDONLY | O_CLOEXEC), good;
  ssize_t n = fd < 0 ? -1 : read(fd, serial, sizeof serial - 1);
  if (n < 0) fprintf(stderr, "licensed_httpd: cannot read the serial file %s: %s\n", path, strerror(errno));
  if (fd >= 0) close(fd);
  if (n < 0) return 0;
  serial[n] = '\0';
  good = is_ok(slnd_agent_claim(agent, product, (slnd_str){serial, (size_t)n}, 1, &error), "claim");
  explicit_bzero(serial, sizeof serial);
  return good;
}

int main(int argc, char **argv) {
  settings s = {8080, {{"grace", 5}, {"24h", 3}}};
  struct MHD_Daemon *daemon = NULL;
  slnd_config config;
  sigset_t signals;
  int number, good;
  if (argc < 3) {
    fprintf(stderr, "usage: %s PRODUCT SERIAL_FILE [--listen PORT] [--grace DURATION] "
            "[--mode connect|own|auto] [--set KEY=VALUE]...\n", argv[0]);
    return 2;
  }
  product = (slnd_str){argv[1], strlen(argv[1])};
  /* Before any thread is made: they all inherit it, and sigwait below is the only one who sees these. */
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  signal(SIGPIPE, SIG_IGN);

  good = is_ok(slnd_config_init(&config, sizeof config), "config");
  config.events = SLND_EV_BIT(SLND_EV_STATE);
  config.on_events = on_events;
  good = good && is_ok(slnd_agent_new(&config, &agent, &error), "new");
  for (int i = 3; good && i < argc; i += 2) good = set_option(&s, argv[i], argv[i + 1]);
  good = good && is_ok(slnd_agent_add_plugin_static(agent, &policy_plugin, &s.grace, 1, &error), "policy") &&
         is_ok(slnd_agent_set(agent, "plugin.licensed-httpd.verdict", "require", &error), "policy") &&
         is_ok(slnd_agent_set(agent, "plugin.licensed-httpd.grant", "[\"verdict\"]", &error), "policy") &&
         is_ok(slnd_agent_start(agent, &error), "start") && is_ok(slnd_agent_spawn(agent, &error), "spawn") &&
         claim(argv[2]) && is_ok(slnd_agent_wait(agent, product, UINT64_C(10000000000)), "probe") &&
         (daemon = listen_on(s.port)) != NULL;
  if (good) sigwait(&signals, &number);
  if (daemon != NULL) MHD_stop_daemon(daemon);
  slnd_agent_free(agent); /* says goodbye to the other hosts, and joins its thread */
  if (good) fprintf(stderr, "licensed_httpd: goodbye\n");
  return good ? 0 : 1;
}
