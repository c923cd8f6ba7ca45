// SPDX-License-Identifier: GPL-3.0-or-later
// Namespace: server sessions, URL groups and their URLs, on core 0. Changes run one at a time, and those that come while a
// publication is under way share the next one: it closes the ports that no URL needs any more and hands the next UrlTree to
// all cores. An operation completes when all have its change; then what only older trees had is freed. Objects belong to the
// session (process) that made them and end with it. What a client can make long, the end of all that it has above all, is done
// in slices of a turn each.
#pragma once
#include "kernel/base/intrusive_list.h"
#include "kernel/io/irp.h"
#include "kernel/limits.h"
#include "kernel/ns/url_tree.h"
#include "kernel/ob/id_table.h"
#include "kernel/se/quota.h"
#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>

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
  // For the simulator: what clients are charged with that they do not have, or have for nothing; null: nothing. Does not make it.
  static const char *unsound();
  // Groups whose URLs' requests go to that queue.
  size_t bound_count(uint64_t queue_id) const
  {
    auto bound = m_bound.find(queue_id);
    return bound == m_bound.end() ? 0 : bound->second.size();
  }
  // Parts of trees that no core has any more, not freed yet.
  size_t replaced_count() const { return m_replaced.size(); }

private:
  // What one turn may do yet of a long work.
  class Steps {
  public:
    // False, and nothing is taken, when the turn has done enough.
    bool take(uint32_t count = 1)
    {
      bool has_some = m_left > 0;
      m_left -= std::min(m_left, count);
      return has_some;
    }

  private:
    uint32_t m_left = limits::kNamespaceStepsPerTurn;
  };
  // A part of a work; whether all of it is done.
  using Slice = std::function<bool(Steps &steps)>;
  struct SlicedWork {
    Slice slice;
    std::function<void()> done;
  };

  struct Url;
  struct ServerSession;
  using Urls = std::map<std::u16string, Url>; // by UrlPrefix::key()
  struct OfSession;                           // tags of lists
  struct OfQueue;
  struct OfRebound;
  struct UrlGroup : ListLink<UrlGroup, OfSession>, ListLink<UrlGroup, OfQueue>, ListLink<UrlGroup, OfRebound> {
    uint64_t id = 0;
    ServerSession *server_session = nullptr;
    io::SessionId owner = 0;
    se::Client client; // who has it in its quota
    uint64_t queue_id = 0;
    std::vector<Urls::iterator> urls; // in no order
  };
  struct ServerSession : ListLink<ServerSession> {
    uint64_t id = 0;
    io::SessionId owner = 0;
    se::Client client; // who has it in its quota
    IntrusiveList<UrlGroup, OfSession> groups;
  };
  struct Url {
    PrefixPtr prefix;
    UrlGroup *group = nullptr;
    io::SessionId owner = 0;
    size_t place_in_group = 0, place_in_port = 0; // in their lists of URLs
  };
  // A port that listens.
  struct Port {
    std::vector<Urls::iterator> urls; // in no order
    size_t public_urls = 0; // of urls: those that are not for loopback alone
    std::map<uint64_t, std::pair<se::Client, size_t>> clients; // who has how many of urls, by process
    std::optional<se::Client> payer;                           // who has it in its quota
  };

  Namespace();
  const char *find_unsound() const;
  // Runs change when no other one is under way; change calls finish_change() when it is done.
  void exclusively(ke::Task change);
  void finish_change();
  void run_changes();
  // One slice now, the others a turn each, then done().
  void in_slices(Slice slice, std::function<void()> done);
  void go_on(std::unique_ptr<SlicedWork> work);
  // A change of that kind. The operation, when there is one, completes when all cores have it.
  void change_in_slices(Slice slice, io::IrpPtr irp = nullptr);
  void add_url_now(io::IrpPtr irp);
  void remove_url_now(io::IrpPtr irp);
  void bind_now(io::IrpPtr irp);
  NtStatus check_new_url(const io::Irp &irp, const url::UrlPrefix &prefix, std::string &reason);
  void insert_url(io::IrpPtr irp, url::UrlPrefix prefix, uint64_t url_context);
  void erase_url(Urls::iterator url);
  void pays(uint16_t number, Port &port, std::optional<se::Client> client);
  void bind_group(UrlGroup &group, uint64_t queue_id);
  void unbind_group(UrlGroup &group);
  // Slices.
  bool drop_urls(UrlGroup &group, Steps &steps);
  bool drop_group(UrlGroup &group, Steps &steps);
  bool drop_server_session(ServerSession &session, Steps &steps);
  bool drop_owner(io::SessionId owner, Steps &steps);
  bool unbind_all(uint64_t queue_id, Steps &steps);
  // Nobody finds it any more, so that nothing comes to it while it is dropped.
  void hide(ServerSession &session);

  // The change is done; the operation completes when all cores have it.
  void complete_when_published(io::IrpPtr irp);
  // Soon, so that the changes of one turn of the loop are published together.
  void publish_later();
  void publish();
  bool renew_routes(Steps &steps);
  void close_unused_ports(std::function<void()> done);
  void close_or_narrow(uint16_t number, const std::function<void()> &settled);
  void hand_out();
  void handed_out();
  // Slices, one after the other.
  bool complete_published(Steps &steps);
  bool free_replaced(Steps &steps);
  ServerSession *server_session_of(const io::Irp &irp);
  UrlGroup *group_of(const io::Irp &irp);

  se::Quota m_session_quota{se::kServerSessions}, m_group_quota{se::kUrlGroups}, m_url_quota{se::kUrls},
      m_port_quota{se::kPorts};
  ob::IdTable<ServerSession> m_sessions;
  ob::IdTable<UrlGroup> m_groups;
  std::map<uint64_t, std::unique_ptr<ServerSession>> m_session_objects;
  std::map<uint64_t, std::unique_ptr<UrlGroup>> m_group_objects;
  std::unordered_map<io::SessionId, IntrusiveList<ServerSession>> m_owners;
  std::unordered_map<uint64_t, IntrusiveList<UrlGroup, OfQueue>> m_bound; // by queue
  Urls m_urls;
  std::map<uint16_t, Port> m_ports;

  std::deque<ke::Task> m_changes;
  bool m_is_changing = false; // a change waits for something
  bool m_runs_changes = false;
  bool m_continues = false; // with the changes that wait, in the next turn

  enum class Publication { None, Due, Running } m_publication = Publication::None;
  UrlTree::Editor m_tree;                       // all changes since the tree that the cores have
  IntrusiveList<UrlGroup, OfRebound> m_rebound; // but the queues of these groups' URLs
  size_t m_rebound_urls = 0;                    // of the first one, which have their new queue
  std::set<uint16_t> m_ports_with_fewer_urls;   // since then; perhaps they close
  std::deque<io::IrpPtr> m_unpublished;         // operations whose changes have been made

  // Of the publication that is running, for when all cores have the tree.
  std::deque<io::IrpPtr> m_published;
  std::vector<std::unique_ptr<MapItem>> m_replaced;
};

}
