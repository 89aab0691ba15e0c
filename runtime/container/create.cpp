// SPDX-License-Identifier: Apache-2.0
#include "container/create.hpp"

#include <time.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "cgroup/cgroupfs.hpp"
#include "container/announce.hpp"
#include "container/facts.hpp"
#include "container/filter_cache.hpp"
#include "container/identity.hpp"
#include "container/notify.hpp"
#include "container/saved.hpp"
#include "container/systemd_bus.hpp"
#include "container/undo.hpp"
#include "oci/reader.hpp"
#include "oci/validate.hpp"
#include "os/files.hpp"
#include "os/sockets.hpp"
#include "plan/codec.hpp"
#include "plan/compile.hpp"
#include "plan/diagnose.hpp"

namespace wherry {
namespace container {
namespace {

constexpr std::size_t kLargestConfig = 16U << 20U;

std::string now() {
  timespec time{};
  (void)::clock_gettime(CLOCK_REALTIME, &time);  // CLOCK_REALTIME always exists
  return oci::rfc3339_utc(time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec));
}

// What counted as missing would be removed with the container.
bool exists(const std::string& path, const Error& failure) {
  struct statx status {};
  const os::Status found = os::statx(os::kAtFdcwd, path.c_str(), 0, STATX_TYPE, status);
  if (!found && found.error() != ENOENT && found.error() != ENOTDIR) throw Error(failure).because(found.error());
  return static_cast<bool>(found);
}

// Of the cgroup's parents: the leaf is the container's own, whoever made it.
unsigned existing_parents(const plan::Facts& facts) {
  unsigned existing = 0;
  for (std::size_t at = facts.cgroup_path.find('/', 1); at != std::string::npos;
       at = facts.cgroup_path.find('/', at + 1)) {
    const std::string parent = facts.cgroup_mount + facts.cgroup_path.substr(0, at);
    if (!exists(parent, Error("look at the cgroup " + parent).at("/linux/cgroupsPath"))) break;
    ++existing;
  }
  return existing;
}

// config-linux.md "IntelRdt": only what this runtime has made is removed with the container.
void describe_resctrl(oci::Record& record, const oci::Spec& spec, const plan::Facts& facts) {
  if (!spec.linux.intel_rdt || facts.resctrl_mount.empty()) return;
  record.resctrl_group = plan::resctrl_group(*spec.linux.intel_rdt, facts);
  record.resctrl_monitor = plan::resctrl_monitor(*spec.linux.intel_rdt, facts);
  for (std::string* group : {&record.resctrl_group, &record.resctrl_monitor})
    if (!group->empty() && exists(*group, Error("look at the resctrl group " + *group).at("/linux/intelRdt")))
      group->clear();
}

const char* name_of(plan::CgroupManager manager) {
  switch (manager) {  // intentionally no default
    case plan::CgroupManager::kCgroupfs:
      return "cgroupfs";
    case plan::CgroupManager::kSystemd:
      return "systemd";
    case plan::CgroupManager::kDisabled:
      return "disabled";
  }
  return "";
}

// The bus client starts while the config is read.
std::unique_ptr<cgroup::Systemd> start_systemd(const Settings& settings) {
  if (settings.cgroup_manager != "systemd") return nullptr;
  return std::make_unique<cgroup::Systemd>(systemd_bus(settings));
}

oci::Record describe(const CreateOptions& options, const oci::Spec& spec, const plan::Facts& facts,
                     const plan::Plan& plan) {
  oci::Record record;
  record.id = options.id;
  record.bundle = facts.bundle;
  record.rootfs = facts.rootfs;
  record.oci_version = spec.oci_version;
  record.owner = std::to_string(::geteuid());
  record.cgroup_manager = name_of(facts.cgroup_manager);
  record.cgroup_root = facts.cgroup_mount;
  // A scope is the container's when systemd has made it (Creation::take_scope).
  const bool pending = facts.cgroup_manager == plan::CgroupManager::kSystemd;
  (pending ? record.pending_path : record.cgroup_path) = facts.cgroup_path;
  record.pending_unit = facts.unit;
  record.bus = facts.bus;
  describe_resctrl(record, spec, facts);
  record.no_new_keyring = options.no_new_keyring;
  record.creating = true;
  if (!oci::find_namespace(spec.linux, oci::NamespaceType::kMount) &&
      plan::index_of<plan::MountRoot<plan::Owned>>(plan))
    record.covered_mount = mount_id(facts.rootfs);
  record.poststop_hooks = !spec.hooks.poststop.empty();
  record.annotations = spec.annotations;
  return record;
}

void check_console_options(const CreateOptions& options, const oci::Process& process) {
  const bool has_socket = !options.console_socket.empty();
  if (process.terminal && options.detach && !has_socket)
    throw Error("open a terminal")
        .at("/process/terminal")
        .detail("cannot allocate a tty when detached without a console socket")
        .remedy("pass --console-socket");
  if (!process.terminal && has_socket)
    throw Error("use the console socket")
        .at("/process/terminal")
        .detail("cannot use a console socket when the container allocates no tty")
        .remedy("leave --console-socket away");
}

Bundle read_runnable_bundle(const CreateOptions& options) {
  Bundle bundle = read_bundle(options);
  check_console_options(options, *bundle.spec.process);
  return bundle;
}

// Else the first system call of wherry-init would be refused, and say less.
void refuse_powerless(const oci::Spec& spec, const plan::Facts& facts) {
  if (facts.privileged || oci::find_namespace(spec.linux, oci::NamespaceType::kUser) != nullptr) return;
  Error error = Error("create a container without a user namespace").at("/linux/namespaces").because(EPERM);
  if (::geteuid() != 0)
    throw std::move(error)
        .detail("this user is not root")
        .remedy("`wherry spec --rootless` shows what an ordinary user needs");
  throw std::move(error)
      .detail("this root has no CAP_SYS_ADMIN")
      .remedy(std::string("in a container: ") + plan::kLoosen);
}

plan::Facts runnable_facts(const Settings& settings, const CreateOptions& options, const oci::Spec& spec) {
  plan::Facts facts = collect_facts(settings, options, spec);
  refuse_powerless(spec, facts);
  return facts;
}

// The kernel takes its time for a network namespace, longer than compile() for the whole plan.
plan::Plan compile_beside(const InitProgram& init, const oci::Spec& spec, plan::Facts& facts, const std::string& root) {
  init.begin_with(plan::namespaces_ahead(spec, facts));
  if (spec.linux.seccomp) facts.filter = cached_filter(root, *spec.linux.seccomp);
  return plan::compile(spec, facts);
}

// Whoever looks at the container later has its pid alone. Without this call it could not even be deleted.
void need_pidfds() {
  if (auto own = os::pidfd_open(static_cast<int>(os::getpid())); !own) throw Error("open a pidfd").because(own.error());
}

// What a hook has written to the terminal that nobody reads any more.
std::string left_in(int console) noexcept {
  char buffer[4096];  // N_TTY_BUF_SIZE: more does not wait there
  os::pollfd fds{console, os::kPollIn, 0};
  const auto ready = os::poll(&fds, 1, 0);
  if (!ready || (fds.revents & os::kPollIn) == 0) return {};
  auto got = os::read(console, buffer, sizeof buffer);
  return got && *got > 0 ? std::string(buffer, static_cast<std::size_t>(*got)) : std::string();
}

// A create in progress. Whatever was made is taken back unless keep() is called.
class Creation {
 public:
  Creation(const Settings& settings, const CreateOptions& options)
      : options_(options),
        init_(options.preserve_fds + options.listen_fds, options.streams),
        systemd_(start_systemd(settings)),
        bundle_(read_runnable_bundle(options)),
        facts_(runnable_facts(settings, options, bundle_.spec)),
        plan_(compile_beside(init_, bundle_.spec, facts_, settings.root)),
        record_(describe(options, bundle_.spec, facts_, plan_)),
        root_(settings.root),
        launch_(plan_, "config.json", hook_state(record_, "creating")) {
    launch_.narrate_to(settings.tell);
  }
  ~Creation() {
    if (kept_) return;
    launch_.abandon();
    take_back();
    if (console_ && options_.last_words != nullptr) *options_.last_words = left_in(console_.get());
  }
  Creation(const Creation&) = delete;
  Creation& operator=(const Creation&) = delete;

