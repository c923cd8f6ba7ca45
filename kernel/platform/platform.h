// SPDX-License-Identifier: GPL-3.0-or-later
// The only way to the operating system. IoEngine: one per core, asynchronous; System: one per process, quick calls that
// never block for long. Both are interfaces, so that a simulated platform can stand in. Descriptors are plain numbers
// to everybody above; who holds one closes it.
#pragma once
#include "kernel/base/ip_address.h"
#include "kernel/base/result.h"
#include "kernel/platform/secret_memory.h"
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace httpsys::platform {

// Milliseconds of the monotonic clock.
using Milliseconds = uint64_t;
inline constexpr Milliseconds kNever = UINT64_MAX;

struct IoResult {
  NtStatus status = NtStatus::Success; // Cancelled after cancel(), ConnectionAborted for a reset, EndOfFile for an orderly end, ...
  uint32_t value = 0;                  // accepted descriptor, bytes, or poll mask
  bool more = false;                   // a multishot operation stays armed
  std::span<const uint8_t> data{};     // bytes received; valid during the call only
};

// An operation in flight, embedded in its owner, which must outlive it: until on_complete came with more == false.
// on_complete runs on the engine's core, out of IoEngine::run_once, never from inside a submitting call.
class IoOperation {
public:
  virtual void on_complete(const IoResult &result) = 0;
  bool is_in_flight() const { return m_in_flight; }

protected:
  IoOperation() = default;
  ~IoOperation() = default;

private:
  friend class IoEngine;
  bool m_in_flight = false;
  uint64_t m_engine_word = 0; // the engine's own note about the operation in flight
};

class IoEngine {
public:
  virtual ~IoEngine() = default;

  // Each of these takes an operation that is not in flight. A submission never fails here: what the kernel refuses comes as on_complete.
  virtual void accept_multishot(int listener, IoOperation &operation) = 0;
  // One connection, and the operation has ended. A multishot accept takes all that wait at once, however many descriptors are left.
  virtual void accept_one(int listener, IoOperation &operation) = 0;
  // Data arrives in provided buffers of the core; out of buffers the operation ends with InsufficientResources and more
  // == false: receive again.
  virtual void receive_multishot(int socket, IoOperation &operation) = 0;
  // The bytes of one buffer, and the operation has ended. A multishot receive may take four megabytes before anybody can stop it.
  virtual void receive_one(int socket, IoOperation &operation) = 0;
  // At least one of the bytes, and as many as the socket has room for: the result's value says how many. They must stay until completion.
  virtual void send(int socket, std::span<const uint8_t> bytes, IoOperation &operation) = 0;
  // Readable, hung up or in error; edge-triggered.
  virtual void poll_multishot(int descriptor, IoOperation &operation) = 0;
  // The same once: also when it is so already.
  virtual void poll_one(int descriptor, IoOperation &operation) = 0;
  // Ends the operation early: its on_complete still comes, with Cancelled or with its own result.
  virtual void cancel(IoOperation &operation) = 0;

  // Submits what is queued, waits for a completion, for wake() or until deadline (0: do not wait), and calls on_complete for what is there;
  // of receives and sends, which the network can make many, a turn's part. Returns the number of
  // completions handled.
  virtual uint32_t run_once(Milliseconds deadline) = 0;
  // Some were left, and the next run_once will not wait.
  virtual bool has_left() const { return false; }
  // From any thread: makes a waiting run_once return, or the next one that would wait. Cheap when the engine is known not to wait.
  virtual void wake() = 0;

protected:
  static void set_in_flight(IoOperation &operation, bool in_flight) { operation.m_in_flight = in_flight; }
  static uint64_t &engine_word(IoOperation &operation) { return operation.m_engine_word; }
};

struct PeerCredentials {
  uint32_t pid = 0, uid = 0, gid = 0;
  std::string program; // of pid at the time of the call, for logs; may be empty
};

// Of a user whose descriptors somebody holds up the close of.
struct HeldCloses {
  uint32_t uid = 0;
  size_t count = 0; // that wait
};
inline constexpr uint32_t kNoUser = UINT32_MAX; // no uid: for closes that are nobody's

struct ControlPacket {
  SecretBytes bytes;            // may be a private key: locked in memory, wiped when it goes
  bool truncated = false;       // longer than the limit; bytes hold its beginning
  bool had_descriptors = false; // descriptors come with it; it has not been taken, and is the next one again
};

class System {
public:
  virtual ~System() = default;

  virtual Milliseconds now() = 0;
  virtual int64_t wall_clock_seconds() = 0; // Unix time
  virtual void fill_random(std::span<uint8_t> bytes) = 0;

  // Listening TCP socket, SO_REUSEADDR, TCP_NODELAY (accepted sockets inherit it), IPV6_V6ONLY. Blocking, as are the sockets accepted
  // from it: only the engine touches them, and it waits by itself. EADDRINUSE: SharingViolation, EACCES: AccessDenied, EADDRNOTAVAIL and
  // EAFNOSUPPORT: InvalidAddressComponent. beside: listening sockets of this process that are no reason for SharingViolation; connections
  // to their own addresses go on arriving at them.
  virtual Result<int> listen_tcp(const Endpoint &endpoint, std::span<const int> beside = {}) = 0;
  virtual Result<Endpoint> local_endpoint(int socket) = 0;
  virtual Result<Endpoint> remote_endpoint(int socket) = 0;
  virtual void close(int descriptor) = 0;
  virtual void shutdown_send(int socket) = 0;
  // Whether the peer has sent bytes that nobody has received yet. Not to be relied on while a receive is in flight.
  virtual bool has_unreceived(int socket) = 0;
  // The following close() sends a reset.
  virtual void set_reset_on_close(int socket) = 0;

  // Control socket: SOCK_SEQPACKET, mode 0660, group httpsys if there is one; bound under a temporary name beside path;
  // publish_control_socket (linux/process.h) renames it to path. reason: a sentence without full stop when it fails.
  virtual Result<int> listen_control(const std::string &path, std::string &reason) = 0;
  virtual Result<PeerCredentials> peer_credentials(int socket) = 0;
  // A descriptor that becomes readable when the process that connected has ended, though its children may keep the socket open.
  // NotFound when it has ended already, NotSupported where the system can't tell.
  virtual Result<int> peer_process(int socket) = 0;
  // One packet, never blocks: NotFound when there is none, EndOfFile when the peer has gone (an empty packet counts as that).
  virtual Result<ControlPacket> receive_control(int socket, size_t maximum) = 0;
  // Ends the connection for the peer: it gets what we have sent, then the end.
  virtual void shut_control(int socket) = 0;
  // Takes a control socket over, the listening one too, with no operation on it: shuts it, drops what its peer has sent and closes it, on a
  // thread or process of the system's own. Descriptors may be among that, and whoever closes these may be made to wait: nobody else than
  // that user's other closes.
  virtual void close_control(int socket, uint32_t uid) = 0;
  // Before a client is given a file that this process has, too, and that can be watched: it can make whoever closes it last wait, so
  // somebody else keeps it. It is closed with close_shared then, for that user. May take a second; the others take no time.
  // InsufficientResources when no more can be kept for that user.
  virtual Result<void> share(int descriptor, uint32_t uid) = 0;
  virtual void close_shared(int descriptor, uint32_t uid) = 0;
  // Takes a descriptor over whose other end a client has, and closes it on a thread of the system's own: a client can have it wake much.
  virtual void close_elsewhere(int descriptor, uint32_t uid) = 0;
  // Descriptors that these have and that are still open, without those that somebody holds up; of a user's control sockets that he holds
  // up kClosesHeldPerUser at most are left out.
  virtual size_t closing_controls() = 0;
  // Users who hold up closes of theirs.
  virtual std::vector<HeldCloses> held_closes() = 0;
  // Never blocks: InsufficientResources when the peer does not read, ConnectionAborted when it has gone.
  virtual NtStatus send_control(int socket, std::span<const uint8_t> bytes, std::span<const int> descriptors) = 0;

  virtual Result<int> create_event() = 0;                      // eventfd, non-blocking
  // A socket pair that goes one way, {read end, write end}; both CLOEXEC and non-blocking. The first is for
  // sharing, the second is closed with close_elsewhere.
  virtual Result<std::pair<int, int>> create_bell() = 0;
  // Never blocks; full counts as rung. What it wakes is the reader's choice: the nanoseconds that it took, of the time that has passed or,
  // counts_own_time, of this thread's own.
  virtual uint64_t ring_bell(int write_end, bool counts_own_time) = 0;
};

// The process's system; set once at start, before any core runs.
System &system();
void set_system(System &system);

// Of this thread, for ps and debuggers; cut to 15 bytes.
void name_thread(const std::string &name);

}
