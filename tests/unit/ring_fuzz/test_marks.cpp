// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/finding.h"
#include "tools/fuzz/ring_client.h"
#include <cstring>
#include <doctest/doctest.h>
#include <utility>

using namespace httpsys::fuzz;

namespace {

std::span<const uint8_t> bytes_of(const std::string &text)
{
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

// A daemon of which nothing is there but what it has sent and written.
class Canned final : public Link {
public:
  std::vector<uint8_t> message;
  std::vector<uint8_t> ktou = std::vector<uint8_t>(4 * HSYS_PAGE), utok = std::vector<uint8_t>(4 * HSYS_PAGE);

  Canned()
  {
    hsys_geometry geometry{};
    geometry.magic = HSYS_CHANNEL_MAGIC;
    geometry.ktou_bytes = ktou.size();
    geometry.utok_bytes = utok.size();
    geometry.cq_offset = geometry.rx_offset = HSYS_PAGE;
    geometry.rx_bytes = 3 * HSYS_PAGE;
    std::memcpy(ktou.data(), &geometry, sizeof geometry);
    m_mapping = {ktou.data(), utok.data(), ktou.size(), utok.size()};
    hsys_control head{};
    head.magic = HSYS_CONTROL_MAGIC;
    head.size = sizeof head + 64;
    message.resize(head.size);
    std::memcpy(message.data(), &head, sizeof head);
  }
  bool send(std::span<const uint8_t>, unsigned) override { return true; }
  std::optional<std::vector<uint8_t>> receive() override
  {
    return std::exchange(m_has_been_received, true) ? std::nullopt : std::optional(message);
  }
  bool has_ended() override { return false; }
  void leave(Leave) override {}
  const Mapping *mapping() const override { return &m_mapping; }
  void kick(uint64_t) override {}
  const char *try_seals(unsigned, unsigned, uint64_t) override { return nullptr; }
  void race(uint64_t, std::vector<uint8_t>, uint64_t) override {}

private:
  Mapping m_mapping;
  bool m_has_been_received = false;
};

}

TEST_CASE("a mark is foreign to all but its owner, and only when it has been given out")
{
  Marks marks;
  std::string one = marks.make(), other = marks.make();
  CHECK(one.size() == Marks::kBytes);
  CHECK(one != other);
  CHECK(!marks.has_foreign(one, bytes_of("xx" + one + one + "HSYSmark")));
  CHECK(marks.has_foreign(one, bytes_of("xx" + one + "x" + other)));
  CHECK(marks.has_foreign(one, bytes_of("HSYSmarkHSYSmark" + other)));
  CHECK(!marks.has_foreign(one, bytes_of(other.substr(0, 15))));
  std::string damaged = other;
  damaged[15] = damaged[15] == '0' ? '1' : '0';
  CHECK(!marks.has_foreign(one, bytes_of(damaged)));
  std::string shouted = other; // a damaged byte may be the same digit in capitals
  for (size_t at = 8; at < shouted.size(); at++)
    shouted[at] = static_cast<char>(shouted[at] >= 'a' ? shouted[at] - 32 : shouted[at]);
  CHECK(shouted != other);
  CHECK(!marks.has_foreign(one, bytes_of(shouted)));
  for (int more = 0; more < 5000; more++)
    marks.make();
  CHECK_MESSAGE(!marks.has_foreign(one, bytes_of(other)), "it was given out too long ago");
  CHECK(marks.has_foreign(one, bytes_of(marks.make())));
}

TEST_CASE("another client's mark is found in every message and in all of the daemon's half of the channel")
{
  Marks marks;
  std::string own = marks.make(), other = marks.make();
  auto attach = [&](auto write) {
    auto link = std::make_unique<Canned>();
    write(*link);
    return RingClient(std::move(link), marks.foreign_to(own));
  };
  for (size_t at : {sizeof(hsys_control), sizeof(hsys_control) + 64 - Marks::kBytes}) {
    CHECK(attach([&](Canned &link) { std::memcpy(&link.message[at], own.data(), own.size()); }).take_message());
    CHECK_THROWS_AS(attach([&](Canned &link) { std::memcpy(&link.message[at], other.data(), other.size()); }).take_message(), Finding);
  }
  for (size_t at : {size_t{HSYS_PAGE}, size_t{2 * HSYS_PAGE - 5}, size_t{4 * HSYS_PAGE - Marks::kBytes}}) {
    for (const std::string &mark : {own, other}) {
      RingClient client = attach([&](Canned &link) { std::memcpy(&link.ktou[at], mark.data(), mark.size()); });
      client.take_message(); // takes the geometry
      if (mark == own)
        CHECK_NOTHROW(client.look_for_others());
      else
        CHECK_THROWS_AS(client.look_for_others(), Finding);
    }
  }
}
