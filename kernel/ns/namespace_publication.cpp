// SPDX-License-Identifier: GPL-3.0-or-later
// How the changes of the namespace come to all cores.
#include "kernel/io/dispatch.h"
#include "kernel/limits.h"
#include "kernel/net/listener_set.h"
#include "kernel/ns/namespace.h"

namespace httpsys::ns {

void Namespace::publish_later()
{
  if (m_publication != Publication::None || (m_unpublished.empty() && m_ports_with_fewer_urls.empty() && m_rebound.is_empty()))
    return;
  m_publication = Publication::Due;
  ke::Cores::instance().post(0, [this] {
    // Opening and closing ports must not meet: a change that opens one comes first.
    exclusively([this] { publish(); });
  });
}

void Namespace::publish()
{
  m_publication = Publication::Running;
  in_slices([this](Steps &steps) { return renew_routes(steps); },
            [this] { close_unused_ports([this] { hand_out(); }); });
}

bool Namespace::renew_routes(Steps &steps)
{
  while (UrlGroup *group = m_rebound.first()) {
    for (; m_rebound_urls < group->urls.size(); m_rebound_urls++) {
      if (!steps.take())
        return false;
      m_tree.set_queue(group->urls[m_rebound_urls]->second.prefix, group->queue_id);
    }
    if (!steps.take())
      return false;
    m_rebound.remove(*group);
    m_rebound_urls = 0;
  }
  return true;
}

// And narrows those whose last URLs are for loopback alone.
void Namespace::close_unused_ports(std::function<void()> done)
{
  auto waiting = std::make_shared<size_t>(1);
  auto settled = [waiting, done = std::move(done)] {
    if (--*waiting == 0)
      done();
  };
  in_slices([this, waiting, settled, next = m_ports_with_fewer_urls.begin()](Steps &steps) mutable {
    for (; next != m_ports_with_fewer_urls.end(); ++next) {
      bool is_used = m_ports.at(*next).public_urls > 0;
      if (!steps.take(is_used ? 1 : limits::kStepsOfPort))
        return false;
      if (!is_used) {
        ++*waiting;
        close_or_narrow(*next, settled);
      }
    }
    return true;
  }, settled);
}

void Namespace::close_or_narrow(uint16_t number, const std::function<void()> &settled)
{
  Port &port = m_ports.at(number);
  if (!port.urls.empty())
    return net::ListenerSet::instance().narrow(number, settled);
  pays(number, port, std::nullopt);
  m_ports.erase(number);
  net::ListenerSet::instance().close(number, settled);
}

void Namespace::hand_out()
{
  m_ports_with_fewer_urls.clear();
  m_published = std::exchange(m_unpublished, {});
  auto finished = m_tree.finish();
  m_replaced = std::move(finished.replaced);
  auto &cores = ke::Cores::instance();
  auto waiting = std::make_shared<uint32_t>(cores.count());
  for (ke::CoreId core = 0; core < cores.count(); core++) {
    cores.run_on(core, [this, tree = finished.tree, waiting] {
      UrlTree::set_current(tree);
      ke::Cores::instance().run_on(0, [this, waiting] {
        if (--*waiting == 0)
          handed_out();
      });
    });
  }
  // Behind the tree on the way to each core: a connection finds it there.
  net::ListenerSet::instance().accept_on_new_ports();
  finish_change();
}

void Namespace::handed_out()
{
  in_slices([this](Steps &steps) { return complete_published(steps) && free_replaced(steps); }, [this] {
    m_publication = Publication::None;
    publish_later();
  });
}

bool Namespace::complete_published(Steps &steps)
{
  for (; !m_published.empty(); m_published.pop_front()) {
    if (!steps.take())
      return false;
    io::complete(std::move(m_published.front()), NtStatus::Success);
  }
  return true;
}

bool Namespace::free_replaced(Steps &steps)
{
  for (; !m_replaced.empty(); m_replaced.pop_back())
    if (!steps.take())
      return false;
  return true;
}

}
