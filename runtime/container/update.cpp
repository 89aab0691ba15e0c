// SPDX-License-Identifier: Apache-2.0
// update: other limits for a container that is there.
#include "cgroup/devices.hpp"
#include "container/saved.hpp"
#include "container/status.hpp"
#include "oci/validate.hpp"
#include "os/files.hpp"
#include "plan/compile_limits.hpp"
#include "wherry/wherry.hpp"

namespace wherry {
namespace {

using container::Container;

constexpr std::string_view kPlace = "/linux/resources";

// "LIMIT SWAP"; what create was asked for stands in its config.json.
plan::AskedMemory read_asked(const Container& found, const oci::Spec& spec) {
  if (!found.directory.has(container::kMemoryFile))
    return spec.linux.resources ? plan::asked_memory(*spec.linux.resources) : plan::AskedMemory{};
  const std::string text = found.directory.read_file(container::kMemoryFile);
  plan::AskedMemory asked;
  std::size_t end = 0;
  try {
    asked.limit = std::stoll(text, &end);
    asked.swap = std::stoll(text.substr(end));
  } catch (const std::exception&) {
    throw Error("read the memory limits of container " + found.record.id).detail("their file is damaged");
  }
  return asked;
}

void write_asked(const Container& found, const plan::AskedMemory& asked) {
  const auto written = os::replace_file(found.directory.fd(), container::kMemoryFile,
                                        std::to_string(asked.limit) + " " + std::to_string(asked.swap) + "\n", 0600);
  if (!written) throw Error("write the memory limits of container " + found.record.id).because(written.error());
}

// The rules that create put in force; none for an unprivileged host.
const std::vector<plan::DeviceRule>* rules_of(const plan::Plan& plan) {
  const auto index = plan::index_of<plan::AttachDeviceFilter>(plan);
  return index ? &std::get<plan::AttachDeviceFilter>(plan.steps[*index].step).rules : nullptr;
}

void update_devices(const Container& found, const oci::Resources& resources, cgroup::Manager& manager) {
  if (resources.devices.empty()) return;
  const plan::Plan plan = container::read_saved_plan(found.directory);
  const std::vector<plan::DeviceRule>* old = rules_of(plan);
  if (old == nullptr) return;
  oci::Linux config;
  config.resources = resources;
  const std::vector<plan::DeviceRule> rules = plan::compile_device_rules(config);
  const int cgroup = found.cgroup.get();
  // Kubernetes sends the same list with every update; another program that stands in place of Wherry's (as GPU tools
  // put one there) is then to stay alone.
  if (rules == *old && !cgroup::has_device_program(cgroup)) return;
  const os::Fd program = cgroup::load_device_program(rules);
  manager.set_devices(cgroup, rules, program.get());
}

void check(const Container& found) {
  const bool there = found.status == container::Status::kCreated || found.status == container::Status::kRunning ||
                     found.status == container::Status::kPaused;
  if (!there)
    throw Error("update container " + found.record.id)
        .detail(std::string("container not running: it is ") + container::name_of(found.status));
  if (!found.cgroup) throw Error("update container " + found.record.id).detail("it has no cgroup");
}

void apply(const Container& found, const oci::Resources& resources) {
  const oci::Spec spec = container::read_saved_spec(found.directory);
  const plan::AskedMemory old = read_asked(found, spec);
  const plan::AskedMemory asked = plan::asked_memory(resources, old);
  const plan::Limits limits = plan::compile_update(resources, old);
  const auto manager = container::manager_of(found.record);
  manager->update_limits(found.cgroup.get(), limits);
  if (!(asked == old)) write_asked(found, asked);
  update_devices(found, resources, *manager);
}

}  // namespace

void update(const Settings& settings, const std::string& id, const oci::Resources& resources) {
  if (auto faults = oci::validate_resources(resources); !faults.empty())
    throw oci::FaultsError("resources", std::move(faults));
  container::StateDirectory directory = container::StateDirectory::open(settings.root, id);
  directory.lock();
  const Container found = container::load(std::move(directory));
  check(found);
  try {
    apply(found, resources);
  } catch (Error& error) {
    if (!error.pointer().starts_with(kPlace)) throw;
    std::string place = error.pointer().substr(kPlace.size());
    throw std::move(error).in("resources", std::move(place));
  }
}

}  // namespace wherry
