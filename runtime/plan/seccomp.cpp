// SPDX-License-Identifier: Apache-2.0
#include "plan/seccomp.hpp"

#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "os/core/calls.hpp"
#include "os/files.hpp"
#include "plan/seccomp_shrink.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {
namespace {

using Context = std::unique_ptr<void, decltype(&seccomp_release)>;
using Conditions = std::vector<scmp_arg_cmp>;

constexpr std::uint32_t kFlagWaitKillableRecv = 1U << 5U;  // Linux 5.19
constexpr std::uint32_t kDefaultErrno = EPERM;             // config-linux.md: errnoRet
constexpr unsigned kArguments = 6;

template <class Key>
struct Entry {
  Key key;
  std::uint32_t value;
};

template <class Key, std::size_t Size>
constexpr const Entry<Key>* find(const Entry<Key> (&table)[Size], Key key) {
  for (const Entry<Key>& entry : table) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

constexpr Entry<oci::SeccompAction> kActions[] = {
    {oci::SeccompAction::kKill, SCMP_ACT_KILL_THREAD},
    {oci::SeccompAction::kKillProcess, SCMP_ACT_KILL_PROCESS},
    {oci::SeccompAction::kKillThread, SCMP_ACT_KILL_THREAD},
    {oci::SeccompAction::kTrap, SCMP_ACT_TRAP},
    {oci::SeccompAction::kErrno, SCMP_ACT_ERRNO(0)},
    {oci::SeccompAction::kTrace, SCMP_ACT_TRACE(0)},
    {oci::SeccompAction::kAllow, SCMP_ACT_ALLOW},
    {oci::SeccompAction::kLog, SCMP_ACT_LOG},
    {oci::SeccompAction::kNotify, SCMP_ACT_NOTIFY},
};

// The architectures that this libseccomp knows; the specification names some newer ones.
constexpr Entry<oci::SeccompArch> kArchitectures[] = {
    {oci::SeccompArch::kX86, SCMP_ARCH_X86},
    {oci::SeccompArch::kX86_64, SCMP_ARCH_X86_64},
    {oci::SeccompArch::kX32, SCMP_ARCH_X32},
    {oci::SeccompArch::kArm, SCMP_ARCH_ARM},
    {oci::SeccompArch::kAarch64, SCMP_ARCH_AARCH64},
#ifdef SCMP_ARCH_LOONGARCH64
    {oci::SeccompArch::kLoongarch64, SCMP_ARCH_LOONGARCH64},
#endif
#ifdef SCMP_ARCH_M68K
    {oci::SeccompArch::kM68k, SCMP_ARCH_M68K},
#endif
    {oci::SeccompArch::kMips, SCMP_ARCH_MIPS},
    {oci::SeccompArch::kMips64, SCMP_ARCH_MIPS64},
    {oci::SeccompArch::kMips64n32, SCMP_ARCH_MIPS64N32},
    {oci::SeccompArch::kMipsel, SCMP_ARCH_MIPSEL},
    {oci::SeccompArch::kMipsel64, SCMP_ARCH_MIPSEL64},
    {oci::SeccompArch::kMipsel64n32, SCMP_ARCH_MIPSEL64N32},
    {oci::SeccompArch::kPpc, SCMP_ARCH_PPC},
    {oci::SeccompArch::kPpc64, SCMP_ARCH_PPC64},
    {oci::SeccompArch::kPpc64le, SCMP_ARCH_PPC64LE},
    {oci::SeccompArch::kS390, SCMP_ARCH_S390},
    {oci::SeccompArch::kS390x, SCMP_ARCH_S390X},
    {oci::SeccompArch::kParisc, SCMP_ARCH_PARISC},
    {oci::SeccompArch::kParisc64, SCMP_ARCH_PARISC64},
    {oci::SeccompArch::kRiscv64, SCMP_ARCH_RISCV64},
#ifdef SCMP_ARCH_SH
    {oci::SeccompArch::kSh, SCMP_ARCH_SH},
    {oci::SeccompArch::kSheb, SCMP_ARCH_SHEB},
#endif
};

constexpr Entry<oci::SeccompOperator> kOperators[] = {
    {oci::SeccompOperator::kNotEqual, SCMP_CMP_NE},           {oci::SeccompOperator::kLess, SCMP_CMP_LT},
    {oci::SeccompOperator::kLessOrEqual, SCMP_CMP_LE},        {oci::SeccompOperator::kEqual, SCMP_CMP_EQ},
    {oci::SeccompOperator::kGreaterOrEqual, SCMP_CMP_GE},     {oci::SeccompOperator::kGreater, SCMP_CMP_GT},
    {oci::SeccompOperator::kMaskedEqual, SCMP_CMP_MASKED_EQ},
};

constexpr Entry<oci::SeccompFlag> kFlags[] = {
    {oci::SeccompFlag::kTsync, SECCOMP_FILTER_FLAG_TSYNC},
    {oci::SeccompFlag::kLog, SECCOMP_FILTER_FLAG_LOG},
    {oci::SeccompFlag::kSpecAllow, SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {oci::SeccompFlag::kWaitKillableRecv, kFlagWaitKillableRecv},
};

// An empty property is the profile as a whole.
std::string pointer(const std::string& property) {
  return property.empty() ? "/linux/seccomp" : "/linux/seccomp/" + property;
}

[[noreturn]] void fail(const std::string& what, const std::string& property, int result) {
  throw Error(what).at(pointer(property)).because(-result).detail("libseccomp refuses it");
}

// config-linux.md: errnoRet goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE only, else the runtime must fail.
std::uint32_t action_of(oci::SeccompAction action, std::optional<std::uint32_t> errno_ret,
                        const std::string& errno_property) {
  const std::uint32_t value = find(kActions, action)->value;
  if (action != oci::SeccompAction::kErrno && action != oci::SeccompAction::kTrace) {
    if (!errno_ret) return value;
    throw Error("compile the seccomp filter")
        .at(pointer(errno_property))
        .detail("only SCMP_ACT_ERRNO and SCMP_ACT_TRACE return a number")
        .remedy("remove it");
  }
  // The kernel cuts an errno to MAX_ERRNO and any number to 16 bits (seccomp(2)).
  const std::uint32_t limit = action == oci::SeccompAction::kErrno ? 4095 : 0xffff;
  const std::uint32_t number = errno_ret.value_or(kDefaultErrno);
  if (number > limit)
    throw Error("compile the seccomp filter")
        .at(pointer(errno_property))
        .detail(std::to_string(number) + " is above " + std::to_string(limit));
  return value | number;
}

Context make_context(std::uint32_t default_action) {
  // The newest API level this library knows: it asks the running kernel otherwise, and a filter must not
  // depend on the machine it is compiled on. The kernel itself refuses what it does not know.
  static const int level = [] {
    unsigned highest = 6;
    while (highest > 1 && seccomp_api_set(highest) != 0) --highest;
    return static_cast<int>(highest);
  }();
  (void)level;  // set once for the process; the number itself is of no use
  Context context(seccomp_init(default_action), &seccomp_release);
  if (context == nullptr) throw Error("compile the seccomp filter").at(pointer("defaultAction")).because(EINVAL);
  (void)seccomp_attr_set(context.get(), SCMP_FLTATR_API_SYSRAWRC, 1);  // else each error of a call is ECANCELED
  return context;
}

void add_architectures(const Context& context, const std::vector<oci::SeccompArch>& architectures) {
  for (std::size_t i = 0; i < architectures.size(); ++i) {
    const std::string property = "architectures/" + std::to_string(i);
    const auto* entry = find(kArchitectures, architectures[i]);
    if (entry == nullptr)
      throw Error("add an architecture to the seccomp filter")
          .at(pointer(property))
          .detail("this libseccomp does not know it");
    const int result = seccomp_arch_add(context.get(), entry->value);
    if (result != 0 && result != -EEXIST) fail("add an architecture to the seccomp filter", property, result);
  }
}

Conditions conditions_of(const oci::SeccompSyscall& rule, const std::string& property) {
  Conditions conditions;
  for (std::size_t i = 0; i < rule.args.size(); ++i) {
    const oci::SeccompArg& arg = rule.args[i];
    if (arg.index >= kArguments)
      throw Error("compile the seccomp filter")
          .at(pointer(property + "/args/" + std::to_string(i) + "/index"))
          .detail("system calls have six arguments, 0 to 5");
    conditions.push_back({arg.index, static_cast<scmp_compare>(find(kOperators, arg.op)->value), arg.value,
                          arg.op == oci::SeccompOperator::kMaskedEqual ? arg.value_two : 0});
  }
  return conditions;
}

bool repeats_an_argument(const Conditions& conditions) {
  std::array<bool, kArguments> seen{};
  return std::any_of(conditions.begin(), conditions.end(),
                     [&](const scmp_arg_cmp& c) { return std::exchange(seen[c.arg], true); });
}

// libseccomp takes one condition for each argument of a rule. Profiles use several as alternatives.
std::vector<Conditions> alternatives(Conditions conditions) {
  if (!repeats_an_argument(conditions)) return {std::move(conditions)};
  std::vector<Conditions> rules;
  for (const scmp_arg_cmp& condition : conditions) rules.push_back({condition});
  return rules;
}

void add_rule(const Context& context, const oci::SeccompSyscall& rule, std::size_t index,
              std::uint32_t default_action) {
  const std::string property = "syscalls/" + std::to_string(index);
  if (rule.names.empty())
    throw Error("compile the seccomp filter").at(pointer(property + "/names")).detail("must not be empty");
  const std::uint32_t action = action_of(rule.action, rule.errno_ret, property + "/errnoRet");
  const std::vector<Conditions> rules = alternatives(conditions_of(rule, property));
  if (action == default_action) return;
  for (std::size_t i = 0; i < rule.names.size(); ++i) {
    const int number = seccomp_syscall_resolve_name(rule.names[i].c_str());
    if (number == __NR_SCMP_ERROR) continue;  // newer than this libseccomp: the default action stands
    for (const Conditions& conditions : rules) {
      const int result = seccomp_rule_add_array(context.get(), action, number, static_cast<unsigned>(conditions.size()),
                                                conditions.data());
      if (result != 0) fail("add a rule for " + rule.names[i], property + "/names/" + std::to_string(i), result);
    }
  }
}

// libseccomp 2.5 writes to a descriptor only.
std::vector<sock_filter> export_program(const Context& context) {
  auto file = os::make_memory("seccomp", os::kMfdNoexecSeal);
  if (!file) throw Error("make a memfd for the seccomp filter").because(file.error());
  const int result = seccomp_export_bpf(context.get(), file->get());
  if (result != 0) fail("compile the seccomp filter", "", result);
  struct statx status {};
  if (const auto stat = os::statx(file->get(), "", os::kAtEmptyPath, STATX_SIZE, status); !stat)
    throw Error("read the seccomp filter").because(stat.error());
  std::vector<sock_filter> program(status.stx_size / sizeof(sock_filter));
  const auto size = static_cast<long>(program.size() * sizeof(sock_filter));
  const long read = os::raw_syscall(__NR_pread64, file->get(), os::address(program.data()), size, 0);
  if (read != size || program.empty())
    throw Error("read the seccomp filter").because(read < 0 ? static_cast<int>(-read) : EIO);
  return program;
}

// ---- calls that are newer than the profile

// What the rules name is what the profile's author knew of. A program that probes a newer call expects ENOSYS, and
// gives up at any other error.
bool hides_newer_calls(const oci::Seccomp& seccomp) {
  switch (seccomp.default_action) {  // intentionally no default
    case oci::SeccompAction::kAllow:
    case oci::SeccompAction::kLog:
    case oci::SeccompAction::kTrace:  // a tracer decides by itself what it does not know
    case oci::SeccompAction::kNotify:
      return false;
    case oci::SeccompAction::kErrno:
      return seccomp.default_errno_ret != std::uint32_t{ENOSYS};
    case oci::SeccompAction::kKill:
    case oci::SeccompAction::kKillProcess:
    case oci::SeccompAction::kKillThread:
    case oci::SeccompAction::kTrap:
      return true;
  }
  return false;
}

// 0 if the rules name none. Numbers below 0 are libseccomp's own, for calls that this architecture lacks.
std::uint32_t highest_call(const oci::Seccomp& seccomp, std::uint32_t arch) {
  int highest = 0;
  for (const oci::SeccompSyscall& rule : seccomp.syscalls)
    for (const std::string& name : rule.names)
      highest = std::max(highest, seccomp_syscall_resolve_name_arch(arch, name.c_str()));
  return static_cast<std::uint32_t>(highest);
}

constexpr std::uint32_t kX32Bit = 0x40000000;  // x32 has the audit number of x86-64

struct KnownCalls {
  std::uint32_t arch = 0;     // AUDIT_ARCH_*
  std::uint32_t highest = 0;  // of the numbers without kX32Bit
  std::uint32_t highest_x32 = 0;
};

std::vector<KnownCalls> known_calls(const oci::Seccomp& seccomp) {
  std::vector<std::uint32_t> archs{seccomp_arch_native()};
  for (const oci::SeccompArch arch : seccomp.architectures) archs.push_back(find(kArchitectures, arch)->value);
  std::vector<KnownCalls> known;
  for (const std::uint32_t arch : archs) {
    const bool x32 = arch == SCMP_ARCH_X32;
    const std::uint32_t audit = x32 ? SCMP_ARCH_X86_64 : arch;
    auto entry = std::find_if(known.begin(), known.end(), [&](const KnownCalls& one) { return one.arch == audit; });
    if (entry == known.end()) entry = known.insert(known.end(), {audit, 0, 0});
    (x32 ? entry->highest_x32 : entry->highest) = highest_call(seccomp, arch);
  }
  return known;
}

constexpr sock_filter statement(std::uint16_t code, std::uint32_t k) { return {code, 0, 0, k}; }
constexpr sock_filter jump(std::uint16_t test, std::uint32_t k, std::uint8_t if_true, std::uint8_t if_false) {
  return {static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), if_true, if_false, k};
}

// Numbers above `highest` get ENOSYS, the others pass to what follows.
void add_ceiling(std::vector<sock_filter>& code, std::uint32_t highest) {
  if (highest == 0) return;
  code.push_back(jump(BPF_JGT, highest, 0, 1));
  code.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
}

// A piece of program for one architecture, with the number in the accumulator.
std::vector<sock_filter> ceilings(const KnownCalls& known) {
  std::vector<sock_filter> below, above;
  add_ceiling(below, known.highest);
  if (known.arch != SCMP_ARCH_X86_64) return below;
  add_ceiling(above, known.highest_x32);  // without it the filter kills what comes in by x32
  std::vector<sock_filter> code{jump(BPF_JGE, kX32Bit, 0, static_cast<std::uint8_t>(above.size() + 1))};
  code.insert(code.end(), above.begin(), above.end());
  code.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(below.size())));
  code.insert(code.end(), below.begin(), below.end());
  return code;
}

