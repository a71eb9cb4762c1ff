// The agent in an edge-triggered epoll, behind an RAII class; the program itself is the policy.
//
//   c++ -std=c++17 -o embed_epoll embed_epoll.cc $(pkg-config --cflags --libs serialnumberd)
//   ./embed_epoll xsvr xsvr.serial --mode own --set port=62626 --set state_dir=/tmp/xsvr
//
// It shows what the agent tells it, and decides: who holds the license longest runs on, all others are denied.
// An agent that it merely connects to has its administrator's policy and never asks it.  SIGINT and SIGTERM end it.
#include <serialnumberd/serialnumberd.h>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace slnd {

// The agent as C++ has it: a failure is an exception, the end of the scope says goodbye.  One thread at a time.
class Agent {
 public:
  using Handler = std::function<void(const slnd_event &, slnd_decision &)>;
  struct Answer { slnd_verdict verdict; std::string reason; };

  Agent(uint64_t events, Handler handler) : handler_(std::move(handler)) {
    slnd_config config;
    must(slnd_config_init(&config, sizeof config));
    config.events = events;
    config.on_events = deliver;
    config.user = this;
    must(slnd_agent_new(&config, &agent_, &error_), error_.message);
  }
  ~Agent() { slnd_agent_free(agent_); }
  Agent(const Agent &) = delete; // the library knows its address
  Agent &operator=(const Agent &) = delete;

  void set(const std::string &key, const std::string &value) {
    must(slnd_agent_set(agent_, key.c_str(), value.c_str(), &error_), error_.message);
  }
  void start() { must(slnd_agent_start(agent_, &error_), error_.message); }
  void claim(const std::string &product, const std::string &serial, uint32_t seats) {
    must(slnd_agent_claim(agent_, text(product), text(serial), seats, &error_), error_.message);
  }
  Answer check(const std::string &product) const {
    slnd_verdict verdict = SLND_VERDICT_ABSTAIN;
    char reason[sizeof slnd_decision::reason] = "";
    must(slnd_agent_check(agent_, text(product), &verdict, reason, sizeof reason));
    return {verdict, reason};
  }
  int fd() const { return slnd_agent_fd(agent_); }
  int64_t timeout_ns() const { return slnd_agent_timeout_ns(agent_); }
  void dispatch(uint32_t max) {
    slnd_status status = slnd_agent_dispatch(agent_, max, nullptr);
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    must(status);
  }

 private:
  // Nothing may unwind into the library: what the handler throws waits until dispatch has returned.
  static void deliver(void *user, const slnd_event *const *events, size_t n, slnd_decision *out) noexcept {
    Agent &self = *static_cast<Agent *>(user);
    for (size_t i = 0; i < n && !self.thrown_; i++) {
      try { self.handler_(*events[i], out[i]); } catch (...) { self.thrown_ = std::current_exception(); }
    }
  }
  static slnd_str text(const std::string &s) { return {s.c_str(), s.size()}; }
  static void must(slnd_status status, const char *why = "") {
    if (status != SLND_OK) throw std::runtime_error(*why != '\0' ? why : slnd_strerror(status));
  }

  slnd_agent *agent_ = nullptr;
  slnd_error error_{};
  Handler handler_;
  std::exception_ptr thrown_;
};

} // namespace slnd

// What this vendor makes of a duplicate: first come, first served.
class Seniority {
 public:
  // What is put into `out` counts where the event asks for it: SLND_EVF_DECIDE.
  void operator()(const slnd_event &event, slnd_decision &out) {
    if (event.kind == SLND_EV_DUPLICATE) {
      const auto *e = SLND_EVENT(slnd_ev_duplicate, &event);
      for (uint32_t i = 0; i < e->n_holders; i++) hear(*SLND_AT(slnd_holder, e->holders, e->holder_stride, i));
      decide(e->stage == SLND_STAGE_DUPLICATE, out);
    } else if (event.kind == SLND_EV_STATE) {
      decide(SLND_EVENT(slnd_ev_state, &event)->state == SLND_STATE_DUPLICATE, out);
    }
  }

