// SPDX-License-Identifier: Apache-2.0
// Wherry as a library: what the command line and the shim do, they do through this header.
//
// A map of the code:
//   config.json ──▶ oci/read_spec ──▶ plan/compile ──▶ Plan ──┬──▶ plan/explain
//                   nouns             verbs, pure             ├──▶ container/launch: the host voice
//                                                             └──▶ init/player: the container voice
//   include/wherry/wherry.hpp     this facade             runtime/container/   one file per verb of the life
//   runtime/oci/                  typed config.json       runtime/plan/        steps, compile_*.cpp by topic
//   runtime/init/                 what runs inside        runtime/cgroup/      limits and devices
//   runtime/os/                   system calls            runtime/cli/         one file per command
//
// Every function throws wherry::Error. None changes process-global state (working directory, umask, environment,
// signals) and none logs. Containers are found by id below Settings::root; a container's operations are serialised by a
// lock in its state directory, so any number of processes may call.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "os/core/fd.hpp"
#include "wherry/error.hpp"

namespace wherry::oci {
struct Resources;  // oci/spec.hpp
}

namespace wherry {

struct Settings {
  std::string root;                         // state directory; see default_root()
  std::string cgroup_manager = "cgroupfs";  // "systemd" or "disabled"; for create and run: the others read the state
  std::string runtime_dir;                  // $XDG_RUNTIME_DIR: where the user's own systemd is, for "systemd"
  std::string session_bus;                  // $DBUS_SESSION_BUS_ADDRESS, for "systemd"
  // Told by create, start, run and exec: one line for each step that was done, those before a failure included.
  // Unset, it costs nothing.
  std::function<void(const std::string& line)> tell;
};

// /run/wherry; for an ordinary user, or root of a user namespace unless USER says root, $XDG_RUNTIME_DIR/wherry
// (`runtime_dir`, "" when unset).
[[nodiscard]] std::string default_root(const std::string& runtime_dir, const std::string& user_name);

// Descriptors, not owned, that become a process's 0, 1 and 2; -1: the caller's own. Not for one with a terminal.
struct Streams {
  int in = -1, out = -1, err = -1;
};

// What create and run take from the command line.
struct CreateOptions {
  std::string id;
  std::string bundle;                       // directory; relative paths are the caller's
  std::string config_name = "config.json";  // below the bundle, or absolute
  std::string pid_file;                     // written before create returns; "" for none
  std::string console_socket;               // AF_UNIX path that gets the pty master; "" for none
  std::string pidfd_socket;                 // AF_UNIX path that gets a pidfd of pid 1; "" for none
  bool detach = true;                       // false: the caller keeps the terminal (Process::console)
  bool no_pivot = false;
  bool no_new_keyring = false;
  std::uint32_t preserve_fds = 0;     // pass fds 3 .. 3+N-1
  std::uint32_t listen_fds = 0;       // of $LISTEN_FDS; they are fds 3 .. 3+N-1 as well
  std::string notify_socket;          // $NOTIFY_SOCKET of the caller; "" for none
  bool trace = false;                 // Process::trace is wanted
  bool raw_console = true;            // not detached: the terminal's newlines are plain, without ONLCR
  std::string* last_words = nullptr;  // of a run that failed: what hooks wrote to its terminal; not owned
  Streams streams;
};

// What exec takes from the command line. Unset optionals keep what the container's own process has.
struct ExecOptions {
  std::string id;
  std::string process_file;  // JSON of a process object; then the following ones are ignored
  std::string process_json;  // the same, itself
  std::vector<std::string> args;
  std::optional<std::string> cwd;
  std::vector<std::string> env;     // added
  std::optional<std::string> user;  // "UID[:GID]", digits only
  std::vector<std::uint32_t> additional_gids;
  std::vector<std::string> capabilities;  // added
  std::optional<std::string> apparmor;
  std::optional<std::string> process_label;
  bool terminal = false;
  bool no_new_privileges = false;
  bool ignore_paused = false;
  std::string cgroup;  // sub-cgroup of the container's, relative; "" for its own
  std::string pid_file, console_socket, pidfd_socket;
  bool detach = false;
  std::uint32_t preserve_fds = 0;
  bool raw_console = true;  // as CreateOptions has it
  Streams streams;
};

// A process that was started: a child of the caller.
struct Process {
  pid_t pid = 0;
  os::Fd pidfd;       // poll, pidfd_send_signal
  os::Fd notify;      // what the container says by sd_notify(3), if CreateOptions::notify_socket was set; see below
  os::Fd console;     // pty master, when the caller keeps the terminal; raw_console holds from its first byte on
  std::string trace;  // Chrome trace-event JSON, when it was asked for
  std::vector<std::string> warnings;  // what config.md wants said and not refused: capabilities that cannot be granted
};

// Exit status of such a process, 128 + signal for one that was killed. Blocks.
[[nodiscard]] int wait_for(const Process& process);

// runtime.md "Operations". create leaves the program waiting for start.
[[nodiscard]] Process create(const Settings& settings, const CreateOptions& options);
// `notify_socket`: the caller's $NOTIFY_SOCKET. If create had one as well, start returns when the container has said
// READY=1 and `notify_socket` knows it, with MAINPID, or when the container has ended.
void start(const Settings& settings, const std::string& id, const std::string& notify_socket = {});
// create and start in one. The container stays until remove(). With a notify_socket: when detached, waits as start
// does; else the caller polls Process::notify and calls forward_readiness().
[[nodiscard]] Process run(const Settings& settings, const CreateOptions& options);
// Takes one datagram from Process::notify, and tells `notify_socket` READY=1 and MAINPID if it says so: then true, and
// Process::notify is to be closed, lest the container waits for somebody to read on. Does not block for the container.
[[nodiscard]] bool forward_readiness(const Process& process, const std::string& notify_socket, pid_t main_pid);
[[nodiscard]] Process exec(const Settings& settings, const ExecOptions& options);
// `signal`: 1 to 64. `all`: every process of the cgroup; also for a stopped container whose cgroup is still there.
void kill(const Settings& settings, const std::string& id, int signal, bool all);
// delete. `force`: kill first, succeed on half-made containers and on unknown ids. Returns warnings (failed poststop
// hooks), which runtime.md wants logged, not refused.
std::vector<std::string> remove(const Settings& settings, const std::string& id, bool force);
void pause(const Settings& settings, const std::string& id);
void resume(const Settings& settings, const std::string& id);
// New limits for a container: what `resources` leaves unset stays (0 of memory, CPU and block I/O is unset); all or
// nothing. A device list that is not empty takes the place of the one in force.
void update(const Settings& settings, const std::string& id, const oci::Resources& resources);

// What `state` and `list` show.
struct ContainerState {
  std::string oci_version, id;
  std::string status;  // "creating", "created", "running", "paused", "stopped"
  pid_t pid = 0;       // 0 when stopped
  std::string bundle, rootfs;
  std::string created;  // RFC 3339, UTC
  std::string owner;    // user name or uid
  std::vector<std::pair<std::string, std::string>> annotations;
};
[[nodiscard]] ContainerState state(const Settings& settings, const std::string& id);
[[nodiscard]] std::vector<ContainerState> list(const Settings& settings);  // by id; unreadable ones as "stopped"
[[nodiscard]] std::string state_json(const ContainerState& state);         // runc's layout
[[nodiscard]] std::string list_json(const std::vector<ContainerState>& states);
// Pids in the container's cgroup, as the caller's pid namespace sees them.
[[nodiscard]] std::vector<pid_t> processes(const Settings& settings, const std::string& id);

// What a container uses now, and when the kernel kills in it for want of memory: JSON on one line, in runc's layout.
//   {"type":"stats","id":ID,"data":{...}}      {"type":"oom","id":ID}
[[nodiscard]] std::string stats_event(const Settings& settings, const std::string& id);
// Tells the statistics after each `interval` and each such kill at once. Returns when no process is left in it.
void watch(const Settings& settings, const std::string& id, std::chrono::milliseconds interval,
           const std::function<void(const std::string& line)>& tell);

// The container's cgroup, a directory: for its statistics and events. Empty when it has none.
[[nodiscard]] os::Fd open_cgroup(const Settings& settings, const std::string& id);

// What would be done for this bundle, without doing it.
struct Explanation {
  std::string text;
  std::string json;
};
[[nodiscard]] Explanation explain(const Settings& settings, const CreateOptions& options);

// config.json as `spec` writes it; features.md as `features` prints it.
[[nodiscard]] std::string default_config(bool rootless, std::uint32_t uid, std::uint32_t gid);
[[nodiscard]] std::string features_json();

// One line of `doctor`: what this host can do.
struct Finding {
  std::string name;  // "clone3 into a cgroup"
  bool ok = false;
  std::string detail;  // what was seen
  std::string remedy;  // what to do; "" when ok
};
[[nodiscard]] std::vector<Finding> examine_host(const Settings& settings);

// The error's message; of ENOSYS also which of the calls that containers need are not there, which is found out by
// trying.
[[nodiscard]] std::string describe(const Error& error);

}  // namespace wherry
