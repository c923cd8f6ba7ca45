// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/admin_client.h"
#include "kernel/limits.h"
#include "tools/fuzz/finding.h"
#include "tools/httpsysctl/admin_message.h"
#include "uapi/control.h"
#include "uapi/ring.h"
#include <cstring>
#include <fmt/format.h>
#include <sstream>

namespace httpsys::sim {

using fuzz::Finding;

static constexpr uint32_t kPid = 4712;

AdminClient::AdminClient(platform::SimSystem &system) : m_system(system)
{
  say_hello();
}

void AdminClient::say_hello()
{
  m_control = m_system.connect_control({kPid, 0, 0, "httpsysctl"});
  m_begun = m_system.time;
  if (!m_control)
    throw Finding{"died", "the control socket takes no administrator"};
  hsys_control_hello hello{};
  hello.head.magic = HSYS_CONTROL_MAGIC;
  hello.head.type = HSYS_CONTROL_HELLO;
  hello.head.size = sizeof hello;
  hello.head.sequence = m_sequence;
  hello.abi_major = HSYS_ABI_MAJOR;
  hello.minor_max = HSYS_ABI_MINOR;
  hello.want = HSYS_FEATURES;
  std::memcpy(hello.program, "httpsysctl", 10);
  const auto *bytes = reinterpret_cast<const uint8_t *>(&hello);
  m_control->send({bytes, bytes + sizeof hello});
}

void AdminClient::leave()
{
  if (!m_control->has_ended)
    m_control->end();
}

std::optional<std::vector<uint8_t>> AdminClient::receive(uint16_t type, size_t least)
{
  if (m_control->from_daemon.empty()) {
    if (m_control->is_shut)
      throw Finding{"refused others", "the administrator's session was ended"};
    return std::nullopt;
  }
  auto bytes = std::move(m_control->from_daemon.front());
  m_control->from_daemon.pop_front();
  hsys_control head{};
  std::memcpy(&head, bytes.data(), std::min(bytes.size(), sizeof head));
  if (bytes.size() < least || head.magic != HSYS_CONTROL_MAGIC || head.size != bytes.size() || head.type != type ||
      head.sequence != m_sequence || head.status != 0)
    throw Finding{"refused others", fmt::format("the administrator was sent a message of type {} with number {} and status {:#x}, {} "
                                                "bytes, where type {} with number {} was due", head.type, head.sequence, head.status,
                                                bytes.size(), type, m_sequence)};
  return bytes;
}

bool AdminClient::is_welcome()
{
  // So much time has passed before the daemon looked.
  if (!m_is_welcome && m_control->is_shut && m_system.time - m_begun >= limits::kHelloMilliseconds)
    say_hello();
  if (!m_is_welcome)
    m_is_welcome = receive(HSYS_CONTROL_WELCOME, sizeof(hsys_control_welcome)).has_value();
  return m_is_welcome;
}

void AdminClient::ask(const std::string &line, const std::map<std::string, std::string> &files)
{
  ctl::AdminMessage message;
  ctl::Failure failure;
  std::vector<std::string> words;
  std::istringstream text(line);
  for (std::string word; text >> word;)
    words.push_back(word);
  bool fits = message.add_words(words, failure);
  for (const auto &[tag, contents] : files)
    fits = fits && message.add_contents(tag, contents);
  if (!fits)
    throw Finding{"refused others", "a command does not fit into its message: " + line};
  std::string_view bytes = message.finish(++m_sequence);
  m_control->send({bytes.begin(), bytes.end()});
}

std::optional<cm::AdminAnswer> AdminClient::answer()
{
  auto bytes = receive(HSYS_CONTROL_ADMIN_ANSWER, sizeof(hsys_control_admin_answer));
  if (!bytes)
    return std::nullopt;
  hsys_control_admin_answer head;
  std::memcpy(&head, bytes->data(), sizeof head);
  return cm::AdminAnswer{head.win32_code, head.exit_code, std::string(bytes->begin() + sizeof head, bytes->end())};
}

}
