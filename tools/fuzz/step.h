// SPDX-License-Identifier: GPL-3.0-or-later
// Step: one thing that a hostile client of the ring does, as a value that can be generated, printed, read again and left out. A program of
// steps is what the harness runs, what a reproducer file holds and what the minimiser shortens. Pure; any thread.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::fuzz {

// What a step does; the row says what its arguments mean, in this order. At most kArguments of them. An argument written as "@N" in text
// is the N-th thing of that kind which the daemon has told this client (a handle, an id, a lent block), counted round.
#define HTTPSYS_FUZZ_STEPS(X)                                                                                                       \
  X(Connect, "connect", {})                                                                                                                \
  X(Hello, "hello", {"major", "minor_min", "minor_max", "want", "need"})                                                                   \
  X(Open, "open", {"sq", "cq", "rx", "tx"})                                                                                                \
  X(Control, "control", {"type", "bytes", "declared", "magic", "fill", "descriptors"})                                                     \
  X(Entry, "entry", {"op", "slot", "sequence", "handle", "object", "in_offset", "in_length", "out_length", "op_flags",                     \
                     "reserved", "shape", "fill"})                                                                                \
  X(Flood, "flood", {"entries", "kick"})                                                                                                   \
  X(Publish, "publish", {"ahead", "kick"})                                                                                                 \
  X(Word, "word", {"which", "add", "value"})                                                                                               \
  X(Scribble, "scribble", {"area", "offset", "bytes", "fill"})                                                                             \
  X(Race, "race", {"area", "offset", "bytes", "fill", "loads"})                                                                            \
  X(Return, "return", {"block", "ahead"})                                                                                                  \
  X(Reap, "reap", {"most", "publish", "give_back"})                                                                                        \
  X(Kick, "kick", {"times"})                                                                                                               \
  X(Seal, "seal", {"region", "how", "value"})                                                                                              \
  X(Web, "web", {"shape", "bytes", "fill", "keep"})                                                                                        \
  X(Disconnect, "disconnect", {"how"})                                                                                                     \
  X(Pass, "pass", {"milliseconds"})

enum class Verb : uint8_t {
#define HTTPSYS_FUZZ_VERB(verb, name, ...) verb,
  HTTPSYS_FUZZ_STEPS(HTTPSYS_FUZZ_VERB)
#undef HTTPSYS_FUZZ_VERB
};
inline constexpr size_t kVerbs = static_cast<size_t>(Verb::Pass) + 1;
inline constexpr size_t kArguments = 12;
inline constexpr uint8_t kClients = 4; // hostile ones, at a time
inline constexpr uint64_t kForeign = 1000; // a learned request from there on is one that any client knows, not just this one
inline constexpr uint64_t kEnded = 2000;   // a learned handle or object from there on is one that exists no more

struct Step {
  Verb verb = Verb::Connect;
  uint8_t client = 0;   // below kClients
  uint16_t learned = 0; // bit i: argument i counts what the client has been told
  std::array<uint64_t, kArguments> arguments{};

  bool is_learned(size_t argument) const { return learned >> argument & 1; }
  bool operator==(const Step &) const = default;
};

// What "area" counts from: the send arena, the entry that was put last, the return ring, the first page.
enum class Area : uint8_t { Arena, Entry, Returns, Page };

// Positions of the arguments of an entry.
enum EntryArgument { kOp, kSlot, kSequence, kHandle, kObject, kInOffset, kInLength, kOutLength, kOpFlags, kReserved, kShape, kFill };

using Program = std::vector<Step>;

// How many arguments steps of that kind have, and the name of each.
size_t argument_count(Verb verb);
const char *argument_name(Verb verb, size_t argument);

// One line: "2 entry op=SEND_RESPONSE slot=5 ... handle=@1 ...". Arguments that are 0 are left out.
std::string to_text(const Step &step);
// The other way round; nullopt for what to_text never writes.
std::optional<Step> parse_step(std::string_view line);

// A reproducer: a line for each step; "#" begins a comment, empty lines count for nothing.
std::string to_text(const Program &program);
// why: "line 3: ..." when it is no program. number: of the text's first line.
std::optional<Program> parse_program(std::string_view text, std::string &why, size_t number = 1);

// The name of an operation as in ops.def, or "op-N".
std::string operation_name(uint64_t op);

}
