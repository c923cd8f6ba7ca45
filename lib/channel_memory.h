// SPDX-License-Identifier: MIT
// ChannelMemory: the client's mappings of a channel and its doorbells. Everything is checked once, when it arrives: seals, sizes
// and geometry; the geometry is copied and never read again. Belongs to one ClientChannel; not inherited by fork().
#pragma once
#include "lib/error_text.h"
#include "uapi/control.h"
#include "uapi/ring.h"
#include <cstddef>

namespace httpsys::lib {

// An open descriptor, closed with its owner.
class Descriptor {
public:
  Descriptor() = default;
  explicit Descriptor(int number) : m_number(number) {}
  Descriptor(Descriptor &&other) noexcept : m_number(other.release()) {}
  Descriptor &operator=(Descriptor &&other) noexcept;
  ~Descriptor() { reset(); }
  int get() const { return m_number; }
  explicit operator bool() const { return m_number >= 0; }
  int release();
  void reset();

private:
  int m_number = -1;
};

class ChannelMemory {
public:
  ChannelMemory() = default;
  ChannelMemory(const ChannelMemory &) = delete;
  ChannelMemory &operator=(const ChannelMemory &) = delete;
  ~ChannelMemory();

  // Maps what CHANNEL_OPENED brought: ktou, utok, kick, bell. False with a sentence when something is not as the ABI says.
  bool map(Descriptor (&descriptors)[4], const hsys_control_welcome &welcome, const hsys_control_channel_opened &opened,
    ErrorText &why);

  const hsys_geometry &geometry() const { return m_geometry; }
  const hsys_kpage &kpage() const { return *reinterpret_cast<const hsys_kpage *>(m_ktou); }
  hsys_upage &upage() const { return *reinterpret_cast<hsys_upage *>(m_utok); }
  const hsys_cqe *completions() const { return reinterpret_cast<const hsys_cqe *>(m_ktou + m_geometry.cq_offset); }
  hsys_sqe *submissions() const { return reinterpret_cast<hsys_sqe *>(m_utok + m_geometry.sq_offset); }
  uint32_t *returns() const { return reinterpret_cast<uint32_t *>(m_utok + m_geometry.ret_offset); }
  const uint8_t *receive_arena() const { return m_ktou + m_geometry.rx_offset; }
  uint8_t *send_arena() const { return m_utok + m_geometry.tx_offset; }

  int bell() const { return m_bell.get(); }
  // Wakes the daemon.
  void kick() const;
  // Takes the bell's bytes out. False when the daemon's end is closed.
  bool clear_bell() const;
  // The same without taking anything out.
  bool is_hung_up() const;
  // In a child of fork().
  void close_doorbells();

private:
  bool check_geometry(const hsys_control_welcome &welcome, ErrorText &why) const;
  hsys_geometry m_geometry{};
  const uint8_t *m_ktou = nullptr;
  uint8_t *m_utok = nullptr;
  size_t m_ktou_bytes = 0, m_utok_bytes = 0;
  Descriptor m_kick, m_bell;
};

}
