// SPDX-License-Identifier: Apache-2.0
// Limits, identity and power of the process.
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/sched/types.h>

#include "init/execute.hpp"
#include "init/text.hpp"

namespace wherry::init {
namespace {

constexpr unsigned kCapabilityBits = 64;

bool holds(plan::CapabilityMask mask, unsigned capability) noexcept { return (mask.value >> capability & 1) != 0; }

// user_namespaces(7): who mapped no gid but its own had to deny setgroups(2) for good.
bool are_groups_denied(const Context& context) noexcept {
  char text[4] = {};
  auto file = os::openat(context.proc.get(), "self/setgroups", os::kRdOnly);
  return file && os::read(file->get(), text, sizeof text) && equal(TextView{text, sizeof text}, "deny");
}

Outcome set_groups(const plan::ListView<uint32_t>& groups, const Context& context) noexcept {
  uint32_t ids[1024];  // more are accepted by no file system of the field; NGROUPS_MAX is 65536
  if (groups.count > 1024) return failed(EINVAL, Detail::kGroups);
  uint32_t count = 0;
  if (!plan::for_each(groups, [&](uint32_t id) { return ids[count++] = id, true; }))
    return failed(EBADMSG, Detail::kPlan);
  const os::Status set = os::status_of(os::raw_syscall(__NR_setgroups, count, os::address(ids)));
  if (count == 0 && set.error() == EPERM && are_groups_denied(context)) return done(1);
  return outcome_of(set, Detail::kGroups);
}

Outcome raise_ambient(plan::CapabilityMask ambient) noexcept {
  for (unsigned capability = 0; capability < kCapabilityBits; ++capability) {
    if (!holds(ambient, capability)) continue;
    auto raised = os::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability);
    // config.md: what cannot be granted is no error; a capability that the inheritable set lacks is EPERM.
    if (!raised && raised.error() != EPERM) return failed(raised.error(), Detail::kCapabilityUnknown, capability);
  }
  return done();
}

bool may_change_owner(const struct statx& status) noexcept {
  const unsigned type = status.stx_mode & os::kTypeMask;
  const bool null_device = status.stx_rdev_major == 1 && status.stx_rdev_minor == 3;
  return type == os::kTypeFifo || type == 0140000 || (type == os::kTypeChar && !null_device);
}

}  // namespace

Outcome execute(const plan::SetRlimit<Wired>& step, Context&) noexcept {
  const uint64_t limit[2] = {step.soft.value, step.hard.value};  // struct rlimit64
  return outcome_of(
      os::status_of(os::raw_syscall(__NR_prlimit64, 0, static_cast<long>(step.resource.value), os::address(limit), 0)));
}

Outcome execute(const plan::SetCpuAffinity<Wired>& step, Context&) noexcept {
  uint64_t cpus[128];  // CONFIG_NR_CPUS is at most 8192
  uint32_t count = 0;
  if (step.cpus.count > 128) return failed(EINVAL);
  if (!plan::for_each(step.cpus, [&](uint64_t mask) { return cpus[count++] = mask, true; }))
    return failed(EBADMSG, Detail::kPlan);
  const bool all = count == 0;
  if (all) __builtin_memset(cpus, 0xff, sizeof cpus), count = 128;
  const auto set = os::status_of(os::raw_syscall(__NR_sched_setaffinity, 0, count * 8L, os::address(cpus)));
  return all && (set.error() == EPERM || set.error() == ENOSYS) ? done(1) : outcome_of(set);
}

Outcome execute(const plan::SetScheduler<Wired>& step, Context&) noexcept {
  sched_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.sched_policy = step.policy;
  attributes.sched_flags = step.flags;
  attributes.sched_nice = step.nice;
  attributes.sched_priority = step.priority;
  attributes.sched_runtime = step.runtime_ns;
  attributes.sched_deadline = step.deadline_ns;
  attributes.sched_period = step.period_ns;
  return outcome_of(os::status_of(os::raw_syscall(__NR_sched_setattr, 0, os::address(&attributes), 0)));
}

Outcome execute(const plan::SetIoPriority<Wired>& step, Context&) noexcept {
  constexpr long kProcessGroup = 2;  // IOPRIO_WHO_PGRP
  return outcome_of(
      os::status_of(os::raw_syscall(__NR_ioprio_set, kProcessGroup, 0, step.io_class << 13 | step.priority)));
}

Outcome execute(const plan::SetPersonality<Wired>& step, Context&) noexcept {
  return outcome_of(os::status_of(os::raw_syscall(__NR_personality, step.persona)));
}

