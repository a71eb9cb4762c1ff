/* Does what the text of a query says, and traces what came of it: `abort`, `hang`, `write /path`, `connect 443` ...
 * Its option "later" is such a text, too, done by a timer a moment after the start.
 * -DINITIALLY: what its initializer does, before anything of the host runs: the path of a file to write. */
#include "trace.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
extern char **environ;

static int initially = -1;
#ifdef INITIALLY
__attribute__((constructor)) static void before_anything(void) {
  int fd = open(INITIALLY, O_WRONLY | O_CREAT, 0600);
  initially = fd < 0 ? errno : 0;
  if (fd >= 0) close(fd);
}
#endif

/* ---- ways to go -------------------------------------------------------------------------------------------- */
static void hog(const slnd_host *host, const char *arg) {
  size_t mib = 0;
  (void)arg;
  for (;; mib++) {
    void *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (more == MAP_FAILED) break;
  }
  trace(host, "hogged %zu", mib);
  abort();
}
static volatile uint64_t turns;
static void spin(const slnd_host *host, const char *arg) {
  trace(host, "spins %s", arg);
  for (;;) turns++;
}
static void hang(const slnd_host *host, const char *arg) {
  trace(host, "hangs %s", arg);
  for (;;) pause();
}
static void crash(const slnd_host *host, const char *arg) {
  trace(host, "crashes");
  if (atoi(arg) == SIGSEGV) *(volatile char *)8 = 0; /* a raised one comes to nothing in a Rust program */
  raise(atoi(arg));
}
static int doomed;
static void doom(const slnd_host *host, const char *arg) {
  (void)arg;
  doomed = 1; /* by the next question */
  trace(host, "doomed");
}
static void leave(const slnd_host *host, const char *arg) {
  trace(host, "exits");
  fprintf(stderr, "puppet: these are my last words\n");
  exit(atoi(arg));
}
static void close_all(const slnd_host *host, const char *arg) {
  (void)host, (void)arg;
  syscall(SYS_close_range, 3, ~0U, 0);
}
/* Writes a frame on every socket that there is, one of which is the pipe; the length is arg's up to the blank. */
static void frame(const slnd_host *host, const char *arg) {
  uint32_t length = (uint32_t)strtoul(arg, NULL, 0);
  const char *body = strchr(arg, ' ') != NULL ? strchr(arg, ' ') + 1 : "";
  trace(host, "frames %u", length);
  for (int fd = 3; fd < 64; fd++) {
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode)) continue;
    if (write(fd, &length, 4) != 4 || write(fd, body, strlen(body)) < 0) trace(host, "not written");
  }
}

/* ---- attempts: each traces 0 or its errno ------------------------------------------------------------------- */
static void told(const slnd_host *host, const char *what, const char *arg, int failed) {
  trace(host, "%s %s: %d", what, arg, failed ? errno : 0);
}
static void try_open(const slnd_host *host, const char *what, const char *path, int flags) {
  int fd = open(path, flags, 0600);
  told(host, what, path, fd < 0);
  if (fd >= 0) close(fd);
}
static void read_it(const slnd_host *host, const char *path) { try_open(host, "read", path, O_RDONLY); }
static void write_it(const slnd_host *host, const char *path) { try_open(host, "write", path, O_WRONLY | O_CREAT); }
static struct sockaddr_in loopback(const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}
static void connect_to(const slnd_host *host, const char *port) {
  struct sockaddr_in address = loopback(port);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  told(host, "connect", port, fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0);
}
static void listen_on(const slnd_host *host, const char *port) {
  struct sockaddr_in address = loopback(port);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  told(host, "listen", port,
       fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0);
}
static void make_socket(const slnd_host *host, const char *kind) {
  int family = strcmp(kind, "unix") == 0 ? AF_UNIX : AF_INET;
  told(host, "socket", kind, socket(family, SOCK_DGRAM, 0) < 0);
}
/* Traces what a program ends with, or 1000 and why it could not be started. */
static void run(const slnd_host *host, const char *path) {
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) {
    execl(path, path, (char *)NULL);
    _exit(errno);
  }
  if (pid < 0) {
    trace(host, "run %s: %d", path, 1000 + errno);
    return;
  }
  waitpid(pid, &status, 0);
  trace(host, "run %s: %d", path, WEXITSTATUS(status));
}
static void replace_itself(const slnd_host *host, const char *path) {
  execl(path, path, (char *)NULL);
  told(host, "exec", path, 1);
}
static void kill_it(const slnd_host *host, const char *pid) { told(host, "kill", pid, kill(atoi(pid), 0) != 0); }
/* A process that outlives everything but a kill. */
static void leave_one_behind(const slnd_host *host, const char *arg) {
  pid_t pid = fork();
  (void)arg;
  if (pid == 0)
    for (;;) pause();
  trace(host, "left %d", (int)pid);
}

