// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/log_writer.h"
#include "kernel/limits.h"
#include <cstdio>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>

using namespace httpsys;
using platform::LogWriter;

namespace {

struct Pipe {
  int ends[2];
  Pipe() { REQUIRE(pipe(ends) == 0); }
  ~Pipe()
  {
    for (int end : ends)
      if (end >= 0)
        close(end);
  }
  std::string read_to_end()
  {
    close(std::exchange(ends[1], -1));
    std::string text;
    char buffer[65536];
    for (ssize_t got = 1; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(got));
    return text;
  }
};

}

TEST_CASE("log lines are written in order, the last ones at the end")
{
  Pipe pipe;
  {
    LogWriter writer(pipe.ends[1]);
    for (int line = 0; line < 100; line++)
      writer.write(LogKind::Daemon, fmt::format("line {}\n", line));
    writer.stop(10000);
    writer.write(LogKind::Daemon, "too late");
  }
  std::string expected;
  for (int line = 0; line < 100; line++)
    expected += fmt::format("httpsysd: line {}\\u000a\n", line);
  CHECK(pipe.read_to_end() == expected);
}

TEST_CASE("a reader that has stopped holds nobody up, and is told later what is missing")
{
  Pipe pipe;
  const size_t many = 2 * limits::kLogLinesWaiting;
  LogWriter writer(pipe.ends[1]);
  for (size_t line = 0; line < many; line++) // returns, or the test hangs
    writer.write(LogKind::Daemon, std::string(100, 'x'));
  writer.stop(1); // as well
  std::string text;
  std::thread reader([&] {
    char buffer[65536];
    for (ssize_t got = 1; (got = read(pipe.ends[0], buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(got));
  });
  writer.stop(10000);
  close(std::exchange(pipe.ends[1], -1));
  reader.join();
  // The lines and what is said about missing ones make the whole, wherever the writer fell behind.
  size_t written = 0, missing = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    unsigned long count = 0;
    if (std::sscanf(line.c_str(), "httpsysd: %lu lines are missing here: nobody took them in time", &count) == 1)
      missing += count;
    else
      written += line == "httpsysd: " + std::string(100, 'x');
  }
  CHECK(written >= limits::kLogLinesWaiting);
  CHECK(missing > 0);
  CHECK(written + missing == many);
}

TEST_CASE("lines that clients cause are bounded, what was left out is told in its time, and others are not held up")
{
  Pipe pipe;
  LogWriter writer(pipe.ends[1]);
  for (size_t line = 0; line < 5000; line++)
    writer.write(LogKind::Tls, "hostile");
  writer.write(LogKind::Daemon, "administrator");
  std::string text;
  char buffer[65536];
  // Without a further line.
  while (text.find("more like it were not written") == text.npos) {
    ssize_t got = read(pipe.ends[0], buffer, sizeof buffer);
    REQUIRE(got > 0);
    text.append(buffer, static_cast<size_t>(got));
  }
  writer.stop(10000);
  size_t hostile = 0, left_out = 0, notes = 0;
  bool has_others = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    hostile += line == "httpsysd: hostile";
    has_others |= line == "httpsysd: administrator";
    notes += std::sscanf(line.c_str(), "httpsysd: and %zu more like it were not written", &left_out) == 1;
  }
  CHECK(notes == 1);
  CHECK(hostile >= limits::kLogBurst);
  CHECK(hostile < limits::kLogBurst + 100); // the machine may be slow
  CHECK(hostile + left_out == 5000);
  CHECK(has_others);
}

TEST_CASE("a user's flood does not keep another's line out")
{
  Pipe pipe;
  LogWriter writer(pipe.ends[1]);
  for (size_t line = 0; line < 5000; line++)
    writer.write(LogCause::process(1000), "hostile");
  writer.write(LogCause::process(1001), "refused");
  writer.stop(10000);
  const std::string text = pipe.read_to_end();
  CHECK(text.find("httpsysd: refused\n") != text.npos);
  CHECK(text.find("more like it were not written: lines about processes of uid 1000") != text.npos);
}

TEST_CASE("what was left out is told at the end")
{
  Pipe pipe;
  LogWriter writer(pipe.ends[1]);
  for (size_t line = 0; line < 5000; line++)
    writer.write(LogKind::Request, "hostile");
  writer.stop(10000);
  CHECK(pipe.read_to_end().find("more like it were not written: lines about refused requests") != std::string::npos);
}
