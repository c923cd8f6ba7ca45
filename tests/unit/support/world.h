// SPDX-License-Identifier: GPL-3.0-or-later
// World: the daemon from channels to sockets on the simulated platform, its cores stepped one by one on the test's thread. Process:
// a program with a session, that is, a channel of real shared memory, written by hand. A World ends everything at its end
// and checks that nothing is left: no descriptor, request, connection, URL, queue or parked operation.
#pragma once
#include "kernel/base/log.h"
#include "kernel/http/settings.h"
#include "kernel/io/channel_impl.h"
#include "kernel/queue/delivered_requests.h"
#include "kernel/platform/sim/sim_engine.h"
#include "uapi/request.h"
#include "uapi/response.h"
#include <optional>
#include <random>

namespace httpsys::test {

using platform::SimEngine;
using platform::SimSocket;
using platform::SimSystem;

class Process;

class World {
public:
  explicit World(uint32_t cores = 1, const http::Settings &settings = {});
  ~World();

  SimSystem system;
  std::vector<SimEngine *> engines; // by core
  std::vector<std::string> log;

  uint32_t core_count() const { return static_cast<uint32_t>(engines.size()); }
  // One turn of a core's loop; whether it did something.
  bool turn(ke::CoreId core);
  // Turns until nothing happens any more.
  void run();
  // Lets time pass, then runs.
  void pass(platform::Milliseconds milliseconds);
  // Turns of cores in a random order.
  void shake(std::mt19937 &random, uint32_t turns);
  // A client's connection; it is accepted in the next turns. Null when nobody listens.
  std::shared_ptr<SimSocket> connect(uint16_t port, const char *local = "10.0.0.9");
  // Function on a core, as a message.
  void on(ke::CoreId core, void (*function)());
  bool has_logged(std::string_view text) const;
  // Of the last line that has this text; nullopt: none has.
  std::optional<LogCause> cause_of(std::string_view text) const;

private:
  friend class Process;
  std::unique_ptr<ke::Cores> m_cores;
  std::vector<Process *> m_processes;
  std::vector<std::pair<std::string, LogCause>> m_causes; // of what was logged
  uint16_t m_client_port = 40000;
  uint32_t m_last_channel = 0;
};

class Process {
public:
  struct Completion {
    hsys_cqe entry;
    std::vector<uint8_t> output; // or the reason
    NtStatus status() const { return static_cast<NtStatus>(entry.status); }
    std::string reason() const;
    const hsys_request &request() const { return *reinterpret_cast<const hsys_request *>(output.data()); }
    std::string text(hsys_text place) const { return {reinterpret_cast<const char *>(output.data()) + place.offset, place.length}; }
  };

  Process(World &world, ke::CoreId core, uint32_t uid = 1000, uint32_t pid = 0); // pid 0: one of its own
  ~Process() { die(); }
  // The session ends, whatever it was doing.
  void die();
  bool is_alive() const { return m_world != nullptr; }
  // The daemon cuts it off; die() then ends the session.
  void break_protocol();
  // hsys_channel_state, as the process sees it.
  uint32_t state() const;

  // What the daemon keeps about requests and connections for it.
  size_t delivered_requests() const;
  size_t delivered_connections() const;
  size_t delivery_notes() const;

  // What has come stays unreceived: cq_head is not stored, blocks are not handed back.
  bool holds = false;

  static hsys_sqe entry(hsys_op operation, uint64_t handle, uint64_t object = 0, uint32_t flags = 0, uint32_t out_length = 0);
  // Returns the irp_id.
  uint32_t submit(hsys_sqe entry, std::span<const uint8_t> parameters = {});
  bool has(uint32_t irp_id);
  // Its completion, which must be there.
  Completion take(uint32_t irp_id);
  Completion call(const hsys_sqe &entry, std::span<const uint8_t> parameters = {});
  // All that have come, by irp_id.
  std::map<uint32_t, Completion> take_all();

  // Of one call each; they run the world.
  uint64_t create_queue(std::u16string_view name = {}, uint32_t flags = 0);
  uint64_t create_group();
  NtStatus add_url(uint64_t group, std::u16string_view url, std::string *reason = nullptr);
  NtStatus remove_url(uint64_t group, std::u16string_view url);
  NtStatus bind(uint64_t group, uint64_t queue);
  // A group with that URL, bound to the queue.
  uint64_t serve(std::u16string_view url, uint64_t queue);
  void cancel(uint32_t irp_id);

  // In place of a length: the body is chunks.
  static constexpr uint64_t kChunked = UINT64_MAX;
  // Submitted only.
  uint32_t receive(uint64_t queue, uint32_t flags = 0, uint32_t out_length = 65536, uint64_t request = 0);
  uint32_t read_body(uint64_t queue, uint64_t request, uint32_t out_length = 65536);
  uint32_t respond(uint64_t queue, uint64_t request, std::string_view body, uint32_t flags = 0, uint64_t content_length = 0);
  uint32_t send_body(uint64_t queue, uint64_t request, std::string_view body, uint32_t flags = 0);
  std::vector<uint8_t> response_block(uint16_t status, std::string_view body, uint64_t content_length = 0);

private:
  const queue::DeliveredRequests &delivered() const;
  uint32_t place(std::span<const uint8_t> bytes);
  hsys_extent extent(std::string_view body);
  void reap();
  const hsys_kpage &kpage() const { return *reinterpret_cast<const hsys_kpage *>(m_ktou); }
  hsys_upage &upage() { return *reinterpret_cast<hsys_upage *>(m_utok); }

  World *m_world;
  io::ChannelAddress m_channel;
  hsys_geometry m_geometry{};
  int m_kick = -1;
  int m_bell = -1; // the read end
  const uint8_t *m_ktou = nullptr;
  uint8_t *m_utok = nullptr;
  uint32_t m_sq_tail = 0, m_cq_head = 0, m_ret_tail = 0, m_next_irp = 0;
  uint32_t m_next_place = 0;
  uint64_t m_server_session = 0;
  std::map<uint32_t, Completion> m_done;
};

}