/* What needs no open file, only to be its owner. */
static void change_mode(const slnd_host *host, const char *path) {
  int fd = open("/usr/lib/os-release", O_RDONLY);
  told(host, "chmod", path, chmod(path, 0666) != 0);
  told(host, "fchmod", path, fd >= 0 && fchmod(fd, 0644) != 0);
  told(host, "chown", path, chown(path, (uid_t)-1, getgid()) != 0);
  told(host, "setxattr", path, setxattr(path, "user.slnd", "x", 1, 0) != 0);
  if (fd >= 0) close(fd);
}
static void share_memory(const slnd_host *host, const char *key) {
  told(host, "share", key, shmget((key_t)atoi(key), 4096, IPC_CREAT | 0600) < 0);
}
/* A pair of datagram sockets can be told another address for each datagram. */
static void send_to(const slnd_host *host, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int pair[2];
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  told(host, "send", path,
       socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0 ||
           sendto(pair[0], "x", 1, 0, (struct sockaddr *)&address, sizeof address) < 0);
}
static void outlive(const slnd_host *host, const char *arg) {
  told(host, "outlive", arg, prctl(PR_SET_PDEATHSIG, 0) != 0);
}
/* Into the agent's group of processes, where whoever ends its own does not find it. */
static void regroup(const slnd_host *host, const char *arg) {
  told(host, "regroup", arg, setpgid(0, getpgid(getppid())) != 0);
}
/* As `leave`, in a session of its own if it can have one. */
static void leave_a_session_behind(const slnd_host *host, const char *arg) {
  int ready[2] = {-1, -1};
  char byte;
  pid_t pid = pipe(ready) == 0 ? fork() : -1;
  (void)arg;
  if (pid == 0) {
    setsid();
    close(ready[1]);
    for (;;) pause();
  }
  close(ready[1]);
  if (read(ready[0], &byte, 1) == 0) trace(host, "left %d", (int)pid);
}
static void sleep_for_good(const slnd_host *host, const char *arg) {
  (void)arg;
  trace(host, "stops");
  kill(getpid(), SIGSTOP);
}
/* The same question on and on, without reading an answer. */
static void ask_on(const slnd_host *host, const char *arg) {
  const char *word = "{\"AskHolders\":{\"product\":\"xsvr\"}}";
  (void)arg;
  trace(host, "asks on");
  for (;;)
    for (int fd = 3; fd < 64; fd++) {
      uint32_t length = (uint32_t)strlen(word);
      struct stat st;
      if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && write(fd, &length, 4) == 4) (void)!write(fd, word, length);
    }
}

/* ---- looks ----------------------------------------------------------------------------------------------------- */
static void descriptors(const slnd_host *host, const char *arg) {
  (void)arg;
  for (int fd = 0; fd < 256; fd++) {
    char link[64], target[256] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, target, sizeof target - 1) > 0) trace(host, "fd %d %s", fd, target);
  }
  trace(host, "fds done");
}
static void surroundings(const slnd_host *host, const char *arg) {
  char line[256], cwd[256];
  FILE *status = fopen("/proc/self/status", "r");
  (void)arg;
  trace(host, "env %s cwd %s uid %d gid %d initially %d", environ[0] == NULL ? "-" : environ[0],
        getcwd(cwd, sizeof cwd), (int)getuid(), (int)getgid(), initially);
  while (status != NULL && fgets(line, sizeof line, status) != NULL) {
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "Cap", 3) == 0 || strncmp(line, "NoNew", 5) == 0 || strncmp(line, "Seccomp:", 8) == 0 ||
        strncmp(line, "Groups", 6) == 0)
      trace(host, "%s", line);
  }
  if (status != NULL) fclose(status);
  trace(host, "surroundings done");
}
static void say(const slnd_host *host, const char *text) {
  slnd_logf(host, SLND_LOG_INFO, "%s", text);
  fprintf(stderr, "%s, on stderr\n", text);
  trace(host, "said");
}

static const struct {
  const char *word;
  void (*act)(const slnd_host *host, const char *arg);
} acts[] = {{"hog", hog},
            {"spin", spin},
            {"hang", hang},
            {"crash", crash},
            {"doom", doom},
            {"exit", leave},
            {"close", close_all},
            {"frame", frame},
            {"read", read_it},
            {"write", write_it},
            {"connect", connect_to},
            {"listen", listen_on},
            {"socket", make_socket},
            {"run", run},
            {"exec", replace_itself},
            {"kill", kill_it},
            {"leave", leave_one_behind},
            {"detach", leave_a_session_behind},
            {"chmod", change_mode},
            {"share", share_memory},
            {"send", send_to},
            {"outlive", outlive},
            {"regroup", regroup},
            {"stop", sleep_for_good},
            {"ask", ask_on},
            {"fds", descriptors},
            {"look", surroundings},
            {"say", say}};