std::vector<sock_filter> with_enosys(const oci::Seccomp& seccomp, const std::vector<sock_filter>& program) {
  if (!hides_newer_calls(seccomp)) return program;
  constexpr std::uint32_t kNumber = offsetof(seccomp_data, nr), kArch = offsetof(seccomp_data, arch);
  std::vector<sock_filter> code;
  for (const KnownCalls& known : known_calls(seccomp)) {
    const std::vector<sock_filter> piece = ceilings(known);
    code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, kArch));
    code.push_back(jump(BPF_JEQ, known.arch, 0, static_cast<std::uint8_t>(piece.size() + 1)));
    code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, kNumber));
    code.insert(code.end(), piece.begin(), piece.end());
  }
  code.insert(code.end(), program.begin(), program.end());
  return code;
}

std::vector<std::uint8_t> bytes_of(const std::vector<sock_filter>& program) {
  if (program.size() > BPF_MAXINSNS)
    throw Error("compile the seccomp filter")
        .at(pointer(""))
        .detail(std::to_string(program.size()) + " instructions, the kernel takes " + std::to_string(BPF_MAXINSNS))
        .remedy("name fewer architectures or system calls");
  std::vector<std::uint8_t> bytes(program.size() * sizeof(sock_filter));
  std::memcpy(bytes.data(), program.data(), bytes.size());
  return bytes;
}

