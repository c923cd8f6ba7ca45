// SPDX-License-Identifier: GPL-3.0-or-later
// Namespace: server sessions, URL groups and their URLs, on core 0. Changes run one at a time, and those that come while a
// publication is under way share the next one: it closes the ports that no URL needs any more and hands a new UrlTree to
// all cores. An operation completes when all have its change. Objects belong to the session (process) that made them and
// end with it.
#pragma once
#include "kernel/io/irp.h"
#include "kernel/limits.h"
#include "kernel/ns/url_tree.h"
#include "kernel/ob/id_table.h"
#include "kernel/se/quota.h"
#include <deque>
#include <functional>
#include <map>
#include <set>

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
  struct Url;
  using Urls = std::map<std::u16string, Url>; // by UrlPrefix::key()
  struct ServerSession {
    uint64_t id = 0;
    io::SessionId owner = 0;
    se::Client client; // who has it in its quota
  };
  struct UrlGroup {
    uint64_t id = 0;
    uint64_t server_session = 0;
    io::SessionId owner = 0;
    se::Client client; // who has it in its quota
    uint64_t queue_id = 0;
    std::vector<Urls::iterator> urls;
  };
  struct Url {
    Registration registration;
    uint64_t group = 0;
    io::SessionId owner = 0;
  };
  // A port that listens.
  struct Port {
    std::vector<Urls::iterator> urls;
    size_t public_urls = 0; // of urls: those that are not for loopback alone
    std::map<uint64_t, std::pair<se::Client, size_t>> clients; // who has how many of urls, by process
    std::optional<se::Client> payer;                           // who has it in its quota
  };

  Namespace();
  // Runs change when no other one is under way; change calls finish_change() when it is done.
  void exclusively(ke::Task change);
  void finish_change();
  void run_changes();
  void add_url_now(io::IrpPtr irp);
  void remove_url_now(io::IrpPtr irp);
  void bind_now(io::IrpPtr irp);
  void end_session_now(io::SessionId session);
  NtStatus check_new_url(const io::Irp &irp, const url::UrlPrefix &prefix, std::string &reason);
  void insert_url(io::IrpPtr irp, url::UrlPrefix prefix, uint64_t url_context);
  void erase_url(Urls::iterator url);
  void pays(Port &port, std::optional<se::Client> client);
  void bind_group(UrlGroup &group, uint64_t queue_id);
  void drop_group(UrlGroup &group);

  // The change is done; the operation completes when all cores have it.
  void complete_when_published(io::IrpPtr irp);
  // Soon, so that the changes of one turn of the loop are published together.
  void publish_later();
  void publish();
  void close_unused_ports(std::function<void()> done);
  void hand_out();
  void handed_out(const std::shared_ptr<std::vector<io::IrpPtr>> &operations);
  ServerSession *server_session_of(const io::Irp &irp);
  UrlGroup *group_of(const io::Irp &irp);

  void remove_session(uint64_t id);

  se::Quota m_session_quota{se::kServerSessions}, m_group_quota{se::kUrlGroups}, m_url_quota{se::kUrls},
      m_port_quota{se::kPorts};
  ob::IdTable<ServerSession> m_sessions;
  ob::IdTable<UrlGroup> m_groups;
  std::map<uint64_t, std::unique_ptr<ServerSession>> m_session_objects;
  std::map<uint64_t, std::unique_ptr<UrlGroup>> m_group_objects;
  Urls m_urls;
  std::map<uint16_t, Port> m_ports;

  std::deque<ke::Task> m_changes;
  bool m_is_changing = false; // a change waits for something
  bool m_runs_changes = false;

  enum class Publication { None, Due, Running } m_publication = Publication::None;
  std::set<uint16_t> m_unpublished_ports; // differ from the snapshot that the cores have
  std::vector<io::IrpPtr> m_unpublished;  // operations whose changes have been made
};

}
