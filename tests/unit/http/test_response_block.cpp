// SPDX-License-Identifier: GPL-3.0-or-later
// Every claim that a client can make in a parameter block, true and false.
#include "kernel/http/response_block.h"
#include "uapi/abi.h"
#include <cstring>
#include <doctest/doctest.h>
#include <functional>

using namespace httpsys;

namespace {

struct Block {
  hsys_response head{};
  hsys_header header{};
  hsys_extent extents[2]{};
  char text[16] = "OKx-namevalue";
};

Block good_block()
{
  Block block;
  block.head.size = sizeof block;
  block.head.version = 1;
  block.head.status_code = 200;
  block.head.reason_offset = offsetof(Block, text);
  block.head.reason_length = 2;
  block.head.header_count = 1;
  block.head.header_offset = offsetof(Block, header);
  block.head.extent_count = 2;
  block.head.extent_offset = offsetof(Block, extents);
  block.head.content_bytes = 30;
  block.header = {HSYS_HEADER_UNKNOWN, 6, 5, 0, offsetof(Block, text) + 2, offsetof(Block, text) + 8};
  block.extents[0] = {0, 10};
  block.extents[1] = {100, 20};
  return block;
}

Result<http::ResponseBlock> parse(const Block &block, size_t size = sizeof(Block))
{
  static std::vector<uint8_t> bytes;
  bytes.assign(reinterpret_cast<const uint8_t *>(&block), reinterpret_cast<const uint8_t *>(&block) + size);
  return http::parse_response_block(bytes);
}

}

TEST_CASE("a good response block")
{
  auto parsed = parse(good_block());
  REQUIRE(parsed);
  CHECK(parsed->status_code == 200);
  CHECK(parsed->reason == "OK");
  REQUIRE(parsed->headers.size() == 1);
  CHECK(parsed->headers[0].name == "x-name");
  CHECK(parsed->headers[0].value == "value");
  CHECK(parsed->extents.size() == 2);
  CHECK(parsed->content_bytes == 30);
}

TEST_CASE("false claims are refused")
{
  const std::pair<const char *, std::function<void(Block &)>> cases[] = {
      {"size", [](Block &b) { b.head.size--; }},
      {"version", [](Block &b) { b.head.version = 2; }},
      {"flags", [](Block &b) { b.head.flags = 2; }},
      {"reserved", [](Block &b) { b.head.reserved0 = 1; }},
      {"reason outside", [](Block &b) { b.head.reason_offset = sizeof(Block) - 1; }},
      {"reason wraps", [](Block &b) { b.head.reason_offset = UINT32_MAX; }},
      {"headers outside", [](Block &b) { b.head.header_offset = sizeof(Block) - 12; }},
      {"headers misaligned", [](Block &b) { b.head.header_offset += 2; }},
      {"header count", [](Block &b) { b.head.header_count = UINT32_MAX; }},
      {"header reserved", [](Block &b) { b.header.reserved0 = 1; }},
      {"header id", [](Block &b) { b.header.id = 30; }},
      {"name of a known id", [](Block &b) { b.header.id = 12; }},
      {"value outside", [](Block &b) { b.header.value_offset = sizeof(Block); }},
      {"name outside", [](Block &b) { b.header.name_length = UINT16_MAX; }},
      {"extent count", [](Block &b) { b.head.extent_count = HSYS_EXTENTS_MAX + 1; }},
      {"extents outside", [](Block &b) { b.head.extent_offset = sizeof(Block) - 8; }},
      {"sum below", [](Block &b) { b.head.content_bytes = 31; }},
      {"sum above", [](Block &b) { b.head.content_bytes = 29; }},
      {"extent bytes", [](Block &b) { b.extents[0].length = UINT32_MAX; b.head.content_bytes = UINT32_MAX + 20ull; }},
      {"continuation smaller than its part", [](Block &b) { b.head.flags = HSYS_SEND_CONTINUES; b.head.content_bytes = 29; }},
  };
  for (const auto &[name, change] : cases) {
    CAPTURE(name);
    Block block = good_block();
    change(block);
    CHECK(parse(block).error() == NtStatus::InvalidParameter);
  }
  CHECK(parse(good_block(), sizeof(hsys_response) - 1).is_error());
  CHECK(parse(good_block(), sizeof(Block) - 1).is_error());
}

TEST_CASE("a first part may announce more than it has")
{
  Block block = good_block();
  block.head.flags = HSYS_SEND_CONTINUES;
  block.head.content_bytes = 1 << 20;
  CHECK(parse(block)->continues);
}

TEST_CASE("body blocks")
{
  struct {
    hsys_send_body head;
    hsys_extent extent;
  } block = {{sizeof block, 1, 0, 1, sizeof(hsys_send_body), 0}, {5, 6}};
  auto bytes = [&] { return std::span<const uint8_t>(reinterpret_cast<const uint8_t *>(&block), sizeof block); };
  CHECK(http::parse_send_body_block(bytes())->extents.size() == 1);
  block.head.reserved0 = 1;
  CHECK(http::parse_send_body_block(bytes()).is_error());
  block.head.reserved0 = 0;
  block.head.extent_count = 2;
  CHECK(http::parse_send_body_block(bytes()).is_error());
  block.head.extent_count = 0;
  block.head.size = 7;
  CHECK(http::parse_send_body_block(bytes()).is_error());
}