Outcome execute(const plan::SetMemoryPolicy<Wired>& step, Context&) noexcept {
  uint64_t nodes[16];  // CONFIG_NODES_SHIFT is at most 10
  uint32_t count = 0;
  if (step.nodes.count > 16) return failed(EINVAL);
  if (!plan::for_each(step.nodes, [&](uint64_t mask) { return nodes[count++] = mask, true; }))
    return failed(EBADMSG, Detail::kPlan);
  // The kernel reads maxnode - 1 bits.
  return outcome_of(
      os::status_of(os::raw_syscall(__NR_set_mempolicy, static_cast<int>(step.mode),
                                    count == 0 ? 0 : os::address(nodes), count == 0 ? 0 : count * 64L + 1)));
}

Outcome execute(const plan::SetProcessLabel<Wired>& step, Context& context) noexcept {
  Line<64> path;
  path.add("self/attr/").add(step.attribute);
  if (!path.fits()) return failed(ENAMETOOLONG);
  auto file = os::openat(context.proc.get(), path.data(), os::kWrOnly);
  if (!file) return outcome_of(file);
  return outcome_of(os::write(file->get(), step.label.data, step.label.size));
}

Outcome execute(const plan::SetUmask<Wired>& step, Context&) noexcept {
  (void)os::raw_syscall(__NR_umask, static_cast<long>(step.mask.value));  // umask(2) cannot fail
  return done();
}

Outcome execute(const plan::LimitBoundingSet<Wired>& step, Context&) noexcept {
  for (unsigned capability = 0; capability < kCapabilityBits; ++capability) {
    if (holds(step.keep, capability)) continue;
    auto dropped = os::prctl(PR_CAPBSET_DROP, capability);
    if (!dropped && dropped.error() == EINVAL) break;  // past the kernel's last capability
    if (!dropped) return failed(dropped.error(), Detail::kNone, capability);
  }
  return done();
}

Outcome execute(const plan::OwnStandardStreams<Wired>& step, Context&) noexcept {
  for (int stream = 0; stream < 3; ++stream) {
    struct statx status {};
    const os::Status found = os::statx(stream, "", os::kAtEmptyPath, STATX_TYPE | STATX_UID, status);
    if (found.error() == EBADF) continue;  // closed: nothing to own
    if (!found) return outcome_of(found);
    if (status.stx_uid == step.uid || !may_change_owner(status)) continue;
    const os::Status owned = os::fchownat(stream, "", step.uid, ~0U, os::kAtEmptyPath);
    if (!owned && owned.error() != EPERM && owned.error() != EINVAL && owned.error() != EROFS) return outcome_of(owned);
  }
  return done();
}

Outcome execute(const plan::SetCredentials<Wired>& step, Context& context) noexcept {
  // capabilities(7): without it, leaving uid 0 clears the permitted set that SetCapabilities needs. exec clears the
  // flag.
  if (auto kept = os::prctl(PR_SET_KEEPCAPS, 1); !kept) return outcome_of(kept);
  Outcome outcome = set_groups(step.groups, context);
  if (outcome.error != 0) return outcome;
  if (auto status = os::status_of(os::raw_syscall(__NR_setresgid, step.gid, step.gid, step.gid)); !status)
    return failed(status.error(), Detail::kUser);
  if (auto status = os::status_of(os::raw_syscall(__NR_setresuid, step.uid, step.uid, step.uid)); !status)
    return failed(status.error(), Detail::kUser);
  return outcome;
}

Outcome execute(const plan::SetCapabilities<Wired>& step, Context&) noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct held[2]{};
  if (auto status = os::status_of(os::raw_syscall(__NR_capget, os::address(&header), os::address(held))); !status)
    return outcome_of(status);
  __user_cap_data_struct wanted[2];
  for (unsigned word = 0; word < 2; ++word) {
    // config.md: what this process does not hold cannot be granted, and that is no error.
    const uint32_t permitted = held[word].permitted & static_cast<uint32_t>(step.permitted.value >> (32 * word));
    wanted[word].permitted = permitted;
    wanted[word].effective = permitted & static_cast<uint32_t>(step.effective.value >> (32 * word));
    wanted[word].inheritable =
        static_cast<uint32_t>(step.inheritable.value >> (32 * word)) & (held[word].permitted | held[word].inheritable);
  }
  if (auto status = os::status_of(os::raw_syscall(__NR_capset, os::address(&header), os::address(wanted))); !status)
    return outcome_of(status);
  return raise_ambient(step.ambient);
}

Outcome execute(const plan::SetNoNewPrivileges<Wired>&, Context&) noexcept {
  return outcome_of(os::prctl(PR_SET_NO_NEW_PRIVS, 1));
}

}  // namespace wherry::init
