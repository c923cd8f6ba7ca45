// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/httpsysctl/admin_message.h"
#include "kernel/base/text.h"
#include "uapi/control.h"
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace httpsys::ctl {

namespace {

class InputFile {
public:
  explicit InputFile(const std::string &path) : m_descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  InputFile(const InputFile &) = delete;
  InputFile &operator=(const InputFile &) = delete;
  ~InputFile()
  {
    if (m_descriptor >= 0)
      ::close(m_descriptor);
  }
  bool is_open() const { return m_descriptor >= 0; }
  // As read(2), without interruptions.
  ssize_t read(std::span<char> room) const
  {
    ssize_t count;
    do
      count = ::read(m_descriptor, room.data(), room.size());
    while (count < 0 && errno == EINTR);
    return count;
  }

private:
  int m_descriptor;
};

Failure unreadable(std::string_view tag, const std::string &path, int error)
{
  return {kExitRefused, fmt::format("cannot read {} {}: {}", tag, quoted(path), strerrordesc_np(error))};
}

}

// One byte more than a message may have, so that a file that is too long is seen to be.
AdminMessage::AdminMessage() : m_bytes(HSYS_ADMIN_MESSAGE_MAX + 1)
{
  hsys_control_admin head{};
  m_bytes.append(&head, sizeof head);
}

bool AdminMessage::add_piece(std::string_view piece)
{
  auto bytes = static_cast<uint32_t>(piece.size());
  return piece.size() <= HSYS_ADMIN_MESSAGE_MAX && m_bytes.append(&bytes, sizeof bytes) &&
         m_bytes.append(piece.data(), piece.size());
}

bool AdminMessage::add_words(const std::vector<std::string> &words, Failure &failure)
{
  if (words.size() > HSYS_ADMIN_WORDS_MAX) {
    failure = {kExitRefused,
               fmt::format("{} words were given, {} at most are possible", words.size(), HSYS_ADMIN_WORDS_MAX)};
    return false;
  }
  for (const std::string &word : words) {
    if (!add_piece(word)) {
      failure = {kExitRefused, fmt::format("the word {} is too long: a command has at most {} bytes", quoted(word),
                                           HSYS_ADMIN_MESSAGE_MAX)};
      return false;
    }
    m_words++;
  }
  return true;
}

bool AdminMessage::add_file(std::string_view tag, const std::string &path, Failure &failure)
{
  InputFile file(path);
  if (!file.is_open()) {
    failure = unreadable(tag, path, errno);
    return false;
  }
  bool fits = add_piece(tag);
  size_t length_at = m_bytes.size();
  uint32_t length = 0;
  fits = fits && m_bytes.append(&length, sizeof length);
  while (fits && !m_bytes.rest().empty()) {
    ssize_t count = file.read(m_bytes.rest());
    if (count < 0) {
      failure = unreadable(tag, path, errno);
      return false;
    }
    if (count == 0)
      break;
    m_bytes.advance(static_cast<size_t>(count));
    length += static_cast<uint32_t>(count);
  }
  if (!fits || m_bytes.size() > HSYS_ADMIN_MESSAGE_MAX) {
    failure = {
        kExitRefused,
        fmt::format("{} {} is too long: a command with its files has at most {} bytes, so import a large file in parts",
                    tag, quoted(path), HSYS_ADMIN_MESSAGE_MAX)};
    return false;
  }
  m_bytes.overwrite(length_at, &length, sizeof length);
  m_files++;
  return true;
}

bool AdminMessage::add_contents(std::string_view tag, std::string_view contents)
{
  m_files++;
  return add_piece(tag) && add_piece(contents) && m_bytes.size() <= HSYS_ADMIN_MESSAGE_MAX;
}

std::string_view AdminMessage::finish(uint32_t sequence)
{
  hsys_control_admin head{};
  head.head.magic = HSYS_CONTROL_MAGIC;
  head.head.type = HSYS_CONTROL_ADMIN;
  head.head.size = static_cast<uint32_t>(m_bytes.size());
  head.head.sequence = sequence;
  head.word_count = m_words;
  head.file_count = m_files;
  m_bytes.overwrite(0, &head, sizeof head);
  return m_bytes.view();
}

}
