// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/log.h"
#include "kernel/cm/store.h"
#include "tests/unit/httpsysctl/admin_reader.h"
#include "tests/unit/not_tried.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/tls/pki.h"
#include "tools/httpsysctl/admin_message.h"
#include "tools/httpsysctl/control_client.h"
#include "uapi/status.h"
#include <doctest/doctest.h>
#include <functional>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::ctl;
using namespace httpsys::ctl::test;

namespace {

// Answers one connection in a thread of its own: reply(message) for each message; an empty reply closes the connection.
class FakeDaemon {
public:
  using Reply = std::function<std::vector<std::string>(const std::string &)>;

  FakeDaemon(const std::string &path, Reply reply, int type = SOCK_SEQPACKET) : m_reply(std::move(reply))
  {
    m_listener = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(bind(m_listener, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
    REQUIRE(listen(m_listener, 5) == 0);
    m_thread = std::thread([this] { serve(); });
  }
  ~FakeDaemon()
  {
    shutdown(m_listener, SHUT_RDWR);
    m_thread.join();
    close(m_listener);
  }

private:
  void serve()
  {
    int connection = accept(m_listener, nullptr, nullptr);
    std::vector<char> bytes(HSYS_ADMIN_MESSAGE_MAX + 1);
    ssize_t count;
    while (connection >= 0 && (count = recv(connection, bytes.data(), bytes.size(), 0)) > 0) {
      auto answers = m_reply(std::string(bytes.data(), static_cast<size_t>(count)));
      if (answers.empty())
        break;
      for (const std::string &answer : answers)
        if (!answer.empty())
          send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    close(connection);
  }

  int m_listener = -1;
  Reply m_reply;
  std::thread m_thread;
};

hsys_control head_of(const std::string &message)
{
  hsys_control head{};
  memcpy(&head, message.data(), std::min(message.size(), sizeof head));
  return head;
}

template <typename Message>
std::string bytes_of(Message message, uint16_t type, uint32_t sequence, const std::string &text = "")
{
  message.head.magic = HSYS_CONTROL_MAGIC;
  message.head.type = type;
  message.head.size = static_cast<uint32_t>(sizeof message + text.size());
  message.head.sequence = sequence;
  return std::string(reinterpret_cast<const char *>(&message), sizeof message) + text;
}

struct HeadAlone {
  hsys_control head;
};

std::string welcome(uint32_t status = 0)
{
  hsys_control_welcome message{};
  message.head.status = status;
  message.abi_major = status ? 9 : 1;
  return bytes_of(message, HSYS_CONTROL_WELCOME, 1);
}

std::string admin_answer(uint32_t win32_code, uint32_t exit_code, const std::string &text)
{
  hsys_control_admin_answer message{};
  message.win32_code = win32_code;
  message.exit_code = exit_code;
  return bytes_of(message, HSYS_CONTROL_ADMIN_ANSWER, ControlClient::kAdminSequence, text);
}

// What a daemon that welcomes says to the question.
FakeDaemon::Reply welcoming(std::vector<std::string> answers)
{
  return [answers](const std::string &message) {
    return head_of(message).type == HSYS_CONTROL_HELLO ? std::vector<std::string>{welcome()} : answers;
  };
}

struct Outcome {
  std::optional<Answer> answer;
  Failure failure;
};

Outcome ask(const std::string &path, const std::vector<std::string> &words = {"show", "cert"})
{
  Outcome outcome;
  ControlClient client(300, 300);
  AdminMessage message;
  REQUIRE(message.add_words(words, outcome.failure));
  if (client.open(path, outcome.failure))
    outcome.answer = client.ask(message.finish(ControlClient::kAdminSequence), outcome.failure);
  return outcome;
}

}

TEST_CASE("HELLO, a question, an answer")
{
  TemporaryFolder folder;
  std::vector<std::string> messages;
  {
    FakeDaemon daemon(folder / "s", [&](const std::string &message) {
      messages.push_back(message);
      return std::vector<std::string>{messages.size() == 1 ? welcome() : admin_answer(0, 0, "text\n")};
    });
    Outcome outcome = ask(folder / "s");
    REQUIRE(outcome.answer);
    CHECK(outcome.answer->win32_code == 0);
    CHECK(outcome.answer->exit_code == 0);
    CHECK(outcome.answer->text == "text\n");
  }
  REQUIRE(messages.size() == 2);
  hsys_control_hello hello;
  REQUIRE(messages[0].size() == sizeof hello);
  memcpy(&hello, messages[0].data(), sizeof hello);
  CHECK(hello.head.magic == HSYS_CONTROL_MAGIC);
  CHECK(hello.head.size == sizeof hello);
  CHECK(hello.abi_major == HSYS_ABI_MAJOR);
  CHECK(std::string(hello.program) == "httpsysctl");
  CHECK(read_admin(messages[1])->words == std::vector<std::string>{"show", "cert"});
}

TEST_CASE("the daemon's refusal keeps code and sentence")
{
  TemporaryFolder folder;
  for (uint32_t exit_code : {1u, 2u, 4u, 77u}) {
    std::filesystem::remove(folder / "s");
    FakeDaemon daemon(folder / "s", welcoming({admin_answer(87, exit_code, "why")}));
    Outcome outcome = ask(folder / "s");
    REQUIRE(outcome.answer);
    CHECK(outcome.answer->win32_code == 87);
    CHECK(outcome.answer->exit_code == (exit_code == 77 ? 1 : static_cast<int>(exit_code)));
    CHECK(outcome.answer->text == "why");
  }
}

TEST_CASE("news of the daemon in between do not disturb")
{
  TemporaryFolder folder;
  hsys_control_revoked other{};
  std::string goodbye = bytes_of(other, HSYS_CONTROL_GOODBYE, 0), stale = admin_answer(1, 1, "of another question");
  stale[12] = 99;
  FakeDaemon daemon(folder / "s", welcoming({goodbye, stale, admin_answer(0, 0, "mine")}));
  CHECK(ask(folder / "s").answer->text == "mine");
}

TEST_CASE("no daemon is exit 3, whatever stands in its place")
{
  TemporaryFolder folder;
  Outcome none = ask(folder / "none");
  CHECK(none.failure.exit_code == kExitNoDaemon);
  CHECK(none.failure.sentence == "cannot reach httpsysd at \"" + (folder / "none") +
                                     "\": there is no such file (is httpsysd running? --socket or"
                                     " HTTPSYS_SOCKET name another path)");
  put_file(folder / "file", "");
  Outcome file = ask(folder / "file");
  CHECK(file.failure.exit_code == kExitNoDaemon);
  CHECK(file.failure.sentence.find("nobody listens on it") != std::string::npos);
  {
    FakeDaemon stream(folder / "stream", welcoming({}), SOCK_STREAM);
    Outcome outcome = ask(folder / "stream");
    CHECK(outcome.failure.exit_code == kExitNoDaemon);
    CHECK(outcome.failure.sentence.find("it is a socket of another kind") != std::string::npos);
  }
  Outcome gone = ask(folder / "stream"); // its file is still there
  CHECK(gone.failure.exit_code == kExitNoDaemon);
}

TEST_CASE("a daemon that says nothing, too little or nonsense is exit 3")
{
  TemporaryFolder folder;
  std::string wrong_magic = admin_answer(0, 0, "x"), wrong_size = wrong_magic;
  wrong_magic[0] = 0;
  wrong_size[8] = 1;
  struct Row {
    FakeDaemon::Reply reply;
    const char *why;
  };
  for (const Row &row :
       {Row{[](const std::string &) { return std::vector<std::string>{""}; }, "did not answer within 300 ms"},
        Row{[](const std::string &) { return std::vector<std::string>{}; }, "closed the connection without an answer"},
        Row{welcoming({}), "closed the connection without an answer"},
        Row{welcoming({""}), "did not answer within 300 ms"}, Row{welcoming({wrong_magic}), "is not httpsysd"},
        Row{welcoming({wrong_size}), "is not httpsysd"},
        Row{welcoming({"HTTP/1.1 400 Bad Request\r\n\r\n"}), "is not httpsysd"},
        Row{welcoming({"x"}), "is not httpsysd"},
        Row{welcoming({bytes_of(HeadAlone{}, HSYS_CONTROL_ADMIN_ANSWER, 2)}),
            "is not httpsysd"}}) {
    std::filesystem::remove(folder / "s");
    FakeDaemon daemon(folder / "s", row.reply);
    Outcome outcome = ask(folder / "s");
    INFO(outcome.failure.sentence);
    CHECK(!outcome.answer);
    CHECK(outcome.failure.exit_code == kExitNoDaemon);
    CHECK(outcome.failure.sentence.find(row.why) != std::string::npos);
  }
}

TEST_CASE("a daemon of another version is told apart")
{
  TemporaryFolder folder;
  FakeDaemon daemon(folder / "s", [](const std::string &) {
    return std::vector<std::string>{welcome(static_cast<uint32_t>(HSYS_STATUS_REVISION_MISMATCH))};
  });
  Outcome outcome = ask(folder / "s");
  CHECK(outcome.failure.exit_code == kExitRefused);
  CHECK(outcome.failure.sentence ==
        "httpsysctl speaks version 1.0 of the control socket, httpsysd 9.0: install both from one release");
}

TEST_CASE("who may not connect, or meets a stranger behind the socket, is not permitted")
{
  if (!is_root())
    return;
  TemporaryFolder folder;
  REQUIRE(chmod(folder.path().c_str(), 0755) == 0);
  FakeDaemon daemon(folder / "s", welcoming({admin_answer(0, 0, "")}));
  REQUIRE(chmod((folder / "s").c_str(), 0600) == 0);
  REQUIRE(seteuid(65534) == 0);
  Outcome outcome = ask(folder / "s");
  REQUIRE(seteuid(0) == 0);
  CHECK(outcome.failure.exit_code == kExitNotPermitted);
  CHECK(outcome.failure.sentence.find("may not connect to httpsysd at") != std::string::npos);
  ask(folder / "s"); // ends the daemon's thread
}

TEST_CASE("commands reach the store and come back")
{
  TemporaryFolder folder;
  set_log_sink([](LogCause, std::string) {});
  cm::Store store{Config{}};
  std::string reason;
  REQUIRE(!store.load(folder / "state", reason).is_error());
  put_file(folder / "shop.pem", tls::test::pki("server.pem"));
  put_file(folder / "shop.key", tls::test::pki("server.key"));
  auto execute = [&](const std::string &message) {
    if (head_of(message).type == HSYS_CONTROL_HELLO)
      return std::vector<std::string>{welcome()};
    cm::AdminAnswer answer = store.execute(*read_admin(message));
    return std::vector<std::string>{admin_answer(answer.win32_code, answer.exit_code, answer.text)};
  };
  Failure failure;
  AdminMessage message;
  REQUIRE(message.add_words({"import", "cert", "certfile=shop.pem", "keyfile=shop.key"}, failure));
  REQUIRE(message.add_file("certfile", folder / "shop.pem", failure));
  REQUIRE(message.add_file("keyfile", folder / "shop.key", failure));
  std::string thumbprint;
  {
    FakeDaemon daemon(folder / "s", execute);
    ControlClient client;
    REQUIRE(client.open(folder / "s", failure));
    auto answer = client.ask(message.finish(ControlClient::kAdminSequence), failure);
    REQUIRE(answer);
    CHECK(answer->exit_code == 0);
    CHECK(answer->text.size() == 41);
    thumbprint = answer->text.substr(0, 40);
  }
  std::filesystem::remove(folder / "s");
  FakeDaemon daemon(folder / "s", execute);
  Outcome added = ask(folder / "s", {"add", "sslcert", "ipport=0.0.0.0:443", "certhash=" + thumbprint,
                                     "appid={4dc3e181-e14b-4a21-b022-59fc669b0914}"});
  REQUIRE(added.answer);
  CHECK(added.answer->text == "\nSSL Certificate successfully added\n\n");
  set_log_sink(nullptr);
}