// Without a list, as with runc: a filter alone does not ask for mitigations of speculative execution. Since Linux 5.16
// it does not anyway.
std::uint32_t filter_flags(const std::optional<std::vector<oci::SeccompFlag>>& flags, bool notify) {
  std::uint32_t bits = flags ? 0 : SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  if (flags)
    for (const oci::SeccompFlag flag : *flags) bits |= find(kFlags, flag)->value;
  // There is one thread to filter, and seccomp(2) refuses TSYNC beside a listener.
  bits &= ~static_cast<std::uint32_t>(SECCOMP_FILTER_FLAG_TSYNC);
  // seccomp(2): WAIT_KILLABLE_RECV alone is EINVAL.
  return notify ? bits | SECCOMP_FILTER_FLAG_NEW_LISTENER : bits & ~kFlagWaitKillableRecv;
}

bool uses_notify(const oci::Seccomp& seccomp) {
  constexpr auto kNotify = oci::SeccompAction::kNotify;
  return seccomp.default_action == kNotify ||
         std::any_of(seccomp.syscalls.begin(), seccomp.syscalls.end(),
                     [](const oci::SeccompSyscall& rule) { return rule.action == kNotify; });
}

void check_listener(const oci::Seccomp& seccomp, bool notify) {
  if (!seccomp.listener_path.empty()) return;
  if (notify)
    throw Error("compile the seccomp filter")
        .at(pointer("listenerPath"))
        .detail("SCMP_ACT_NOTIFY needs the socket of an agent");
  if (!seccomp.listener_metadata.empty())
    throw Error("compile the seccomp filter")
        .at(pointer("listenerMetadata"))
        .detail("must not be set without listenerPath");
}

