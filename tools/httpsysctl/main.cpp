// SPDX-License-Identifier: GPL-3.0-or-later
// httpsysctl: netsh http's words for httpsysd. It checks the words, reads the files that they name, asks the daemon and
// prints its answer.
#include "kernel/cm/grammar.h"
#include "tools/httpsysctl/admin_message.h"
#include "tools/httpsysctl/command_line.h"
#include "tools/httpsysctl/control_client.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cerrno>
#include <exception>
#include <sys/resource.h>

using namespace httpsys;

namespace {

int fail(int exit_code, const std::string &sentence)
{
  fprintf(stderr, "httpsysctl: %s\n", sentence.c_str());
  return exit_code;
}

// A full disk or a closed pipe is no success.
int print(const std::string &text)
{
  if (fwrite(text.data(), 1, text.size(), stdout) == text.size() && fflush(stdout) == 0)
    return ctl::kExitDone;
  return fail(ctl::kExitRefused,
              std::string("the command is done, but its output cannot be written: ") + strerrordesc_np(errno));
}

int run(int argc, char **argv)
{
  ctl::Failure failure;
  auto line = ctl::parse_command_line(argc, argv, getenv("HTTPSYS_SOCKET"), failure);
  if (!line)
    return fail(failure.exit_code, failure.sentence);
  if (line->text)
    return print(*line->text);
  cm::AdminAnswer refusal;
  auto command = cm::parse_command(line->words, refusal);
  if (!command)
    return fail(static_cast<int>(refusal.exit_code), refusal.text);

  ctl::AdminMessage message;
  if (!message.add_words(line->words, failure))
    return fail(failure.exit_code, failure.sentence);
  for (std::string_view tag : cm::file_tags(command->id))
    if (!message.add_file(tag, std::string(command->value(tag)), failure))
      return fail(failure.exit_code, failure.sentence);
  ctl::ControlClient client;
  if (!client.open(line->socket_path, failure))
    return fail(failure.exit_code, failure.sentence);
  auto answer = client.ask(message.finish(ctl::ControlClient::kAdminSequence), failure);
  if (!answer)
    return fail(failure.exit_code, failure.sentence);
  return answer->exit_code == ctl::kExitDone ? print(answer->text) : fail(answer->exit_code, answer->text);
}

}

int main(int argc, char **argv)
{
  // A key may be in this process' memory.
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  try {
    return run(argc, argv);
  } catch (const std::exception &error) {
    return fail(ctl::kExitRefused, error.what());
  }
}
