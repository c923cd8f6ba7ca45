// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/ring_client.h"
#include "tools/fuzz/finding.h"
#include "uapi/ring_inline.h"
#include <algorithm>
#include <cstring>

namespace httpsys::fuzz {

void RingClient::fill_head(hsys_control &head, uint16_t type, size_t bytes)
{
  head = {};
  head.magic = HSYS_CONTROL_MAGIC;
  head.type = type;
  head.size = static_cast<uint32_t>(bytes);
  head.sequence = ++m_sequence;
}

// What the daemon says about its own memory is the one thing that the harness believes, after a look.
static bool is_sound(const hsys_geometry &geometry, const Mapping &mapping)
{
  return geometry.magic == HSYS_CHANNEL_MAGIC && geometry.ktou_bytes == mapping.ktou_bytes && geometry.utok_bytes == mapping.utok_bytes &&
         geometry.cq_offset + uint64_t{geometry.cq_entries} * sizeof(hsys_cqe) <= geometry.rx_offset &&
         geometry.rx_offset + geometry.rx_bytes <= geometry.ktou_bytes &&
         geometry.sq_offset + uint64_t{geometry.sq_entries} * sizeof(hsys_sqe) <= geometry.ret_offset &&
         geometry.ret_offset + uint64_t{geometry.ret_entries} * sizeof(uint32_t) <= geometry.tx_offset &&
         geometry.tx_offset + geometry.tx_bytes <= geometry.utok_bytes;
}

bool RingClient::say_hello(const char *program)
{
  hsys_control_hello hello{};
  hello.abi_major = HSYS_ABI_MAJOR;
  hello.minor_max = HSYS_ABI_MINOR;
  std::strncpy(hello.program, program, sizeof hello.program - 1);
  return send(HSYS_CONTROL_HELLO, hello);
}

std::optional<std::vector<uint8_t>> RingClient::take_message()
{
  auto packet = m_link->receive();
  if (!packet)
    return packet;
  look_for_others(*packet, "a control message");
  hsys_control head{};
  if (packet->size() < sizeof head)
    throw Finding{"mixed", "the daemon sent a control message of " + std::to_string(packet->size()) + " bytes"};
  std::memcpy(&head, packet->data(), sizeof head);
  if (head.magic != HSYS_CONTROL_MAGIC || head.size != packet->size())
    throw Finding{"mixed", "the daemon sent a control message with a wrong head"};
  if (head.type == HSYS_CONTROL_REVOKED && packet->size() == sizeof(hsys_control_revoked)) {
    hsys_control_revoked revoked;
    std::memcpy(&revoked, packet->data(), sizeof revoked);
    m_revoked = revoked.reason;
  }
  if (m_geometry.magic == 0 && m_link->mapping())
    take_geometry();
  return packet;
}

void RingClient::take_geometry()
{
  std::memcpy(&m_geometry, m_link->mapping()->ktou, sizeof m_geometry);
  if (!is_sound(m_geometry, *m_link->mapping()))
    throw Finding{"mixed", "the geometry of a channel contradicts its memory"};
  m_sq_tail = m_sq_published = hsys_load_acquire(&kpage().sq_head);
  m_cq_head = hsys_load_acquire(&kpage().cq_tail);
  m_ret_tail = m_ret_published = hsys_load_acquire(&kpage().ret_head);
}

bool RingClient::take_messages(uint16_t type)
{
  bool has_come = false;
  while (auto packet = take_message()) {
    hsys_control head;
    std::memcpy(&head, packet->data(), sizeof head);
    if (head.type != type)
      continue;
    has_come = true;
    m_answer = head.status;
  }
  return has_come;
}

bool RingClient::has_room() const
{
  return m_sq_tail - hsys_load_acquire(&kpage().sq_head) < m_geometry.sq_entries;
}

bool RingClient::has_been_taken() const
{
  return hsys_load_acquire(&kpage().sq_head) == m_sq_published;
}

uint64_t RingClient::last_entry() const
{
  return m_geometry.sq_offset + (m_sq_tail - 1) % m_geometry.sq_entries * sizeof(hsys_sqe);
}

void RingClient::put(const hsys_sqe &entry)
{
  uint64_t at = m_geometry.sq_offset + m_sq_tail % m_geometry.sq_entries * sizeof entry;
  write(at, {reinterpret_cast<const uint8_t *>(&entry), sizeof entry});
  m_sq_tail++;
}

void RingClient::publish(uint32_t ahead, bool kicks)
{
  uint32_t tail = m_sq_tail + ahead;
  bool is_wanted = hsys_publish(&upage().sq_tail, &kpage().sq_wake, m_sq_published, tail);
  m_sq_published = tail;
  if (is_wanted && kicks)
    m_link->kick(1);
}

std::vector<Completion> RingClient::reap(size_t most)
{
  std::vector<Completion> found;
  uint32_t tail = hsys_load_acquire(&kpage().cq_tail);
  if (tail - m_cq_head > m_geometry.cq_entries)
    throw Finding{"mixed", "more completions are published than the ring has"};
  const Mapping &mapping = *m_link->mapping();
  for (; m_cq_head != tail && found.size() < most; m_cq_head++) {
    Completion &completion = found.emplace_back();
    hsys_cqe &entry = completion.entry;
    std::memcpy(&entry, mapping.ktou + m_geometry.cq_offset + m_cq_head % m_geometry.cq_entries * sizeof entry, sizeof entry);
    if (!(entry.flags & HSYS_CQE_BLOCK))
      continue;
    if (uint64_t{entry.out_offset} + entry.out_length > m_geometry.rx_bytes)
      throw Finding{"mixed", "a completion's block lies outside the receive arena"};
    const uint8_t *block = mapping.ktou + m_geometry.rx_offset + entry.out_offset;
    completion.output.assign(block, block + entry.out_length);
    look_for_others(completion.output, "a lent block");
    uint64_t granule_end = (uint64_t{entry.out_offset} + entry.out_length + HSYS_BLOCK_MIN - 1) / HSYS_BLOCK_MIN * HSYS_BLOCK_MIN;
    const uint8_t *end = mapping.ktou + m_geometry.rx_offset + std::min(granule_end, m_geometry.rx_bytes);
    completion.has_remains = std::any_of(block + entry.out_length, end, [](uint8_t byte) { return byte != 0; });
  }
  return found;
}

void RingClient::look_for_others(std::span<const uint8_t> bytes, const char *what) const
{
  if (m_is_foreign && m_is_foreign(bytes))
    throw Finding{"mixed", std::string(what) + " has another client's bytes"};
}

static bool is_zero(const uint8_t *page)
{
  return page[0] == 0 && std::memcmp(page, page + 1, HSYS_PAGE - 1) == 0;
}

// Most pages have never been used; to pass over them is ten times faster than to search them.
void RingClient::look_for_others() const
{
  if (!is_open())
    return;
  const uint8_t *begin = m_link->mapping()->ktou, *end = begin + m_link->mapping()->ktou_bytes;
  for (const uint8_t *page = begin; page != end;) {
    const uint8_t *used = page;
    while (page != end && !is_zero(page))
      page += HSYS_PAGE;
    look_for_others({used, page}, "the daemon's half of a channel");
    page += page == end ? 0 : HSYS_PAGE;
  }
}

RingClient::Outstanding RingClient::outstanding() const
{
  const Mapping &mapping = *m_link->mapping();
  uint32_t tail = hsys_load_acquire(&kpage().cq_tail);
  Outstanding found{m_sq_tail - hsys_load_acquire(&kpage().sq_head), tail - m_cq_head, m_ret_tail - hsys_load_acquire(&kpage().ret_head)};
  for (uint32_t at = m_cq_head; at != tail; at++) {
    hsys_cqe entry;
    std::memcpy(&entry, mapping.ktou + m_geometry.cq_offset + at % m_geometry.cq_entries * sizeof entry, sizeof entry);
    found.blocks += entry.flags & HSYS_CQE_BLOCK ? 1 : 0;
  }
  return found;
}

void RingClient::advance()
{
  hsys_store_release(&upage().cq_head, m_cq_head);
}

void RingClient::give_back(uint32_t block)
{
  uint64_t at = m_geometry.ret_offset + m_ret_tail++ % m_geometry.ret_entries * sizeof block;
  write(at, {reinterpret_cast<const uint8_t *>(&block), sizeof block});
}

void RingClient::publish_returns(uint32_t ahead)
{
  uint32_t tail = m_ret_tail + ahead;
  if (hsys_publish(&upage().ret_tail, &kpage().ret_wake, m_ret_published, tail))
    m_link->kick(1);
  m_ret_published = tail;
}

std::optional<uint32_t> RingClient::place(std::span<const uint8_t> bytes)
{
  if (bytes.size() > m_geometry.tx_bytes)
    return std::nullopt;
  if (m_next_place + bytes.size() > m_geometry.tx_bytes)
    m_next_place = 0;
  auto offset = static_cast<uint32_t>(m_next_place);
  write(m_geometry.tx_offset + offset, bytes);
  m_next_place += (bytes.size() + 7) / 8 * 8;
  return offset;
}

void RingClient::place_body(Block &block, hsys_extent stray)
{
  if (block.extent_at == 0)
    return;
  auto body = place({reinterpret_cast<const uint8_t *>(block.body.data()), block.body.size()});
  hsys_extent extent{body.value_or(0) + stray.offset, static_cast<uint32_t>(block.body.size()) + stray.length};
  std::memcpy(block.bytes.data() + block.extent_at, &extent, sizeof extent);
}

void RingClient::place_parameters(std::span<const uint8_t> bytes, hsys_sqe &entry)
{
  if (bytes.empty())
    return;
  entry.in_offset = place(bytes).value_or(0);
  entry.in_length = static_cast<uint32_t>(bytes.size());
}

void RingClient::write(uint64_t offset, std::span<const uint8_t> bytes)
{
  const Mapping &mapping = *m_link->mapping();
  if (offset >= mapping.utok_bytes || bytes.empty())
    return;
  // Each as a racing thread writes it, so that ThreadSanitizer knows it to be meant.
  uint64_t count = std::min<uint64_t>(bytes.size(), mapping.utok_bytes - offset);
  for (uint64_t index = 0; index < count; index++)
    __atomic_store_n(mapping.utok + offset + index, bytes[index], __ATOMIC_RELAXED);
}

uint32_t &RingClient::word(unsigned which)
{
  hsys_upage &page = upage();
  uint32_t *words[] = {&page.sq_tail, &page.cq_head, &page.cq_wake, &page.ret_tail, &page.space_wake};
  return *words[which % std::size(words)];
}

}
