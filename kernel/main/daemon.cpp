// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/daemon.h"
#include "kernel/base/log.h"
#include "kernel/http/connection.h"
#include "kernel/http/counters.h"
#include "kernel/http/settings.h"
#include "kernel/io/session.h"
#include "kernel/main/boot.h"
#include "kernel/main/fit.h"
#include "kernel/main/statistics.h"
#include "kernel/mm/shared_region.h"
#include "kernel/net/descriptor_budget.h"
#include "kernel/net/listener_set.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/log_writer.h"
#include "kernel/platform/linux/process.h"
#include "kernel/platform/linux/process_info.h"
#include "kernel/platform/linux/uring_engine.h"
#include "kernel/platform/rest.h"
#include "kernel/queue/request_queue.h"
#include "kernel/se/access.h"
#include "kernel/se/quota.h"
#include <algorithm>
#include <cstdio>

namespace httpsys::main {

static Daemon *s_daemon = nullptr;
static platform::LogWriter *s_log_writer = nullptr;
static std::mutex s_engine_reason_mutex;
static std::string s_engine_reason;

// The signals that end it, on core 0.
class Daemon::SignalWatch final : platform::IoOperation {
public:
  SignalWatch(Daemon &daemon, int descriptor) : m_daemon(daemon), m_descriptor(descriptor) {}
  void start() { ke::Core::current().io().poll_multishot(m_descriptor, *this); }
  void stop()
  {
    if (is_in_flight())
      ke::Core::current().io().cancel(*this);
  }

private:
  void on_complete(const platform::IoResult &result) override
  {
    if (result.status == NtStatus::Cancelled)
      return;
    if (platform::take_signal(m_descriptor))
      m_daemon.begin_shutdown();
    if (!result.more)
      start();
  }
  Daemon &m_daemon;
  int m_descriptor;
};

// While the daemon drains: looks now and then whether requests are left, or answers that have not gone out.
class Daemon::DrainTimer final : ke::Timer {
public:
  DrainTimer(Daemon &daemon, platform::Milliseconds deadline) : m_daemon(daemon), m_deadline(deadline) { on_timer(); }
  ~DrainTimer() { ke::Core::current().timers().cancel(*this); }

private:
  void on_timer() override
  {
    auto now = ke::Core::current().now();
    const auto &counters = http::counters();
    bool is_done = counters.requests.load(std::memory_order_relaxed) == 0 && counters.sending.load(std::memory_order_relaxed) == 0;
    if (is_done || now >= m_deadline)
      return m_daemon.finish_shutdown();
    ke::Core::current().timers().set(*this, now + limits::kDrainCheckMilliseconds);
  }
  Daemon &m_daemon;
  platform::Milliseconds m_deadline;
};

Daemon::Daemon(const Options &options, const Config &config)
    : m_options(options), m_config(fit(config, platform::memory_limit(), options.cores != 0 ? options.cores : platform::usable_cpus())),
      m_administration(config)
{
}

Daemon::~Daemon() = default;

static http::Settings http_settings(const Config &config)
{
  http::Settings settings;
  settings.parser.max_request_line = config.limits.max_request_line;
  settings.parser.max_request_bytes = config.limits.max_request_bytes;
  settings.parser.max_field_length = config.limits.max_field_length;
  settings.parser.max_header_count = config.limits.max_header_count;
  settings.parser.accept_bare_lf = config.compat.accept_bare_lf;
  settings.parser.accept_obs_fold = config.compat.accept_obs_fold;
  settings.parser.accept_transfer_encoding_with_content_length = config.compat.accept_transfer_encoding_with_content_length;
  settings.path.segment_max_length = config.limits.url_segment_max_length;
  settings.path.segment_max_count = config.limits.url_segment_max_count;
  settings.handshake = config.timeouts.handshake;
  settings.idle_connection = config.timeouts.idle_connection;
  settings.header_wait = config.timeouts.header_wait;
  settings.entity_body = config.timeouts.entity_body;
  settings.entity_body_bytes = config.limits.entity_body_bytes;
  settings.drain_entity_body = config.timeouts.drain_entity_body;
  settings.ssl_renegotiation = config.timeouts.ssl_renegotiation;
  settings.certificate_wait_body_bytes = config.limits.certificate_wait_body_bytes;
  settings.certificate_wait_body_bytes_total = config.limits.certificate_wait_body_bytes_total;
  settings.connection_buffer_bytes_total = config.limits.connection_buffer_bytes_total;
  settings.multishot_receives = config.limits.multishot_receives;
  return settings;
}

Result<net::DescriptorBudget> Daemon::descriptor_budget(std::string &reason) const
{
  uint64_t open = platform::open_descriptors();
  if (auto budget = net::descriptor_budget(m_descriptor_limit, open))
    return *budget;
  reason = fmt::format("this process may have {} descriptors (RLIMIT_NOFILE) and has {} now; httpsysd needs at least {} more: {} for "
                       "connections and ports, the others are kept for applications and httpsysctl. Raise the hard limit (ulimit -Hn, "
                       "systemd's LimitNOFILE=)", m_descriptor_limit, open,
                       limits::kDescriptorsForConnections + limits::kDescriptorsKeptLeast, limits::kDescriptorsForConnections);
  return NtStatus::InsufficientResources;
}

Result<void> Daemon::prepare(std::string &reason)
{
  TRY(descriptor_budget(reason));
  TRY(platform::check_socket_path(m_options.socket_path, reason));
  TRY(m_sandbox.prepare({m_options.state_folder, m_options.socket_path, m_options.user}, reason));
  TRY(platform::lock_socket(m_options.socket_path, reason)); // held until the process ends
  m_has_lock = true;
  auto seals = mm::SharedRegion::self_test();
  if (seals.is_error())
    reason = "the kernel lets a client write what memfd seals should protect; Linux 6.1 or later is needed";
  TRY(seals);
  int signals = TRY(platform::make_signal_descriptor(reason));
  m_signals = std::make_unique<SignalWatch>(*this, signals);
  platform::raise_lock_limit();
  m_manager = platform::connect_service_manager();
  // Named last, when the state is loaded. Its owner and group are what only uid 0 can give it.
  m_listener = TRY(platform::system().listen_control(m_options.socket_path, reason));
  TRY(m_sandbox.give_control_socket(reason));
  // From here on nothing needs a right that goes with it, and no other thread runs yet that would keep its own.
  TRY(m_sandbox.enter(reason));
  se::set_daemon_uid(platform::user_id());
  return {};
}

Result<void> Daemon::start_threads(platform::LinuxSystem &system, std::string &reason)
{
  std::string why_not;
  if (auto closer = system.start_closing_process(why_not); closer.is_error()) { // before any thread
    reason = fmt::format("the process that closes what clients share with this one cannot be started: {}", why_not);
    return closer;
  }
  uint32_t count = m_options.cores;
  if (count == 0)
    count = platform::usable_cpus();
  // The process's only one, and it must outlive every static object that cores use: never freed.
  m_cores = new ke::Cores(count);
  auto started = m_cores->start([](ke::CoreId) -> Result<std::unique_ptr<platform::IoEngine>> {
    std::string why;
    auto engine = platform::make_uring_engine({}, why);
    if (engine.is_error()) {
      std::lock_guard lock(s_engine_reason_mutex);
      s_engine_reason = why;
    }
    return engine;
  });
  if (started.is_error())
    reason = s_engine_reason;
  return started;
}

void Daemon::set_shares() const
{
  Config::Clients shares = m_config.clients;
  // Without one the daemon does not start.
  if (auto budget = net::descriptor_budget(m_descriptor_limit, platform::open_descriptors())) {
    shares.sessions_total = budget->sessions;
    shares.ports_total = budget->ports;
    shares.requests_per_user = requests_per_user(m_config, budget->connections);
  }
  se::set_shares(shares);
}

int Daemon::run(std::string &reason)
{
  s_daemon = this;
  static platform::LinuxSystem system;
  platform::set_system(system);
  platform::make_undumpable();
  platform::end_without_memory();
  http::set_settings(http_settings(m_config));
  m_descriptor_limit = platform::raise_descriptor_limit();
  set_shares();
  register_layers();
  io::register_admin([](std::vector<std::string> words, std::vector<io::AdminFile> files, io::AdminAnswer answer) {
    s_daemon->m_administration.execute(std::move(words), std::move(files), std::move(answer));
  });
  if (prepare(reason).is_error() || start_threads(system, reason).is_error()) {
    if (m_has_lock)
      platform::remove_control_socket(m_options.socket_path);
    return 1;
  }
  platform::LogWriter log_writer(fileno(stderr));
  s_log_writer = &log_writer;
  set_log_sink([](LogCause cause, std::string line) { s_log_writer->write(cause, std::move(line)); });
  m_administration.store().set_statistics([] { return ke::show_tallies(ke::tallies()); });
  m_cores->run_on_helper([this] { load_store(); });
  std::unique_lock lock(m_mutex);
  m_condition.wait(lock, [this] { return m_finished; });
  lock.unlock();
  m_cores->stop_and_join();
  m_report.tell();
  set_log_sink(nullptr);
  log_writer.stop(limits::kLogEndMilliseconds);
  platform::remove_control_socket(m_options.socket_path);
  reason = m_reason;
  return m_status;
}

void Daemon::load_store()
{
  std::string reason;
  if (m_administration.store().load(m_options.state_folder, reason).is_error())
    return finished(1, reason);
  m_sandbox.limit_calls(); // every thread that there is, and those to come
  m_administration.publish([this] { open_for_clients(); });
}

void Daemon::open_for_clients()
{
  std::string reason;
  auto descriptors = descriptor_budget(reason); // less what the cores have
  if (descriptors.is_error())
    return finished(1, reason);
  m_signals->start();
  m_report.start();
  const uint64_t most = m_config.limits.max_connections;
  net::ListenerSet::instance().start(http::Connection::accept, descriptors->connections, most);
  log("up to {} connections at a time, as {} allows; of one user up to {} requests under way (RequestsPerUser)",
      std::min(most, descriptors->connections),
      most <= descriptors->connections ? "MaxConnections in httpsys.toml or the memory" : "the limit of descriptors (RLIMIT_NOFILE)",
      se::shares().requests_per_user);
  io::SessionManager::Settings settings;
  platform::system().fill_random({reinterpret_cast<uint8_t *>(&settings.epoch), sizeof settings.epoch});
  settings.daemon_uid = platform::user_id();
  settings.daemon_pid = platform::process_id();
  settings.fill_stats = fill_stats;
  settings.controls_closing = descriptors->closing;
  io::SessionManager::instance().start(m_listener, settings);
  if (platform::publish_control_socket(m_options.socket_path, reason).is_error())
    return stop_serving(1, reason);
  m_administration.start_looking();
  log_sandbox();
  log("ready: {} cores, control socket {}, state in {}", m_cores->count(), m_options.socket_path, m_options.state_folder);
  platform::notify_service_manager(m_manager, "READY=1");
}

void Daemon::log_sandbox()
{
  for (const auto &layer : m_sandbox.layers()) {
    if (layer.state == platform::SandboxLayer::State::Absent || layer.state == platform::SandboxLayer::State::LeftOut)
      log("sandbox: {}", describe_layer(layer));
  }
}

void Daemon::begin_shutdown()
{
  // A signal may also come while a start that has failed is undone.
  if (m_is_stopping || std::exchange(m_is_ending, true))
    return;
  log("ending: no new connections and sessions, up to {} s for requests under way",
      static_cast<double>(m_config.timeouts.shutdown) / 1000);
  platform::notify_service_manager(m_manager, "STOPPING=1");
  net::ListenerSet::instance().close_all([] {});
  io::SessionManager::instance().drain();
  for (ke::CoreId core = 0; core < m_cores->count(); core++)
    m_cores->run_on(core, [] {
      queue::RequestQueue::drain_this_core();
      http::Connection::drain_this_core();
    });
  // Not from inside the constructor's call: finish_shutdown() deletes the timer.
  m_cores->post(0,
                [this] { m_drain = std::make_unique<DrainTimer>(*this, ke::Core::current().now() + m_config.timeouts.shutdown); });
}

void Daemon::stop_serving(int status, std::string reason)
{
  if (std::exchange(m_is_stopping, true))
    return;
  m_cores->post(0, [this, status, reason = std::move(reason)]() mutable {
    platform::set_rests(false);
    m_drain.reset();
    m_administration.stop_looking();
    m_report.stop();
    m_signals->stop();
    for (ke::CoreId core = 0; core < m_cores->count(); core++)
      m_cores->run_on(core, [] { http::Connection::end_this_core(); });
    io::SessionManager::instance().stop([this, status, reason = std::move(reason)] { finished(status, reason); });
  });
}

void Daemon::finished(int status, std::string reason)
{
  std::lock_guard lock(m_mutex);
  m_finished = true;
  m_status = status;
  m_reason = std::move(reason);
  m_condition.notify_one();
}

}
