// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/generator.h"
#include "uapi/control.h"
#include "uapi/ops.h"
#include "uapi/response.h"
#include "uapi/ring.h"
#include <algorithm>
#include <utility>

namespace httpsys::fuzz {

namespace {

enum class Names { NONE, QUEUE, SESSION, GROUP, REQUEST, CONNECTION, IRP, OPTIONAL };

struct Grammar {
  uint64_t number;
  Names handle, object;
  uint64_t in_min, in_max, op_flags;
  unsigned traits;
};

constexpr Grammar kGrammar[] = {
#define HSYS_OP(name, number, handle, object, in_min, in_max, op_flags, traits) \
  {number, Names::handle, Names::object, in_min, in_max, op_flags, traits},
#include "uapi/ops.def"
#undef HSYS_OP
};

const Grammar *find_grammar(uint64_t op)
{
  auto found = std::ranges::find(kGrammar, op, &Grammar::number);
  return found == std::end(kGrammar) ? nullptr : found;
}

// How often each is wanted, before the seed's temper.
constexpr uint32_t kWeight[kVerbs] = {
  /* Connect */ 4, /* Hello */ 4, /* Open */ 4, /* Control */ 6, /* Entry */ 120, /* Flood */ 2, /* Publish */ 60, /* Word */ 8,
  /* Scribble */ 8, /* Race */ 6, /* Return */ 10, /* Reap */ 60, /* Kick */ 10, /* Seal */ 2, /* Web */ 80, /* Disconnect */ 1,
  /* Pass */ 10,
};

// What a client needs before there is anything to attack: a session, a channel, and, usually, a URL that is served.
struct Beginning {
  Verb verb;
  hsys_op op;
};
constexpr Beginning kBeginning[] = {
  {Verb::Connect, HSYS_OP_NOP}, {Verb::Hello, HSYS_OP_NOP}, {Verb::Open, HSYS_OP_NOP},
  {Verb::Entry, HSYS_OP_CREATE_SERVER_SESSION}, {Verb::Entry, HSYS_OP_CREATE_REQUEST_QUEUE}, {Verb::Publish, HSYS_OP_NOP},
  {Verb::Pass, HSYS_OP_NOP}, {Verb::Reap, HSYS_OP_NOP}, {Verb::Entry, HSYS_OP_CREATE_URL_GROUP}, {Verb::Publish, HSYS_OP_NOP},
  {Verb::Pass, HSYS_OP_NOP}, {Verb::Reap, HSYS_OP_NOP}, {Verb::Entry, HSYS_OP_BIND_URL_GROUP}, {Verb::Entry, HSYS_OP_ADD_URL},
  {Verb::Entry, HSYS_OP_RECEIVE_REQUEST}, {Verb::Publish, HSYS_OP_NOP}, {Verb::Pass, HSYS_OP_NOP}, {Verb::Reap, HSYS_OP_NOP},
};
constexpr uint8_t kStages = 3; // of them the verbs that are right only once

// Those that keep a service going come often, those that end things seldom, for one of them ends what five others have made.
uint32_t liking(uint64_t op)
{
  switch (op) {
  case HSYS_OP_RECEIVE_REQUEST:
  case HSYS_OP_SEND_RESPONSE: return 40;
  case HSYS_OP_RECEIVE_BODY:
  case HSYS_OP_SEND_BODY: return 20;
  case HSYS_OP_CLOSE_SERVER_SESSION:
  case HSYS_OP_CLOSE_URL_GROUP:
  case HSYS_OP_CLOSE_HANDLE:
  case HSYS_OP_SHUTDOWN_REQUEST_QUEUE:
  case HSYS_OP_REMOVE_URL: return 1;
  default: return 8;
  }
}

constexpr uint64_t kEdges[] = {0, 1, 2, 7, 8, 63, 64, 65, 127, 255, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xfffffffe,
                               0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff};

}

Generator::Generator(uint64_t seed) : m_random(seed)
{
  static_assert(std::size(kWeight) == kVerbs);
  for (size_t verb = 0; verb < kVerbs; verb++) {
    // Each is left out now and then, but for what a client cannot begin without.
    bool is_needed = verb <= static_cast<size_t>(Verb::Open) || verb == static_cast<size_t>(Verb::Entry) ||
                     verb == static_cast<size_t>(Verb::Publish);
    if (is_needed || !m_random.chance(1, 4))
      m_weights[verb] = kWeight[verb] * static_cast<uint32_t>(1 + m_random.below(4));
    m_total += m_weights[verb];
  }
  for (const Grammar &grammar : kGrammar)
    if (!m_random.chance(1, 4))
      m_operations.insert(m_operations.end(), liking(grammar.number), grammar.number);
  static constexpr uint32_t wrongness[] = {0, 5, 10, 20, 50, 200};
  m_wrongness = wrongness[m_random.below(std::size(wrongness))];
  m_raciness = m_random.chance(1, 4) ? 200 : 0;
}

Step Generator::next(const std::array<bool, kClients> &is_cut_off)
{
  auto client = static_cast<uint8_t>(m_random.below(kClients));
  if (auto race = std::exchange(m_race, std::nullopt))
    return *race;
  uint8_t &stage = m_stage[client];
  if (is_cut_off[client])
    stage = 0;
  if (stage < std::size(kBeginning) && !breaks())
    return begin(client);
  size_t verb = 0;
  do {
    uint64_t pick = m_random.below(m_total);
    for (verb = 0; pick >= m_weights[verb]; verb++)
      pick -= m_weights[verb];
  } while (verb < kStages && !breaks()); // once is right
  return make(static_cast<Verb>(verb), client);
}

Step Generator::begin(uint8_t client)
{
  const Beginning &beginning = kBeginning[m_stage[client]++];
  Step step;
  if (beginning.verb != Verb::Entry) {
    step = make(beginning.verb, client);
  } else {
    step.verb = Verb::Entry;
    step.client = client;
    fill_entry(step, beginning.op);
    step.arguments[kFill] = 0; // the plainest
    if (beginning.op == HSYS_OP_CREATE_REQUEST_QUEUE)
      step.arguments[kOpFlags] = 0;
    if (beginning.op == HSYS_OP_BIND_URL_GROUP)
      step.arguments[kHandle] = learned(step, kHandle);
  }
  if (beginning.verb == Verb::Reap)
    step.arguments = {64, 1, 1};
  if (beginning.verb == Verb::Publish)
    step.arguments = {0, 1};
  return step;
}

uint64_t Generator::learned(Step &step, size_t argument)
{
  step.learned = static_cast<uint16_t>(step.learned | 1u << argument);
  return m_random.below(16);
}

uint64_t Generator::pick_length()
{
  if (breaks())
    return kEdges[m_random.below(std::size(kEdges))];
  return m_random.chance(1, 2) ? m_random.below(512) : m_random.below(1 << 17);
}

uint64_t Generator::pick_area()
{
  return breaks() ? m_random.below(4) : m_random.below(16) == 0;
}

void Generator::fill_entry(Step &step, uint64_t op)
{
  auto &arguments = step.arguments;
  arguments[kOp] = op;
  const Grammar *grammar = find_grammar(arguments[kOp]);
  // 0: the executor takes a free slot.
  if (breaks()) {
    arguments[kSlot] = 1 + m_random.below(m_random.chance(1, 2) ? 8 : 1 << 17);
    arguments[kSequence] = m_random.below(1 << 16);
  }
  if (grammar && grammar->handle != Names::NONE && !(grammar->handle == Names::OPTIONAL && m_random.chance(1, 4)))
    arguments[kHandle] = learned(step, kHandle);
  if (grammar && grammar->object != Names::NONE && !(grammar->object == Names::OPTIONAL && m_random.chance(3, 4)))
    arguments[kObject] = learned(step, kObject);
  if (step.is_learned(kObject) && breaks())
    arguments[kObject] += kForeign;
  for (size_t argument : {kHandle, kObject}) {
    if (step.is_learned(argument) && m_random.chance(1, 50))
      arguments[argument] += kEnded;
    if (!breaks())
      continue;
    step.learned = static_cast<uint16_t>(step.learned & ~(1u << argument));
    arguments[argument] = m_random.chance(1, 2) ? m_random.next() : kEdges[m_random.below(std::size(kEdges))];
  }
  bool has_body = op == HSYS_OP_SEND_RESPONSE || op == HSYS_OP_SEND_BODY; // a stray extent is refused, and the client goes on
  arguments[kShape] = breaks() ? 2 + m_random.below(2) : m_random.chance(1, has_body ? 4 : 30) ? 3 : 1;
  if (breaks()) {
    arguments[kShape] = 0;
    arguments[kInOffset] = pick_length();
    arguments[kInLength] = pick_length();
  }
  arguments[kOutLength] = grammar && (grammar->traits & HSYS_OP_OUTPUT) ? pick_length() : breaks() ? m_random.below(65536) : 0;
  arguments[kOpFlags] = grammar ? m_random.next() & grammar->op_flags : 0;
  if (op == HSYS_OP_CREATE_REQUEST_QUEUE && m_random.chance(3, 4))
    arguments[kOpFlags] = 0; // a queue of its own
  if (breaks())
    arguments[kOpFlags] = m_random.next() & 0xffffffff;
  if (breaks())
    arguments[kReserved] = m_random.next();
  arguments[kFill] = m_random.next() & 0xffffffff;
}

void Generator::fill_control(Step &step)
{
  uint64_t bytes = m_random.chance(1, 2) ? sizeof(hsys_control) : m_random.below(HSYS_CONTROL_MESSAGE_MAX * 2);
  // type, bytes, declared, magic (0: the right one), fill, descriptors
  step.arguments = {m_random.below(16), bytes, breaks() ? m_random.below(4096) : bytes, breaks() ? m_random.next() : 0, m_random.next(),
                    breaks() ? 1 + m_random.below(3) : 0};
  if (!breaks())
    step.arguments = {HSYS_CONTROL_PING, sizeof(hsys_control), sizeof(hsys_control)};
}

Step Generator::make(Verb verb, uint8_t client)
{
  Step step;
  step.verb = verb;
  step.client = client;
  auto &arguments = step.arguments;
  switch (verb) {
  case Verb::Connect: m_stage[client] = 1; break;
  case Verb::Hello:
    arguments = {HSYS_ABI_MAJOR, 0, HSYS_ABI_MINOR, 0, 0};
    if (breaks())
      arguments = {m_random.below(4), m_random.below(4), m_random.below(4), m_random.next(), m_random.next()};
    break;
  case Verb::Open:
    // Small rings wrap soon, and small arenas are soon full.
    arguments = {m_random.chance(1, 4) ? 256u : 64u, 256, HSYS_ARENA_BYTES_MIN, HSYS_ARENA_BYTES_MIN};
    if (breaks())
      arguments = {pick_length(), pick_length(), pick_length(), pick_length()};
    break;
  case Verb::Control: fill_control(step); break;
  case Verb::Entry:
    if (m_random.chance(m_raciness, 1000))
      m_race = make(Verb::Race, client);
    fill_entry(step, breaks() || m_operations.empty() ? m_random.below(256) : m_operations[m_random.below(m_operations.size())]);
    break;
  case Verb::Flood: arguments = {1 + m_random.below(256), 1}; break;
  case Verb::Publish: arguments = {breaks() ? m_random.next() & 0xffffffff : 0, m_random.below(4) != 0}; break;
  case Verb::Word: // mostly those that a client may set as it likes
    arguments = {breaks() ? m_random.below(5) : 2 + 2 * m_random.below(2), m_random.below(2),
                 m_random.chance(1, 2) ? m_random.below(4) : m_random.next() & 0xffffffff};
    break;
  case Verb::Scribble: arguments = {pick_area(), pick_length(), 1 + m_random.below(4096), m_random.next()}; break;
  case Verb::Race: // often the slot of an entry while it is admitted
    arguments = {pick_area(), m_random.below(64), 1 + m_random.below(64), m_random.next(), 1 + m_random.below(8)};
    if (breaks() || m_raciness > 0)
      arguments = {static_cast<uint64_t>(Area::Entry), offsetof(hsys_sqe, irp_id), 1, m_random.below(8), 1 + m_random.below(4)};
    if (breaks()) // a word, while it is checked
      arguments = {static_cast<uint64_t>(Area::Page), HSYS_WORD_SPACING * m_random.below(5), sizeof(uint32_t), m_random.next(),
                   1 + m_random.below(4)};
    break;
  case Verb::Return:
    if (breaks())
      arguments = {m_random.next() & 0xffffffff, m_random.below(4096)};
    else
      arguments[0] = learned(step, 0);
    break;
  case Verb::Reap: arguments = {m_random.below(64), m_random.chance(7, 8), m_random.chance(7, 8)}; break;
  case Verb::Kick: arguments = {1 + m_random.below(64)}; break;
  case Verb::Seal: arguments = {m_random.below(2), m_random.below(6), pick_length()}; break;
  case Verb::Web: arguments = {m_random.below(8), pick_length() & 0xfffff, m_random.next(), m_random.chance(3, 4)}; break;
  case Verb::Disconnect: arguments = {m_random.below(4)}; m_stage[client] = 0; break;
  case Verb::Pass: arguments = {m_random.chance(1, 8) ? m_random.below(130'000) : m_random.below(100)}; break;
  }
  return step;
}

}
