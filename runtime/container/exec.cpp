// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "cgroup/location.hpp"
#include "cgroup/systemd.hpp"
#include "container/announce.hpp"
#include "container/facts.hpp"
#include "container/filter_cache.hpp"
#include "container/launch.hpp"
#include "container/resctrl.hpp"
#include "container/saved.hpp"
#include "container/status.hpp"
#include "oci/reader.hpp"
#include "oci/validate.hpp"
#include "os/files.hpp"
#include "os/sockets.hpp"
#include "plan/codec.hpp"
#include "plan/compile.hpp"

namespace wherry {
namespace {

using container::Container;
using container::InitProgram;
using EnterNamespace = plan::EnterNamespace<plan::Owned>;

constexpr std::size_t kLargestProcess = 16U << 20U;

std::uint32_t parse_id(std::string_view text, const std::string& whole) {
  std::uint32_t id = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
  // CVE-2026-30892, CVE-2016-3697: nothing but digits, and never a name. 4294967295 means "unchanged" to setresuid(2).
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || id == ~std::uint32_t{0})
    throw Error("read the user \"" + whole + "\"").because(EINVAL).remedy("use UID or UID:GID in digits");
  return id;
}

void set_user(oci::User& user, const std::string& text) {
  const std::size_t colon = text.find(':');
  user.uid = parse_id(std::string_view(text).substr(0, colon), text);
  if (colon != std::string::npos) user.gid = parse_id(std::string_view(text).substr(colon + 1), text);
}

void add_capabilities(oci::Process& process, const std::vector<std::string>& names) {
  if (names.empty()) return;
  if (!process.capabilities) process.capabilities.emplace();
  // As runc does it: the inheritable set stays as it is (CVE-2022-24769), and what it holds can be ambient.
  oci::Capabilities& sets = *process.capabilities;
  for (const std::string& name : names) {
    for (oci::Strings* set : {&sets.bounding, &sets.effective, &sets.permitted}) set->push_back(name);
    if (std::find(sets.inheritable.begin(), sets.inheritable.end(), name) != sets.inheritable.end())
      sets.ambient.push_back(name);
  }
}

oci::Process from_file(const std::string& path) {
  auto text = os::read_file(os::kAtFdcwd, path.c_str(), kLargestProcess);
  if (!text) throw Error("read " + path).because(text.error());
  return oci::read_process(text.value());
}

oci::Process from_options(const ExecOptions& options, const oci::Spec& spec) {
  oci::Process process = *spec.process;
  process.args = options.args;
  process.terminal = options.terminal;
  process.console_size.reset();
  if (options.cwd) process.cwd = *options.cwd;
  process.env.insert(process.env.end(), options.env.begin(), options.env.end());
  if (options.user) set_user(process.user, *options.user);
  process.user.additional_gids.insert(process.user.additional_gids.end(), options.additional_gids.begin(),
                                      options.additional_gids.end());
  add_capabilities(process, options.capabilities);
  if (options.apparmor) process.apparmor_profile = *options.apparmor;
  if (options.process_label) process.selinux_label = *options.process_label;
  if (options.no_new_privileges) process.no_new_privileges = true;
  return process;
}

// What a process document leaves out is the container's, as with runc: an exec is confined as the container is.
void inherit(oci::Process& process, const oci::Process& container) {
  if (process.rlimits.empty()) process.rlimits = container.rlimits;
  if (!process.capabilities) process.capabilities = container.capabilities;
  if (process.apparmor_profile.empty()) process.apparmor_profile = container.apparmor_profile;
  if (process.selinux_label.empty()) process.selinux_label = container.selinux_label;
  if (!process.scheduler) process.scheduler = container.scheduler;
  if (!process.io_priority) process.io_priority = container.io_priority;
  if (!process.exec_cpu_affinity) process.exec_cpu_affinity = container.exec_cpu_affinity;
}

oci::Process wanted_process(const ExecOptions& options, const oci::Spec& spec) {
  oci::Process process = !options.process_json.empty()  ? oci::read_process(options.process_json)
                         : options.process_file.empty() ? from_options(options, spec)
                                                        : from_file(options.process_file);
  if (auto faults = oci::validate_process(process); !faults.empty())
    throw oci::FaultsError("process.json", std::move(faults));
  inherit(process, *spec.process);
  return process;
}

void check_console(const ExecOptions& options, const oci::Process& process) {
  if (process.terminal && options.detach && options.console_socket.empty())
    throw Error("open a terminal").detail("nobody would hold it").remedy("pass --console-socket");
  if (!process.terminal && !options.console_socket.empty())
    throw Error("use the console socket").detail("the process has no terminal").remedy("leave --console-socket away");
}

// Before start pid 1 is wherry-init, which an ordinary user may not trace and which alone opens its namespaces to him.
// None: the caller can do without.
os::Fd connect_to_closed_pid1(const Container& found, const std::string& root, bool privileged) {
  if (privileged && found.status != container::Status::kCreated) return {};
  const std::string path = "/proc/" + std::to_string(found.record.pid) + "/ns/mnt";
  const auto opened = os::openat(os::kAtFdcwd, path.c_str(), os::kRdOnly);
  if (opened.error() != EACCES && opened.error() != EPERM) return {};
  auto directory = container::StateDirectory::open(root, found.record.id);
  directory.lock();  // a start that comes now is served after this exec; one that came before has done its work then
  if (!directory.has(container::kStartSocket)) return {};
  auto channel = os::connect_at(directory.fd(), container::kStartSocket, os::kSockSeqpacket);
  if (!channel)
    throw Error("exec in container " + found.record.id).because(channel.error()).detail("its init does not answer");
  return std::move(*channel);
}

// By CLONE_NEW*.
using Namespaces = std::map<std::uint64_t, os::Fd>;

// What pid 1 says next: a descriptor with the slot that it travels in.
std::pair<plan::Slot, os::Fd> receive(int channel, plan::MessageKind kind, const std::string& id) {
  const Error failure("open the namespaces of container " + id + ", which waits for start");
  plan::Message message{};
  int number = -1;
  const auto received = os::receive_message(channel, &message, sizeof message, &number, 1);
  os::Fd fd(received && received->fd_count == 1 ? number : -1);
  if (!received || received->size == 0) throw Error(failure).because(received ? EPIPE : received.error());
  if (received->size != sizeof message || message.kind != kind || !fd) throw Error(failure).because(EPROTO);
  return {message.slots[0], std::move(fd)};
}

Namespaces ask_for_namespaces(int channel, const plan::Plan& plan, const std::string& id) {
  Namespaces shown;
  if (channel < 0) return shown;
  plan::Message wish{};
  wish.kind = plan::MessageKind::kShow;
  for (const plan::PlannedStep& planned : plan.steps)
    if (const auto* enter = std::get_if<EnterNamespace>(&planned.step)) wish.namespaces |= enter->types.value;
  (void)receive(channel, plan::MessageKind::kReached, id);  // the status page, which is start's
  (void)os::send_message(channel, &wish, sizeof wish);      // the answer tells
  for (const plan::NamespaceFile& file : plan::kNamespaceFiles) {
    if ((wish.namespaces & file.type) == 0) continue;
    auto [slot, fd] = receive(channel, plan::MessageKind::kProduced, id);
    if (slot == file.slot) shown[file.type] = std::move(fd);
  }
  return shown;
}

plan::Facts facts_for(const Container& found, const ExecOptions& options, const oci::Spec& spec) {
  plan::Facts facts = container::host_facts(spec);
  facts.id = found.record.id;
  facts.bundle = found.record.bundle;
  facts.rootfs = found.record.rootfs;
  facts.no_new_keyring = found.record.no_new_keyring;
  if (spec.linux.intel_rdt) facts.resctrl_mount = container::find_resctrl();
  facts.keeps_terminal = !options.detach && options.console_socket.empty() && options.raw_console;
  facts.preserve_fds = options.preserve_fds;
  if (found.record.cgroup_manager == "disabled") facts.cgroup_manager = plan::CgroupManager::kDisabled;
  return facts;
}

// --cgroup: below the container's own cgroup, by a walk that cannot leave it.
os::Fd open_sub_cgroup(const Container& found, const std::string& path) {
  if (path.empty()) {
    auto copy = os::duplicate(found.cgroup.get());
    if (!copy) throw Error("open the container's cgroup " + found.record.cgroup_path).because(copy.error());
    return std::move(*copy);
  }
  const std::string relative = path.front() == '/' ? "." + path : path;
  auto dir = os::openat2(found.cgroup.get(), relative.c_str(), os::kRdOnly | os::kDirectory,
                         RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (!dir)
    throw Error("exec --cgroup " + path)
        .because(dir.error())
        .detail("bad sub cgroup path: it must be a cgroup below the container's own");
  return std::move(*dir);
}

// Where pid 1 is now. An init such as systemd moves itself to a child of the cgroup, so that the cgroup itself takes no
// process any more (cgroup-v2.rst "No Internal Process Constraint").
os::Fd open_cgroup_of_pid1(const Container& found) {
  const auto text =
      os::read_file(os::kAtFdcwd, ("/proc/" + std::to_string(found.record.pid) + "/cgroup").c_str(), 65536);
  const std::string path = text ? cgroup::parse_own_cgroup(text.value()) : "";
  const std::string& own = found.record.cgroup_path;
  if (!found.cgroup) {  // the container's cgroup was removed: its pid 1 had left it
    auto dir = os::openat2(os::kAtFdcwd, (cgroup::find_mount() + path).c_str(), os::kRdOnly | os::kDirectory,
                           RESOLVE_NO_SYMLINKS);
    return path.empty() || !dir ? os::Fd{} : std::move(*dir);
  }
  if (path.size() <= own.size() || path.compare(0, own.size() + 1, own + "/") != 0) return {};
  auto dir = os::openat2(found.cgroup.get(), path.c_str() + own.size() + 1, os::kRdOnly | os::kDirectory,
                         RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  return dir ? std::move(*dir) : os::Fd{};
}

oci::State state_of(const Container& found) {
  oci::State state = container::hook_state(found.record, container::name_of(found.status));
  state.pid = found.record.pid;
  return state;
}

class Execution {
 public:
  Execution(InitProgram init, const Settings& settings, const ExecOptions& options, const Container& found,
            const oci::Process& process, const plan::Plan& plan)
      : init_(std::move(init)),
        options_(options),
        record_(found.record),
        process_(process),
        plan_(plan),
        launch_(plan, "process.json", state_of(found)),
        encoded_(plan::encode(plan)) {
    launch_.narrate_to(settings.tell);
    if (found.cgroup) launch_.watch_memory(found.cgroup.get());
  }

  Process run(os::Fd target, const Namespaces& namespaces, os::Fd cgroup) {
    launch_.bind(plan::slot::kTarget, std::move(target));
    bind(namespaces);
    if (cgroup) launch_.bind(plan::slot::kCgroup, std::move(cgroup));
    try {
      launch_.load(std::move(init_), encoded_, false);
      enter_scope();
      (void)launch_.play();
      return finish();
    } catch (...) {
      launch_.abandon();
      throw;
    }
  }

 private:
  void bind(const Namespaces& namespaces) {
    for (const plan::PlannedStep& planned : plan_.steps) {
      const auto* enter = std::get_if<EnterNamespace>(&planned.step);
      if (enter == nullptr || enter->slot == plan::slot::kTarget) continue;
      const auto shown = namespaces.find(enter->types.value);
      auto copy = shown != namespaces.end() ? os::duplicate(shown->second.get()) : os::Result<os::Fd>::failure(EPROTO);
      if (!copy) throw Error("hold the container's namespaces").because(copy.error());
      launch_.bind(enter->slot, std::move(*copy));
    }
  }

  // cgroup-v2.rst "Delegation Containment": a user may not take a process from a login session to the user's manager;
  // systemd does that. If it does not, the clone says what is wrong, or succeeds from where init is.
  void enter_scope() {
    if (record_.bus.empty()) return;
    try {
      cgroup::Systemd(record_.bus).attach(record_.unit, launch_.init_pid());
    } catch (const Error&) {
    }
  }

  Process finish() {
    Process result;
    if (process_.terminal) result.console = launch_.take_console();
    if (!options_.console_socket.empty()) {
      container::send_descriptor(options_.console_socket, result.console.get(), "console", "console");
      result.console.reset();
    }
    if (!options_.pidfd_socket.empty())
      container::send_descriptor(options_.pidfd_socket, launch_.pidfd(), "pidfd", "pidfd");
    if (!options_.pid_file.empty()) container::write_pid_file(options_.pid_file, launch_.pid());
    result.pid = launch_.pid();
    result.pidfd = launch_.take_pidfd();
    return result;
  }

  InitProgram init_;
  const ExecOptions& options_;
  const oci::Record& record_;
  const oci::Process& process_;
  const plan::Plan& plan_;
  container::Launch launch_;
  std::vector<unsigned char> encoded_;
};

void check_status(const Container& found, const ExecOptions& options) {
  if (!found.process) throw Error("exec in container " + found.record.id).detail("cannot exec in a stopped container");
  if (found.status == container::Status::kPaused && !options.ignore_paused)
    throw Error("exec in container " + found.record.id)
        .detail("cannot exec in a paused container")
        .remedy("resume it, or use --ignore-paused");
}

os::Fd duplicate_pidfd(const Container& found) {
  auto copy = os::duplicate(found.process.get());
  if (!copy) throw Error("hold the container's init").because(copy.error());
  return std::move(*copy);
}

}  // namespace

Process exec(const Settings& settings, const ExecOptions& options) {
  InitProgram init(options.preserve_fds, options.streams);  // starts while the state is read
  const Container found = container::load(settings.root, options.id);
  check_status(found, options);
  const oci::Spec spec = container::read_saved_spec(found.directory);
  const oci::Process process = wanted_process(options, spec);
  check_console(options, process);
  plan::Facts facts = facts_for(found, options, spec);
  if (spec.linux.seccomp) facts.filter = container::cached_filter(settings.root, *spec.linux.seccomp);
  os::Fd channel = connect_to_closed_pid1(found, settings.root, facts.privileged);
  facts.pid1_is_closed = static_cast<bool>(channel);
  const plan::Plan plan = plan::compile_exec(process, spec, facts);
  const Namespaces namespaces = ask_for_namespaces(channel.get(), plan, found.record.id);
  channel.reset();  // pid 1 goes on waiting
  const bool has_cgroup = facts.cgroup_manager != plan::CgroupManager::kDisabled;
  os::Fd cgroup;
  if (has_cgroup && !found.cgroup && options.cgroup.empty()) cgroup = open_cgroup_of_pid1(found);
  if (has_cgroup && !cgroup) cgroup = open_sub_cgroup(found, options.cgroup);
  try {
    Process started = Execution(std::move(init), settings, options, found, process, plan)
                          .run(duplicate_pidfd(found), namespaces, std::move(cgroup));
    started.warnings = plan.warnings;
    return started;
  } catch (const Error& error) {
    os::Fd other = error.number() == EBUSY && options.cgroup.empty() ? open_cgroup_of_pid1(found) : os::Fd{};
    if (!other) throw;
    return Execution(InitProgram(options.preserve_fds, options.streams), settings, options, found, process, plan)
        .run(duplicate_pidfd(found), namespaces, std::move(other));
  }
}

int wait_for(const Process& process) {
  const auto exit = os::reap(process.pidfd.get());
  if (!exit) throw Error("wait for process " + std::to_string(process.pid)).because(exit.error());
  return exit.value().status();
}

}  // namespace wherry
