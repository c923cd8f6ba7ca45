// SPDX-License-Identifier: GPL-3.0-or-later
// What connections give up when they have sent everything is there for the next response, bounded, and gone with the last of them.
#include "kernel/http/buffer_budget.h"
#include "kernel/http/spare_buffers.h"
#include "tests/unit/support/service.h"

using namespace httpsys;
using namespace httpsys::test;

namespace {

size_t on_core_0(Service &service, size_t (*figure)())
{
  static size_t s_figure;
  static size_t (*s_asked)();
  s_asked = figure;
  service.world.on(0, [] { s_figure = s_asked(); });
  service.world.run();
  return s_figure;
}

void exchange(Service &service, SimSocket &client, const std::string &body)
{
  service.get(client);
  uint32_t send = service.worker.respond(service.queue, service.receive_id(), body);
  service.world.run();
  CHECK(service.worker.take(send).status() == NtStatus::Success);
  CHECK(client.take().ends_with(body));
}

}

TEST_CASE("a large response's buffer is the next one's, on whatever connection, and goes with the last of them")
{
  Service service(1);
  auto first = service.connect();
  auto second = service.connect();
  const std::string body(100'000, 'x');
  exchange(service, *first, body);
  size_t kept = on_core_0(service, http::spare_bytes);
  CHECK(kept >= body.size());
  CHECK(on_core_0(service, http::buffered_bytes) <= 4 * limits::kIdleBufferBytes);
  for (int i = 0; i < 5; i++)
    exchange(service, i % 2 ? *first : *second, body);
  CHECK(on_core_0(service, http::spare_bytes) == kept);
  first->fin_sent = true;
  service.world.run();
  CHECK(on_core_0(service, http::spare_bytes) == kept);
  second->fin_sent = true;
  service.world.run();
  CHECK(on_core_0(service, http::spare_bytes) == 0);
}

TEST_CASE("what an upload was read into is the next one's, on whatever connection")
{
  Service service(1);
  auto first = service.connect();
  auto second = service.connect();
  const std::string body(100'000, 'x');
  size_t kept = 0;
  for (int i = 0; i < 4; i++) {
    SimSocket &client = i % 2 ? *first : *second;
    service.post(client, body.size(), body);
    uint64_t id = service.receive_id();
    // Meanwhile it is the connection's, and counts for what connections keep.
    CHECK(on_core_0(service, http::spare_bytes) == 0);
    CHECK(on_core_0(service, http::buffered_bytes) > kept);
    CHECK(service.read_to_end(id) == body.size());
    service.answer(id);
    size_t now = on_core_0(service, http::spare_bytes);
    CHECK(now > limits::kIdleBufferBytes);
    CHECK((i == 0 || now == kept));
    kept = now;
    CHECK(on_core_0(service, http::buffered_bytes) <= 2 * limits::kIdleBufferBytes);
  }
}

TEST_CASE("no more is kept than a core may keep, and nothing while connections keep too much")
{
  Service service(1);
  service.world.on(0, [] {
    for (size_t i = 0; i < 3 * limits::kSpareBufferBytes / 65536; i++) {
      std::vector<uint8_t> buffer(65536, 1);
      http::keep_spare(buffer);
      CHECK(buffer.capacity() == 0);
    }
    CHECK(http::spare_bytes() == limits::kSpareBufferBytes);
    CHECK(http::take_spare(65537).capacity() == 0);
    CHECK(http::take_spare(65536).capacity() == 65536);
    CHECK(http::take_spare(1).empty());
    CHECK(http::spare_bytes() == limits::kSpareBufferBytes - 2 * 65536);
    std::vector<uint8_t> small(limits::kIdleBufferBytes);
    http::keep_spare(small);
    CHECK(http::spare_bytes() == limits::kSpareBufferBytes - 2 * 65536);
    http::BufferedBytes much;
    much.set(http::settings().connection_buffer_bytes_total + 1);
    CHECK(http::spare_bytes() == 0);
    std::vector<uint8_t> late(65536);
    http::keep_spare(late);
    CHECK(late.capacity() == 0);
    CHECK(http::spare_bytes() == 0);
  });
  service.world.run();
  CHECK(on_core_0(service, http::spare_bytes) == 0);
}