  // create: pid 1 goes on to listen on start.sock, and this process may end.
  Process leave_created() {
    (void)set_up([this] { record_pid(); });
    hand_out_console();
    auto listener = os::listen_at(directory_->fd(), kStartSocket);
    if (!listener) throw Error("listen on " + std::string(kStartSocket)).because(listener.error());
    launch_.bind(plan::slot::kStartSocket, std::move(*listener));
    record_.creating = false;
    directory_->write_record(record_);
    announce();
    launch_.release();
    return keep();
  }

  // run: the same channel starts the program.
  Process start() {
    if (nothing_stands_between()) return start_straight();
    (void)set_up([this] {
      open_notify_socket();
      record_pid();
    });
    hand_out_console();
    (void)launch_.play([this] {
      record_.creating = false;
      directory_->write_record(record_);
      announce();
    });
    return keep();
  }

 private:
  // What is not needed before pid 1 has done its part is done meanwhile.
  Launch::Reached set_up(std::function<void()> when_pid1_is_known) {
    const std::vector<unsigned char> encoded = plan::encode(plan_);
    launch_.load(std::move(init_), encoded, options_.trace);
    launch_.on_pid1(std::move(when_pid1_is_known));
    launch_.use(std::move(systemd_));
    launch_.on_scope([this](const cgroup::Location& location) { take_scope(location); });
    const auto describe_it = [&] {
      need_pidfds();
      // Before the record names the cgroup: what undoes a container kills all that is in it.
      if (!facts_.cgroup_path.empty()) cgroup::refuse_in_use(facts_.cgroup_mount, facts_.cgroup_path);
      record_.created = now();
      record_.boot_id = boot_id();
      record_.cgroup_existing = existing_parents(facts_);
      directory_.emplace(StateDirectory::create(root_, options_.id));
      directory_->write_record(record_);  // names each resource before it is made
      directory_->create_file(kConfigFile, bundle_.text);
      directory_->create_file(kPlanFile, {reinterpret_cast<const char*>(encoded.data()), encoded.size()});
    };
    if (options_.notify_socket.empty()) return launch_.play(describe_it);
    describe_it();
    make_notify_directory(*directory_);  // one of the first things that init opens
    return launch_.play();
  }

