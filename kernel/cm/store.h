// SPDX-License-Identifier: GPL-3.0-or-later
// Store: httpsysctl's commands carried out, on disk and in the table of TLS bindings. One for the daemon's life, on its
// helper thread: a call waits for the disk and does public-key arithmetic, and there is one at a time. Only bindings()'
// snapshot leaves the thread.
//
// A change is made in this order: the new TLS contexts are built in memory, the files are written, then the new state
// and table take the old ones' place in one piece. What fails on the way leaves everything as it was.
#pragma once
#include "kernel/base/config.h"
#include "kernel/cm/answer.h"
#include "kernel/cm/grammar.h"
#include "kernel/cm/state_files.h"
#include "kernel/cm/state_watch.h"
#include "kernel/tls/binding_table.h"
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace httpsys::cm {

class Store {
public:
  explicit Store(const Config &config);

  // Once, before anything else. A damaged file, or a record whose certificate is missing, is logged and left out.
  // Errors (the folder cannot be made, is somebody else's or another daemon's) come with a reason.
  Result<void> load(const std::string &directory, std::string &reason);

  // One command, permission checked before. Text and codes as design.md 6 promises them.
  AdminAnswer execute(const AdminCommand &command);

  // Now and then after load(): says which files were changed from outside, and writes again what got lost by that (state_watch.h).
  void look_at_files() { m_watch.look(m_files, m_state); }

  // For "show statistics": a line for each number. Before load().
  void set_statistics(std::string (*lines)()) { m_statistics = lines; }

  // The bindings as they are now; never null after load(). Hand it to all cores after every execute() that ends with
  // exit_code 0.
  RefPtr<tls::BindingTable> bindings() const { return m_bindings; }

private:
  using Contexts = std::map<BindingKey, RefPtr<tls::TlsContext>>;

  // Which contexts a change touches, and how.
  struct Rebuild {
    std::function<bool(const SslRecord &)> touches;
    const BindingKey *must_work = nullptr; // a record that must get a context, even if it has none yet
    const platform::SecretText *private_key =
        nullptr; // of the certificate that is being imported; others' keys are read from disk
  };

  AdminAnswer import_certificate(const Command &command, const AdminCommand &files);
  AdminAnswer import_authorities(const Command &command, const AdminCommand &files);
  AdminAnswer import_revocations(const Command &command, const AdminCommand &files);
  AdminAnswer show_certificates(const Command &command);
  AdminAnswer show_authorities(const Command &command);
  AdminAnswer show_revocations(const Command &command);
  AdminAnswer show_bindings(const Command &command);
  AdminAnswer delete_certificate(const Command &command);
  AdminAnswer delete_authority(const Command &command);
  AdminAnswer delete_revocations(const Command &command);
  AdminAnswer add_binding(const Command &command);
  AdminAnswer update_binding(const Command &command);
  AdminAnswer delete_binding(const Command &command);

  // Puts into the record what the words name. False, with a sentence and a code: a value cannot be.
  bool apply_words(const Command &command, SslRecord &record, std::string &reason, uint32_t &win32_code) const;
  // what: the command as netsh's failure names it; done: its line of success.
  AdminAnswer save_binding(SslRecord record, std::string_view what, std::string_view done);
  std::string known_certificates() const;
  // The sentence for a record that is not there.
  std::string no_record(const BindingKey &key) const;
  // Whether each of two lists could stand for the other: same issuer's name, and a CA that has signed both.
  bool have_one_signer(const RevocationList &one, const RevocationList &other, const State &state) const;
  // The binding that keeps a CA from being deleted, null if there is none.
  const SslRecord *user_of(const Authority &authority) const;
  // Takes the list in, in place of an older one. False with a reason: the stored one is newer.
  bool put_revocations(State &next, RevocationList list, std::string &reason) const;
  void drop_superseded_revocations(State &state);
  // Files of lists that are in the present state and not in the next. One that cannot be removed is tried again later.
  void remove_old_revocations(const State &next);
  // Files of lists that are not used any more. An error comes with a reason.
  Result<void> remove_stale_revocations(std::string &reason);

  RefPtr<tls::TlsContext> make_context(const State &state, const SslRecord &record, const platform::SecretText *private_key,
                                       std::string &reason) const;
  // Contexts for `next`. nullopt with a reason: a binding that works now, or must_work, would stop working.
  std::optional<Contexts> build_contexts(const State &next, const Rebuild &rebuild, std::string &reason) const;
  // The code for that, with what belongs to the reason: contexts take their keys from files, whose folder may be gone.
  uint32_t refusal_code(std::string &reason) const;
  AdminAnswer would_not_work(std::string reason) const;
  void commit(State next, Contexts contexts);

  const uint32_t m_max_client_certificate_bytes;
  std::string (*m_statistics)() = nullptr;
  StateFiles m_files;
  StateWatch m_watch;
  State m_state;
  std::set<std::string> m_stale_revocations; // their files are still there, and a start would use them if what supersedes them were not
  Contexts m_contexts; // a record without one cannot serve: its certificate is missing or damaged
  RefPtr<tls::BindingTable> m_bindings;
};

}
