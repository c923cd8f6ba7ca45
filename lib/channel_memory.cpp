// SPDX-License-Identifier: MIT
#include "lib/channel_memory.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace httpsys::lib {

namespace {

constexpr int kSealsUtok = F_SEAL_SHRINK | F_SEAL_GROW;
constexpr int kSealsOnceMapped = F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
constexpr int kSealsKtou = kSealsUtok | kSealsOnceMapped;
constexpr uint32_t kReturnEntriesMax = HSYS_ARENA_BYTES_MAX / HSYS_BLOCK_MIN;

// A forged memfd could shrink under our reads (SIGBUS) or, in ktou's case, be written by somebody else.
bool has_size_and_seals(int descriptor, uint64_t bytes, int wanted)
{
  struct stat status;
  int seals = fcntl(descriptor, F_GET_SEALS);
  return seals >= 0 && (seals & wanted) == wanted && fstat(descriptor, &status) == 0 &&
    static_cast<uint64_t>(status.st_size) == bytes;
}

bool is_ring_size(uint32_t entries, uint32_t most)
{
  return entries != 0 && entries <= most && (entries & (entries - 1)) == 0;
}

// [offset, offset + count * size) lies behind the first page and inside the region, aligned to `alignment`.
bool lies_within(uint64_t offset, uint64_t count, uint64_t size, uint64_t region, uint64_t alignment)
{
  return offset >= HSYS_PAGE && offset <= region && offset % alignment == 0 && count <= (region - offset) / size;
}

}

Descriptor &Descriptor::operator=(Descriptor &&other) noexcept
{
  if (this != &other) {
    reset();
    m_number = other.release();
  }
  return *this;
}

int Descriptor::release()
{
  return std::exchange(m_number, -1);
}

void Descriptor::reset()
{
  if (m_number >= 0)
    close(release());
}

ChannelMemory::~ChannelMemory()
{
  if (m_ktou)
    munmap(const_cast<uint8_t *>(m_ktou), m_ktou_bytes);
  if (m_utok)
    munmap(m_utok, m_utok_bytes);
}

bool ChannelMemory::map(Descriptor (&descriptors)[4], const hsys_control_welcome &welcome,
  const hsys_control_channel_opened &opened, ErrorText &why)
{
  if (opened.ktou_bytes < HSYS_PAGE || opened.utok_bytes < HSYS_PAGE || opened.ktou_bytes > 2ull * HSYS_ARENA_BYTES_MAX ||
      opened.utok_bytes > 2ull * HSYS_ARENA_BYTES_MAX ||
      !has_size_and_seals(descriptors[0].get(), opened.ktou_bytes, kSealsKtou) ||
      !has_size_and_seals(descriptors[1].get(), opened.utok_bytes, kSealsUtok)) {
    why.assign("the shared memory that httpsysd sent is not sealed as the ring ABI says: the program behind the socket is not httpsysd, "
               "or not of this version.");
    return false;
  }
  size_t ktou_bytes = static_cast<size_t>(opened.ktou_bytes), utok_bytes = static_cast<size_t>(opened.utok_bytes);
  void *ktou = mmap(nullptr, ktou_bytes, PROT_READ, MAP_SHARED, descriptors[0].get(), 0);
  void *utok = mmap(nullptr, utok_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptors[1].get(), 0);
  if (ktou != MAP_FAILED) {
    m_ktou = static_cast<const uint8_t *>(ktou);
    m_ktou_bytes = ktou_bytes;
  }
  if (utok != MAP_FAILED) {
    m_utok = static_cast<uint8_t *>(utok);
    m_utok_bytes = utok_bytes;
  }
  if (!m_ktou || !m_utok) {
    why.format("cannot map the %zu bytes of a channel to httpsysd: %s.", ktou_bytes + utok_bytes, strerror(errno));
    return false;
  }
  // httpsysd reads nothing of a half that could still lose pages.
  if (fcntl(descriptors[1].get(), F_ADD_SEALS, kSealsOnceMapped) != 0) {
    why.format("cannot seal the memory of a channel to httpsysd: %s.", strerror(errno));
    return false;
  }
  madvise(ktou, ktou_bytes, MADV_DONTFORK);
  madvise(utok, utok_bytes, MADV_DONTFORK);
  memcpy(&m_geometry, m_ktou, sizeof m_geometry);
  if (!check_geometry(welcome, why))
    return false;
  m_kick = std::move(descriptors[2]);
  m_bell = std::move(descriptors[3]);
  int flags = fcntl(m_bell.get(), F_GETFL);
  return flags >= 0 && fcntl(m_bell.get(), F_SETFL, flags | O_NONBLOCK) == 0;
}

bool ChannelMemory::check_geometry(const hsys_control_welcome &welcome, ErrorText &why) const
{
  const hsys_geometry &g = m_geometry;
  bool is_sane = g.magic == HSYS_CHANNEL_MAGIC && g.abi_major == HSYS_ABI_MAJOR && g.epoch == welcome.epoch &&
    g.session == welcome.session && g.ktou_bytes == m_ktou_bytes && g.utok_bytes == m_utok_bytes &&
    is_ring_size(g.sq_entries, HSYS_SQ_ENTRIES_MAX) && is_ring_size(g.cq_entries, HSYS_CQ_ENTRIES_MAX) &&
    g.cq_entries > HSYS_CQ_RESERVE && is_ring_size(g.ret_entries, kReturnEntriesMax) &&
    g.ret_entries >= g.rx_bytes / HSYS_BLOCK_MIN && // so that the return ring is never full
    lies_within(g.cq_offset, g.cq_entries, sizeof(hsys_cqe), g.ktou_bytes, alignof(hsys_cqe)) &&
    lies_within(g.rx_offset, g.rx_bytes, 1, g.ktou_bytes, HSYS_PAGE) &&
    lies_within(g.sq_offset, g.sq_entries, sizeof(hsys_sqe), g.utok_bytes, alignof(hsys_sqe)) &&
    lies_within(g.ret_offset, g.ret_entries, sizeof(uint32_t), g.utok_bytes, alignof(uint32_t)) &&
    lies_within(g.tx_offset, g.tx_bytes, 1, g.utok_bytes, HSYS_PAGE);
  if (!is_sane)
    why.assign("the channel's geometry that httpsysd sent does not fit the ring ABI of this libhttpapi: update one of the two.");
  return is_sane;
}

void ChannelMemory::kick() const
{
  // A full counter has rung already; nothing else can go wrong that the closed bell does not tell.
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(m_kick.get(), &one, sizeof one);
}

bool ChannelMemory::is_hung_up() const
{
  pollfd entry{m_bell.get(), 0, 0}; // POLLHUP needs no asking
  return poll(&entry, 1, 0) == 1;
}

void ChannelMemory::close_doorbells()
{
  m_kick.reset();
  m_bell.reset();
}

bool ChannelMemory::clear_bell() const
{
  char bytes[64];
  for (;;) {
    ssize_t count = read(m_bell.get(), bytes, sizeof bytes);
    if (count == 0)
      return false;
    if (count < 0)
      return errno == EAGAIN || errno == EINTR;
    if (static_cast<size_t>(count) < sizeof bytes)
      return true;
  }
}

}