// ---- what a compiled filter depends on

constexpr std::uint32_t kFilterFormat = 2;  // to be raised when compile_seccomp() gives another program

// Each part has its size in front of it or is of a fixed size: no two profiles have one text.
class Key {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T> Key& add(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Key& add(std::string_view text) {
    add(static_cast<std::uint32_t>(text.size()));
    text_.append(text);
    return *this;
  }
  template <class T>
  Key& add(const std::optional<T>& value) {
    return add(value.has_value()).add(value.value_or(0));
  }
  template <class T>
  Key& add(const std::vector<T>& list) {
    add(static_cast<std::uint32_t>(list.size()));
    for (const T& element : list) add(element);
    return *this;
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

CompiledFilter compile_seccomp(const oci::Seccomp& seccomp) {
  const bool notify = uses_notify(seccomp);
  check_listener(seccomp, notify);
  const std::uint32_t default_action = action_of(seccomp.default_action, seccomp.default_errno_ret, "defaultErrnoRet");
  if (default_action == SCMP_ACT_ALLOW && seccomp.syscalls.empty()) return {};

  const Context context = make_context(default_action);
  add_architectures(context, seccomp.architectures);
  for (std::size_t i = 0; i < seccomp.syscalls.size(); ++i) add_rule(context, seccomp.syscalls[i], i, default_action);
  // shrink() makes search trees, so libseccomp's own (SCMP_FLTATR_CTL_OPTIMIZE 2) would be made for nothing.
  return {bytes_of(shrink(with_enosys(seccomp, export_program(context)))), filter_flags(seccomp.flags, notify), notify};
}

std::string filter_key(const oci::Seccomp& seccomp) {
  const scmp_version& library = *seccomp_version();
  Key key;
  key.add(WHERRY_VERSION).add(kFilterFormat).add(seccomp_arch_native());
  key.add(library.major).add(library.minor).add(library.micro);
  key.add(seccomp.default_action).add(seccomp.default_errno_ret);
  key.add(seccomp.architectures).add(seccomp.flags.has_value());
  key.add(seccomp.flags.value_or(std::vector<oci::SeccompFlag>())).add(uint64_t{seccomp.syscalls.size()});
  for (const oci::SeccompSyscall& rule : seccomp.syscalls) {
    key.add(rule.action).add(rule.errno_ret).add(uint64_t{rule.args.size()});
    for (const oci::SeccompArg& arg : rule.args) key.add(arg.index).add(arg.value).add(arg.value_two).add(arg.op);
    key.add(uint64_t{rule.names.size()});
    for (const std::string& name : rule.names) key.add(name);
  }
  return std::move(key).text();
}

}  // namespace wherry::plan
