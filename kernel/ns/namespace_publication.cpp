// SPDX-License-Identifier: GPL-3.0-or-later
// How the changes of the namespace come to all cores.
#include "kernel/io/dispatch.h"
#include "kernel/limits.h"
#include "kernel/net/listener_set.h"
#include "kernel/ns/namespace.h"

namespace httpsys::ns {

void Namespace::publish_later()
{
  if (m_publication != Publication::None || (m_unpublished.empty() && m_unpublished_ports.empty() && m_rebound.is_empty()))
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
  in_slices([this](Steps &steps) { return note_ports_of_rebound_groups(steps); },
            [this] { close_unused_ports([this] { build_tree(); }); });
}

bool Namespace::note_ports_of_rebound_groups(Steps &steps)
{
  while (UrlGroup *group = m_rebound.first()) {
    for (; m_rebound_urls < group->urls.size(); m_rebound_urls++) {
      if (!steps.take())
        return false;
      m_unpublished_ports.insert(group->urls[m_rebound_urls]->second.registration.prefix.port());
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
  auto settled = [waiting, done = std::move(done)](NtStatus) {
    if (--*waiting == 0)
      done();
  };
  in_slices([this, waiting, settled, next = m_unpublished_ports.begin()](Steps &steps) mutable {
    for (; next != m_unpublished_ports.end(); ++next) {
      bool is_used = m_ports.at(*next).public_urls > 0;
      if (!steps.take(is_used ? 1 : limits::kStepsOfPort))
        return false;
      if (!is_used) {
        ++*waiting;
        close_or_narrow(*next, settled);
      }
    }
    return true;
  }, [settled] { settled(NtStatus::Success); });
}

void Namespace::close_or_narrow(uint16_t number, const std::function<void(NtStatus)> &settled)
{
  Port &port = m_ports.at(number);
  if (!port.urls.empty())
    return net::ListenerSet::instance().narrow(number, settled);
  pays(port, std::nullopt);
  m_ports.erase(number);
  net::ListenerSet::instance().close(number, settled);
}

void Namespace::build_tree()
{
  auto builder = std::make_shared<UrlTree::Builder>(UrlTree::current());
  in_slices([this, builder, next = m_unpublished_ports.begin(), done = size_t{0}](Steps &steps) mutable {
    for (; next != m_unpublished_ports.end(); ++next, done = 0) {
      if (!steps.take())
        return false;
      if (done == 0)
        builder->begin(*next);
      static const std::vector<Urls::iterator> kNone;
      auto port = m_ports.find(*next);
      const auto &urls = port == m_ports.end() ? kNone : port->second.urls;
      for (; done < urls.size(); done++) {
        if (!steps.take())
          return false;
        Url &url = urls[done]->second;
        url.registration.route.queue_id = url.group->queue_id;
        builder->add(url.registration);
      }
      builder->end();
    }
    return true;
  }, [this, builder] {
    m_unpublished_ports.clear();
    hand_out(builder->finish());
    finish_change();
  });
}

void Namespace::hand_out(RefPtr<UrlTree> tree)
{
  auto operations = std::make_shared<std::vector<io::IrpPtr>>(std::exchange(m_unpublished, {}));
  auto &cores = ke::Cores::instance();
  auto waiting = std::make_shared<uint32_t>(cores.count());
  auto acknowledged = std::make_shared<std::function<void()>>([this, waiting, operations] {
    if (--*waiting == 0)
      handed_out(operations);
  });
  for (ke::CoreId core = 0; core < cores.count(); core++) {
    cores.run_on(core, [tree, acknowledged] {
      UrlTree::set_current(tree);
      ke::Cores::instance().run_on(0, [acknowledged] { (*acknowledged)(); });
    });
  }
  // Behind the snapshot on the way to each core: a connection finds it there.
  net::ListenerSet::instance().accept_on_new_ports();
}

void Namespace::handed_out(const std::shared_ptr<std::vector<io::IrpPtr>> &operations)
{
  for (auto &irp : *operations)
    io::complete(std::move(irp), NtStatus::Success);
  m_publication = Publication::None;
  publish_later();
}

}
