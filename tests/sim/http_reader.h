// SPDX-License-Identifier: GPL-3.0-or-later
// HttpReader: reads the responses of one connection, written from RFC 9112 and with none of the daemon's HTTP in it. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace httpsys::sim {

struct HttpAnswer {
  uint16_t status = 0;
  size_t fields = 0; // header lines
  std::string body;
  bool closes = false;         // Connection: close, or no other end than the connection's
  bool ends_with_connection = false;
  bool is_cut = false;         // the connection ended before the answer did
};

class HttpReader {
public:
  void append(const std::string &bytes) { m_bytes += bytes; }
  bool has_bytes() const { return !m_bytes.empty(); }
  // The next final response when it is there whole; 1xx are passed over. is_head: to a HEAD request. has_ended: no more bytes come, so that
  // what there is of one is given with is_cut or ends_with_connection. what_is_wrong: set when it is no HTTP.
  std::optional<HttpAnswer> take(bool is_head, bool has_ended, std::string &what_is_wrong);

private:
  bool read_head(HttpAnswer &answer, size_t end, bool is_head, std::string &what_is_wrong);
  bool read_body(HttpAnswer &answer, size_t at, std::string &what_is_wrong);
  bool read_chunks(HttpAnswer &answer, size_t at, std::string &what_is_wrong);
  std::string m_bytes;
  // Of the head that was read last.
  bool m_has_body = false, m_is_chunked = false;
  std::optional<uint64_t> m_length;
};

}
