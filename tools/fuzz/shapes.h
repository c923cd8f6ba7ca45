// SPDX-License-Identifier: GPL-3.0-or-later
// Shapes: parameter blocks and HTTP requests as the daemon wants them, and the same with some bytes changed. Pure; decided by `fill`.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::fuzz {

// Of one client of the run: what its URLs, queues and bodies are called by. The mark is in every body that belongs to it and in nothing of
// another client, so that bytes which went astray tell on themselves.
struct Identity {
  std::string name; // "c2-7": client and its how-manieth life
  std::string mark; // 16 bytes
  uint16_t port = 0;

  std::string program() const { return "fuzz " + mark; }
  std::string prefix() const { return "http://127.0.0.1:" + std::to_string(port) + "/" + name + "/"; }
};

// Bytes of a body in the send arena, which a block's extent names; empty for none.
struct Block {
  std::vector<uint8_t> bytes;
  std::string body;
  size_t extent_at = 0; // where in bytes the hsys_extent of the body is; 0: none
};

std::vector<uint8_t> url_block(std::string_view prefix);
std::vector<uint8_t> queue_block(std::string_view name);
Block response_block(std::string_view body);
Block body_block(std::string_view body);
// For that operation: `fill` chooses among what makes sense, 0 the plainest. An operation without parameters has none.
Block well_formed(uint64_t op, const Identity &identity, uint64_t fill);
// Changes 1 to 8 bytes, and the length now and then.
void damage(std::vector<uint8_t> &bytes, uint64_t fill);

// shape: 0 to 3 good requests (GET, POST with length, POST chunked, HEAD), 4 a pipeline of two, 5 one whose body never comes whole,
// 6 a damaged one, 7 bytes.
std::string web_request(uint64_t shape, uint64_t bytes, uint64_t fill, const Identity &identity);

}
