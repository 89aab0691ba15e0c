// SPDX-License-Identifier: Apache-2.0
#include "plan/seccomp.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>

#include "unit/plan/filter_interpreter.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using oci::SeccompAction;
using oci::SeccompOperator;

namespace {

std::uint32_t run(const plan::CompiledFilter& filter, const seccomp_data& data) {
  std::vector<sock_filter> code(filter.program.size() / sizeof(sock_filter));
  std::memcpy(code.data(), filter.program.data(), filter.program.size());
  return test::run_filter(code, data);
}

std::uint32_t call(const plan::CompiledFilter& filter, int number, std::array<std::uint64_t, 6> args = {},
                   std::uint32_t arch = seccomp_arch_native()) {
  seccomp_data data{};
  data.nr = number;
  data.arch = arch;
  std::copy(args.begin(), args.end(), data.args);
  return run(filter, data);
}

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t errno_of(std::uint32_t number) { return SECCOMP_RET_ERRNO | number; }

oci::Seccomp deny_all() {
  oci::Seccomp seccomp;
  seccomp.default_action = SeccompAction::kErrno;
  return seccomp;
}

std::string refused_at(const std::function<void(oci::Seccomp&)>& edit) {
  oci::Seccomp seccomp = deny_all();
  edit(seccomp);
  try {
    (void)plan::compile_seccomp(seccomp);
  } catch (const Error& error) {
    return error.pointer();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("allowing everything needs no filter", "[plan][seccomp]") {
  oci::Seccomp seccomp;
  seccomp.default_action = SeccompAction::kAllow;
  CHECK(plan::compile_seccomp(seccomp) == plan::CompiledFilter{});
}

TEST_CASE("every action has its return value", "[plan][seccomp]") {
  struct Case {
    SeccompAction action;
    std::optional<std::uint32_t> errno_ret;
    std::uint32_t result;
  };
  const Case cases[] = {
      {SeccompAction::kKill, {}, SECCOMP_RET_KILL_THREAD},
      {SeccompAction::kKillThread, {}, SECCOMP_RET_KILL_THREAD},
      {SeccompAction::kKillProcess, {}, SECCOMP_RET_KILL_PROCESS},
      {SeccompAction::kTrap, {}, SECCOMP_RET_TRAP},
      {SeccompAction::kErrno, {}, errno_of(EPERM)},
      {SeccompAction::kErrno, 38, errno_of(38)},
      {SeccompAction::kErrno, 0, errno_of(0)},
      {SeccompAction::kTrace, {}, SECCOMP_RET_TRACE | EPERM},
      {SeccompAction::kTrace, 7, SECCOMP_RET_TRACE | 7},
      {SeccompAction::kLog, {}, SECCOMP_RET_LOG},
      {SeccompAction::kNotify, {}, SECCOMP_RET_USER_NOTIF},
  };
  for (const Case& c : cases) {
    oci::Seccomp seccomp;
    seccomp.default_action = SeccompAction::kAllow;
    seccomp.listener_path = "/run/agent.sock";
    seccomp.syscalls = {{{"getcwd"}, c.action, c.errno_ret, {}}};
    const plan::CompiledFilter filter = plan::compile_seccomp(seccomp);
    CHECK(call(filter, SYS_getcwd) == c.result);
    CHECK(call(filter, SYS_getpid) == kAllow);
    CHECK(filter.notify == (c.action == SeccompAction::kNotify));
    seccomp.syscalls.clear();
    seccomp.default_action = c.action;
    seccomp.default_errno_ret = c.errno_ret;
    CHECK(call(plan::compile_seccomp(seccomp), SYS_getcwd) == c.result);
  }
}

TEST_CASE("a call of another architecture is killed", "[plan][seccomp]") {
  const plan::CompiledFilter filter = plan::compile_seccomp(deny_all());
  CHECK(call(filter, 1, {}, AUDIT_ARCH_S390X) == SECCOMP_RET_KILL_THREAD);
}

TEST_CASE("the native architecture is always there, others are added", "[plan][seccomp]") {
  oci::Seccomp seccomp = deny_all();
  seccomp.syscalls = {{{"getpid"}, SeccompAction::kAllow, {}, {}}};
#if defined(__x86_64__)
  seccomp.architectures = {oci::SeccompArch::kX86, oci::SeccompArch::kX86_64, oci::SeccompArch::kX32};
  const plan::CompiledFilter filter = plan::compile_seccomp(seccomp);
  CHECK(call(filter, 20, {}, AUDIT_ARCH_I386) == kAllow);  // getpid of i386
  CHECK(call(filter, 19, {}, AUDIT_ARCH_I386) == errno_of(EPERM));
  CHECK(call(filter, 0x40000000 | SYS_getpid) == kAllow);  // x32
  CHECK(call(filter, SYS_getpid) == kAllow);
  seccomp.architectures = {oci::SeccompArch::kX86};
#endif
  CHECK(call(plan::compile_seccomp(seccomp), SYS_getpid) == kAllow);
}

TEST_CASE("an architecture this library cannot filter for is refused", "[plan][seccomp]") {
#if !defined(SCMP_ARCH_SH)
  CHECK(refused_at([](auto& s) {
          s.architectures = {oci::SeccompArch::kAarch64, oci::SeccompArch::kSh};
        }) == "/linux/seccomp/architectures/1");
#endif
  CHECK(refused_at([](auto& s) { s.architectures = {oci::SeccompArch::kS390x}; }) ==
        "/linux/seccomp/architectures/0");  // the other byte order
}

TEST_CASE("conditions on different arguments are all needed", "[plan][seccomp]") {
  oci::Seccomp seccomp = deny_all();
  seccomp.syscalls = {{{"socket"},
                       SeccompAction::kAllow,
                       {},
                       {{0, 1, 0, SeccompOperator::kEqual}, {1, 2, 0, SeccompOperator::kGreater}}}};
  const plan::CompiledFilter filter = plan::compile_seccomp(seccomp);
  CHECK(call(filter, SYS_socket, {1, 3}) == kAllow);
  CHECK(call(filter, SYS_socket, {1, 2}) == errno_of(EPERM));
  CHECK(call(filter, SYS_socket, {2, 3}) == errno_of(EPERM));
}

TEST_CASE("conditions on one argument are alternatives", "[plan][seccomp]") {
  oci::Seccomp seccomp = deny_all();
  seccomp.syscalls = {{{"personality"},
                       SeccompAction::kAllow,
                       {},
                       {{0, 0, 0, SeccompOperator::kEqual}, {0, 8, 0, SeccompOperator::kEqual}}}};
  const plan::CompiledFilter filter = plan::compile_seccomp(seccomp);
  CHECK(call(filter, SYS_personality, {0}) == kAllow);
  CHECK(call(filter, SYS_personality, {8}) == kAllow);
  CHECK(call(filter, SYS_personality, {9}) == errno_of(EPERM));
}

TEST_CASE("every operator compares 64 bits", "[plan][seccomp]") {
  struct Case {
    SeccompOperator op;
    std::function<bool(std::uint64_t, std::uint64_t)> holds;
  };
  const Case cases[] = {
      {SeccompOperator::kNotEqual, std::not_equal_to<>()},        {SeccompOperator::kLess, std::less<>()},
      {SeccompOperator::kLessOrEqual, std::less_equal<>()},       {SeccompOperator::kEqual, std::equal_to<>()},
      {SeccompOperator::kGreaterOrEqual, std::greater_equal<>()}, {SeccompOperator::kGreater, std::greater<>()},
  };
  constexpr std::uint64_t kBound = 0x500000005;
  for (const Case& c : cases) {
    oci::Seccomp seccomp = deny_all();
    seccomp.syscalls = {{{"lseek"}, SeccompAction::kAllow, {}, {{1, kBound, 0, c.op}}}};
    const plan::CompiledFilter filter = plan::compile_seccomp(seccomp);
    for (const std::uint64_t value :
         {0x5ULL, 0x400000006ULL, 0x500000004ULL, 0x500000005ULL, 0x500000006ULL, 0x600000000ULL, ~0ULL}) {
      INFO(static_cast<int>(c.op) << " " << value);
      CHECK((call(filter, SYS_lseek, {0, value}) == kAllow) == c.holds(value, kBound));
    }
  }
}

TEST_CASE("a masked comparison takes the mask first", "[plan][seccomp]") {
  oci::Seccomp seccomp = deny_all();
  seccomp.syscalls = {{{"clone"}, SeccompAction::kAllow, {}, {{0, 0x7e020000, 0, SeccompOperator::kMaskedEqual}}}};
  const plan::CompiledFilter filter = plan::compile_seccomp(seccomp);
  CHECK(call(filter, SYS_clone, {0x11}) == kAllow);
  CHECK(call(filter, SYS_clone, {0x10000011}) == errno_of(EPERM));  // CLONE_NEWUSER
}

TEST_CASE("unknown names and rules that repeat the default are left out", "[plan][seccomp]") {
  oci::Seccomp seccomp = deny_all();
  seccomp.default_errno_ret = 1;
  seccomp.syscalls = {{{"no_such_call", "getpid"}, SeccompAction::kAllow, {}, {}},
                      {{"getuid"}, SeccompAction::kErrno, {}, {}},
                      {{"clone3"}, SeccompAction::kErrno, 38, {}}};
  const plan::CompiledFilter filter = plan::compile_seccomp(seccomp);
  CHECK(call(filter, SYS_getpid) == kAllow);
  CHECK(call(filter, SYS_getuid) == errno_of(1));
  CHECK(call(filter, SYS_clone3) == errno_of(38));
}

TEST_CASE("calls that are newer than the profile get ENOSYS", "[plan][seccomp]") {
  oci::Seccomp seccomp = deny_all();
  seccomp.syscalls = {{{"getpid"}, SeccompAction::kAllow, {}, {}},
                      {{"openat2"}, SeccompAction::kAllow, {}, {}},
                      {{"close_range"}, SeccompAction::kErrno, {}, {}}};  // known too, though it repeats the default
  const auto result = [&](int number, std::uint32_t arch = seccomp_arch_native()) {
    return call(plan::compile_seccomp(seccomp), number, {}, arch);
  };
  CHECK(result(SYS_close_range) == errno_of(EPERM));
  CHECK(result(SYS_openat2) == kAllow);
  CHECK(result(SYS_openat2 + 1) == errno_of(ENOSYS));
  CHECK(result(9999) == errno_of(ENOSYS));
  CHECK(result(1) == errno_of(EPERM));
  for (const SeccompAction action : {SeccompAction::kKill, SeccompAction::kKillProcess, SeccompAction::kTrap}) {
    seccomp.default_action = action;
    CHECK(result(9999) == errno_of(ENOSYS));
    CHECK(result(1) != errno_of(ENOSYS));
  }
  for (const SeccompAction action : {SeccompAction::kAllow, SeccompAction::kLog, SeccompAction::kTrace}) {
    seccomp.default_action = action;
    CHECK(result(9999) != errno_of(ENOSYS));
  }
  seccomp.default_action = SeccompAction::kErrno;
  CHECK(result(9999, AUDIT_ARCH_S390X) == SECCOMP_RET_KILL_THREAD);
#if defined(__x86_64__)
  CHECK(result(0x40000000 | 9999) != errno_of(ENOSYS));  // x32 is no part of this filter
  seccomp.architectures = {oci::SeccompArch::kX86, oci::SeccompArch::kX86_64, oci::SeccompArch::kX32};
  seccomp.syscalls = {{{"getpid", "uselib"}, SeccompAction::kAllow, {}, {}}};  // no uselib on x32
  CHECK(result(86, AUDIT_ARCH_I386) == kAllow);
  CHECK(result(87, AUDIT_ARCH_I386) == errno_of(ENOSYS));
  CHECK(result(SYS_uselib) == kAllow);
  CHECK(result(SYS_uselib + 1) == errno_of(ENOSYS));
  CHECK(result(0x40000000 | SYS_getpid) == kAllow);
  CHECK(result(0x40000000 | (SYS_getpid + 1)) == errno_of(ENOSYS));
  CHECK(result(0x40000000 | 1) == errno_of(EPERM));
#endif
}

TEST_CASE("a profile that names no call hides none", "[plan][seccomp]") {
  CHECK(call(plan::compile_seccomp(deny_all()), 9999) == errno_of(EPERM));
}

TEST_CASE("flags fit the filter", "[plan][seccomp]") {
  using oci::SeccompFlag;
  oci::Seccomp seccomp = deny_all();
  CHECK(plan::compile_seccomp(seccomp).flags == SECCOMP_FILTER_FLAG_SPEC_ALLOW);
  seccomp.flags.emplace();
  CHECK(plan::compile_seccomp(seccomp).flags == 0);
  seccomp.flags = {SeccompFlag::kTsync, SeccompFlag::kLog, SeccompFlag::kSpecAllow, SeccompFlag::kWaitKillableRecv};
  CHECK(plan::compile_seccomp(seccomp).flags == 6);  // one thread, and nobody to wait for
  seccomp.listener_path = "/run/agent.sock";
  seccomp.syscalls = {{{"mkdir"}, SeccompAction::kNotify, {}, {}}};
  CHECK(plan::compile_seccomp(seccomp).flags == 46);
  seccomp.flags->clear();
  CHECK(plan::compile_seccomp(seccomp).flags == SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

TEST_CASE("profiles that cannot be meant are refused where they are wrong", "[plan][seccomp]") {
  const std::string base = "/linux/seccomp/";
  const oci::SeccompSyscall fine{{"getpid"}, SeccompAction::kAllow, {}, {}};
  CHECK(refused_at([](auto& s) {
          s.default_action = SeccompAction::kKill;
          s.default_errno_ret = 1;
        }) == base + "defaultErrnoRet");
  CHECK(refused_at([&](auto& s) {
          s.syscalls = {fine, {{"getuid"}, SeccompAction::kAllow, 1, {}}};
        }) == base + "syscalls/1/errnoRet");
  CHECK(refused_at([&](auto& s) {
          s.syscalls = {{{"getuid"}, SeccompAction::kErrno, 5000, {}}};
        }) == base + "syscalls/0/errnoRet");
  CHECK(refused_at([&](auto& s) {
          s.syscalls = {fine, {{}, SeccompAction::kAllow, {}, {}}};
        }) == base + "syscalls/1/names");
  CHECK(refused_at([&](auto& s) {
          s.syscalls = {fine, {{"getuid"}, SeccompAction::kAllow, {}, {{0, 0, 0, {}}, {6, 0, 0, {}}}}};
        }) == base + "syscalls/1/args/1/index");
  CHECK(refused_at([&](auto& s) {
          s.syscalls = {{{"getuid"}, SeccompAction::kNotify, {}, {}}};
        }) == base + "listenerPath");
  CHECK(refused_at([&](auto& s) { s.listener_metadata = "x"; }) == base + "listenerMetadata");
}

TEST_CASE("the same profile gives the same bytes", "[plan][seccomp]") {
  oci::Seccomp seccomp = deny_all();
  seccomp.syscalls = {{{"read", "write", "exit_group", "openat"}, SeccompAction::kAllow, {}, {}}};
  CHECK(plan::compile_seccomp(seccomp) == plan::compile_seccomp(seccomp));
}
