// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/administration.h"
#include "kernel/base/canary.h"
#include "kernel/http/tls_bindings.h"
#include "kernel/ke/core.h"
#include "kernel/limits.h"
#include <utility>

namespace httpsys::main {

class Administration::FileLook final : ke::Timer, public std::enable_shared_from_this<FileLook> {
public:
  explicit FileLook(cm::Store &store) : m_store(store) {}
  void arm()
  {
    auto &core = ke::Core::current();
    if (!m_has_stopped)
      core.timers().set(*this, core.now() + limits::kStateLookMilliseconds);
  }
  void stop()
  {
    m_has_stopped = true;
    ke::Core::current().timers().cancel(*this);
  }

private:
  void on_timer() override
  {
    ke::Cores::instance().run_on_helper([look = shared_from_this()] {
      look->m_store.look_at_files();
      ke::Cores::instance().post(0, [look] { look->arm(); });
    });
  }
  cm::Store &m_store;
  bool m_has_stopped = false;
};

void Administration::publish(std::function<void()> done)
{
  ke::Cores::instance().run_on(0, [bindings = m_store.bindings(), done = std::move(done)]() mutable {
    http::publish_tls_bindings(std::move(bindings), std::move(done));
  });
}

void Administration::execute(std::vector<std::string> words, std::vector<io::AdminFile> files, io::AdminAnswer answer)
{
  auto command = std::make_unique<cm::AdminCommand>();
  command->words = std::move(words);
  for (auto &file : files)
    command->files[file.tag] = std::move(file.contents);
  auto send = std::make_shared<io::AdminAnswer>(std::move(answer));
  ke::Cores::instance().run_on_helper([this, command = std::move(command), send = std::move(send)]() mutable {
    auto said = std::make_shared<cm::AdminAnswer>(m_store.execute(*command));
    auto answer_it = [said = std::move(said), send = std::move(send)] { (*send)(said->win32_code, said->exit_code, said->text); };
    if (is_broken(Canary::AnsweredEarly))
      ke::Cores::instance().run_on(0, answer_it);
    publish(is_broken(Canary::AnsweredEarly) ? std::function<void()>([] {}) : answer_it);
  });
}

void Administration::start_looking()
{
  m_file_look = std::make_shared<FileLook>(m_store);
  m_file_look->arm();
}

void Administration::stop_looking()
{
  if (auto look = std::exchange(m_file_look, nullptr))
    look->stop();
}

}
