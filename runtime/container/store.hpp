// SPDX-License-Identifier: Apache-2.0
// Settings::root and the state directory of each container below it:
//   state.json    oci::Record; written before the first side effect, replaced by rename
//   config.json   a copy: the bundle's may change after create (runtime.md "Operations", create)
//   plan.bin      plan::encode
//   memory        memory.limit and memory.swap as asked for by the last update of one of them
//   start.sock    pid 1 listens here while the container is created
//   notify/       if the caller has a $NOTIFY_SOCKET: the container's own /run/notify (container/notify.hpp)
// A missing start.sock means that start has been called.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oci/record.hpp"
#include "os/core/fd.hpp"

namespace wherry::container {

inline constexpr const char* kStateFile = "state.json";
inline constexpr const char* kConfigFile = "config.json";
inline constexpr const char* kPlanFile = "plan.bin";
inline constexpr const char* kMemoryFile = "memory";
inline constexpr const char* kStartSocket = "start.sock";
inline constexpr const char* kNotifyDirectory = "notify";
inline constexpr const char* kNewNotifySocket = "notify.sock.new";  // until it is complete

// Throws Error for anything that is no container id: [A-Za-z0-9_+.-], 1 to 1024 bytes, not "." or "..", no leading
// dash (security.md: ids end up in paths).
void check_id(const std::string& id);

// One container's state directory, held by a descriptor.
class StateDirectory {
 public:
  // mkdir and lock. Throws "container with id ... exists already".
  [[nodiscard]] static StateDirectory create(const std::string& root, const std::string& id);
  // Throws "container ... does not exist".
  [[nodiscard]] static StateDirectory open(const std::string& root, const std::string& id);
  [[nodiscard]] static std::optional<StateDirectory> find(const std::string& root, const std::string& id);

  // flock(2) on the directory; released with this object. False when somebody else has it.
  [[nodiscard]] bool try_lock();
  // Throws when the lock is not free within ten seconds.
  void lock();

  [[nodiscard]] oci::Record read_record() const;
  void write_record(const oci::Record& record) const;
  void create_file(const char* name, std::string_view data) const;
  [[nodiscard]] std::string read_file(const char* name) const;
  [[nodiscard]] bool has(const char* name) const;
  void unlink(const char* name) const;
  // The files, then the directory. What is gone already is no error.
  void remove() const;

  [[nodiscard]] int fd() const noexcept { return dir_.get(); }
  [[nodiscard]] const std::string& id() const noexcept { return id_; }

 private:
  StateDirectory(std::string root, std::string id, os::Fd dir)
      : root_(std::move(root)), id_(std::move(id)), dir_(std::move(dir)) {}
  [[nodiscard]] std::string path(const char* name = "") const;

  std::string root_, id_;
  os::Fd dir_;
};

// Names below the root that are container ids, sorted.
[[nodiscard]] std::vector<std::string> list_ids(const std::string& root);

}  // namespace wherry::container
