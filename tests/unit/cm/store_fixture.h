// SPDX-License-Identifier: GPL-3.0-or-later
// A store in a folder of its own, its commands in one line each, and the log lines that it wrote.
#pragma once
#include "kernel/base/log.h"
#include "kernel/cm/store.h"
#include "kernel/tls/client_trust.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/tls/pki.h"
#include <algorithm>
#include <cctype>
#include <doctest/doctest.h>
#include <memory>
#include <sstream>

namespace httpsys::cm::test {

inline const std::string kGuid = "{4dc3e181-e14b-4a21-b022-59fc669b0914}";

inline std::string upper(std::string text)
{
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  return text;
}

// The words of a line, between blanks.
inline AdminCommand admin_command(const std::string &line, const std::map<std::string, std::string> &files)
{
  std::istringstream stream(line);
  AdminCommand command({}, files);
  for (std::string word; stream >> word;)
    command.words.push_back(word);
  return command;
}

class Fixture {
public:
  Fixture()
  {
    s_log.clear();
    set_log_sink([](LogCause, std::string line) { s_log += format_log_line(line); });
    start();
  }
  ~Fixture() { set_log_sink(nullptr); }

  void start()
  {
    m_store = std::make_unique<Store>(Config{});
    std::string reason;
    auto loaded = m_store->load(path(""), reason);
    INFO(reason);
    REQUIRE(!loaded.is_error());
  }
  // As if the daemon were started anew on the same folder.
  void restart()
  {
    stop();
    start();
  }
  void stop()
  {
    m_store.reset();
    s_log.clear();
  }
  Store &store() { return *m_store; }
  const std::string &log() const { return s_log; }
  std::string path(const std::string &name) const { return m_folder / ("state/" + name); }

  AdminAnswer run(const std::string &line, const std::map<std::string, std::string> &files = {})
  {
    return m_store->execute(admin_command(line, files));
  }
  // The text of a command that must be done.
  std::string good(const std::string &line, const std::map<std::string, std::string> &files = {})
  {
    AdminAnswer answer = run(line, files);
    INFO(line, ": ", answer.text);
    REQUIRE(answer.exit_code == kExitDone);
    CHECK(answer.win32_code == win32::kSuccess);
    return answer.text;
  }
  // The answer to a command that must be refused: one sentence.
  AdminAnswer bad(const std::string &line, const std::map<std::string, std::string> &files = {})
  {
    AdminAnswer answer = run(line, files);
    INFO(line, ": ", answer.text);
    CHECK(answer.exit_code != kExitDone);
    CHECK(answer.win32_code != win32::kSuccess);
    CHECK(answer.text.find('\n') == answer.text.npos);
    return answer;
  }
  std::string import_server(const std::string &name)
  {
    std::string text = good("import cert certfile=" + name + ".pem keyfile=" + name + ".key",
                            {{"certfile", tls::test::pki(name + ".pem")}, {"keyfile", tls::test::pki(name + ".key")}});
    REQUIRE(text.ends_with("\n"));
    return text.substr(0, text.size() - 1);
  }
  // A record for 0.0.0.0:443 with a server certificate of the test PKI.
  std::string bind(const std::string &name)
  {
    std::string thumbprint = import_server(name);
    good("add sslcert ipport=0.0.0.0:443 certhash=" + thumbprint + " appid=" + kGuid);
    return thumbprint;
  }
  RefPtr<tls::TlsContext> find(const std::string &endpoint, const std::string &name = "")
  {
    return m_store->bindings()->find(*Endpoint::parse(endpoint), name);
  }
  // CertFlags that a client's certificate gets at port 443.
  uint32_t judge(const std::string &client)
  {
    RefPtr<tls::TlsContext> context = find("0.0.0.0:443");
    if (!context)
      context = find("[::]:443");
    REQUIRE(context);
    return context->client_trust().judge(tls::test::pki_chain(client)).flags;
  }
  std::vector<std::string> files(const std::string &folder) const
  {
    std::vector<std::string> names;
    for (const auto &entry : std::filesystem::directory_iterator(path(folder)))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string all_lists() { return good("show cert") + good("show ca") + good("show crl") + good("show sslcert"); }

private:
  inline static std::string s_log;
  TemporaryFolder m_folder;
  std::unique_ptr<Store> m_store;
};

}
