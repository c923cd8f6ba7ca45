// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/step.h"
#include "uapi/ops.h"
#include "uapi/response.h"
#include <charconv>
#include <fmt/format.h>

namespace httpsys::fuzz {

namespace {

struct Row {
  const char *name;
  std::array<const char *, kArguments> arguments;
};

constexpr Row kRows[kVerbs] = {
#define HTTPSYS_FUZZ_ROW(verb, name, ...) Row{name, __VA_ARGS__},
  HTTPSYS_FUZZ_STEPS(HTTPSYS_FUZZ_ROW)
#undef HTTPSYS_FUZZ_ROW
};

struct Operation {
  const char *name;
  uint64_t number;
};

constexpr Operation kOperations[] = {
#define HSYS_OP(name, number, handle, object, in_min, in_max, op_flags, traits) {#name, number},
#include "uapi/ops.def"
#undef HSYS_OP
};

const Row &row(Verb verb) { return kRows[static_cast<size_t>(verb)]; }

bool is_operation(Verb verb, size_t argument) { return verb == Verb::Entry && argument == kOp; }

std::string_view next_word(std::string_view &line)
{
  size_t begin = line.find_first_not_of(' ');
  if (begin == line.npos) {
    line = {};
    return {};
  }
  size_t end = std::min(line.find(' ', begin), line.size());
  std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

template <typename Number>
bool read_number(std::string_view text, Number &number)
{
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_operation(std::string_view text, uint64_t &number)
{
  for (const Operation &operation : kOperations) {
    if (text == operation.name) {
      number = operation.number;
      return true;
    }
  }
  return text.starts_with("op-") && read_number(text.substr(3), number);
}

bool read_argument(std::string_view word, Step &step)
{
  size_t equals = word.find('=');
  if (equals == word.npos)
    return false;
  std::string_view name = word.substr(0, equals), value = word.substr(equals + 1);
  for (size_t argument = 0; argument < argument_count(step.verb); argument++) {
    if (name != argument_name(step.verb, argument))
      continue;
    uint64_t &place = step.arguments[argument];
    if (is_operation(step.verb, argument))
      return read_operation(value, place);
    if (!value.starts_with('@'))
      return read_number(value, place);
    step.learned = static_cast<uint16_t>(step.learned | 1u << argument);
    return read_number(value.substr(1), place);
  }
  return false;
}

}

size_t argument_count(Verb verb)
{
  size_t count = 0;
  while (count < kArguments && row(verb).arguments[count])
    count++;
  return count;
}

const char *argument_name(Verb verb, size_t argument)
{
  return row(verb).arguments[argument];
}

std::string operation_name(uint64_t op)
{
  for (const Operation &operation : kOperations)
    if (op == operation.number)
      return operation.name;
  return fmt::format("op-{}", op);
}

std::string to_text(const Step &step)
{
  std::string text = std::to_string(step.client) + ' ' + row(step.verb).name;
  for (size_t argument = 0; argument < argument_count(step.verb); argument++) {
    uint64_t value = step.arguments[argument];
    if (value == 0 && !step.is_learned(argument) && !is_operation(step.verb, argument))
      continue;
    std::string shown = is_operation(step.verb, argument) ? operation_name(value) : std::to_string(value);
    text += fmt::format(" {}={}{}", argument_name(step.verb, argument), step.is_learned(argument) ? "@" : "", shown);
  }
  return text;
}

std::optional<Step> parse_step(std::string_view line)
{
  Step step;
  if (!read_number(next_word(line), step.client) || step.client >= kClients)
    return std::nullopt;
  std::string_view name = next_word(line);
  size_t verb = 0;
  while (verb < kVerbs && name != kRows[verb].name)
    verb++;
  if (verb == kVerbs)
    return std::nullopt;
  step.verb = static_cast<Verb>(verb);
  for (std::string_view word = next_word(line); !word.empty(); word = next_word(line))
    if (!read_argument(word, step))
      return std::nullopt;
  return step;
}

std::string to_text(const Program &program)
{
  std::string text;
  for (const Step &step : program)
    text += to_text(step) + '\n';
  return text;
}

std::optional<Program> parse_program(std::string_view text, std::string &why, size_t number)
{
  Program program;
  for (; !text.empty(); number++) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(' ') == line.npos)
      continue;
    auto step = parse_step(line);
    if (!step) {
      why = fmt::format("line {}: \"{}\" is no step", number, line);
      return std::nullopt;
    }
    program.push_back(*step);
  }
  return program;
}

}
