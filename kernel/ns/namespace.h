// SPDX-License-Identifier: GPL-3.0-or-later
// Namespace: server sessions, URL groups and their URLs, on core 0. Every change opens or closes ports where needed,
// builds a new UrlTree and hands it to all cores; the operation completes when all have it. Changes run one at a time.
// Objects belong to the session (process) that made them and end with it.
#pragma once
#include "kernel/io/irp.h"
#include "kernel/ns/url_tree.h"
#include "kernel/ob/id_table.h"
#include <deque>
#include <functional>
#include <map>

namespace httpsys::ns {

class Namespace {
public:
  static Namespace &instance();
  // Registers the operations of ops.def that are the namespace's.
  static void register_operations();

  // Each owns an operation of the same name; on core 0.
  void create_server_session(io::IrpPtr irp);
  void close_server_session(io::IrpPtr irp);
  void create_url_group(io::IrpPtr irp);
  void close_url_group(io::IrpPtr irp);
  void add_url(io::IrpPtr irp);
  void remove_url(io::IrpPtr irp);
  void bind(io::IrpPtr irp);

  // The queue has ended: groups bound to it answer 503.
  void queue_gone(uint64_t queue_id);
  void session_ended(io::SessionId session);
  size_t url_count() const { return m_urls.size(); }
  size_t group_count() const { return m_groups.count(); }

private:
  struct ServerSession {
    uint64_t id = 0;
    io::SessionId owner = 0;
  };
  struct UrlGroup {
    uint64_t id = 0;
    uint64_t server_session = 0;
    io::SessionId owner = 0;
    uint64_t queue_id = 0;
  };
  struct Url {
    Registration registration;
    uint64_t group = 0;
    io::SessionId owner = 0;
  };

  Namespace();
  // Runs change when no other one is under way; change calls finish_change() when it is done.
  void exclusively(ke::Task change);
  void finish_change();
  void start_next_change();
  void add_url_now(io::IrpPtr irp);
  void remove_url_now(io::IrpPtr irp);
  void bind_now(io::IrpPtr irp);
  NtStatus check_new_url(const io::Irp &irp, const url::UrlPrefix &prefix, std::string &reason);
  void insert_url(io::IrpPtr irp, url::UrlPrefix prefix, uint64_t url_context);
  template <typename Matches>
  bool erase_urls(Matches matches);
  void drop_group(UrlGroup &group);
  // Closes ports without URLs, publishes the tree, then calls done and finish_change().
  void publish(std::function<void()> done);
  void publish_and_complete(io::IrpPtr irp, NtStatus status, std::string reason = {});
  void close_unused_ports(std::function<void()> done);
  ServerSession *server_session_of(const io::Irp &irp);
  UrlGroup *group_of(const io::Irp &irp);

  ob::IdTable<ServerSession> m_sessions;
  ob::IdTable<UrlGroup> m_groups;
  std::map<uint64_t, std::unique_ptr<ServerSession>> m_session_objects;
  std::map<uint64_t, std::unique_ptr<UrlGroup>> m_group_objects;
  std::map<std::u16string, Url> m_urls; // by UrlPrefix::key()
  std::map<uint16_t, bool> m_open_ports;
  std::deque<ke::Task> m_changes;
  bool m_changing = false;
};

}
