// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/httpsysctl/command_line.h"
#include "kernel/base/text.h"
#include "kernel/limits.h"
#include <array>
#include <fmt/format.h>
#include <getopt.h>

namespace httpsys::ctl {

namespace {

constexpr const char kHelp[] = R"(httpsysctl - configure httpsysd with the words of "netsh http"

Usage: httpsysctl [OPTION]... WORD...

Commands, words in any order:
  import cert certfile=PEM keyfile=PEM         a server's certificate (with its issuers) and key; prints the thumbprint
  import ca certfile=PEM                       CAs for client certificates; prints their thumbprints
  import crl crlfile=PEM                       revocation lists of these CAs; prints their hashes
  show cert|ca [certhash=HEX]
  show crl [crlhash=HEX]
  show statistics                              why connections ended or were refused, and how often
  delete cert|ca certhash=HEX
  delete crl crlhash=HEX
  add|update sslcert ipport=ADDRESS:PORT|hostnameport=NAME:PORT certhash=HEX appid={GUID}
      [clientcertnegotiation=enable|disable] [disabletls13=enable|disable] [certstorename=MY]
  delete sslcert ipport=ADDRESS:PORT|hostnameport=NAME:PORT
  show sslcert [ipport=ADDRESS:PORT|hostnameport=NAME:PORT]

Options:
  --socket PATH  httpsysd's control socket (default: $HTTPSYS_SOCKET, else /run/httpsys/httpsys.sock)
  --version      print the version, and exit
  --help         print this, and exit

Exit status: 0 done, 1 refused, 2 unknown command or word, 3 no daemon, 4 not permitted.

Example: httpsysctl add sslcert ipport=0.0.0.0:443 certhash=5d48... 'appid={4dc3e181-e14b-4a21-b022-59fc669b0914}'
)";

enum OptionCode { kWord = 1, kSocket = 256, kVersion, kHelpOption };

constexpr option kOptions[] = {
    {"socket", required_argument, nullptr, kSocket},
    {"version", no_argument, nullptr, kVersion},
    {"help", no_argument, nullptr, kHelpOption},
    {nullptr, 0, nullptr, 0},
};
constexpr std::array<std::string_view, 3> kOptionNames = {"--socket", "--version", "--help"};

Failure unknown_option(std::string_view word)
{
  std::string_view name = word.substr(0, word.find('='));
  for (std::string_view known : kOptionNames)
    if (name == known)
      return {kExitUnknownWord, fmt::format("{} takes no value", name)};
  return {kExitUnknownWord, unknown_option_text(name, kOptionNames)};
}

}

std::optional<CommandLine> parse_command_line(int argc, char **argv, const char *socket_environment, Failure &failure)
{
  CommandLine line;
  if (socket_environment && *socket_environment)
    line.socket_path = socket_environment;
  optind = 0; // glibc: start anew, whoever called it before
  opterr = 0;
  while (true) {
    int before = optind == 0 ? 1 : optind;
    int code = getopt_long(argc, argv, "-:", kOptions, nullptr); // '-': words come in their order, as kWord
    if (code == -1)
      break;
    switch (code) {
    case kWord: line.words.emplace_back(optarg); break;
    case kSocket: line.socket_path = optarg; break;
    case kVersion: line.text = fmt::format("httpsysctl {}\n", HTTPSYS_VERSION); return line;
    case kHelpOption: line.text = kHelp; return line;
    case ':': failure = {kExitUnknownWord, fmt::format("{} needs a value after it", argv[before])}; return std::nullopt;
    default: failure = unknown_option(argv[before]); return std::nullopt;
    }
  }
  line.words.insert(line.words.end(), argv + optind, argv + argc);                   // what comes after "--"
  if (line.words.size() == 1 && (line.words[0] == "help" || line.words[0] == "?")) { // as netsh has it
    line.text = kHelp;
    return line;
  }
  if (line.socket_path.empty() || line.socket_path.size() > limits::kSocketPathMax) {
    failure = {kExitRefused, fmt::format("the socket path {} has {} bytes, 1 to {} are possible",
                                         quoted(line.socket_path), line.socket_path.size(), limits::kSocketPathMax)};
    return std::nullopt;
  }
  return line;
}

}
