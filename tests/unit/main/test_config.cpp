// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/config.h"
#include "tests/unit/temporary_folder.h"
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace httpsys;
using httpsys::main::LoadedConfig;
using httpsys::main::parse_config;

namespace {

LoadedConfig good(const std::string &text)
{
  std::string reason;
  auto loaded = parse_config(text, "t.toml", reason);
  INFO(text, ": ", reason);
  REQUIRE(!loaded.is_error());
  return loaded.release_value();
}

std::string bad(const std::string &text)
{
  std::string reason;
  auto loaded = parse_config(text, "t.toml", reason);
  INFO(text);
  CHECK(loaded.error() == NtStatus::InvalidParameter);
  return reason;
}

}

TEST_CASE("an empty file gives the defaults that the design promises")
{
  for (const char *text : {"", "# nothing\n", "[limits]\n[timeouts]\n[clients]\n[compat]\n"}) {
    Config config = good(text).config;
    CHECK(config.limits.max_request_line == 16384);
    CHECK(config.limits.max_request_bytes == 16384);
    CHECK(config.limits.max_field_length == 16384);
    CHECK(config.limits.max_header_count == 1000);
    CHECK(config.limits.url_segment_max_length == 260);
    CHECK(config.limits.url_segment_max_count == 255);
    CHECK(config.limits.max_client_certificate_bytes == 32768);
    CHECK(config.limits.entity_body_bytes == 1);
    CHECK(config.limits.certificate_wait_body_bytes == 16777216);
    CHECK(config.limits.certificate_wait_body_bytes_total == 134217728);
    CHECK(config.limits.connection_buffer_bytes_total == 0);
    CHECK(config.limits.max_connections == 0);
    CHECK(config.clients.server_sessions.process == 1024);
    CHECK(config.clients.url_groups.process == 4096);
    CHECK(config.clients.urls.process == 4096);
    CHECK(config.clients.request_queues.process == 1024);
    CHECK(config.timeouts.handshake == 30000);
    CHECK(config.timeouts.idle_connection == 120000);
    CHECK(config.timeouts.header_wait == 120000);
    CHECK(config.timeouts.entity_body == 120000);
    CHECK(config.timeouts.drain_entity_body == 120000);
    CHECK(config.timeouts.ssl_renegotiation == 120000);
    CHECK(config.timeouts.shutdown == 10000);
    CHECK(!config.compat.accept_bare_lf);
    CHECK(!config.compat.accept_obs_fold);
    CHECK(!config.compat.accept_transfer_encoding_with_content_length);
  }
}