 private:
  void hear(const slnd_holder &holder) {
    if (holder.flags & SLND_HOLDER_SELF) over_ = holder.flags & SLND_HOLDER_OVER;
    std::cerr << "holder " << holder.host.ptr << (holder.flags & SLND_HOLDER_SELF ? " (this host)" : "")
              << (holder.flags & SLND_HOLDER_OVER ? ": beyond the seats\n" : ": within the seats\n");
  }
  void decide(bool proved_twice, slnd_decision &out) const {
    if (!proved_twice) slnd_decide(&out, SLND_VERDICT_ALLOW, "no duplicate is proved");
    else if (!over_) slnd_decide(&out, SLND_VERDICT_WARN, "another host uses this license, too; this one was first");
    else slnd_decide(&out, SLND_VERDICT_DENY, "this license is in use on another host, which was first: stop one");
  }
  bool over_ = false;
};

static void report(const std::string &product, const slnd::Agent::Answer &answer) {
  static slnd_verdict last = SLND_VERDICT_ABSTAIN;
  if (answer.verdict == last) return;
  last = answer.verdict;
  std::cerr << product << ": "
            << (last >= SLND_VERDICT_DENY ? "DENY" : last >= SLND_VERDICT_LIMIT ? "LIMIT" :
                last >= SLND_VERDICT_WARN ? "WARN" : "ALLOW")
            << ": " << answer.reason << std::endl;
}

[[noreturn]] static void fail(const char *what) { throw std::system_error(errno, std::generic_category(), what); }

// A descriptor that is closed at the end of the scope.
class Descriptor {
 public:
  Descriptor(int fd, const char *what) : fd_(fd) { if (fd < 0) fail(what); }
  ~Descriptor() { close(fd_); }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  operator int() const { return fd_; }
 private:
  int fd_;
};

// Until a signal comes.
static void loop(slnd::Agent &agent, const std::string &product, int signals) {
  Descriptor epoll(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  for (int fd : {agent.fd(), signals}) {
    epoll_event wanted{};
    wanted.events = EPOLLIN | EPOLLET;
    wanted.data.fd = fd;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) != 0) fail("epoll_ctl");
  }
  for (;;) {
    // Rounded up, or the last millisecond is spent spinning.  Below -1 is a status, which dispatch answers, too.
    int64_t ns = agent.timeout_ns(), ms = ns < 0 ? 0 : ns / 1'000'000 + (ns % 1'000'000 > 0);
    epoll_event ready[2];
    int n = epoll_wait(epoll, ready, 2, ns == -1 ? -1 : static_cast<int>(std::min<int64_t>(ms, INT_MAX)));
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < n; i++)
      if (ready[i].data.fd == signals) return;
    // The edge comes once.  If more than 64 things wait the rest is not lost: timeout_ns is 0 then.
    agent.dispatch(64);
    report(product, agent.check(product));
  }
}

// By read(2): a stream would leave a copy of the serial behind.
static void claim(slnd::Agent &agent, const std::string &product, const char *path) {
  std::string serial(4096, '\0');
  Descriptor file(open(path, O_RDONLY | O_CLOEXEC), path);
  ssize_t n = read(file, serial.data(), serial.size());
  if (n < 0) fail(path);
  serial.resize(static_cast<size_t>(n));
  agent.claim(product, serial, 1);
  explicit_bzero(serial.data(), serial.size());
}

static void run(const std::string &product, const char *serial_file, char **options) {
  // Blocked before the library makes threads: only the descriptor is to see them.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
  Descriptor signals(signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");

  slnd::Agent agent(SLND_EV_BIT(SLND_EV_DUPLICATE) | SLND_EV_BIT(SLND_EV_STATE), Seniority());
  for (; options[0] != nullptr; options += options[1] == nullptr ? 1 : 2) {
    const std::string option = options[0], value = options[1] == nullptr ? "" : options[1];
    const size_t equals = value.find('=');
    if (option == "--mode" && !value.empty()) agent.set("mode", value);
    else if (option == "--set" && equals != value.npos) agent.set(value.substr(0, equals), value.substr(equals + 1));
    else throw std::invalid_argument(option + ": expected --mode connect|own|auto or --set KEY=VALUE");
  }
  agent.start();
  claim(agent, product, serial_file);
  loop(agent, product, signals);
}

int main(int argc, char **argv) try {
  if (argc < 3) {
    std::cerr << "usage: " << argv[0] << " PRODUCT SERIAL_FILE [--mode connect|own|auto] [--set KEY=VALUE]...\n";
    return 2;
  }
  run(argv[1], argv[2], argv + 3);
  std::cerr << "embed_epoll: goodbye\n";
  return 0;
} catch (const std::exception &e) {
  std::cerr << "embed_epoll: " << e.what() << '\n';
  return 1;
}
