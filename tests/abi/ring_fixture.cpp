// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/abi/ring_fixture.h"
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t number_from(const char *name, uint32_t standard)
{
  const char *value = std::getenv(name);
  return value ? static_cast<uint32_t>(std::strtoul(value, nullptr, 0)) : standard;
}

uint32_t DaemonProcess::cores() { return number_from("HTTPSYS_RING_CORES", 1); }
uint32_t DaemonProcess::first_index() { return number_from("HTTPSYS_RING_FIRST_INDEX", 0); }

DaemonProcess::DaemonProcess(std::vector<std::string> options)
{
  char folder[] = "/tmp/httpsys-ring-XXXXXX";
  REQUIRE(mkdtemp(folder));
  m_folder = folder;
  m_socket = m_folder + "/socket";
  const char *program = std::getenv("HTTPSYS_RING_DAEMON");
  REQUIRE_MESSAGE(program, "HTTPSYS_RING_DAEMON names no ring_daemon");
  options.insert(options.begin(), {program, "--socket", m_socket, "--cores", std::to_string(cores()), "--first-index",
                                   std::to_string(first_index())});
  std::vector<char *> words;
  for (auto &option : options)
    words.push_back(option.data());
  words.push_back(nullptr);
  REQUIRE(posix_spawn(&m_pid, program, nullptr, nullptr, words.data(), environ) == 0);
}

