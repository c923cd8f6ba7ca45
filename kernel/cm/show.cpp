// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/cm/show.h"
#include "kernel/base/text.h"
#include <fmt/format.h>

namespace httpsys::cm {

namespace {

// netsh's columns: four blanks, the label filled up to 29, then colon and value; longer labels push the colon.
std::string line(std::string_view label, std::string_view value)
{
  return fmt::format("    {:<28} : {}\n", label, value);
}

std::string title(std::string_view text)
{
  return fmt::format("\n{}\n{}\n\n", text, std::string(text.size(), '-'));
}

// Names come out of certificates, which other people have written.
std::string safe(std::string_view text)
{
  std::string shown = quoted(text);
  return shown.substr(1, shown.size() - 2);
}

// The state of a flag that netsh shows as "Set" or "Not Set".
std::string_view set_text(bool on)
{
  return on ? "Set" : "Not Set";
}

std::string_view enabled_text(bool on)
{
  return on ? "Enabled" : "Disabled";
}

// http-wire-and-netsh D.3: flags that cannot be set show what they are by default.
std::string binding(const SslRecord &record)
{
  std::string text = line(record.key.is_name ? "Hostname:port" : "IP:port", record.key.text);
  text += line("Certificate Hash", record.certificate);
  text += line("Application ID", record.application);
  text += line("Certificate Store Name", "MY");
  text += line("Verify Client Certificate Revocation", "Enabled");
  text += line("Verify Revocation Using Cached Client Certificate Only", "Disabled");
  text += line("Usage Check", "Enabled");
  text += line("Revocation Freshness Time", "0");
  text += line("URL Retrieval Timeout", "0");
  text += line("Ctl Identifier", "(null)");
  text += line("Ctl Store Name", "(null)");
  text += line("DS Mapper Usage", "Disabled");
  text += line("Negotiate Client Certificate", enabled_text(record.ask_in_handshake));
  text += line("Reject Connections", "Disabled");
  for (std::string_view label : {"Disable HTTP2", "Disable QUIC", "Disable TLS1.2"})
    text += line(label, "Not Set");
  text += line("Disable TLS1.3", set_text(record.disable_tls13));
  for (std::string_view label :
       {"Disable OCSP Stapling", "Enable Token Binding", "Log Extended Events", "Disable Legacy TLS Versions",
        "Enable Session Ticket", "Disable Session ID", "Enable Caching Client Hello"})
    text += line(label, "Not Set");
  text += " Extended Properties:\n" + line("PropertyId", "0") + line("Receive Window", "1048576");
  text += " Extended Properties:\n" + line("PropertyId", "1") + line("Max Settings Per Frame", "2796202") +
          line("Max Settings Per Minute", "4294967295");
  return text + '\n';
}

std::string names(const tls::CertificateFacts &facts)
{
  std::string key = facts.key_bits == 0 ? facts.key_type : fmt::format("{} {}", facts.key_type, facts.key_bits);
  return line("Certificate Hash", facts.thumbprint) + line("Subject", safe(facts.subject)) +
         line("Issuer", safe(facts.issuer)) + line("Serial Number", facts.serial) +
         line("Valid From", time_text(facts.not_before)) + line("Valid To", time_text(facts.not_after)) +
         line("Public Key", key);
}

}

std::string show_bindings(std::span<const SslRecord *const> records)
{
  std::string text = title("SSL Certificate bindings:");
  for (const SslRecord *record : records)
    text += binding(*record);
  return text;
}

std::string show_certificates(std::span<const Certificate *const> certificates, const State &state)
{
  std::string text = title("Certificates:");
  for (const Certificate *certificate : certificates) {
    text += names(certificate->leaf());
    text += line("Certificate Store Name", "MY");
    for (size_t index = 1; index < certificate->chain.size(); index++)
      text += line("Chain Certificate", safe(certificate->chain[index].subject));
    for (const SslRecord *record : state.records_with(certificate->leaf().thumbprint))
      text += line("Binding", record->key.text);
    text += '\n';
  }
  return text;
}

std::string show_authorities(std::span<const Authority *const> authorities)
{
  std::string text = title("CA certificates:");
  for (const Authority *authority : authorities)
    text += names(authority->facts) + '\n';
  return text;
}

std::string show_revocations(std::span<const RevocationList *const> lists)
{
  std::string text = title("Certificate revocation lists:");
  for (const RevocationList *list : lists)
    text += line("CRL Hash", list->hash) + line("Issuer", safe(list->issuer)) +
            line("This Update", time_text(list->this_update)) +
            line("Next Update", list->next_update ? time_text(*list->next_update) : "(none)") +
            line("Revoked Certificates", fmt::format("{}", list->entries)) + '\n';
  return text;
}

std::string show_statistics(std::string_view lines)
{
  return fmt::format("{}{}\n", title("Since the start of httpsysd:"), lines);
}

std::string message(std::string_view sentence)
{
  return fmt::format("\n{}\n\n", sentence);
}

}
