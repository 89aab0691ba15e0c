// SPDX-License-Identifier: Apache-2.0
// /etc/passwd of a hostile rootfs, as wherry-init reads it: HOME is what a plain reading of the file gives,
// "/" when in doubt.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "init/execute.hpp"

namespace {

using namespace wherry;

// A rootfs for the whole run.
struct Root {
  std::string path = "/tmp/wherry-fuzz-XXXXXX";
  os::Fd dir;
  int passwd = -1;
  Root() {
    if (::mkdtemp(path.data()) == nullptr) ::abort();
    dir.reset(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (::mkdirat(dir.get(), "etc", 0700) != 0) ::abort();
    passwd = ::openat(dir.get(), "etc/passwd", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (passwd < 0) ::abort();
  }
  ~Root() {
    (void)::close(passwd);
    (void)::unlinkat(dir.get(), "etc/passwd", 0);
    (void)::unlinkat(dir.get(), "etc", AT_REMOVEDIR);
    (void)::rmdir(path.c_str());
  }
  void fill(std::string_view text) const {
    if (::ftruncate(passwd, 0) != 0 ||
        ::pwrite(passwd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
      ::abort();
  }
};

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t colon = line.find(':');
    fields.push_back(line.substr(0, colon));
    if (colon == std::string_view::npos) return fields;
    line.remove_prefix(colon + 1);
  }
}

constexpr std::size_t kLongestLine = 4000;  // what init reads for certain

// Only for files whose lines are short.
std::string expected_home(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const auto fields = fields_of(line);
    if (fields.size() >= 6 && fields[2] == "7" && !fields[5].empty()) return std::string(fields[5]);
    text.remove_prefix(line.size() == text.size() ? text.size() : line.size() + 1);
  }
  return "/";
}

bool has_short_lines(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at) == std::string_view::npos ? text.size() : text.find('\n', at);
    if (end - at > kLongestLine) return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Root root;
  static const auto context = std::make_unique<init::Context>();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  root.fill(text);
  if (!context->root) context->root.reset(::fcntl(root.dir.get(), F_DUPFD_CLOEXEC, 3));
  plan::FindHome<plan::Wired> step;
  step.uid = 7;
  if (init::execute(step, *context).error != 0) __builtin_trap();
  const std::string home = context->home;
  if (home.rfind("HOME=", 0) != 0 || home.find('\n') != std::string::npos || home.find(':', 5) != std::string::npos)
    __builtin_trap();
  if (has_short_lines(text) && text.find('\0') == std::string_view::npos && home != "HOME=" + expected_home(text))
    __builtin_trap();
  return 0;
}