TEST_CASE("each key changes its own value")
{
  Config config =
      good("[limits]\nMaxRequestLine = 65\nMaxRequestBytes = 257\nMaxFieldLength = 66\nMaxHeaderCount = 7\n"
           "UrlSegmentMaxLength = 8\nUrlSegmentMaxCount = 9\nMaxClientCertificateBytes = 1025\n"
           "EntityBodyBytes = 10\nCertificateWaitBodyBytes = 11\nCertificateWaitBodyBytesTotal = 5_000_000_000\n"
           "ConnectionBufferBytesTotal = 6_000_000_000\nMaxConnections = 12\n"
           "[timeouts]\nHandshake = 1\nIdleConnection = 0.5\nHeaderWait = 3.25\nEntityBody = 0.001\nDrainEntityBody = "
           "5\n"
           "SslRenegotiation = 6.0\nShutdown = 0\n"
           "[compat]\nAcceptBareLF = true\nAcceptObsFold = true\nAcceptTransferEncodingWithContentLength = true\n")
          .config;
  CHECK(config.limits.max_request_line == 65);
  CHECK(config.limits.max_request_bytes == 257);
  CHECK(config.limits.max_field_length == 66);
  CHECK(config.limits.max_header_count == 7);
  CHECK(config.limits.url_segment_max_length == 8);
  CHECK(config.limits.url_segment_max_count == 9);
  CHECK(config.limits.max_client_certificate_bytes == 1025);
  CHECK(config.limits.entity_body_bytes == 10);
  CHECK(config.limits.certificate_wait_body_bytes == 11);
  CHECK(config.limits.certificate_wait_body_bytes_total == 5'000'000'000);
  CHECK(config.limits.connection_buffer_bytes_total == 6'000'000'000);
  CHECK(config.limits.max_connections == 12);
  CHECK(config.timeouts.handshake == 1000);
  CHECK(config.timeouts.idle_connection == 500);
  CHECK(config.timeouts.header_wait == 3250);
  CHECK(config.timeouts.entity_body == 1);
  CHECK(config.timeouts.drain_entity_body == 5000);
  CHECK(config.timeouts.ssl_renegotiation == 6000);
  CHECK(config.timeouts.shutdown == 0);
  CHECK(config.compat.accept_bare_lf);
  CHECK(config.compat.accept_obs_fold);
  CHECK(config.compat.accept_transfer_encoding_with_content_length);
}

TEST_CASE("each range ends where it says")
{
  struct Row {
    const char *table, *key, *least, *below, *most, *above;
  };
  for (const Row &row :
       {Row{"limits", "MaxRequestLine", "64", "63", "32768", "32769"},
        Row{"limits", "MaxRequestBytes", "256", "255", "65536", "65537"},
        Row{"limits", "MaxFieldLength", "64", "63", "65534", "65535"},
        Row{"limits", "MaxHeaderCount", "1", "0", "1000", "1001"},
        Row{"limits", "UrlSegmentMaxLength", "0", "-1", "32766", "32767"},
        Row{"limits", "UrlSegmentMaxCount", "0", "-1", "16383", "16384"},
        Row{"limits", "MaxClientCertificateBytes", "1024", "1023", "65536", "65537"},
        Row{"limits", "EntityBodyBytes", "1", "0", "1073741824", "1073741825"},
        Row{"limits", "CertificateWaitBodyBytes", "0", "-1", "1099511627776", "1099511627777"},
        Row{"limits", "CertificateWaitBodyBytesTotal", "0", "-1", "1099511627776", "9223372036854775807"},
        Row{"limits", "ConnectionBufferBytesTotal", "0", "-1", "1099511627776", "1099511627777"},
        Row{"limits", "MaxConnections", "0", "-1", "1073741824", "1073741825"},
        Row{"timeouts", "Handshake", "0.001", "0", "65535", "65535.001"},
        Row{"timeouts", "IdleConnection", "0.0005", "0.0004", "65535.0", "65536"},
        Row{"timeouts", "HeaderWait", "0.001", "-1", "65535", "1e300"},
        Row{"timeouts", "EntityBody", "0.001", "nan", "65535", "inf"},
        Row{"timeouts", "DrainEntityBody", "0.001", "-inf", "65535", "65536"},
        Row{"timeouts", "SslRenegotiation", "0.001", "0.0", "65535", "65536"},
        Row{"timeouts", "Shutdown", "0", "-0.001", "65535", "65536"}}) {
    auto file = [&](const char *value) {
      return std::string("[") + row.table + "]\n" + row.key + " = " + value + "\n";
    };
    good(file(row.least));
    good(file(row.most));
    for (const char *value : {row.below, row.above}) {
      std::string reason = bad(file(value));
      CHECK(reason.find(std::string(row.key) + " is ") != reason.npos);
      CHECK(reason.find("it must be from ") != reason.npos);
    }
  }
  CHECK(bad("[limits]\n  MaxRequestLine = 10\n") ==
        "t.toml:2:20: MaxRequestLine is 10, it must be from 64 to 32768 (bytes)");
  CHECK(bad("[timeouts]\nHandshake = 0\n") == "t.toml:2:13: Handshake is 0, it must be from 0.001 to 65535 (seconds)");
}

TEST_CASE("a slip is named with its place and the nearest key")
{
  struct Row {
    std::string text, reason;
  };
  for (const Row &row : {
           Row{"[limits]\nMaxReqestLine = 1\n",
               R"(t.toml:2:1: unknown key "MaxReqestLine" in [limits] (did you mean "MaxRequestLine"?))"},
           Row{"[limits]\nmaxrequestline = 1\n",
               R"(t.toml:2:1: unknown key "maxrequestline" in [limits] (did you mean "MaxRequestLine"?))"},
           Row{"[limits]\n  Handshake = 1\n", R"(t.toml:2:3: "Handshake" belongs under [timeouts])"},
           // These toml++ 3.3 asserts, before it refuses them.
           Row{"\n [^limits]\n",
               "t.toml:2:3: Error while parsing key: expected bare key starting character or string delimiter, saw '^'"},
           Row{"[compat]\nAcceptBareLF = ,\n", "t.toml:2:16: Error while parsing key-value pair: expected value, saw ','"},
           Row{"# \xe2\x82\xac\nTE \xef\xbb\xb7", "t.toml:2:4: a character that is not ASCII, outside of a comment"},
           Row{"\n\n[timeout]\n", R"(t.toml:3:2: unknown table ["timeout"] (did you mean [timeouts]?))"},
           Row{"MaxRequestLine = 1\n", R"(t.toml:1:1: "MaxRequestLine" belongs under [limits])"},
           Row{"handshak = 1\n", R"(t.toml:1:1: unknown key "handshak" (did you mean "Handshake"?))"},
           Row{"limits = 1\n", "t.toml:1:1: limits must be a table: write [limits] in a line of its own"},
           Row{"[[limits]]\nMaxRequestLine = 100\n",
               "t.toml:1:3: limits must be a table: write [limits] in a line of its own"},
           // The first in the file, not the first in the alphabet.
           Row{"[timeouts]\nx = 1\n[compat]\ny = 1\n",
               R"(t.toml:2:1: unknown key "x" in [timeouts] (did you mean "Shutdown"?))"},
           Row{"[compat]\n\"Accept\\u200e\" = true\n",
               R"(t.toml:2:1: unknown key "Accept\u200e" in [compat] (did you mean "AcceptBareLF"?))"},
       }) {
    CHECK(bad(row.text) == std::string(row.reason));
  }
  for (const char *text :
       {"[limits\n", "[limits]\nMaxRequestLine\n", "[limits]\nMaxRequestLine = \n", "[limits]\n[limits]\n",
        "[limits]\nMaxRequestLine = 100\nMaxRequestLine = 100\n", "\xff", "a = \"\n"}) {
    std::string reason = bad(text);
    INFO(reason);
    CHECK(reason.starts_with("t.toml:"));
    CHECK(reason.find('\n') == reason.npos);
  }
}

TEST_CASE("a value of the wrong type is refused")
{
  struct Row {
    const char *text, *reason;
  };
  for (const Row &row :
       {Row{"[limits]\nMaxRequestLine = \"100\"\n", "t.toml:2:18: MaxRequestLine must be a whole number, not a text"},
        Row{"[limits]\nMaxRequestLine = 100.0\n", "t.toml:2:18: MaxRequestLine must be a whole number, not a fraction"},
        Row{"[limits]\nMaxRequestLine = true\n",
            "t.toml:2:18: MaxRequestLine must be a whole number, not true or false"},
        Row{"[limits]\nMaxRequestLine = [1]\n", "t.toml:2:18: MaxRequestLine must be a whole number, not a list"},
        Row{"[limits.MaxRequestLine]\n", "t.toml:1:1: MaxRequestLine must be a whole number, not a table"},
        Row{"[timeouts]\nHandshake = true\n", "t.toml:2:13: Handshake must be a number, not true or false"},
        Row{"[timeouts]\nHandshake = 2026-01-01\n", "t.toml:2:13: Handshake must be a number, not a date or time"},
        Row{"[compat]\nAcceptBareLF = 1\n", "t.toml:2:16: AcceptBareLF must be true or false, not a whole number"},
        Row{"[compat]\nAcceptBareLF = \"true\"\n", "t.toml:2:16: AcceptBareLF must be true or false, not a text"}})
    CHECK(bad(row.text) == std::string(row.reason));
}

TEST_CASE("a missing file is an error only if it was named")
{
  TemporaryFolder temporary;
  std::string reason;
  auto unnamed = main::load_config(temporary / "none.toml", false, reason);
  REQUIRE(!unnamed.is_error());
  CHECK(unnamed->config.limits.max_request_line == 16384);
  auto named = main::load_config(temporary / "none.toml", true, reason);
  CHECK(named.error() == NtStatus::ObjectNameNotFound);
  CHECK(reason == "cannot read \"" + (temporary / "none.toml") + "\": No such file or directory");
  // One that is there and cannot be read is an error in either case.
  CHECK(main::load_config(temporary.path(), false, reason).is_error());
  put_file(temporary / "long.toml", std::string((1 << 20) + 1, '#'));
  CHECK(main::load_config(temporary / "long.toml", false, reason).is_error());
  put_file(temporary / "good.toml", "[limits]\nMaxHeaderCount = 5\n");
  CHECK(main::load_config(temporary / "good.toml", true, reason)->config.limits.max_header_count == 5);
}

TEST_CASE("the effective configuration is a configuration file")
{
  LoadedConfig loaded =
      good("[timeouts]\nHandshake = 0.25\n\n[compat]\nAcceptObsFold = true\n[limits]\nMaxHeaderCount = 5\n");
  std::string text = main::config_text(loaded);
  CHECK(text.starts_with("[limits]\nMaxRequestLine = 16384 # default\n"));
  for (const char *line :
       {"\nHandshake = 0.25 # t.toml:2\n", "\nAcceptObsFold = true # t.toml:5\n", "\nMaxHeaderCount = 5 # t.toml:7\n",
        "\nShutdown = 10 # default\n", "\nAcceptBareLF = false # default\n"})
    CHECK(text.find(line) != text.npos);
  LoadedConfig again = good(text);
  CHECK(again.config.timeouts.handshake == 250);
  CHECK(again.config.compat.accept_obs_fold);
  CHECK(again.config.limits.max_header_count == 5);
  CHECK(again.origins.size() == 45);
}

TEST_CASE("what all users may have together can be set")
{
  auto clients = good("[clients]\nChannelBytesTotal = 5\nWaitingOutputBytesTotal = 6\n").config.clients;
  CHECK(clients.channel_bytes_total == 5);
  CHECK(clients.waiting_output_bytes_total == 6);
  auto requests = good("[clients]\nRequestsPerUser = 7\n").config.clients;
  CHECK(requests.requests_per_user == 7);
  CHECK(clients.requests_per_user == 0);
  CHECK(bad("[clients]\nRequestsPerUser = 1073741825\n").find("it must be from 0 to 1073741824") != std::string::npos);
  for (const char *name : {"ChannelBytesTotal", "WaitingOutputBytesTotal"}) {
    CHECK(bad(fmt::format("[clients]\n{} = -1\n", name)).find("it must be from 0 ") != std::string::npos);
    CHECK(bad(fmt::format("[clients]\n{} = 1099511627777\n", name)).find("it must be from 0 ") != std::string::npos);
  }
}

TEST_CASE("what a user and a process may have can be set, each on its own")
{
  using Clients = Config::Clients;
  const std::pair<const char *, Config::Share Clients::*> kinds[] = {
      {"Sessions", &Clients::sessions},         {"ChannelBytes", &Clients::channel_bytes},    {"Operations", &Clients::operations},
      {"Handles", &Clients::handles},           {"ServerSessions", &Clients::server_sessions}, {"UrlGroups", &Clients::url_groups},
      {"Urls", &Clients::urls},                 {"RequestQueues", &Clients::request_queues},  {"Ports", &Clients::ports},
      {"WaitingOutputBytes", &Clients::waiting_output_bytes}};
  for (auto [name, share] : kinds) {
    CAPTURE(name);
    const bool is_large = std::string(name).find("Bytes") != std::string::npos || std::string(name) == "Operations";
    const uint64_t user = is_large ? 10'000'000 : 7, process = is_large ? 9'000'000 : 6;
    Clients clients = good(fmt::format("[clients]\n{0}PerUser = {1}\n{0}PerProcess = {2}\n", name, user, process)).config.clients;
    CHECK((clients.*share).user == user);
    CHECK((clients.*share).process == process);
    for (auto [other_name, other] : kinds)
      if (other != share) {
        CHECK((clients.*other).user == (Clients().*other).user);
        CHECK((clients.*other).process == (Clients().*other).process);
      }
    for (const char *whose : {"PerUser", "PerProcess"}) {
      std::string reason = bad(fmt::format("[clients]\n{}{} = 0\n", name, whose));
      CHECK(reason.find(fmt::format("{}{} is 0, it must be from ", name, whose)) != std::string::npos);
    }
  }
}