static void act(const slnd_host *host, const char *text, size_t len) {
  char line[1024];
  snprintf(line, sizeof line, "%.*s", (int)len, text);
  for (size_t k = 0; k < sizeof acts / sizeof *acts; k++) {
    size_t word = strlen(acts[k].word);
    if (strncmp(line, acts[k].word, word) != 0 || (line[word] != 0 && line[word] != ' ')) continue;
    acts[k].act(host, line[word] == 0 ? "" : line + word + 1);
  }
}

/* ---- the plugin ------------------------------------------------------------------------------------------------ */
static char later[1024];

static slnd_status create(const slnd_host *host, const char *name, void **state, slnd_error *error) {
  (void)name, (void)error;
  trace(host, "create");
  return make(host, state);
}
static slnd_status configure(void *state, const slnd_kv *kv, size_t n, uint32_t is_reload, slnd_error *error) {
  instance *i = state;
  (void)error;
  for (size_t k = 0; k < n; k++) {
    trace(i->host, "%s %s=%s", is_reload ? "reload" : "configure", kv[k].key.ptr, kv[k].value.ptr);
    if (strcmp(kv[k].key.ptr, "later") == 0) snprintf(later, sizeof later, "%s", kv[k].value.ptr);
    if (strcmp(kv[k].key.ptr, "at_once") == 0) act(i->host, kv[k].value.ptr, kv[k].value.len);
  }
  return SLND_OK;
}
static slnd_status start(void *state, slnd_error *error) {
  instance *i = state;
  (void)error;
  if (later[0] != 0) i->host->timer(i->host->ctx, 1, 1000000, 0);
  trace(i->host, "start");
  return SLND_OK;
}
static slnd_status on_events(void *state, const slnd_event *const *events, size_t n, slnd_decision *out) {
  instance *i = state;
  for (size_t k = 0; k < n; k++) {
    const slnd_event *e = events[k];
    if (e->flags & SLND_EVF_DECIDE && doomed) crash(i->host, "11");
    if (e->flags & SLND_EVF_DECIDE) slnd_decide(&out[k], SLND_VERDICT_WARN, "of %llu", (unsigned long long)e->seq);
    if (e->kind == SLND_EV_QUERY) {
      const slnd_ev_query *q = SLND_EVENT(slnd_ev_query, e);
      act(i->host, (const char *)q->text, q->text_len);
    } else if (e->kind == SLND_EV_LOST) {
      const slnd_ev_lost *l = SLND_EVENT(slnd_ev_lost, e);
      trace(i->host, "lost %llu-%llu count=%llu", (unsigned long long)l->first_seq, (unsigned long long)l->last_seq,
            (unsigned long long)l->count);
    } else if (e->kind == SLND_EV_TICK && SLND_EVENT(slnd_ev_tick, e)->timer_id == 1) {
      act(i->host, later, strlen(later));
    } else {
      trace(i->host, "event %llu kind=%u", (unsigned long long)e->seq, e->kind);
    }
  }
  return SLND_OK;
}
static slnd_status flush(void *state, uint64_t deadline_ns) {
  trace(((instance *)state)->host, "flush %d", deadline_ns != 0);
  return SLND_OK;
}
static void stop(void *state) { trace(((instance *)state)->host, "stop"); }
static void destroy(void *state) { free(state); }

static const slnd_option options[] = {
    {SLND_OPTION_HEAD(SLND_OPT_STRING, 0), "later", NULL, "What it does a moment after the start.", 0, 0, NULL, NULL},
    {SLND_OPTION_HEAD(SLND_OPT_STRING, SLND_OPTF_RELOADABLE), "at_once", NULL, "What it does when it gets it.", 0, 0,
     NULL, NULL},
};
static const slnd_plugin plugin = {
    SLND_PLUGIN_HEAD, "puppet", "Puppet", "1.0", "Does what it is told.", NULL, NULL, 0,
    SLND_PERM_VERDICT | SLND_PERM_ANNOUNCE | SLND_PERM_HOLDERS, ALL_EVENTS, 0, 0, options, 2, sizeof(slnd_option), create,
    configure, start, on_events, NULL, stop, destroy, flush, NULL};
SLND_PLUGIN_DEFINE(plugin, "puppet", "1.0", "")
