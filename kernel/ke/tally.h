// SPDX-License-Identifier: GPL-3.0-or-later
// Tallies: how often the daemon ended or refused something, and why, since its start. Each core counts for itself, nothing is counted
// for a request that is served. Static storage, like the cores'; any thread.
#pragma once
#include <array>
#include <cstdint>
#include <string>

namespace httpsys::ke {

enum class Tally : uint8_t {
  // How connections end: each that has begun has one of these, the first that applies. HTTPERR's names are in tally.cpp.
  InOrder,           // after a response, by either side
  Idle,              // IdleConnection, after a request
  Unused,            // the client left and had sent no request
  UnusedIdle,        // IdleConnection, without a request
  MadeRoom,          // idle, while all places were taken and another waited for one
  HandshakeTime,     // Handshake
  HeadTime,          // HeaderWait
  BodyTime,          // EntityBody
  RestTime,          // DrainEntityBody
  CertificateTime,   // SslRenegotiation
  SendTime,          // the client does not read
  HandshakeFailed,   // or the client left in it
  TlsFailed,         // later
  CertificateFailed, // the client ended its side when it was asked for a certificate
  Refused,           // the daemon's own answer
  Broken,            // the client left in the middle of a request or of its response
  Abandoned,         // the worker that had the request has gone
  Cancelled,         // the worker wanted it so
  System,            // the system broke it off
  Shutdown,          // the daemon ends
  kEnds,
  // What else clients do.
  Turned = kEnds,    // connections refused: as many as there may be
  Vanished,          // gone before they were looked at
  Renegotiation,     // begun by a client, refused
  NewKeys,           // asked for by a client of TLS 1.3, answered
  TicketNotTaken,    // forged, too old, or of another daemon, binding or certificate
  BadTicket,         // of these: it names a key that there is and does not open, so it is not an old one
  BadCertificate,    // a client's, that does not verify
  kCount
};

using Tallies = std::array<uint64_t, static_cast<size_t>(Tally::kCount)>;

void count(Tally what);
Tallies tallies();

// A line each, for "httpsysctl show statistics".
std::string show_tallies(const Tallies &all);
// What is worth a line of the log, as one; "" when nothing is. Ends in order and idle ones never are, and what every public server sees,
// connections without a request and new keys, from so many of a sort on; what else has happened is told along with it.
std::string describe_tallies(const Tallies &changes, uint64_t ordinary);

}
