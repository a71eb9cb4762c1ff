/* What the test plugins share: they write one line per thing that happens to them into "trace" in their
 * state directory, which the tests read. */
#ifndef TRACE_H
#define TRACE_H
#define _GNU_SOURCE
#include <pthread.h>
#include <serialnumberd/plugin.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct instance {
  const slnd_host *host;
  pthread_t thread;
  atomic_int stopping;
  slnd_verdict verdict;
  slnd_id16 claim; /* the one heard of last */
} instance;

/* Opened for each line: what is written stays written, whatever the plugin does next. */
__attribute__((format(printf, 2, 3), unused)) static void trace(const slnd_host *host, const char *format, ...) {
  char path[4096], line[1024];
  va_list args;
  FILE *file;
  snprintf(path, sizeof path, "%s/trace", host->state_dir.ptr);
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  file = fopen(path, "a");
  if (file == NULL) return; /* the test is over: an abandoned plugin outlives it */
  fprintf(file, "%s\n", line);
  fclose(file);
}

/* Waits until the test makes the file "gate" in the state directory. */
__attribute__((unused)) static void await_gate(const slnd_host *host) {
  char path[4096];
  snprintf(path, sizeof path, "%s/gate", host->state_dir.ptr);
  while (access(path, F_OK) != 0) usleep(1000);
}

__attribute__((unused)) static slnd_status make(const slnd_host *host, void **state) {
  instance *i = calloc(1, sizeof *i);
  if (i == NULL) return SLND_E_NOMEM;
  i->host = host;
  i->verdict = SLND_VERDICT_WARN;
  *state = i;
  return SLND_OK;
}

#define ALL_EVENTS                                                                                          \
  (SLND_EV_BIT(SLND_EV_ANNOUNCEMENT) | SLND_EV_BIT(SLND_EV_DUPLICATE) | SLND_EV_BIT(SLND_EV_RESOLVED) |      \
   SLND_EV_BIT(SLND_EV_STATE) | SLND_EV_BIT(SLND_EV_QUERY) | SLND_EV_BIT(SLND_EV_TICK))
#endif
