// SPDX-License-Identifier: GPL-3.0-or-later
// FakeDaemon: httpsysd as the library sees it, in a thread of the test: control socket, sealed memfds, rings, loans, credit; every
// rule of the ring that a client can break is checked and counted as a violation. What operations do is the test's: by default
// configuration operations succeed and data operations stay parked until the test completes them.
#pragma once
#include "tests/unit/temporary_folder.h"
#include "uapi/control.h"
#include "uapi/ops.h"
#include "uapi/ring.h"
#include "uapi/status.h"
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

struct FakeOptions {
  uint32_t sq_entries = 256, cq_entries = 16384, ret_entries = 1024;
  uint64_t rx_bytes = HSYS_ARENA_BYTES_DEFAULT, tx_bytes = HSYS_ARENA_BYTES_DEFAULT;
  uint32_t abi_major = HSYS_ABI_MAJOR;
  int hello_status = 0, channel_status = 0;
  uint64_t geometry_magic = HSYS_CHANNEL_MAGIC;
  bool answers_hello = true;
  uint16_t hangs_up_on = 0; // closes the connection when such a message comes
  bool seals = true;
  bool is_lazy = false; // consumes no submissions until resume()
  std::string path = ""; // empty: in a folder of its own
};

// An operation as the daemon took it from the ring.
struct FakeOperation {
  hsys_sqe entry{};
  std::vector<uint8_t> parameters;
  std::string body; // bytes of the extents, of SEND operations, as they were at that moment

  template <typename T>
  const T &head() const { return *reinterpret_cast<const T *>(parameters.data()); }
  std::string text(uint32_t offset, uint32_t length) const
  {
    return {reinterpret_cast<const char *>(parameters.data()) + offset, length};
  }
};

struct FakeReply {
  int status = HSYS_STATUS_SUCCESS;
  uint64_t information = 0, object_id = 0, aux = 0;
  std::optional<std::string> output = std::nullopt; // lent as a block
  std::string reason = "";                          // lent as a block with HSYS_CQE_REASON
};

class FakeDaemon {
public:
  using Handler = std::function<void(FakeDaemon &, const FakeOperation &)>;

  explicit FakeDaemon(FakeOptions options = {});
  ~FakeDaemon();
  FakeDaemon(const FakeDaemon &) = delete;

  const std::string &path() const { return m_path; }
  // What an operation does, from now on; runs in the daemon's thread.
  void on(hsys_op op, Handler handler);
  // What it did in the beginning.
  void forget(hsys_op op);
  // The handler that completes at once with this.
  void answer(hsys_op op, FakeReply reply);
  // Leaves them parked, the default of data operations.
  void park(hsys_op op);

  // Any thread; from a handler too. Unknown operations are ignored (cancelled meanwhile).
  void complete(uint32_t irp_id, FakeReply reply);
  // The oldest parked operation of that kind, waiting up to 10 s for one; it stays parked until complete().
  FakeOperation wait_parked(hsys_op op, size_t index = 0);
  size_t parked(hsys_op op);
  bool wait_for(std::function<bool()> condition); // up to a minute; condition runs with the daemon's lock held
  // Operations seen so far, of that kind.
  size_t seen(hsys_op op);

  void kill();                    // as by SIGKILL: everything is closed
  void revoke(uint32_t reason, hsys_channel_state state = HSYS_CHANNEL_REVOKED);
  void pause();                   // consumes no submissions any more; returns when it does not
  void resume();                  // is_lazy or pause()
  void ring();                    // a byte into the bell for nothing
  void publish_nonsense();        // a completion of an operation that nobody started
  void publish_tail(uint32_t tail); // whatever is behind it
  // The entry as it is; arena: what the receive arena begins with. From then on nothing that the client does is a violation.
  void publish_damaged(hsys_cqe entry, std::string arena);
  void send_control(uint16_t type); // a message nobody asked for
  std::vector<std::string> violations();
  uint32_t cq_head();             // as the client published it
  uint32_t cq_tail() { return m_cq_tail_copy; }
  uint32_t blocks_lent();
  size_t sessions() { return m_session_count; }
  bool has_client();

private:
  struct Region {
    int descriptor = -1;
    uint8_t *base = nullptr;
    uint64_t bytes = 0;
  };
  void set_default(int op); // m_mutex is held, or no thread runs yet
  void run();
  void serve_control();
  void open_channel(uint32_t sequence);
  void close_session();
  Region make_region(uint64_t bytes, bool is_daemons);
  void fill_geometry(hsys_geometry &geometry) const;
  bool consume_submissions();
  void admit(const hsys_sqe &entry);
  void take_extents(FakeOperation &operation, uint32_t offset, uint32_t count);
  std::deque<FakeOperation>::iterator find_parked(uint32_t irp_id); // m_mutex is held
  void default_handler(const FakeOperation &operation);
  void cancel_parked(const std::function<bool(const FakeOperation &)> &is_wanted);
  void take_returns();
  void flush_completions();
  void publish_entry(const hsys_cqe &entry);
  bool publish_one(uint32_t irp_id, const FakeReply &reply);
  bool arm();
  void check_cq_head();
  void wake();
  void post(std::function<void()> command);
  void violation(std::string text);
  hsys_kpage &kpage() { return *reinterpret_cast<hsys_kpage *>(m_ktou.base); }
  hsys_upage &upage() { return *reinterpret_cast<hsys_upage *>(m_utok.base); }

  FakeOptions m_options;
  TemporaryFolder m_folder;
  std::string m_path;
  int m_listener = -1, m_wake = -1;
  std::atomic<size_t> m_session_count{0};
  std::atomic<uint32_t> m_cq_tail_copy{0};

  std::mutex m_mutex;
  std::condition_variable m_changed;
  std::deque<std::function<void()>> m_commands;
  std::map<int, Handler> m_handlers;
  std::deque<FakeOperation> m_parked;
  std::map<int, size_t> m_seen;
  std::vector<std::string> m_violations;
  bool m_is_stopping = false, m_is_killed = false;

  // The daemon's thread only.
  int m_control = -1, m_kick = -1, m_bell = -1;
  bool m_is_paused = false, m_is_damaged = false;
  Region m_ktou, m_utok;
  hsys_geometry m_geometry{};
  uint32_t m_sq_head = 0, m_cq_tail = 0, m_cq_head_seen = 0, m_ret_head = 0;
  std::map<uint16_t, std::pair<uint32_t, uint32_t>> m_in_use; // slot: irp_id, index of its completion (~0: none yet)
  std::deque<std::pair<uint32_t, FakeReply>> m_completions;
  std::vector<bool> m_granules;                // of the receive arena: lent
  std::map<uint32_t, uint32_t> m_loans;        // block: granules
  uint64_t m_next_id = 0x100000001;

  std::thread m_thread;
};
