/* Adopted sockets: they are used, and belong to whom the header says. */
#include "rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static int bound(const char *address, uint16_t port, int kind) {
  int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
  CHECK(fd >= 0 && inet_pton(AF_INET, address, &name.sin_addr) == 1);
  CHECK(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one) == 0);
  CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
  return fd;
}

static int is_open(int fd) { return fcntl(fd, F_GETFD) >= 0 || errno != EBADF; }

int main(int argc, char **argv) {
  slnd_config config;
  slnd_agent *agent;
  slnd_status_info info;
  int first, second, stream;
  rig_begin(argc, argv);
  config = own_config();
  config.flags = SLND_CONFIG_NO_BIND | SLND_CONFIG_NO_PLUGINS;
  agent = own_agent(&config, 0);
  first = bound(rig_addresses[0], 62611, SOCK_DGRAM);
  second = bound(rig_addresses[0], 62612, SOCK_DGRAM);
  stream = bound(rig_addresses[0], 62611, SOCK_STREAM);
  EXPECT(SLND_E_INVALID, slnd_agent_adopt_socket(agent, stream, &error));
  CHECK(is_open(stream)); /* refused, so still the program's */
  OK(slnd_agent_adopt_socket(agent, first, &error));
  CHECK(!is_open(first)); /* taken over, by a descriptor of the library's */
  EXPECT(SLND_E_INVALID, slnd_agent_adopt_socket(agent, second, &error)); /* two of one family */
  CHECK(is_open(second));
  OK(slnd_agent_start(agent, &error));
  OK(slnd_agent_claim(agent, PRODUCT, SERIAL, 1, &error));
  OK(slnd_agent_spawn(agent, &error));
  OK(slnd_agent_wait(agent, PRODUCT, UINT64_C(20000000000)));
  info.struct_size = sizeof info;
  OK(slnd_agent_status(agent, &info));
  CHECK(info.tx > 0);
  slnd_agent_free(agent);
  close(stream);
  close(second);
  /* Closed with the agent: the port is free again. */
  close(bound(rig_addresses[0], 62611, SOCK_DGRAM));
  return 0;
}
