// SPDX-License-Identifier: Apache-2.0
#include "container/id_maps.hpp"

#include <unistd.h>

#include <csignal>

#include "container/init_program.hpp"
#include "os/files.hpp"
#include "os/spawn.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

struct Kind {
  const char* file;
  const char* helper;
  const char* pointer;
};
constexpr Kind kUids{"uid_map", "newuidmap", "/linux/uidMappings"};
constexpr Kind kGids{"gid_map", "newgidmap", "/linux/gidMappings"};

constexpr const char* kHelperDirectories[] = {"/usr/bin/", "/bin/", "/usr/local/bin/", "/run/wrappers/bin/"};

os::Status write_map(const Kind& kind, const std::vector<plan::IdMap>& maps, pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + kind.file;
  return os::write_existing(os::kAtFdcwd, path.c_str(), map_text(maps));
}

bool maps_own_id_alone(const std::vector<plan::IdMap>& maps, unsigned id) {
  return maps.size() == 1 && maps[0].size == 1 && maps[0].host_id == id;
}

// user_namespaces(7) "Defining user and group ID mappings"
const char* remedy_of(int number) {
  if (number == EPERM) return "the caller's own user namespace must have these ids";
  return number == EINVAL ? "the kernel takes 340 ranges that do not overlap, in less than a page of text" : "";
}

std::vector<std::string> helper_arguments(const Kind& kind, const std::vector<plan::IdMap>& maps, pid_t pid) {
  std::vector<std::string> args{kind.helper, std::to_string(pid)};
  for (const plan::IdMap& map : maps)
    for (const uint32_t number : {map.container_id, map.host_id, map.size}) args.push_back(std::to_string(number));
  return args;
}

void run_helper(const Kind& kind, const std::vector<plan::IdMap>& maps, pid_t pid) {
  os::Program program;
  program.args = helper_arguments(kind, maps, pid);
  auto child = os::Result<os::Child>::failure(ENOENT);
  for (const char* directory : kHelperDirectories) {
    program.path = std::string(directory) + kind.helper;
    child = os::spawn(program);
    if (child || child.error() != ENOENT) break;
  }
  const Error base = Error(std::string("run ") + kind.helper);
  if (!child) throw Error(base).at(kind.pointer).because(child.error()).remedy("install the package uidmap");
  auto exit = os::reap(child->pidfd.get());
  if (!exit || exit->status() != 0)
    throw Error(base)
        .at(kind.pointer)
        .detail("it refused the map")
        .remedy("list the ids in /etc/subuid and /etc/subgid");
}

void write_as_user(const Kind& kind, const std::vector<plan::IdMap>& maps, unsigned own_id, pid_t pid) {
  if (!maps_own_id_alone(maps, own_id)) return run_helper(kind, maps, pid);
  if (auto written = write_map(kind, maps, pid); !written)
    throw Error(std::string("write ") + kind.file).at(kind.pointer).because(written.error());
}

}  // namespace

std::string map_text(const std::vector<plan::IdMap>& maps) {
  std::string text;
  for (const plan::IdMap& map : maps)
    text +=
        std::to_string(map.container_id) + " " + std::to_string(map.host_id) + " " + std::to_string(map.size) + "\n";
  return text;
}

void write_id_maps(const plan::MapIds& maps, pid_t pid) {
  if (::geteuid() == 0) {
    for (const auto& [kind, list] : {std::pair{&kGids, &maps.gids}, std::pair{&kUids, &maps.uids}})
      if (auto written = write_map(*kind, *list, pid); !written)
        throw Error(std::string("write ") + kind->file)
            .at(kind->pointer)
            .because(written.error())
            .remedy(remedy_of(written.error()));
    return;
  }
  if (maps_own_id_alone(maps.gids, ::getegid())) {
    const std::string path = "/proc/" + std::to_string(pid) + "/setgroups";
    if (auto denied = os::write_existing(os::kAtFdcwd, path.c_str(), "deny"); !denied)
      throw Error("deny setgroups").at(kGids.pointer).because(denied.error());
  }
  write_as_user(kGids, maps.gids, ::getegid(), pid);
  write_as_user(kUids, maps.uids, ::geteuid(), pid);
}

os::Fd make_id_mapping(const plan::CreateIdMapping& mapping) {
  const Error failure("make a user namespace for id-mapped mounts");
  InitProgram holder(0, {}, true);  // waits for a plan that it never gets
  const os::Child child = holder.finish();
  const auto end = [&] {
    (void)os::pidfd_send_signal(child.pidfd.get(), SIGKILL);  // it has nothing to do
    (void)os::reap(child.pidfd.get());
  };
  try {
    write_id_maps({mapping.uids, mapping.gids}, child.pid);
  } catch (const Error&) {
    end();
    throw;
  }
  auto opened = os::openat(os::kAtFdcwd, ("/proc/" + std::to_string(child.pid) + "/ns/user").c_str(), os::kRdOnly);
  end();
  if (!opened) throw Error(failure).because(opened.error());
  return std::move(*opened);
}

}  // namespace wherry::container
