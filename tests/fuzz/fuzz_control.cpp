// SPDX-License-Identifier: GPL-3.0-or-later
// Fuzz target: packets on the control socket, with descriptors where none belong, from a process that has said HELLO or not, of a user or
// of an administrator. Beyond "does not crash" and "leaves nothing": each answer is one to a question, and none comes twice.
#include "kernel/cm/grammar.h"
#include "kernel/io/dispatch.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/sim/wire.h"
#include "tools/fuzz/simulated_target.h"
#include "uapi/control.h"
#include <cstring>
#include <vector>

using namespace httpsys;
using namespace httpsys::fuzz;

namespace {

constexpr uint32_t kUser = 1000, kAdministrator = 0;

// What the daemon does with words, without a store.
void execute(std::vector<std::string> words, std::vector<io::AdminFile> files, io::AdminAnswer answer)
{
  cm::AdminAnswer refusal;
  bool is_command = cm::parse_command(words, refusal).has_value();
  answer(is_command ? 0 : 87, static_cast<uint32_t>(files.size()), refusal.text);
}

hsys_control head_of(std::span<const uint8_t> packet)
{
  hsys_control head{};
  std::copy_n(packet.begin(), std::min(packet.size(), sizeof head), reinterpret_cast<uint8_t *>(&head));
  return head;
}

class Talk {
public:
  explicit Talk(std::unique_ptr<Link> link) : m_link(std::move(link)) {}
  bool has_ended() { return m_link->has_ended(); }
  template <typename Message>
  void ask(uint16_t type, Message message)
  {
    message.head.magic = HSYS_CONTROL_MAGIC;
    message.head.type = type;
    message.head.size = sizeof message;
    send({reinterpret_cast<const uint8_t *>(&message), sizeof message}, false);
  }
  void send(std::span<const uint8_t> packet, bool has_descriptor)
  {
    m_questions.push_back(head_of(packet));
    m_link->send({packet.begin(), packet.end()}, has_descriptor ? 1 : 0);
  }
  void listen()
  {
    while (auto packet = m_link->receive())
      look_at(head_of(*packet));
  }

private:
  void look_at(const hsys_control &answer)
  {
    require(answer.magic == HSYS_CONTROL_MAGIC, "the daemon's messages have its magic");
    if (answer.type == HSYS_CONTROL_REVOKED || answer.type == HSYS_CONTROL_GOODBYE)
      return;
    // The answer's type follows the question's.
    auto found = std::ranges::find_if(m_questions, [&](const hsys_control &question) {
      return question.sequence == answer.sequence && question.type + 1 == answer.type;
    });
    require(found != m_questions.end(), "an answer is one to a question, and its only one");
    m_questions.erase(found);
  }
  std::unique_ptr<Link> m_link;
  std::vector<hsys_control> m_questions; // that may yet be answered
};

void run(SimulatedTarget &target, Input &input)
{
  uint8_t selector = input.byte();
  const uint32_t uid = selector & 4 ? kAdministrator : kUser;
  auto link = target.connect_as({4711, uid, uid, "fuzz"});
  require(link != nullptr, "the control socket takes a connection");
  Talk talk(std::move(link));
  if (selector & 1) {
    hsys_control_hello hello{};
    hello.abi_major = HSYS_ABI_MAJOR;
    talk.ask(HSYS_CONTROL_HELLO, hello);
  }
  if (selector & 2)
    talk.ask(HSYS_CONTROL_CHANNEL_OPEN, hsys_control_channel_open{});
  target.run();
  while (!input.is_empty() && !talk.has_ended()) {
    uint8_t how = input.byte();
    auto piece = input.piece();
    // The head as it has to be, or as it comes.
    std::vector<uint8_t> packet(piece.begin(), piece.end());
    if (how & 1 && packet.size() >= sizeof(hsys_control)) {
      hsys_control head = head_of(packet);
      head.magic = HSYS_CONTROL_MAGIC;
      head.size = static_cast<uint32_t>(packet.size());
      head.reserved0 = 0;
      head.status = head.reserved1 = 0;
      std::memcpy(packet.data(), &head, sizeof head);
    }
    talk.send(packet, how & 2);
    if (how & 4)
      target.pass(uint64_t{how} * 40);
    target.yield();
    talk.listen();
  }
  target.run();
  talk.listen();
}

}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  sim::seed_randomness(1);
  Input input(data, size);
  // It outlives a Finding: a daemon that ends with operations in flight would end the process before the Finding is told.
  std::unique_ptr<SimulatedTarget> target;
  run_or_die([&] {
    target = std::make_unique<SimulatedTarget>(1, 1);
    io::register_admin(execute);
    run(*target, input);
    target->end();
  });
  return 0;
}
