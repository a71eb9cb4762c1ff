/* Two agents in one process, with one serial: one turned by poll(2), one on a thread of the library's.  They find each
 * other; the program's own opinion denies; the goodbye of one resolves it for the other. */
#include "rig.h"
#include <poll.h>
#include <pthread.h>

typedef struct {
  pthread_t thread;
  int calls, inside, duplicates, resolved, others_threads;
  uint64_t last_seq;
} seen;

/* Written by the thread that turns each agent, read when that has ended, or by itself. */
static seen first, second;

static void on_duplicate(seen *who, const slnd_ev_duplicate *dup, slnd_decision *out) {
  int self = 0;
  CHECK(SLND_EV_HAS(slnd_ev_duplicate, dup, deadline_ns));
  CHECK(strcmp(dup->product.ptr, "xsvr") == 0 && dup->product.len == 4);
  CHECK(dup->n_holders == 2 && dup->seats == 1 && dup->conflict_class == SLND_CLASS_COPY);
  for (uint32_t i = 0; i < dup->n_holders; i++) {
    const slnd_holder *holder = SLND_AT(slnd_holder, dup->holders, dup->holder_stride, i);
    CHECK(holder->struct_size == sizeof *holder);
    if ((holder->flags & SLND_HOLDER_SELF) != 0) self++;
    else CHECK((holder->flags & SLND_HOLDER_PROVED) != 0 && holder->from.family == 4 && holder->from.ip[0] == 127);
  }
  CHECK(self == 1);
  who->duplicates++;
  if ((dup->h.flags & SLND_EVF_DECIDE) != 0) slnd_decide(out, SLND_VERDICT_DENY, "denied by the program");
}

static void on_events(void *user, const slnd_event *const *events, size_t n, slnd_decision *out) {
  seen *who = (seen *)user;
  CHECK(who->inside++ == 0 && n > 0);
  if (who->calls++ == 0) who->thread = pthread_self();
  if (!pthread_equal(who->thread, pthread_self())) who->others_threads++;
  for (size_t i = 0; i < n; i++) {
    CHECK(out[i].verdict == SLND_VERDICT_ABSTAIN && out[i].reason[0] == '\0');
    CHECK(events[i]->seq > who->last_seq);
    who->last_seq = events[i]->seq;
    if (events[i]->kind == SLND_EV_DUPLICATE) on_duplicate(who, SLND_EVENT(slnd_ev_duplicate, events[i]), &out[i]);
    if (events[i]->kind == SLND_EV_RESOLVED) {
      CHECK(SLND_EVENT(slnd_ev_resolved, events[i])->cause == SLND_CAUSE_GOODBYE);
      who->resolved++;
    }
    if (events[i]->kind == SLND_EV_STATE && (events[i]->flags & SLND_EVF_DECIDE) != 0) {
      const slnd_ev_state *state = SLND_EVENT(slnd_ev_state, events[i]);
      if (state->state == SLND_STATE_CLEAR) slnd_decide(&out[i], SLND_VERDICT_ALLOW, "clear");
    }
  }
  who->inside--;
}

static int milliseconds(int64_t ns) {
  return ns < 0 ? 1000 : (int)(ns / 1000000 + (ns % 1000000 > 0));
}

/* Turns the first agent until its verdict is that. */
static void turn_until(slnd_agent *agent, slnd_verdict wanted, const char *reason_wanted) {
  int64_t until = now_ns() + INT64_C(30000000000);
  struct pollfd fd = {slnd_agent_fd(agent), POLLIN, 0};
  for (;;) {
    slnd_verdict verdict = SLND_VERDICT_ABSTAIN;
    char reason[1016];
    uint32_t done = 77;
    CHECK(poll(&fd, 1, milliseconds(slnd_agent_timeout_ns(agent))) >= 0);
    OK(slnd_agent_dispatch(agent, 2, &done));
    CHECK(done <= 2);
    OK(slnd_agent_check(agent, PRODUCT, &verdict, reason, sizeof reason));
    if (verdict == wanted && strstr(reason, reason_wanted) != NULL) return;
    if (now_ns() > until) {
      fprintf(stderr, "waited for %u, \"%s\"; it is %u, \"%s\"\n", wanted, reason_wanted, verdict, reason);
      exit(1);
    }
  }
}

int main(int argc, char **argv) {
  slnd_config config;
  slnd_agent *a, *b;
  slnd_status_info info;
  slnd_claim_info claim;
  rig_begin(argc, argv);
  config = own_config();
  config.events = SLND_EV_BIT(SLND_EV_DUPLICATE) | SLND_EV_BIT(SLND_EV_RESOLVED) | SLND_EV_BIT(SLND_EV_STATE) |
                  SLND_EV_BIT(SLND_EV_ANNOUNCEMENT) | SLND_EV_BIT(SLND_EV_TICK);
  config.on_events = on_events;
  config.user = &first;
  a = own_agent(&config, 0);
  config.user = &second;
  b = own_agent(&config, 1);
  OK(slnd_agent_start(a, &error));
  OK(slnd_agent_claim(a, PRODUCT, SERIAL, 1, &error));
  turn_until(a, SLND_VERDICT_ALLOW, "");
  OK(slnd_agent_start(b, &error));
  OK(slnd_agent_spawn(b, &error));
  OK(slnd_agent_claim(b, PRODUCT, slnd_text("test 0042"), 1, &error));
  turn_until(a, SLND_VERDICT_DENY, "denied by the program");
  CHECK(first.duplicates > 0);
  info.struct_size = sizeof info;
  claim.struct_size = sizeof claim;
  OK(slnd_agent_status(a, &info));
  CHECK(info.claims == 1 && info.conflicts == 1 && info.rx > 0 && info.tx > 0 && info.mode == SLND_MODE_OWN);
  CHECK(info.state == SLND_STATE_CONFLICT || info.state == SLND_STATE_DUPLICATE);
  OK(slnd_agent_claim_info(a, PRODUCT, &claim));
  CHECK(claim.verdict == SLND_VERDICT_DENY && claim.connected == 1 && claim.age_ns == 0);
  slnd_agent_free(b);
  CHECK(second.calls > 0 && second.others_threads == 0 && !pthread_equal(second.thread, pthread_self()));
  turn_until(a, SLND_VERDICT_ALLOW, "clear");
  CHECK(first.resolved > 0 && first.others_threads == 0 && pthread_equal(first.thread, pthread_self()));
  slnd_agent_free(a);
  return 0;
}
