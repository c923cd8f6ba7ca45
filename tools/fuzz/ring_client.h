// SPDX-License-Identifier: GPL-3.0-or-later
// RingClient: the ring's protocol on a Link, with nothing forbidden to it: every index, word and entry can be set. Both the hostile clients
// and the honest witness are made of it. Whatever it reads from the daemon is checked against the mapping before it is used.
#pragma once
#include "tools/fuzz/marks.h"
#include "tools/fuzz/shapes.h"
#include "tools/fuzz/target.h"
#include "uapi/response.h"

namespace httpsys::fuzz {

struct Completion {
  hsys_cqe entry;
  std::vector<uint8_t> output; // of the lent block, or its reason
  bool has_remains = false;    // behind the output in the block is something else than zeros
};

class RingClient {
public:
  // With is_foreign, all that it is given is searched for others' marks: every message, every lent block.
  explicit RingClient(std::unique_ptr<Link> link, IsForeign is_foreign = nullptr)
      : m_link(std::move(link)), m_is_foreign(std::move(is_foreign))
  {
  }

  Link &link() { return *m_link; }
  bool is_open() const { return m_link->mapping() != nullptr && m_geometry.magic == HSYS_CHANNEL_MAGIC; }
  const hsys_geometry &geometry() const { return m_geometry; }
  uint32_t answer() const { return m_answer; } // NTSTATUS of the last message that take_messages() was asked for
  uint32_t revoked() const { return m_revoked; } // hsys_revocation, 0: not that it knows

  // The head is filled in; false when the connection has ended.
  template <typename Message>
  bool send(uint16_t type, Message message)
  {
    fill_head(message.head, type, sizeof message);
    return m_link->send({reinterpret_cast<const uint8_t *>(&message), sizeof message}, 0);
  }
  // HELLO as the library says it.
  bool say_hello(const char *program);
  // The next message, whose head is as it has to be; nullopt: none has come. The geometry is taken when a channel has been opened.
  std::optional<std::vector<uint8_t>> take_message();
  // Takes all that have come; whether one of them was of that type.
  bool take_messages(uint16_t type = 0);

  // The entry goes where the next one belongs; not published.
  void put(const hsys_sqe &entry);
  // Stores the tail, `ahead` further than it is; kicks when asked and the daemon wants it, or in any case with force.
  void publish(uint32_t ahead, bool kicks);
  bool has_room() const;
  bool has_been_taken() const; // all that is published
  uint64_t last_entry() const; // where the last one was put, in utok
  // Entries that were put and not taken, completions that were not looked at, and blocks: of those completions, and handed back and not
  // taken. Only while nobody else touches the rings.
  struct Outstanding {
    uint64_t entries, completions, blocks;
  };
  Outstanding outstanding() const;
  // Completions that have not been looked at, at most so many. They stay unreceived until advance().
  std::vector<Completion> reap(size_t most);
  void advance();
  // In all that the daemon has ever written into its half of the channel, lent or not.
  void look_for_others() const;
  // Hands a block back; published with the next publish_returns().
  void give_back(uint32_t block);
  void publish_returns(uint32_t ahead);

  // Copies into the send arena; the offset, or nullopt when it is longer than the arena.
  std::optional<uint32_t> place(std::span<const uint8_t> bytes);
  // The block's body too, whose extent is written into the block; stray is added to it.
  void place_body(Block &block, hsys_extent stray = {});
  void place_parameters(std::span<const uint8_t> bytes, hsys_sqe &entry);
  void write(uint64_t offset, std::span<const uint8_t> bytes); // into utok, cut at its end
  uint32_t &word(unsigned which);                              // of the five of hsys_upage

private:
  void look_for_others(std::span<const uint8_t> bytes, const char *what) const;
  void take_geometry();
  void fill_head(hsys_control &head, uint16_t type, size_t bytes);
  const hsys_kpage &kpage() const { return *reinterpret_cast<const hsys_kpage *>(m_link->mapping()->ktou); }
  hsys_upage &upage() { return *reinterpret_cast<hsys_upage *>(m_link->mapping()->utok); }

  std::unique_ptr<Link> m_link;
  IsForeign m_is_foreign;
  hsys_geometry m_geometry{};
  uint32_t m_sequence = 0;
  uint32_t m_answer = 0, m_revoked = 0;
  uint32_t m_sq_tail = 0, m_sq_published = 0, m_cq_head = 0, m_ret_tail = 0, m_ret_published = 0;
  uint64_t m_next_place = 0;
};

}
