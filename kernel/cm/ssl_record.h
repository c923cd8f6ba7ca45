// SPDX-License-Identifier: GPL-3.0-or-later
// SslRecord: which certificate serves an address or a name, and how: netsh's "sslcert". A value; on disk it is a small
// text whose first line names the format, so that a file of a newer daemon is recognised and not guessed at.
#pragma once
#include "kernel/cm/values.h"
#include <optional>
#include <string>
#include <string_view>

namespace httpsys::cm {

struct SslRecord {
  BindingKey key;
  std::string certificate;       // thumbprint, 40 lower-case hex digits
  std::string application;       // GUID in braces, lower case
  bool ask_in_handshake = false; // clientcertnegotiation
  bool disable_tls13 = false;

  std::string serialise() const;
  // nullopt, with a reason, for everything that serialise() does not write.
  static std::optional<SslRecord> parse(std::string_view text, std::string &reason);
};

}
