// SPDX-License-Identifier: GPL-3.0-or-later
// Target: the daemon that is attacked, as processes and network peers reach it: one in this process on the simulated platform, or a real
// one behind its socket. What is here obeys no rule of the ring: it moves bytes. One thread.
#pragma once
#include "uapi/control.h"
#include "uapi/ring.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::fuzz {

// The mapped memory of a channel; valid as long as its Link. Sizes are what CHANNEL_OPENED said.
struct Mapping {
  const uint8_t *ktou = nullptr;
  uint8_t *utok = nullptr;
  uint64_t ktou_bytes = 0, utok_bytes = 0;
};

// How a client leaves before its connection ends: it says nothing more, takes nothing more, or another descriptor of it stays open.
enum class Leave : uint8_t { Close, Writes, Reads, Duplicate };

// A connection to the control socket. Its destructor ends it.
class Link {
public:
  virtual ~Link() = default;
  // A packet with so many descriptors. False: the connection has ended.
  virtual bool send(std::span<const uint8_t> bytes, unsigned descriptors) = 0;
  // The next packet, if there is one.
  virtual std::optional<std::vector<uint8_t>> receive() = 0;
  virtual bool has_ended() = 0;
  // Not Close, which the destructor does.
  virtual void leave(Leave how) = 0;
  // Null before CHANNEL_OPENED has been received.
  virtual const Mapping *mapping() const = 0;
  virtual void kick(uint64_t times) = 0;
  // Tries what a seal must refuse: region 0 ktou, 1 utok. Nullptr when all of it was refused, else what could be done.
  virtual const char *try_seals(unsigned region, unsigned how, uint64_t value) = 0;
  // Rewrites these bytes of utok while the daemon reads them, after each of the next so many reads or as often as it can.
  virtual void race(uint64_t offset, std::vector<uint8_t> bytes, uint64_t loads) = 0;
};

// A network peer. Its destructor closes the connection.
class Peer {
public:
  virtual ~Peer() = default;
  virtual void send(std::string_view bytes) = 0;
  // What has come since the last call.
  virtual std::string receive() = 0;
  virtual bool has_ended() = 0;
};

class Target {
public:
  virtual ~Target() = default;
  // Null when it is refused: finding out why is the caller's.
  virtual std::unique_ptr<Link> connect() = 0;
  // Null when nobody listens on the port.
  virtual std::unique_ptr<Peer> dial() = 0;
  // Of the URLs that this run registers; another program of the machine does not use it.
  virtual uint16_t port() const = 0;
  // Lets the daemon work on what it has been given: some turns of its loop, or a moment.
  virtual void yield() = 0;
  // Lets that much time go by; a real one only takes a moment.
  virtual void pass(uint64_t milliseconds) = 0;
  // Whether the daemon may go on running without answering; false when it runs only in yield().
  virtual bool is_real() const = 0;
};

}
