// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "cgroup/devices.hpp"
#include "cgroup/manager.hpp"

namespace wherry::cgroup {
namespace {

class CgroupfsManager final : public Manager {
 public:
  explicit CgroupfsManager(Location location) : location_(std::move(location)) {}

  os::Fd create(const plan::Limits&, const std::vector<plan::DeviceRule>&, pid_t) override {
    Created created = cgroup::create(location_.mount, location_.path);
    hand_down_controllers(created, location_.mount, location_.path);
    return std::move(created.dir);
  }

  void set_limits(int dir_fd, const plan::Limits& limits) override {
    enable_controllers(dir_fd, location_.mount, location_.path, limits);
    apply(dir_fd, limits);
  }

  void update_limits(int dir_fd, const plan::Limits& limits) override {
    enable_controllers(dir_fd, location_.mount, location_.path, limits);
    update(dir_fd, limits);
  }

  void set_devices(int dir_fd, const std::vector<plan::DeviceRule>&, int program_fd) override {
    attach_device_program(dir_fd, program_fd);
  }

  void remove(Timeout timeout) override {
    cgroup::remove(location_.mount, location_.path, location_.existing, timeout);
  }
  bool try_remove() override { return cgroup::try_remove(location_.mount, location_.path, location_.existing); }

  [[nodiscard]] const Location& location() const override { return location_; }

 private:
  Location location_;
};

}  // namespace

std::unique_ptr<Manager> cgroupfs_manager(Location location) {
  return std::make_unique<CgroupfsManager>(std::move(location));
}

}  // namespace wherry::cgroup
