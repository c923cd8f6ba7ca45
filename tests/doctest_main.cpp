// SPDX-License-Identifier: GPL-3.0-or-later
// main() of the tests in C++, with a bound on what a case may take: meson ends a program that hangs after minutes and cannot say in which
// case that was. HTTPSYS_CASE_SECONDS changes the bound; 0, for a debugger: there is none.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <unistd.h>

namespace {

// Several times what the longest case takes on a busy machine.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kCaseSeconds = 200;
#else
constexpr int kCaseSeconds = 60;
#endif

char sentence[1000];
size_t sentence_length = 0;

// As doctest says what fails, so that tests/figures.py finds it. Nothing is cleaned up: who hangs may hold any lock.
void end_program(int)
{
  [[maybe_unused]] ssize_t written = write(STDOUT_FILENO, sentence, sentence_length);
  _exit(1);
}

// A timer of the process, which no child of fork() has, and whose signal no test uses. Subcases count each for itself.
class Watch final : public doctest::IReporter {
public:
  explicit Watch(const doctest::ContextOptions &)
  {
    const char *wanted = std::getenv("HTTPSYS_CASE_SECONDS");
    m_seconds = wanted ? std::atoi(wanted) : kCaseSeconds;
    struct sigaction action{};
    action.sa_handler = end_program;
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGRTMAX;
    m_is_armed = m_seconds > 0 && sigaction(SIGRTMAX, &action, nullptr) == 0 && timer_create(CLOCK_MONOTONIC, &event, &m_timer) == 0;
  }
  void test_case_start(const doctest::TestCaseData &test_case) override
  {
    int length = std::snprintf(sentence, sizeof sentence, "\n%s:%u: FATAL ERROR: the case \"%s\" hangs: it is not over after %d s\n",
      test_case.m_file.c_str(), test_case.m_line, test_case.m_name, m_seconds);
    sentence_length = std::min(static_cast<size_t>(length), sizeof sentence - 1);
    set(m_seconds);
  }
  void test_case_reenter(const doctest::TestCaseData &test_case) override { test_case_start(test_case); }
  void test_case_end(const doctest::CurrentTestCaseStats &) override { set(0); }

  void report_query(const doctest::QueryData &) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats &) override {}
  void test_case_exception(const doctest::TestCaseException &) override {}
  void subcase_start(const doctest::SubcaseSignature &) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData &) override {}
  void log_message(const doctest::MessageData &) override {}
  void test_case_skipped(const doctest::TestCaseData &) override {}

private:
  void set(int seconds)
  {
    itimerspec time{};
    time.it_value.tv_sec = seconds;
    if (m_is_armed)
      timer_settime(m_timer, 0, &time, nullptr);
  }

  int m_seconds = 0;
  bool m_is_armed = false;
  timer_t m_timer{};
};

}

REGISTER_LISTENER("watch", 1, Watch);
