// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/shapes.h"
#include "kernel/base/random.h"
#include "uapi/ops.h"
#include "uapi/response.h"
#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace httpsys::fuzz {

template <typename Head>
static std::vector<uint8_t> block_of(const Head &head, std::string_view ascii)
{
  std::vector<uint8_t> block(sizeof head + ascii.size() * 2);
  std::memcpy(block.data(), &head, sizeof head);
  for (size_t index = 0; index < ascii.size(); index++)
    block[sizeof head + index * 2] = static_cast<uint8_t>(ascii[index]);
  return block;
}

std::vector<uint8_t> url_block(std::string_view prefix)
{
  return block_of(hsys_url{77, static_cast<uint32_t>(prefix.size() * 2), 0}, prefix);
}

std::vector<uint8_t> queue_block(std::string_view name)
{
  return block_of(hsys_queue_name{static_cast<uint32_t>(name.size() * 2), 0}, name);
}

template <typename Head>
static Block block_with(Head head, std::string_view body)
{
  Block block;
  head.size = sizeof head + sizeof(hsys_extent);
  head.version = 1;
  head.extent_count = 1;
  head.extent_offset = sizeof head;
  block.bytes.resize(head.size);
  std::memcpy(block.bytes.data(), &head, sizeof head);
  block.body = body;
  block.extent_at = sizeof head;
  return block;
}

Block response_block(std::string_view body)
{
  hsys_response head{};
  head.status_code = 200;
  head.content_bytes = body.size();
  return block_with(head, body);
}

Block body_block(std::string_view body)
{
  return block_with(hsys_send_body{}, body);
}

static std::string body_of(const Identity &identity, uint64_t bytes)
{
  std::string body;
  while (body.size() < bytes)
    body += identity.mark;
  return body;
}

Block well_formed(uint64_t op, const Identity &identity, uint64_t fill)
{
  Random random(fill);
  uint64_t bytes = random.chance(1, 8) ? random.below(100'000) : random.below(300);
  switch (op) {
  case HSYS_OP_ADD_URL:
  case HSYS_OP_REMOVE_URL:
    return {url_block(fill == 0 || random.chance(1, 2) ? identity.prefix() : fmt::format("{}{}/", identity.prefix(), random.below(4))), {}};
  case HSYS_OP_CREATE_REQUEST_QUEUE: return {queue_block(fill == 0 || random.chance(1, 2) ? "" : identity.name), {}};
  case HSYS_OP_SEND_RESPONSE: return response_block(body_of(identity, bytes));
  case HSYS_OP_SEND_BODY: return body_block(body_of(identity, bytes));
  default: return {};
  }
}

void damage(std::vector<uint8_t> &bytes, uint64_t fill)
{
  Random random(fill);
  if (random.chance(1, 4))
    bytes.resize(random.below(bytes.size() + 64));
  for (uint64_t times = 1 + random.below(8); times > 0 && !bytes.empty(); times--)
    bytes[random.below(bytes.size())] = static_cast<uint8_t>(random.next());
}

static std::string chunked(std::string_view body)
{
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", body.size());
  return body.empty() ? "0\r\n\r\n" : size + std::string(body) + "\r\n0\r\n\r\n";
}

std::string web_request(uint64_t shape, uint64_t bytes, uint64_t fill, const Identity &identity)
{
  std::string path = "/" + identity.name + "/" + std::to_string(fill % 5) + "/page";
  std::string head = path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(identity.port) + "\r\nX-Mark: " + identity.mark + "\r\n";
  std::string body = body_of(identity, std::min<uint64_t>(bytes, 200'000));
  std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  switch (shape) {
  case 0: return "GET " + head + "\r\n";
  case 1: return "POST " + head + length + body;
  case 2: return "POST " + head + "Transfer-Encoding: chunked\r\n\r\n" + chunked(body);
  case 3: return "HEAD " + head + "\r\n";
  case 4: return "GET " + head + "\r\nGET " + head + "\r\n";
  case 5: return "POST " + head + "Expect: 100-continue\r\n" + length + body.substr(0, body.size() / 2);
  default: break;
  }
  std::string text = shape == 6 ? "POST " + head + length + body : body + head;
  std::vector<uint8_t> damaged(text.begin(), text.end());
  damage(damaged, fill);
  return {damaged.begin(), damaged.end()};
}

}