void DaemonProcess::stop()
{
  REQUIRE(m_pid > 0);
  kill(m_pid, SIGTERM);
  int status = 0;
  for (int waited = 0; waitpid(m_pid, &status, WNOHANG) == 0; waited++) {
    if (waited > kAnswerMilliseconds) {
      kill(m_pid, SIGKILL);
      waitpid(m_pid, &status, 0);
      FAIL_CHECK("the daemon did not end");
      break;
    }
    usleep(1000);
  }
  m_pid = -1;
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

DaemonProcess::~DaemonProcess()
{
  if (m_pid > 0)
    stop();
  unlink((m_socket + ".lock").c_str());
  unlink(m_socket.c_str());
  rmdir(m_folder.c_str());
}

hsys_sqe operation(hsys_op op, uint64_t handle, uint64_t object_id)
{
  hsys_sqe entry{};
  entry.op = static_cast<uint8_t>(op);
  entry.handle = handle;
  entry.object_id = object_id;
  return entry;
}

Client::Client(const DaemonProcess &daemon, uint32_t sq_entries, uint32_t cq_entries, uint32_t rx_bytes, uint32_t tx_bytes)
    : ring_client{}
{
  REQUIRE(ring_connect(this, daemon.socket().c_str(), kAnswerMilliseconds) == 0);
  REQUIRE(ring_hello(this, "ring-test") == 0);
  REQUIRE(ring_open_channel(this, sq_entries, cq_entries, rx_bytes, tx_bytes) == 0);
}

uint32_t Client::submit(hsys_sqe entry)
{
  entry.irp_id = ring_next_irp(this);
  entry.user_data = entry.irp_id + 0x100000000ull;
  REQUIRE(ring_wait_space(this, kAnswerMilliseconds) == 0);
  REQUIRE(ring_push(this, &entry) == 1);
  ring_submit(this);
  return entry.irp_id;
}

hsys_cqe Client::next()
{
  hsys_cqe completion{};
  REQUIRE(ring_next(this, &completion, kAnswerMilliseconds) == 1);
  CHECK(completion.user_data == completion.irp_id + 0x100000000ull);
  return completion;
}

hsys_cqe Client::expect(uint32_t irp_id, uint32_t wanted)
{
  auto completion = next();
  CHECK(completion.irp_id == irp_id);
  CHECK(completion.status == wanted);
  return completion;
}

hsys_cqe Client::call(hsys_sqe entry)
{
  uint32_t irp_id = submit(entry);
  auto completion = next();
  REQUIRE(completion.irp_id == irp_id);
  return completion;
}

uint64_t Client::open_queue()
{
  // The parameter block lies at the arena's begin: a name of no bytes.
  std::memset(ring_arena(this, 0), 0, sizeof(hsys_queue_name));
  hsys_sqe entry = operation(HSYS_OP_CREATE_REQUEST_QUEUE);
  entry.in_length = sizeof(hsys_queue_name);
  auto completion = call(entry);
  REQUIRE(completion.status == HSYS_STATUS_SUCCESS);
  REQUIRE(completion.object_id != 0);
  return completion.object_id;
}

std::string Client::output(const hsys_cqe &completion)
{
  REQUIRE((completion.flags & HSYS_CQE_BLOCK));
  std::string bytes(reinterpret_cast<const char *>(ring_block(this, &completion)), completion.out_length);
  ring_return(this, completion.block);
  return bytes;
}

std::string Client::reason(const hsys_cqe &completion)
{
  if (!(completion.flags & HSYS_CQE_REASON))
    return "";
  return output(completion);
}

void Client::expect_revoked(uint32_t why)
{
  char buffer[HSYS_CONTROL_MESSAGE_MAX];
  int result = 0;
  while (revoked == 0 && result >= 0)
    result = ring_control_receive(this, buffer, sizeof buffer, nullptr, kAnswerMilliseconds);
  CHECK(revoked == why);
  CHECK(__atomic_load_n(&ring_kpage(this)->state, __ATOMIC_ACQUIRE) == HSYS_CHANNEL_REVOKED);
  CHECK(ring_kpage(this)->reason == why);
  expect_closed();
}

void Client::expect_closed()
{
  char buffer[HSYS_CONTROL_MESSAGE_MAX];
  int result = 0;
  while (result >= 0)
    result = ring_control_receive(this, buffer, sizeof buffer, nullptr, kAnswerMilliseconds);
  CHECK(result == RING_CLOSED);
  // The bell hangs up when the channel has gone.
  for (;;) {
    result = ring_wait(this, kAnswerMilliseconds);
    hsys_cqe completion;
    while (ring_pop(this, &completion))
      ;
    if (result != 0)
      break;
  }
  CHECK(result == RING_CLOSED);
}

ControlClient::ControlClient(const DaemonProcess &daemon, bool says_hello) : ring_client{}
{
  REQUIRE(ring_connect(this, daemon.socket().c_str(), kAnswerMilliseconds) == 0);
  if (says_hello)
    REQUIRE(ring_hello(this, "control-test") == 0);
}

void ControlClient::pause()
{
  usleep(10000);
}

hsys_control_stats ControlClient::stats()
{
  hsys_control question{};
  hsys_control_stats answer{};
  REQUIRE(ring_control_send(this, HSYS_CONTROL_STATS, &question, sizeof question) == 0);
  REQUIRE(ring_control_receive(this, &answer, sizeof answer, nullptr, kAnswerMilliseconds) == sizeof answer);
  REQUIRE(answer.head.type == HSYS_CONTROL_STATS_ANSWER);
  CHECK(answer.head.status == HSYS_STATUS_SUCCESS);
  return answer;
}

static void append(std::string &bytes, const std::string &piece)
{
  auto length = static_cast<uint32_t>(piece.size());
  bytes.append(reinterpret_cast<const char *>(&length), sizeof length);
  bytes += piece;
}

std::string ControlClient::administer(const std::vector<std::string> &words,
                                      const std::vector<std::pair<std::string, std::string>> &files, std::pair<uint32_t, uint32_t> *code)
{
  hsys_control_admin head{};
  head.word_count = static_cast<uint32_t>(words.size());
  head.file_count = static_cast<uint32_t>(files.size());
  std::string bytes(reinterpret_cast<const char *>(&head), sizeof head);
  for (auto &word : words)
    append(bytes, word);
  for (auto &[tag, contents] : files) {
    append(bytes, tag);
    append(bytes, contents);
  }
  REQUIRE(ring_control_send(this, HSYS_CONTROL_ADMIN, bytes.data(), static_cast<uint32_t>(bytes.size())) == 0);
  std::string buffer(HSYS_ADMIN_MESSAGE_MAX, '\0');
  int size = ring_control_receive(this, buffer.data(), HSYS_ADMIN_MESSAGE_MAX, nullptr, kAnswerMilliseconds);
  hsys_control_admin_answer answer;
  REQUIRE(size >= static_cast<int>(sizeof answer));
  std::memcpy(&answer, buffer.data(), sizeof answer);
  REQUIRE(answer.head.type == HSYS_CONTROL_ADMIN_ANSWER);
  if (code)
    *code = {answer.win32_code, answer.exit_code};
  return buffer.substr(sizeof answer, static_cast<size_t>(size) - sizeof answer);
}

uint64_t ControlClient::reported(const std::string &name)
{
  std::string report = administer({"report"});
  size_t at = ('\n' + report).find('\n' + name + ' ');
  REQUIRE(at != report.npos);
  return std::strtoull(report.c_str() + at + name.size() + 1, nullptr, 10);
}
