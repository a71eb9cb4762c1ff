/* Every function with everything that can be seen to be wrong: each row a call and the status that answers it.
 * Prints the names of the functions that it abused. */
#include "rig.h"
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static slnd_agent *agent;
static slnd_config config;
static slnd_status_info info;
static slnd_claim_info claim;
static slnd_verdict verdict;
static char room[64];
static size_t need;
static uint32_t done;

#define ODD(type, pointer) ((type *)(void *)((char *)(pointer) + 1))
#define INVALID(call) EXPECT(SLND_E_INVALID, call)
/* Where a sentence is told, it is. */
#define TOLD(call)                                        \
  do {                                                    \
    memset(&error, 0x55, sizeof error);                   \
    INVALID(call);                                        \
    CHECK(error.code == SLND_E_INVALID);                  \
    CHECK(strlen(error.message) > 8 && error.zero == 0);  \
  } while (0)

static slnd_str str(const char *ptr, size_t len) {
  slnd_str text;
  text.ptr = ptr;
  text.len = len;
  return text;
}

/* No text: NULL, too long to be one, no UTF-8, with a NUL inside, empty, too long for a product. */
static slnd_str bad_text(int i) {
  static const char no_utf8[] = "\xff\xfe", nul[] = "a\0b", empty[] = "", many[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  switch (i) {
    case 0: return str(NULL, 4);
    case 1: return str(no_utf8, SIZE_MAX);
    case 2: return str(no_utf8, 2);
    case 3: return str(nul, 3);
    case 4: return str(empty, 0);
    case 5: return str(many, sizeof many - 1);
    default: return str(NULL, 0);
  }
}
#define BAD_TEXTS 7

static void abuse_configuration(void) {
  slnd_agent *made = (slnd_agent *)&config;
  struct {
    slnd_config known;
    uint64_t unknown;
  } newer;
  uint32_t size;
  printf("slnd_config_init slnd_agent_new slnd_version_number slnd_version_string slnd_strerror\n");
  CHECK(slnd_version_number() == SLND_VERSION_NUMBER && strcmp(slnd_version_string(), "1.0.0") == 0);
  for (slnd_status status = 3; status > -100; status--) CHECK(strlen(slnd_strerror(status)) > 5);

  INVALID(slnd_config_init(NULL, sizeof config));
  INVALID(slnd_config_init(ODD(slnd_config, &config), sizeof config));
  for (size_t wrong = 0; wrong < sizeof config; wrong++) INVALID(slnd_config_init(&config, wrong));
  INVALID(slnd_config_init(&config, 4097));
  INVALID(slnd_config_init(&config, SIZE_MAX));
  OK(slnd_config_init(&config, sizeof config));

  TOLD(slnd_agent_new(NULL, &made, &error));
  CHECK(made == NULL);
  TOLD(slnd_agent_new(&config, NULL, &error));
  TOLD(slnd_agent_new(&config, ODD(slnd_agent *, room), &error));
  TOLD(slnd_agent_new(ODD(slnd_config, &config), &made, &error));
  INVALID(slnd_agent_new(&config, &made, ODD(slnd_error, &error)));
  CHECK(made == NULL);
  size = config.struct_size;
  for (config.struct_size = 0; config.struct_size < size; config.struct_size++)
    TOLD(slnd_agent_new(&config, &made, &error));
  for (config.struct_size = 4097; config.struct_size != 1; config.struct_size = config.struct_size * 2 + 1) {
    TOLD(slnd_agent_new(&config, &made, &error));
    if (config.struct_size == UINT32_MAX) break;
  }
  config.struct_size = size;
#define FIELD(field, wrong, status)                          \
  config.field = wrong;                                      \
  EXPECT(status, slnd_agent_new(&config, &made, &error));    \
  CHECK(made == NULL && error.message[0] != '\0');           \
  OK(slnd_config_init(&config, sizeof config))
  FIELD(flags, 0x80000000, SLND_E_VERSION);
  FIELD(zero16, 1, SLND_E_VERSION);
  FIELD(mode, 4, SLND_E_INVALID);
  FIELD(announce_ns, 999999999, SLND_E_INVALID);
  FIELD(announce_ns, UINT64_MAX, SLND_E_INVALID);
  FIELD(expire_ns, 1, SLND_E_INVALID);
  FIELD(interfaces, "", SLND_E_INVALID);
  FIELD(interfaces, "eth0,a name that is none", SLND_E_INVALID);
  FIELD(interfaces, "it's", SLND_E_INVALID);
  FIELD(interfaces, "\xff", SLND_E_INVALID);
  FIELD(events, 2, SLND_E_INVALID); /* and no on_events */

  /* A program that is newer than the library: what it does not know must be zero. */
  memset(&newer, 0x55, sizeof newer);
  OK(slnd_config_init(&newer.known, sizeof newer));
  CHECK(newer.known.struct_size == sizeof newer && newer.unknown == 0);
  OK(slnd_agent_new(&newer.known, &made, &error));
  slnd_agent_free(made);
  newer.unknown = 1;
  EXPECT(SLND_E_VERSION, slnd_agent_new(&newer.known, &made, &error));
}

/* What is wrong with an agent is seen before anything else. */
static void abuse_pointer(slnd_agent *none) {
  CHECK(slnd_agent_fd(none) == SLND_E_INVALID);
  CHECK(slnd_agent_timeout_ns(none) == SLND_E_INVALID);
  TOLD(slnd_agent_set(none, "interval", "1s", &error));
  TOLD(slnd_agent_adopt_socket(none, 0, &error));
  TOLD(slnd_agent_add_plugin(none, "x.so", NULL, 0, &error));
  TOLD(slnd_agent_add_plugin_static(none, NULL, NULL, 0, &error));
  TOLD(slnd_agent_start(none, &error));
  INVALID(slnd_agent_dispatch(none, 1, &done));
  TOLD(slnd_agent_run(none, &error));
  TOLD(slnd_agent_spawn(none, &error));
  INVALID(slnd_agent_stop(none));
  TOLD(slnd_agent_claim(none, PRODUCT, SERIAL, 1, &error));
  INVALID(slnd_agent_release(none, PRODUCT));
  INVALID(slnd_agent_check(none, PRODUCT, &verdict, room, sizeof room));
  INVALID(slnd_agent_claim_info(none, PRODUCT, &claim));
  INVALID(slnd_agent_wait(none, PRODUCT, 1));
  INVALID(slnd_agent_status(none, &info));
  INVALID(slnd_agent_status_json(none, room, sizeof room, &need));
  slnd_agent_free(none);
}

/* The error may be NULL everywhere, and is not written where it is misaligned. */
static void abuse_errors(void) {
  slnd_error *odd = ODD(slnd_error, &error);
  slnd_agent *made = NULL;
  for (int i = 0; i < 2; i++, odd = NULL) {
    INVALID(slnd_agent_set(agent, NULL, "1s", odd));
    INVALID(slnd_agent_adopt_socket(agent, -1, odd));
    INVALID(slnd_agent_add_plugin(agent, NULL, NULL, 0, odd));
    INVALID(slnd_agent_add_plugin_static(agent, NULL, NULL, 0, odd));
    INVALID(slnd_agent_run(agent, odd));
    INVALID(slnd_agent_spawn(agent, odd));
    INVALID(slnd_agent_claim(agent, str(NULL, 0), SERIAL, 1, odd));
    INVALID(slnd_agent_new(NULL, &made, odd));
  }
}

static void abuse_setting_up(void) {
  static char endless[70000];
  static const char *const wrong[][2] = {{"interval", "never"}, {"nonsense", "1"}, {"", ""},
    {"license.xsvr.group.x", "1"}, {"license.NO PRODUCT.group", "a"}, {"plugin.none.verdict", "advise"}, {"mode", "both"}};
  slnd_kv pair;
  slnd_plugin plugin;
  int pipes[2];
  printf("slnd_agent_set slnd_agent_adopt_socket slnd_agent_add_plugin slnd_agent_add_plugin_static\n");
  memset(endless, 'x', sizeof endless); /* not terminated */
  TOLD(slnd_agent_set(agent, NULL, "1s", &error));
  TOLD(slnd_agent_set(agent, "interval", NULL, &error));
  TOLD(slnd_agent_set(agent, "\xff", "1s", &error));
  TOLD(slnd_agent_set(agent, "interval", "\xff", &error));
  TOLD(slnd_agent_set(agent, endless, "1s", &error));
  TOLD(slnd_agent_set(agent, "interval", endless, &error));
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) TOLD(slnd_agent_set(agent, wrong[i][0], wrong[i][1], &error));

  TOLD(slnd_agent_adopt_socket(agent, -1, &error));
  TOLD(slnd_agent_adopt_socket(agent, 1000000, &error));
  CHECK(pipe(pipes) == 0);
  TOLD(slnd_agent_adopt_socket(agent, pipes[0], &error));
  CHECK(fcntl(pipes[0], F_GETFD) >= 0); /* what was refused is still the caller's */
  CHECK(close(pipes[0]) == 0 && close(pipes[1]) == 0);

  TOLD(slnd_agent_add_plugin(agent, NULL, NULL, 0, &error));
  TOLD(slnd_agent_add_plugin(agent, "\xff", NULL, 0, &error));
  TOLD(slnd_agent_add_plugin(agent, "", NULL, 0, &error));
  TOLD(slnd_agent_add_plugin(agent, "x.so", NULL, 1, &error));
  TOLD(slnd_agent_add_plugin(agent, "x.so", ODD(slnd_kv, &pair), 1, &error));
  TOLD(slnd_agent_add_plugin(agent, "x.so", &pair, SIZE_MAX, &error));
  for (int i = 0; i < 4; i++) {
    pair.key = bad_text(i);
    pair.value = PRODUCT;
    TOLD(slnd_agent_add_plugin(agent, "x.so", &pair, 1, &error));
    pair.value = pair.key;
    pair.key = PRODUCT;
    TOLD(slnd_agent_add_plugin(agent, "x.so", &pair, 1, &error));
  }
  memset(&plugin, 0, sizeof plugin);
  TOLD(slnd_agent_add_plugin_static(agent, NULL, NULL, 0, &error));
  TOLD(slnd_agent_add_plugin_static(agent, ODD(slnd_plugin, &plugin), NULL, 0, &error));
  TOLD(slnd_agent_add_plugin_static(agent, &plugin, NULL, 0, &error));
  plugin.struct_size = UINT32_MAX;
  TOLD(slnd_agent_add_plugin_static(agent, &plugin, NULL, 0, &error));
}