  // For run alone: start binds a socket of its own.
  void open_notify_socket() {
    if (!options_.notify_socket.empty()) notify_ = bind_notify_socket(*directory_);
  }

  void take_scope(const cgroup::Location& location) {
    record_.unit = std::exchange(record_.pending_unit, "");
    record_.pending_path.clear();
    record_.cgroup_path = location.path;
    record_.cgroup_existing = location.existing;
    directory_->write_record(record_);
  }

  void record_pid() {
    identify(record_, launch_.pid(), launch_.pidfd());
    directory_->write_record(record_);
  }

  // No hook and no terminal of the host's comes between the clone and the program: once the state names pid 1, it may
  // go all the way by itself.
  [[nodiscard]] bool nothing_stands_between() const {
    const auto spawn = plan::index_of<plan::SpawnPid1<plan::Owned>>(plan_);
    const auto exec = plan::index_of<plan::Exec<plan::Owned>>(plan_);
    for (uint32_t i = *spawn; i < *exec; ++i)
      if (plan_.steps[i].lane == plan::Lane::kHost) return false;
    if (plan::index_of<plan::HandOverListener>(plan_)) return false;
    return !bundle_.spec.process->terminal;
  }

  Process start_straight() {
    (void)set_up([this] {
      open_notify_socket();
      record_.creating = false;
      record_pid();
      launch_.start_early();
    });
    announce();
    return keep();
  }

  void hand_out_console() {
    if (!bundle_.spec.process->terminal) return;
    console_ = launch_.take_console();
    if (options_.console_socket.empty()) return;
    send_descriptor(options_.console_socket, console_.get(), "console", "console");
    console_.reset();
  }

  void announce() {
    if (!options_.pidfd_socket.empty()) send_descriptor(options_.pidfd_socket, launch_.pidfd(), "pidfd", "pidfd");
    if (!options_.pid_file.empty()) write_pid_file(options_.pid_file, launch_.pid());
  }

  Process keep() {
    Process process;
    process.pid = launch_.pid();
    process.pidfd = launch_.take_pidfd();
    process.notify = std::move(notify_);
    process.console = std::move(console_);
    process.warnings = std::move(plan_.warnings);
    if (options_.trace) process.trace = plan::trace_json(plan_, launch_.timings());
    kept_ = true;
    return process;
  }

  // runtime.md "Lifecycle": when a hook fails, the container is stopped, deleted, and poststop hooks run. They run as
  // well when something fails behind a hook, which may have made what they take back.
  void take_back() noexcept {
    if (!directory_) return;
    try {
      undo(record_);
      if (launch_.hooks_begun()) (void)run_poststop_hooks(*directory_, record_);  // the hook's failure is the news
      directory_->remove();
    } catch (const std::exception&) {
      // The record stays: `delete --force` finds by it what is left. The first error is the one that is thrown.
    }
  }

  const CreateOptions& options_;
  InitProgram init_;  // first: it starts while the config is read
  std::unique_ptr<cgroup::Systemd> systemd_;
  Bundle bundle_;
  plan::Facts facts_;
  plan::Plan plan_;
  oci::Record record_;
  const std::string& root_;
  std::optional<StateDirectory> directory_;
  Launch launch_;
  os::Fd notify_, console_;
  bool kept_ = false;
};

}  // namespace

Bundle read_bundle(const CreateOptions& options) {
  const std::string& name = options.config_name;
  const std::string path = name.front() == '/' ? name : absolute_path(options.bundle) + "/" + name;
  auto text = os::read_file(os::kAtFdcwd, path.c_str(), kLargestConfig);
  if (!text)
    throw Error("read " + path)
        .because(text.error())
        .remedy("name the bundle with --bundle; `wherry spec` makes a config.json");
  Bundle bundle{std::move(*text), {}};
  bundle.spec = oci::read_spec(bundle.text);
  if (auto faults = oci::validate(bundle.spec); !faults.empty())
    throw oci::FaultsError("config.json", std::move(faults));
  return bundle;
}

}  // namespace container

Process create(const Settings& settings, const CreateOptions& options) {
  container::Creation creation(settings, options);
  return creation.leave_created();
}

Process run(const Settings& settings, const CreateOptions& options) {
  const bool waits = options.detach && !options.notify_socket.empty();
  if (waits) container::check_notify_socket(options.notify_socket);
  Process process = container::Creation(settings, options).start();  // its lock is free again
  if (waits) {
    container::wait_until_ready(process.notify.get(), process.pidfd.get(), process.pid, options.notify_socket);
    process.notify.reset();
  }
  return process;
}

}  // namespace wherry
