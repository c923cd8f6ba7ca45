// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/tls_bindings.h"
#include "kernel/io/per_core.h"
#include <memory>

namespace httpsys::http {

static io::PerCore<RefPtr<tls::BindingTable>> s_bindings;

tls::BindingTable &tls_bindings()
{
  auto &bindings = s_bindings.here();
  if (!bindings)
    bindings = tls::BindingTable::create({}, {});
  return *bindings;
}

void set_tls_bindings(RefPtr<tls::BindingTable> bindings)
{
  s_bindings.here() = std::move(bindings);
}

void publish_tls_bindings(RefPtr<tls::BindingTable> bindings, std::function<void()> done)
{
  auto &cores = ke::Cores::instance();
  auto waiting = std::make_shared<uint32_t>(cores.count());
  auto acknowledged = std::make_shared<std::function<void()>>([waiting, done = std::move(done)] {
    if (--*waiting == 0)
      done();
  });
  for (ke::CoreId core = 0; core < cores.count(); core++) {
    cores.run_on(core, [bindings, acknowledged] {
      set_tls_bindings(bindings);
      ke::Cores::instance().run_on(0, [acknowledged] { (*acknowledged)(); });
    });
  }
}

}
