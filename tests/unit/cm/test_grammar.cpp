// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/grammar.h"
#include <algorithm>
#include <doctest/doctest.h>
#include <sstream>

using namespace httpsys::cm;

namespace {

std::vector<std::string> split(const std::string &line)
{
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;)
    words.push_back(word);
  return words;
}

std::optional<Command> parse(const std::string &line, AdminAnswer &answer)
{
  return parse_command(split(line), answer);
}

const std::string kAll = "ipport=0.0.0.0:443 certhash=00 appid={0} ";

}

TEST_CASE("every command of the table is understood")
{
  struct Row {
    const char *line;
    CommandId id;
  };
  for (const Row &row :
       {Row{"import cert certfile=a keyfile=b", CommandId::ImportCertificate},
        Row{"import cert certfile=a keyfile=b storename=MY", CommandId::ImportCertificate},
        Row{"import ca certfile=a", CommandId::ImportAuthorities},
        Row{"import crl crlfile=a", CommandId::ImportRevocations}, Row{"show cert", CommandId::ShowCertificates},
        Row{"show cert certhash=00", CommandId::ShowCertificates}, Row{"show ca", CommandId::ShowAuthorities},
        Row{"show crl", CommandId::ShowRevocations}, Row{"show sslcert", CommandId::ShowBindings},
        Row{"show sslcert ipport=a", CommandId::ShowBindings}, Row{"show statistics", CommandId::ShowStatistics},
        Row{"delete cert certhash=00", CommandId::DeleteCertificate},
        Row{"delete ca certhash=00", CommandId::DeleteAuthority},
        Row{"delete crl crlhash=00", CommandId::DeleteRevocations},
        Row{"add sslcert ipport=a certhash=00 appid={0}", CommandId::AddBinding},
        Row{"update sslcert hostnameport=a certhash=00", CommandId::UpdateBinding},
        Row{"update sslcert hostnameport=a", CommandId::UpdateBinding},
        Row{"delete sslcert hostnameport=a", CommandId::DeleteBinding}}) {
    AdminAnswer answer;
    auto command = parse(row.line, answer);
    INFO(row.line, ": ", answer.text);
    REQUIRE(command);
    CHECK(command->id == row.id);
  }
}

TEST_CASE("words come in any order, and letter case of command and tags does not matter")
{
  std::vector<std::string> words =
    split("add sslcert IPPORT=[::]:443 CertHash=aB appid={Cd} clientCertNegotiation=Enable");
  std::sort(words.begin(), words.end());
  int permutations = 0;
  do {
    AdminAnswer answer;
    auto command = parse_command(words, answer);
    REQUIRE(command);
    CHECK(command->id == CommandId::AddBinding);
    CHECK(command->values.size() == 4);
    CHECK(command->value("ipport") == "[::]:443");
    CHECK(command->value("certhash") == "aB");
    CHECK(command->value("appid") == "{Cd}");
    CHECK(command->value("clientcertnegotiation") == "Enable");
    CHECK(command->value("disabletls13").empty());
    permutations++;
  } while (std::next_permutation(words.begin(), words.end()));
  CHECK(permutations == 720);
  AdminAnswer answer;
  CHECK(parse("SHOW SslCert", answer));
  CHECK(parse("import ca certfile=a=b", answer)->value("certfile") == "a=b");
}

TEST_CASE("an unknown word is named together with the nearest one")
{
  struct Row {
    std::string line, text;
  };
  for (const Row &row : {
         Row{"shwo sslcert", R"(unknown command "shwo" (did you mean "show"?))"},
         Row{"shwo", R"(unknown command "shwo" (did you mean "show"?))"},
         Row{"show sslcrt", R"(unknown word "sslcrt" after "show" (did you mean "sslcert"?))"},
         Row{"import sslcert", R"("import sslcert" is no command (did you mean "import cert"?))"},
         Row{"add cert", R"("add cert" is no command (did you mean "add sslcert"?))"},
         Row{"dump sslcert", R"("dump" takes no "sslcert" after it)"},
         Row{"add", R"("add" needs sslcert after it)"},
         Row{"import", R"("import" needs cert, ca or crl after it)"},
         Row{"sslcert", R"(no command was given: add, update, delete, show and import are there)"},
         Row{"", R"(no command was given: add, update, delete, show and import are there)"},
         Row{"add sslcert certhas=00", R"(unknown word "certhas=00" for "add sslcert" (did you mean "certhash="?))"},
         Row{"add sslcert =00", R"(unknown word "=00" for "add sslcert" (did you mean "appid="?))"},
         Row{"add sslcert cert=00", R"(unknown word "cert=00" for "add sslcert" (did you mean "certhash="?))"},
         Row{"add sslcert Disable=1", R"(unknown word "Disable=1" for "add sslcert" (did you mean "disabletls13="?))"},
         Row{"add sslcert appid", R"(unknown word "appid" for "add sslcert" (did you mean "appid="?))"},
         Row{"import crl certfile=a", R"(unknown word "certfile=a" for "import crl" (did you mean "crlfile="?))"},
         Row{"show sslcert show", R"(unknown word "show" for "show sslcert" (did you mean "json="?))"},
         Row{"add sslcert a\xe2\x80\x8e", R"(unknown word "a\u200e" for "add sslcert" (did you mean "appid="?))"},
         // No abbreviations: netsh's "add ssl" could become ambiguous with the next command.
         Row{"ad sslcert", R"(unknown command "ad" (did you mean "add"?))"},
         Row{"add sslc", R"(unknown word "sslc" after "add" (did you mean "sslcert"?))"},
       }) {
    AdminAnswer answer;
    INFO(row.line);
    CHECK(!parse(row.line, answer));
    CHECK(answer.exit_code == kExitUnknownWord);
    CHECK(answer.text == row.text);
  }
}