static void abuse_claims(void) {
  printf("slnd_agent_claim slnd_agent_release slnd_agent_check slnd_agent_claim_info slnd_agent_wait\n");
  for (int i = 0; i < BAD_TEXTS; i++) {
    slnd_str text = bad_text(i);
    TOLD(slnd_agent_claim(agent, text, SERIAL, 1, &error));
    if (i != 5) TOLD(slnd_agent_claim(agent, PRODUCT, text, 1, &error));
    INVALID(slnd_agent_release(agent, text));
    INVALID(slnd_agent_check(agent, text, &verdict, room, sizeof room));
    INVALID(slnd_agent_claim_info(agent, text, &claim));
    INVALID(slnd_agent_wait(agent, text, 1));
  }
  TOLD(slnd_agent_claim(agent, PRODUCT, SERIAL, 65536, &error));
  /* Nothing is claimed yet. */
  INVALID(slnd_agent_release(agent, PRODUCT));
  INVALID(slnd_agent_check(agent, PRODUCT, &verdict, room, sizeof room));
  INVALID(slnd_agent_wait(agent, PRODUCT, 1));
  OK(slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  INVALID(slnd_agent_check(agent, PRODUCT, NULL, room, sizeof room));
  INVALID(slnd_agent_check(agent, PRODUCT, ODD(slnd_verdict, room), room, sizeof room));
  INVALID(slnd_agent_check(agent, PRODUCT, &verdict, NULL, 1));
  verdict = 77;
  OK(slnd_agent_check(agent, PRODUCT, &verdict, NULL, 0));
  CHECK(verdict == SLND_VERDICT_ABSTAIN);
  for (size_t cap = 1; cap < sizeof room; cap++) {
    memset(room, 'x', sizeof room);
    OK(slnd_agent_check(agent, PRODUCT, &verdict, room, cap));
    CHECK(strlen(room) <= cap - 1 && room[cap] == 'x');
  }
  INVALID(slnd_agent_claim_info(agent, PRODUCT, NULL));
  INVALID(slnd_agent_claim_info(agent, PRODUCT, ODD(slnd_claim_info, &claim)));
  for (claim.struct_size = 0; claim.struct_size < sizeof claim; claim.struct_size++)
    INVALID(slnd_agent_claim_info(agent, PRODUCT, &claim));
  claim.struct_size = UINT32_MAX;
  INVALID(slnd_agent_claim_info(agent, PRODUCT, &claim));
  claim.struct_size = sizeof claim;
  OK(slnd_agent_claim_info(agent, PRODUCT, &claim));
  CHECK(claim.struct_size == sizeof claim && claim.state == SLND_STATE_PROBING);
  EXPECT(SLND_E_AGAIN, slnd_agent_wait(agent, PRODUCT, UINT64_MAX)); /* nobody turns the loop */
}

static void abuse_status(void) {
  struct {
    slnd_status_info known;
    uint64_t unknown;
  } newer = {.unknown = 7};
  printf("slnd_agent_status slnd_agent_status_json\n");
  INVALID(slnd_agent_status(agent, NULL));
  INVALID(slnd_agent_status(agent, ODD(slnd_status_info, &info)));
  for (info.struct_size = 0; info.struct_size < sizeof info; info.struct_size++) INVALID(slnd_agent_status(agent, &info));
  info.struct_size = UINT32_MAX;
  INVALID(slnd_agent_status(agent, &info));
  info.struct_size = sizeof info;
  OK(slnd_agent_status(agent, &info));
  newer.known.struct_size = sizeof newer;
  OK(slnd_agent_status(agent, &newer.known));
  CHECK(newer.unknown == 0 && newer.known.struct_size == sizeof newer);
  INVALID(slnd_agent_status_json(agent, NULL, 1, &need));
  INVALID(slnd_agent_status_json(agent, room, sizeof room, ODD(size_t, room)));
}

static void too_early(void) {
  printf("slnd_agent_start slnd_agent_fd slnd_agent_timeout_ns slnd_agent_dispatch slnd_agent_run slnd_agent_spawn\n");
  CHECK(slnd_agent_fd(agent) >= 0);
  CHECK(slnd_agent_timeout_ns(agent) == -1);
  INVALID(slnd_agent_dispatch(agent, 1, &done));
  INVALID(slnd_agent_dispatch(agent, 1, ODD(uint32_t, room)));
  TOLD(slnd_agent_run(agent, &error));
  TOLD(slnd_agent_spawn(agent, &error));
  INVALID(slnd_agent_status_json(agent, room, sizeof room, &need));
}

static void *on_another_thread(void *unused) {
  (void)unused;
  EXPECT(SLND_E_NOT_WORKER, slnd_agent_dispatch(agent, 1, NULL));
  EXPECT(SLND_E_NOT_WORKER, slnd_agent_run(agent, &error));
  CHECK(strlen(error.message) > 8);
  EXPECT(SLND_E_NOT_WORKER, slnd_agent_spawn(agent, &error));
  EXPECT(SLND_E_NOT_WORKER, slnd_agent_start(agent, &error));
  EXPECT(SLND_E_NOT_WORKER, slnd_agent_set(agent, "interval", "1s", &error));
  EXPECT(SLND_E_NOT_WORKER, slnd_agent_adopt_socket(agent, 0, &error));
  EXPECT(SLND_E_NOT_WORKER, slnd_agent_add_plugin(agent, "x.so", NULL, 0, &error));
  CHECK(slnd_agent_timeout_ns(agent) == SLND_E_NOT_WORKER);
  /* What any thread may do: */
  CHECK(slnd_agent_fd(agent) >= 0);
  OK(slnd_agent_status(agent, &info));
  CHECK(info.mode == SLND_MODE_OWN && info.connected == 1);
  OK(slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  OK(slnd_agent_wait(agent, PRODUCT, UINT64_C(10000000000)));
  OK(slnd_agent_check(agent, PRODUCT, &verdict, room, sizeof room));
  CHECK(verdict == SLND_VERDICT_ALLOW);
  EXPECT(SLND_E_NOMEM, slnd_agent_status_json(agent, room, sizeof room, &need));
  CHECK(need > sizeof room);
  OK(slnd_agent_status_json(agent, NULL, 0, &need));
  OK(slnd_agent_release(agent, PRODUCT));
  return NULL;
}

static void too_late(void) {
  TOLD(slnd_agent_start(agent, &error));
  TOLD(slnd_agent_set(agent, "interval", "1s", &error));
  TOLD(slnd_agent_add_plugin(agent, "x.so", NULL, 0, &error));
  OK(slnd_agent_stop(agent));
  EXPECT(SLND_E_CLOSED, slnd_agent_dispatch(agent, 1, &done));
  OK(slnd_agent_run(agent, &error)); /* over at once */
}

int main(int argc, char **argv) {
  pthread_t thread;
  slnd_config own;
  rig_begin(argc, argv);
  own = own_config();
  info.struct_size = sizeof info;
  abuse_configuration();
  abuse_pointer(NULL);
  agent = own_agent(&own, 0);
  abuse_pointer(ODD(slnd_agent, agent));
  printf("slnd_agent_stop slnd_agent_free\n");
  too_early();
  abuse_errors();
  slnd_agent_free(agent);
  agent = own_agent(&own, 0);
  abuse_setting_up();
  abuse_claims();
  abuse_status();
  own.flags = SLND_CONFIG_NO_BIND;
  OK(slnd_agent_start(agent, &error));
  TOLD(slnd_agent_set(agent, "interval", "1s", &error));
  OK(slnd_agent_spawn(agent, &error));
  CHECK(pthread_create(&thread, NULL, on_another_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
  slnd_agent_free(agent);

  agent = own_agent(&own, 0);
  TOLD(slnd_agent_start(agent, &error)); /* nothing may be bound, and nothing was adopted */
  slnd_agent_free(agent);
  own.flags = SLND_CONFIG_NO_PLUGINS;
  agent = own_agent(&own, 0);
  EXPECT(SLND_E_DENIED, slnd_agent_add_plugin(agent, "x.so", NULL, 0, &error));
  OK(slnd_agent_start(agent, &error));
  too_late();
  slnd_agent_free(agent);
  return 0;
}
