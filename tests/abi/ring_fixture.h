// SPDX-License-Identifier: GPL-3.0-or-later
// What the tests of the ring ABI share: a ring_daemon process for each test case, and clients of it. HTTPSYS_RING_CORES and
// HTTPSYS_RING_FIRST_INDEX choose how the daemon runs.
#pragma once
#include "tests/abi/ring_client.h"
#include <doctest/doctest.h>
#include <string>
#include <vector>

// By then every answer has come; a test that waits so long has found a lost wake-up.
inline constexpr int kAnswerMilliseconds = 20000;
// Long enough to see that nothing comes.
inline constexpr int kSilenceMilliseconds = 150;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif

class DaemonProcess {
public:
  explicit DaemonProcess(std::vector<std::string> options = {});
  ~DaemonProcess();
  const std::string &socket() const { return m_socket; }
  static uint32_t cores();
  static uint32_t first_index();
  int pid() const { return m_pid; }
  // SIGTERM; checks that it ends by itself with exit code 0.
  void stop();

private:
  std::string m_folder, m_socket;
  int m_pid = -1;
};

class Client : public ring_client {
public:
  // Connected, welcomed and with a channel. Entries and bytes of 0 ask for the default.
  explicit Client(const DaemonProcess &daemon, uint32_t sq_entries = 0, uint32_t cq_entries = 0, uint32_t rx_bytes = 0,
                  uint32_t tx_bytes = 0);
  Client(const Client &) = delete;
  ~Client() { ring_close(this); }

  // Submits without waiting; returns the irp_id.
  uint32_t submit(hsys_sqe entry);
  // The completion of one operation.
  hsys_cqe call(hsys_sqe entry);
  hsys_cqe next();
  // The next completion, whose status is checked.
  hsys_cqe expect(uint32_t irp_id, uint32_t wanted);
  bool is_silent() { return ring_wait(this, kSilenceMilliseconds) == RING_TIMEOUT; }
  uint64_t open_queue();
  std::string reason(const hsys_cqe &completion);
  std::string output(const hsys_cqe &completion);
  // Waits for REVOKED, checks its reason and that the daemon closes the socket.
  void expect_revoked(uint32_t reason);
  void expect_closed();
};

// A connection of the control socket alone.
class ControlClient : public ring_client {
public:
  explicit ControlClient(const DaemonProcess &daemon, bool says_hello = true);
  ControlClient(const ControlClient &) = delete;
  ~ControlClient() { ring_close(this); }
  hsys_control_stats stats();
  // Waits until the daemon's numbers fulfil it.
  template <typename Condition>
  hsys_control_stats stats_until(Condition condition)
  {
    for (int tries = 0; tries < 1000; tries++) {
      auto numbers = stats();
      if (condition(numbers))
        return numbers;
      pause();
    }
    FAIL("the daemon's numbers did not become what they should");
    return {};
  }
  // Text of an ADMIN command's answer; code: its win32_code and exit_code.
  std::string administer(const std::vector<std::string> &words, const std::vector<std::pair<std::string, std::string>> &files = {},
                         std::pair<uint32_t, uint32_t> *code = nullptr);
  // Number behind that name in the daemon's report.
  uint64_t reported(const std::string &name);
  static void pause();
};

hsys_sqe operation(hsys_op op, uint64_t handle = 0, uint64_t object_id = 0);
