// SPDX-License-Identifier: Apache-2.0
#include "image/profile.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "wherry/error.hpp"

namespace wherry::image {
namespace {

using Json = nlohmann::ordered_json;

struct Row {
  Profile profile;
  std::string_view name;
};
constexpr Row kRows[] = {
    {Profile::kDefault, "default"},
    {Profile::kDocker, "docker"},
    {Profile::kStrict, "strict"},
    {Profile::kNone, "none"},
};

const std::vector<std::string> kFew = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
const std::vector<std::string> kDockers = {"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
                                           "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
                                           "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
                                           "CAP_KILL",    "CAP_AUDIT_WRITE"};

constexpr const char* kAlways[] = {
#include "image/profile_calls.inc"
};

// Reading and steering other processes: for debuggers.
constexpr const char* kTracing[] = {"process_vm_readv", "process_vm_writev", "ptrace"};
// Behind these stand large parts of the kernel that few programs need.
constexpr std::string_view kNotStrict[] = {
    "add_key",           "fanotify_mark",        "io_cancel", "io_destroy", "io_getevents",
    "io_pgetevents",     "io_pgetevents_time64", "io_setup",  "io_submit",  "keyctl",
    "name_to_handle_at", "remap_file_pages",     "vmsplice"};

Json rule(const char* name, const char* action) { return {{"names", {name}}, {"action", action}}; }

Json with_argument(const char* name, std::uint64_t value, const char* comparison, std::uint64_t second = 0) {
  Json result = rule(name, "SCMP_ACT_ALLOW");
  Json argument = {{"index", 0}, {"value", value}};
  if (std::string_view(comparison) == "SCMP_CMP_MASKED_EQ") argument["valueTwo"] = second;
  argument["op"] = comparison;
  result["args"] = Json::array({argument});
  return result;
}

Json seccomp(Profile profile) {
  std::vector<std::string> names(std::begin(kAlways), std::end(kAlways));
  if (profile == Profile::kDocker) names.insert(names.end(), std::begin(kTracing), std::end(kTracing));
  if (profile == Profile::kStrict)
    std::erase_if(names,
                  [](const std::string& name) { return std::ranges::find(kNotStrict, name) != std::end(kNotStrict); });
  Json rules = Json::array({{{"names", names}, {"action", "SCMP_ACT_ALLOW"}}});
  constexpr std::uint64_t kAfVsock = 40;  // reaches the hypervisor's host, past every network namespace
  rules.push_back(with_argument("socket", kAfVsock, "SCMP_CMP_NE"));
  constexpr std::uint64_t kPersonalities[] = {0, 0x8, 0x20000, 0x20008, 0xffffffff};  // Linux, 32 bit, old uname; query
  for (const std::uint64_t value : kPersonalities) rules.push_back(with_argument("personality", value, "SCMP_CMP_EQ"));
  constexpr std::uint64_t kNamespaces = 0x7e020000;  // CLONE_NEW* of clone(2), but for time
  rules.push_back(with_argument("clone", kNamespaces, "SCMP_CMP_MASKED_EQ"));
  // Its flags lie in memory, where no filter sees them; with ENOSYS a C library falls back to clone(2).
  Json clone3 = rule("clone3", "SCMP_ACT_ERRNO");
  clone3["errnoRet"] = 38;
  rules.push_back(clone3);
#if defined(__x86_64__)
  rules.push_back(rule("arch_prctl", "SCMP_ACT_ALLOW"));
  rules.push_back(rule("modify_ldt", "SCMP_ACT_ALLOW"));
  const Json architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#else
  const Json architectures = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#endif
  if (profile == Profile::kDocker) rules.push_back(rule("chroot", "SCMP_ACT_ALLOW"));
  return {{"defaultAction", "SCMP_ACT_ERRNO"},
          {"defaultErrnoRet", 1},
          {"architectures", architectures},
          {"syscalls", rules}};
}

void set_capabilities(Json& config, const std::vector<std::string>& names) {
  config["process"]["capabilities"] = {{"bounding", names}, {"effective", names}, {"permitted", names}};
}

}  // namespace

Profile parse_profile(const std::string& name) {
  const auto* row = std::ranges::find(kRows, name, &Row::name);
  if (row == std::end(kRows))
    throw Error("use the profile \"" + name + "\"").detail("it must be default, docker, strict or none");
  return row->profile;
}

void apply_profile(Profile profile, Json& config) {
  const bool dockers = profile == Profile::kDocker || profile == Profile::kNone;
  set_capabilities(config, profile == Profile::kStrict ? std::vector<std::string>() : dockers ? kDockers : kFew);
  config["process"]["noNewPrivileges"] = !dockers;
  config["root"]["readonly"] = profile == Profile::kStrict;
  if (profile == Profile::kNone) {
    config["linux"].erase("maskedPaths");
    config["linux"].erase("readonlyPaths");
    return;
  }
  config["linux"]["seccomp"] = seccomp(profile);
}

}  // namespace wherry::image
