// SPDX-License-Identifier: GPL-3.0-or-later
// Clients whose long rings are full, and two others that want one thing of the daemon at the same time, for test_share.py: how much it does
// for the former before it answers the latter. It is stopped until all of it is there, so that what is counted is the order in which it
// works and not who came first.
//   share SOCKET PID PORT CLIENTS ROUNDS
// Prints for each round how many entries of all rings were done when an entry of another client had its answer; and the same for
// requests on TCP connections to the port.
#include "tools/fuzz/attached_target.h"
#include "tools/fuzz/finding.h"
#include "tools/fuzz/ring_client.h"
#include "uapi/ops.h"
#include "uapi/ring_inline.h"
#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::fuzz;

namespace {

constexpr uint32_t kEntries = HSYS_SQ_ENTRIES_MAX;
constexpr size_t kConnections = 8;

class Client {
public:
  explicit Client(AttachedTarget &target) : m_ring(target.connect())
  {
    m_ring.say_hello("share");
    hsys_control_channel_open open{};
    open.sq_entries = kEntries;
    m_ring.send(HSYS_CONTROL_CHANNEL_OPEN, open);
    while (!m_ring.take_messages(HSYS_CONTROL_CHANNEL_OPENED))
      check_life();
  }

  // Entries that are refused with a reason: the daemon has some work with each.
  void put(uint32_t count)
  {
    for (uint32_t i = 0; i < count; i++) {
      hsys_sqe entry{};
      entry.op = HSYS_OP_NOP;
      entry.object_id = 1; // none would be right
      entry.irp_id = HSYS_IRP_ID(m_put++ % kEntries, 0);
      m_ring.put(entry);
    }
  }
  void publish() { m_ring.publish(0, true); }
  uint32_t left()
  {
    check_life();
    return m_put - hsys_load_acquire(&reinterpret_cast<const hsys_kpage *>(m_ring.link().mapping()->ktou)->cq_tail);
  }
  void take()
  {
    for (const Completion &completion : m_ring.reap(kEntries))
      if (completion.entry.flags & HSYS_CQE_BLOCK)
        m_ring.give_back(completion.entry.block);
    m_ring.advance();
    m_ring.publish_returns(0);
  }

private:
  void check_life()
  {
    if (m_ring.link().has_ended())
      throw Finding{"ended", "the daemon has ended a session"};
  }
  RingClient m_ring;
  uint32_t m_put = 0;
};

int connect_to(uint16_t port)
{
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(descriptor, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
    throw Finding{"refused", "the port takes no connection"};
  return descriptor;
}

uint32_t left_of(std::vector<Client> &clients)
{
  uint32_t sum = 0;
  for (Client &client : clients)
    sum += client.left();
  return sum;
}

void fill(std::vector<Client> &clients)
{
  for (Client &client : clients)
    client.put(kEntries);
  for (Client &client : clients)
    client.publish();
}

void stop(pid_t daemon)
{
  kill(daemon, SIGSTOP);
  usleep(1000);
}

// No other process takes the processor away between an answer and the look at what was done, where that may be asked for (root).
class Undisturbed {
public:
  Undisturbed() { set(SCHED_FIFO, 1); }
  ~Undisturbed() { set(SCHED_OTHER, 0); }
  Undisturbed(const Undisturbed &) = delete;

private:
  static void set(int policy, int priority)
  {
    sched_param parameters{};
    parameters.sched_priority = priority;
    sched_setscheduler(0, policy, &parameters);
  }
};

void finish(std::vector<Client> &clients)
{
  for (Client &client : clients) {
    while (client.left() > 0) {
    }
    client.take();
  }
}

uint32_t beside_an_entry(pid_t daemon, std::vector<Client> &clients, Client &other)
{
  stop(daemon);
  fill(clients);
  other.put(1);
  other.publish();
  uint32_t all = left_of(clients), done = 0;
  {
    Undisturbed undisturbed;
    kill(daemon, SIGCONT);
    while (other.left() > 0) {
    }
    done = all - left_of(clients);
  }
  other.take();
  finish(clients);
  return done;
}

// Requests whose host nobody has, so that the daemon itself answers, on connections that all cores have their part of: the first answer
// is one of the core that the processor was given to first.
uint32_t beside_a_request(pid_t daemon, std::vector<Client> &clients, uint16_t port)
{
  static constexpr char kRequest[] = "GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n";
  int connections[kConnections];
  for (int &connection : connections)
    connection = connect_to(port);
  usleep(2000); // until they are accepted
  stop(daemon);
  fill(clients);
  uint32_t all = left_of(clients), done = 0;
  for (int connection : connections)
    send(connection, kRequest, sizeof kRequest - 1, MSG_NOSIGNAL);
  char answer[4096];
  ssize_t count = -1;
  {
    Undisturbed undisturbed;
    kill(daemon, SIGCONT);
    for (size_t i = 0; count < 0; i = (i + 1) % kConnections)
      count = recv(connections[i], answer, sizeof answer, MSG_DONTWAIT);
    done = all - left_of(clients);
  }
  for (int connection : connections)
    close(connection);
  finish(clients);
  if (count < 12 || memcmp(answer, "HTTP/1.1 400", 12) != 0)
    throw Finding{"unanswered", "the daemon has not answered 400"};
  return done;
}

}

int main(int argc, char **argv)
{
  if (argc != 6)
    return std::fprintf(stderr, "usage: share SOCKET PID PORT CLIENTS ROUNDS\n"), 2;
  pid_t daemon = std::atoi(argv[2]);
  try {
    AttachedTarget target(argv[1]);
    std::vector<Client> clients;
    for (int i = 0; i < std::atoi(argv[4]); i++)
      clients.emplace_back(target);
    Client other(target);
    for (int round = 0; round < std::atoi(argv[5]); round++) {
      uint32_t entry = beside_an_entry(daemon, clients, other);
      std::printf("%u %u\n", entry, beside_a_request(daemon, clients, static_cast<uint16_t>(std::atoi(argv[3]))));
    }
    return 0;
  } catch (const Finding &finding) {
    std::fprintf(stderr, "share: %s: %s\n", finding.kind, finding.text.c_str());
  }
  return 1;
}
