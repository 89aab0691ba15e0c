// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "os/files.hpp"
#include "os/sockets.hpp"
#include "os/spawn.hpp"
#include "shim/bundle.hpp"
#include "shim/commands.hpp"
#include "shim/messages.hpp"
#include "wherry/error.hpp"

namespace wherry::shim {
namespace {

constexpr const char* kSockets = "/run/containerd/s";
constexpr int kMostScore = 1000;  // proc(5) oom_score_adj
constexpr std::size_t kLargestNumber = 64;

// What containerd 2.3 and newer send; older ones send the options alone, which look alike (BootstrapParams has their
// fields as instance_id and namespace).
struct Request {
  bool has_params = false;  // they are answered by a BootstrapResult
  bool in_json = false;     // else, by choice: nothing says whether containerd 2.0 to 2.2 is at the other end
  std::string socket_directory = kSockets;
  RuncOptions options;
};

Request read_request(const std::string& input, const Arguments& arguments) {
  Request request;
  BootstrapParams params;
  Any options;
  if (decode(input, params) && params.instance_id == arguments.id &&
      params.shim_namespace == arguments.container_namespace) {
    request.has_params = true;
    if (!params.socket_dir.empty()) request.socket_directory = params.socket_dir;
    for (const Extension& extension : params.extensions)
      if (extension.value && extension.value->type_url.find("containerd.runc.v1.Options") != std::string::npos)
        options = *extension.value;
  } else if (!decode(input, options)) {
    throw Error("read standard input").detail("it holds neither options nor BootstrapParams");
  }
  if (options.type_url.find("containerd.runc.v1.Options") != std::string::npos &&
      !decode(options.value, request.options))
    throw Error("read standard input").detail("it holds no runc Options");
  return request;
}

std::string answer(const Request& request, const std::string& path) {
  const std::string address = "unix://" + path;
  if (request.has_params) return encode(BootstrapResult{3, address, "ttrpc"});
  // Neither a directory of sockets nor a digest has a character that JSON would escape.
  return request.in_json ? R"({"version":3,"address":")" + address + R"(","protocol":"ttrpc"})" : address;
}

os::Fd try_listen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Error("listen on " + path).detail("the path is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw Error("make a socket").because(errno);
  // A socket has the mode of its descriptor at bind(2): no other user could ever connect.
  (void)::fchmod(fd.get(), 0600);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EADDRINUSE) return {};
    throw Error("listen on " + path).because(errno);
  }
  if (::listen(fd.get(), SOMAXCONN) != 0) throw Error("listen on " + path).because(errno);
  return fd;
}

// Empty when a shim answers there already.
os::Fd listen_or_join(const std::string& path) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (os::Fd fd = try_listen(path)) return fd;
    if (os::connect_to(path, os::kSockStream)) return {};
    (void)::unlink(path.c_str());  // of one that has died
  }
  throw Error("listen on " + path).because(EADDRINUSE);
}

int own_score_of(int pid) {
  auto text = os::read_file(os::kAtFdcwd, ("/proc/" + std::to_string(pid) + "/oom_score_adj").c_str(), kLargestNumber);
  int score = 0;
  if (text) (void)std::from_chars(text->data(), text->data() + text->size(), score);  // the kernel writes a number
  return score;
}

// The kernel is to take a shim before containerd. Without the right to change it, it stays as it is inherited.
void adjust_score(int pid) {
  const int score = std::min(own_score_of(::getppid()) + 1, kMostScore);
  const std::string path = "/proc/" + std::to_string(pid) + "/oom_score_adj";
  (void)os::write_existing(os::kAtFdcwd, path.c_str(), std::to_string(score));
}

void join_cgroup(const std::string& cgroup, int pid) {
  if (cgroup.empty()) return;
  const std::string file = cgroup + "/cgroup.procs";
  if (auto joined = os::write_existing(os::kAtFdcwd, file.c_str(), std::to_string(pid)); !joined)
    throw Error("put the shim into the cgroup " + cgroup).because(joined.error());
}

// Nothing of it may hold the pipe that containerd reads to its end.
os::Child spawn_server(const Arguments& arguments, const os::Fd& listener, const std::string& ttrpc_address) {
  os::Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  auto passed = os::duplicate(listener.get(), 16);
  if (!null || !passed) throw Error("start the shim").because(errno);
  os::Program program;
  program.path = "/proc/self/exe";
  program.args = {"containerd-shim-wherry-v2",
                  "-namespace",
                  arguments.container_namespace,
                  "-id",
                  arguments.id,
                  "-address",
                  arguments.address};
  if (arguments.debug) program.args.emplace_back("-debug");
  program.env = {"TTRPC_ADDRESS=" + ttrpc_address, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  program.standard_input = program.standard_output = program.standard_error = null.get();
  program.passed = {passed->get()};
  program.own_group = true;
  auto child = os::spawn(program);
  if (!child) throw Error("start the shim").because(child.error());
  return std::move(*child);
}

}  // namespace

std::string start(const Arguments& arguments, const Surroundings& surroundings) {
  if (arguments.id.empty() || arguments.container_namespace.empty())
    throw Error("start a shim").detail("-id and -namespace are needed");
  Request request = read_request(surroundings.standard_input, arguments);
  request.in_json = surroundings.answer_in_json;
  const std::string& directory = request.socket_directory;
  if (auto made = os::make_directories(directory, 0711, 0711); !made)
    throw Error("make the directory " + directory).because(made.error());
  const std::string path =
      socket_path(directory, arguments.address, arguments.container_namespace, group_of(".", arguments.id));
  save_address(".", "unix://" + path);
  const os::Fd listener = listen_or_join(path);
  if (!listener) return answer(request, path);
  if (surroundings.core_scheduling)  // as containerd's own shim: a scheduling cookie of its own
    (void)::prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_PROCESS_GROUP, 0);
  try {
    const os::Child server = spawn_server(arguments, listener, surroundings.ttrpc_address);
    adjust_score(server.pid);
    try {
      join_cgroup(request.options.shim_cgroup, server.pid);
    } catch (...) {
      (void)os::pidfd_send_signal(server.pidfd.get(), 9);
      throw;
    }
  } catch (...) {
    (void)::unlink(path.c_str());
    throw;
  }
  return answer(request, path);
}

}  // namespace wherry::shim
