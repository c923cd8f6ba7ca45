// SPDX-License-Identifier: GPL-3.0-or-later
// Fuzz target: what administrators write: the configuration file, sslcert records and PEM texts of the state folder, httpsysctl's words.
// What is accepted comes out of its own text again.
#include "kernel/cm/grammar.h"
#include "kernel/cm/ssl_record.h"
#include "kernel/cm/state.h"
#include "kernel/main/config.h"
#include "tests/fuzz/fuzz_target.h"
#include <string>
#include <vector>

using namespace httpsys;
using fuzz::require;

static void fuzz_config(std::string_view text)
{
  std::string reason;
  auto loaded = main::parse_config(text, "fuzz", reason);
  require(loaded.is_error() == !reason.empty(), "an error has a reason, and nothing else has");
  if (loaded.is_error())
    return;
  std::string written = main::config_text(*loaded);
  auto again = main::parse_config(written, "again", reason);
  require(!again.is_error(), "config_text() writes what parse_config() reads");
  again->origins = loaded->origins;
  require(main::config_text(*again) == written, "and with the same values");
}

static void fuzz_record(std::string_view text)
{
  std::string reason;
  auto record = cm::SslRecord::parse(text, reason);
  require(record.has_value() == reason.empty(), "a refusal has a reason");
  if (record)
    require(record->serialise() == text, "a record is read from nothing but its own text");
}

static void fuzz_words(std::string_view text)
{
  std::vector<std::string> words;
  for (size_t at = 0; at <= text.size() && words.size() < 64;) {
    size_t end = std::min(text.find('\n', at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  cm::AdminAnswer answer;
  if (auto command = cm::parse_command(words, answer))
    for (auto &[tag, value] : command->values)
      require(!value.empty(), "no value is empty");
}

static void fuzz_pem(std::string_view text)
{
  std::string reason;
  auto certificate = cm::read_certificate(text, reason);
  require(certificate.is_error() || !certificate->chain.empty(), "a certificate has a leaf");
  (void)cm::read_authorities(text, reason);
  (void)cm::read_revocations(text, reason);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  fuzz::Input input(data, size);
  uint8_t selector = input.byte();
  std::string_view text = input.rest_text();
  switch (selector % 4) {
  case 0: fuzz_config(text); break;
  case 1: fuzz_record(text); break;
  case 2: fuzz_words(text); break;
  default: fuzz_pem(text); break;
  }
  return 0;
}
