// SPDX-License-Identifier: GPL-3.0-or-later
// On which thread a channel's memory is unmapped: cores as threads, and memory helpers that the test holds up.
#include "kernel/base/log.h"
#include "kernel/io/session.h"
#include "kernel/ke/core.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/uring_engine.h"
#include "uapi/control.h"
#include <atomic>
#include <doctest/doctest.h>
#include <fstream>
#include <future>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::io;

namespace {

Result<std::unique_ptr<platform::IoEngine>> make_engine(ke::CoreId)
{
  std::string reason;
  return platform::make_uring_engine(
    {.submission_entries = 16, .completion_entries = 64, .receive_buffers = 8, .receive_buffer_bytes = 4096}, reason);
}

// Holds up whoever makes a channel, when its memory is there, while one wants that.
class WaitingSystem : public platform::LinuxSystem {
public:
  struct Hold {
    std::promise<void> begun, released;
    Hold() { s_hold = this; }
    ~Hold() { s_hold = nullptr; }
  };
  Result<int> create_event() override
  {
    if (Hold *hold = s_hold) {
      hold->begun.set_value();
      hold->released.get_future().wait();
    }
    return platform::LinuxSystem::create_event();
  }

private:
  static inline std::atomic<Hold *> s_hold = nullptr;
};

class Daemon {
public:
  explicit Daemon(uint32_t cores) : m_cores(cores)
  {
    static WaitingSystem system;
    platform::set_system(system);
    REQUIRE(system.start_closer());
    set_log_sink([](LogCause, std::string) {});
    REQUIRE(m_cores.start(make_engine));
    m_address.sun_family = AF_UNIX;
    std::snprintf(m_address.sun_path + 1, sizeof m_address.sun_path - 1, "httpsys-test-memory-%d-%d", getpid(), ++s_daemons);
    int listener = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    REQUIRE(bind(listener, reinterpret_cast<sockaddr *>(&m_address), sizeof m_address) == 0);
    REQUIRE(listen(listener, 10) == 0);
    on_core([&] { SessionManager::instance().start(listener, {}); });
  }
  ~Daemon()
  {
    std::promise<void> stopped;
    on_core([&] { SessionManager::instance().stop([&] { stopped.set_value(); }); });
    CHECK(stopped.get_future().wait_for(std::chrono::seconds(60)) == std::future_status::ready);
    m_cores.stop_and_join();
    set_log_sink(nullptr);
  }
  // On core 0; returns when it has run, and what other threads sent there before.
  template <typename F>
  void on_core(F function)
  {
    std::promise<void> done;
    m_cores.run_on(0, [&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }
  uint32_t sessions()
  {
    uint32_t count = 0;
    on_core([&] { count = SessionManager::instance().session_count(); });
    return count;
  }
  int connect()
  {
    int client = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(client, reinterpret_cast<sockaddr *>(&m_address), sizeof m_address) == 0);
    const timeval time{60, 0};
    REQUIRE(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    return client;
  }

private:
  ke::Cores m_cores;
  static inline int s_daemons = 0;
  sockaddr_un m_address{};
};

// Keeps the memory helpers from the next job for this user as long as it lives.
class HelperHold {
public:
  HelperHold()
  {
    ke::Cores::instance().run_on_memory_helper(geteuid(), [this] {
      m_begun.set_value();
      m_released.get_future().wait();
      m_ended.set_value();
    });
  }
  ~HelperHold()
  {
    release();
    m_ended.get_future().wait();
  }
  void wait_until_held() { m_begun.get_future().wait(); }
  void release()
  {
    if (!std::exchange(m_is_released, true))
      m_released.set_value();
  }

private:
  std::promise<void> m_begun, m_released, m_ended;
  bool m_is_released = false;
};

template <typename Message>
void send_message(int client, uint16_t type, Message message = {})
{
  hsys_control head{};
  head.magic = HSYS_CONTROL_MAGIC;
  head.type = type;
  head.size = sizeof message;
  std::memcpy(&message, &head, sizeof head);
  REQUIRE(send(client, &message, sizeof message, 0) == sizeof message);
}

void send_hello(int client)
{
  hsys_control_hello hello{};
  hello.abi_major = HSYS_ABI_MAJOR;
  send_message(client, HSYS_CONTROL_HELLO, hello);
}

// Type of the next message, 0 at the end. Descriptors in it are dropped.
int next_message(int client)
{
  hsys_control head{};
  ssize_t got = recv(client, &head, sizeof head, 0);
  return got > 0 ? head.type : static_cast<int>(got);
}

int mapped_regions()
{
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("httpsys-ktou") != line.npos || line.find("httpsys-utok") != line.npos;
  return count;
}

bool end_comes(Daemon &daemon)
{
  for (int tries = 0; tries < 5000; tries++, usleep(1000))
    if (daemon.sessions() == 0)
      return true;
  return false;
}

}

TEST_CASE("a channel's memory is unmapped by a memory helper, and its session goes after that")
{
  for (uint32_t cores : {1u, 2u}) {
    CAPTURE(cores);
    Daemon daemon(cores);
    // The channels of all cores in turn.
    for (uint32_t core = 0; core < cores; core++) {
      int client = daemon.connect();
      send_hello(client);
      REQUIRE(next_message(client) == HSYS_CONTROL_WELCOME);
      send_message(client, HSYS_CONTROL_CHANNEL_OPEN, hsys_control_channel_open{});
      REQUIRE(next_message(client) == HSYS_CONTROL_CHANNEL_OPENED);
      CHECK(mapped_regions() == 2);
      {
        HelperHold hold;
        hold.wait_until_held();
        ::close(client);
        usleep(50'000);
        CHECK(mapped_regions() == 2);
        CHECK(daemon.sessions() == 1);
      }
      CHECK(end_comes(daemon));
      CHECK(mapped_regions() == 0);
    }
  }
}

TEST_CASE("memory of a channel whose session ends while it is made is unmapped by a memory helper")
{
  Daemon daemon(1);
  int client = daemon.connect();
  send_hello(client);
  REQUIRE(next_message(client) == HSYS_CONTROL_WELCOME);
  WaitingSystem::Hold making;
  send_message(client, HSYS_CONTROL_CHANNEL_OPEN, hsys_control_channel_open{});
  making.begun.get_future().wait();
  {
    HelperHold behind;
    send_hello(client); // the second
    REQUIRE(next_message(client) == HSYS_CONTROL_REVOKED);
    REQUIRE(next_message(client) == 0);
    making.released.set_value();
    behind.wait_until_held();
    daemon.on_core([] {});
    CHECK(mapped_regions() == 2);
    CHECK(daemon.sessions() == 1);
  }
  CHECK(end_comes(daemon));
  CHECK(mapped_regions() == 0);
  ::close(client);
}

TEST_CASE("no memory is made for a session that has ended, which goes at once and leaves what it may have to others")
{
  Daemon daemon(1);
  HelperHold before;
  before.wait_until_held();
  int client = daemon.connect();
  send_hello(client);
  REQUIRE(next_message(client) == HSYS_CONTROL_WELCOME);
  send_message(client, HSYS_CONTROL_CHANNEL_OPEN, hsys_control_channel_open{});
  send_hello(client); // the second
  REQUIRE(next_message(client) == HSYS_CONTROL_REVOKED);
  REQUIRE(next_message(client) == 0);
  CHECK(daemon.sessions() == 1); // it may not have as much again until nobody makes it any more
  {
    HelperHold behind;
    before.release();
    behind.wait_until_held();
    CHECK(end_comes(daemon));
    CHECK(mapped_regions() == 0);
  }
  ::close(client);
}