TEST_CASE("what netsh knows and this daemon does not is refused by name")
{
  for (const char *line :
       {"add urlacl url=http://+:80/ user=x", "delete urlacl url=x", "show urlacl", "add iplisten 127.0.0.1",
        "show iplisten", "add timeout timeouttype=idleconnectiontimeout value=1", "show timeout",
        "show servicestate view=requestq", "add cacheparam x", "show cacheparam", "show cachestate", "delete cache",
        "add setting x", "show setting", "update sslpropertyex x", "flush logbuffer", "dump"}) {
    AdminAnswer answer;
    INFO(line);
    CHECK(!parse(line, answer));
    CHECK(answer.exit_code == kExitRefused);
    CHECK(answer.win32_code == win32::kNotSupported);
    CHECK(answer.text.find("is not supported: ") != answer.text.npos);
    CHECK(answer.text.ends_with(" (ERROR_NOT_SUPPORTED 50)"));
  }
  for (const char *tag : {"ccs",
                          "scopedccs",
                          "json",
                          "verifyclientcertrevocation",
                          "verifyrevocationwithcachedclientcertonly",
                          "usagecheck",
                          "revocationfreshnesstime",
                          "urlretrievaltimeout",
                          "sslctlidentifier",
                          "sslctlstorename",
                          "dsmapperusage",
                          "reject",
                          "disablehttp2",
                          "disablequic",
                          "disablelegacytls",
                          "disabletls12",
                          "disableocspstapling",
                          "enabletokenbinding",
                          "logextendedevents",
                          "enablesessionticket",
                          "disablesessionid"}) {
    for (const char *verb : {"add", "update"}) {
      AdminAnswer answer;
      INFO(tag);
      CHECK(!parse(verb + (" sslcert " + kAll) + tag + "=enable", answer));
      CHECK(answer.exit_code == kExitRefused);
      CHECK(answer.win32_code == win32::kNotSupported);
    }
  }
}

TEST_CASE("what is missing, doubled or empty is refused")
{
  struct Row {
    std::string line, text;
  };
  for (const Row &row : {
         Row{
           "add sslcert",
           "\"add sslcert\" needs ipport= or hostnameport=, certhash= and appid=: one or more essential parameters were"
           " not entered"},
         Row{"add sslcert ipport=a appid={0}",
             "\"add sslcert\" needs certhash=: one or more essential parameters were not entered"},
         Row{"update sslcert certhash=a",
             "\"update sslcert\" needs ipport= or hostnameport=: one or more essential parameters were"
             " not entered"},
         Row{"delete sslcert",
             "\"delete sslcert\" needs ipport= or hostnameport=: one or more essential parameters were not entered"},
         Row{"import cert certfile=a",
             "\"import cert\" needs keyfile=: one or more essential parameters were not entered"},
         Row{"delete cert", "\"delete cert\" needs certhash=: one or more essential parameters were not entered"},
         Row{"delete sslcert ipport=a hostnameport=b",
             "\"delete sslcert\" takes one of ipport= and hostnameport=: give one command"
             " for each"},
         Row{"show sslcert ipport=a hostnameport=b",
             "\"show sslcert\" takes one of ipport= and hostnameport=: give one command for each"},
         Row{"import ca certfile=a CERTFILE=b", "certfile= is given twice: leave one out"},
         Row{"import ca certfile=", "certfile= has no value: write it directly after the '='"},
       }) {
    AdminAnswer answer;
    INFO(row.line);
    CHECK(!parse(row.line, answer));
    CHECK(answer.exit_code == kExitRefused);
    CHECK(answer.win32_code == win32::kInvalidParameter);
    CHECK(answer.text == row.text + " (ERROR_INVALID_PARAMETER 87)");
  }
}

TEST_CASE("httpsysctl learns which words name files")
{
  AdminAnswer answer;
  auto tags = file_tags(parse("import cert certfile=a keyfile=b", answer)->id);
  CHECK(std::vector<std::string_view>(tags.begin(), tags.end()) ==
        std::vector<std::string_view>{"certfile", "keyfile"});
  CHECK(file_tags(CommandId::ImportAuthorities).size() == 1);
  CHECK(file_tags(CommandId::ImportRevocations)[0] == "crlfile");
  for (CommandId id :
       {CommandId::AddBinding, CommandId::ShowCertificates, CommandId::DeleteCertificate, CommandId::Unsupported})
    CHECK(file_tags(id).empty());
}
