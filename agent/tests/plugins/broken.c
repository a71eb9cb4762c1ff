/* Each -D breaks one acceptance rule. */
#include "trace.h"

static slnd_status create(const slnd_host *host, const char *name, void **state, slnd_error *error) {
  (void)name, (void)state, (void)error;
  trace(host, "create");
#if defined(CREATE_FAILS)
  snprintf(error->message, sizeof error->message, "there is no\nsuch device");
  return error->code = SLND_E_FAIL;
#else
  return make(host, state);
#endif
}
static slnd_status start(void *state, slnd_error *error) {
  (void)state, (void)error;
#ifdef START_FAILS
  memset(error->message, 'x', sizeof error->message); /* without its NUL */
  return error->code = SLND_E_PANIC;
#else
  return SLND_OK;
#endif
}
__attribute__((unused)) static slnd_status on_events(void *state, const slnd_event *const *events, size_t n,
                                                     slnd_decision *out) {
  (void)state, (void)events, (void)n, (void)out;
  return SLND_OK;
}
static void destroy(void *state) {
  trace(((instance *)state)->host, "destroy");
  free(state);
}

#ifndef SIZE
#define SIZE sizeof(slnd_plugin)
#endif
#ifndef MAJOR
#define MAJOR SLND_ABI_MAJOR
#endif
#ifndef LAYOUT
#define LAYOUT SLND_LAYOUT
#endif
#ifndef WANTS
#define WANTS 0
#endif
#ifndef ID
#define ID "broken"
#endif
#ifndef VERSION
#define VERSION "1.0"
#endif
#ifndef ON_EVENTS
#define ON_EVENTS on_events
#endif
#ifndef N_OPTIONS
#define N_OPTIONS 0
#endif
#ifndef STRIDE
#define STRIDE sizeof(slnd_option)
#endif
static slnd_status configure(void *state, const slnd_kv *kv, size_t n, uint32_t is_reload, slnd_error *error) {
  (void)state, (void)kv, (void)n, (void)is_reload, (void)error;
  return SLND_OK;
}
static const slnd_option options[] = {{SLND_OPTION_HEAD(99, 0), "odd", NULL, NULL, 0, 0, NULL, NULL}};
__attribute__((unused)) static const slnd_plugin plugin = {
    (uint32_t)(SIZE), MAJOR, SLND_ABI_MINOR, LAYOUT, ID, "Broken", VERSION, "Breaks a rule.", NULL, NULL, WANTS, 0, 0, 0, 0,
    options, N_OPTIONS, STRIDE, create, configure, start, ON_EVENTS, NULL, NULL, destroy, NULL, NULL};

#if defined(NO_MANIFEST)
SLND_PLUGIN_EXPORT const slnd_plugin *serialnumberd_plugin_v1(void) { return &plugin; }
#elif defined(MANIFEST)
SLND_MANIFEST_(MANIFEST)
SLND_PLUGIN_EXPORT const slnd_plugin *serialnumberd_plugin_v1(void) { return &plugin; }
#elif defined(NO_ENTRY)
SLND_MANIFEST_("abi=1.0\nid=broken\nversion=1.0\nwants=\n")
#elif defined(NO_DESCRIPTOR)
SLND_MANIFEST_("abi=1.0\nid=broken\nversion=1.0\nwants=\n")
SLND_PLUGIN_EXPORT const slnd_plugin *serialnumberd_plugin_v1(void) { return NULL; }
#elif defined(AT_A_PAGES_END)
/* As much of a descriptor as struct_size says, and then memory that nobody may read. */
#include <sys/mman.h>
SLND_MANIFEST_("abi=1.0\nid=broken\nversion=1.0\nwants=\n")
SLND_PLUGIN_EXPORT const slnd_plugin *serialnumberd_plugin_v1(void) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = AT_A_PAGES_END;
  char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  slnd_plugin cut = plugin;
  if (two == MAP_FAILED || mprotect(two + page, page, PROT_NONE) != 0) return NULL;
  cut.struct_size = (uint32_t)size;
  memcpy(two + page - size, &cut, size);
  return (const slnd_plugin *)(void *)(two + page - size);
}
#elif defined(UNRESOLVED)
SLND_MANIFEST_("abi=1.0\nid=broken\nversion=1.0\nwants=\n")
extern const slnd_plugin *nowhere_to_be_found(void);
SLND_PLUGIN_EXPORT const slnd_plugin *serialnumberd_plugin_v1(void) { return nowhere_to_be_found(); }
#else
SLND_PLUGIN_DEFINE(plugin, "broken", "1.0", "")
#endif
