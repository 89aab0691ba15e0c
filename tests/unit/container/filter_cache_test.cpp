// SPDX-License-Identifier: Apache-2.0
#include "container/filter_cache.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "os/digest.hpp"
#include "unit/temporary_directory.hpp"

using namespace wherry;
namespace fs = std::filesystem;

namespace {

oci::Seccomp profile(const std::string& name) {
  oci::Seccomp seccomp;
  seccomp.default_action = oci::SeccompAction::kErrno;
  seccomp.syscalls = {{{name, "exit_group"}, oci::SeccompAction::kAllow, {}, {}}};
  return seccomp;
}

std::string file_name(const oci::Seccomp& seccomp) { return os::hex(os::digest(plan::filter_key(seccomp))); }

class Root {
 public:
  Root() { fs::permissions(path(), fs::perms::owner_all); }
  [[nodiscard]] std::string path() const { return directory_.path(); }
  [[nodiscard]] fs::path cache() const { return fs::path(path()) / container::kFilterDirectory; }
  [[nodiscard]] fs::path entry(const oci::Seccomp& seccomp) const { return cache() / file_name(seccomp); }
  [[nodiscard]] std::ptrdiff_t count() const {
    return std::distance(fs::directory_iterator(cache()), fs::directory_iterator());
  }

 private:
  test::TemporaryDirectory directory_;
};

std::string slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void spill(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace

TEST_CASE("the key of a profile tells every difference that matters", "[container][filter_cache]") {
  const oci::Seccomp base = profile("getpid");
  std::vector<oci::Seccomp> others;
  const auto vary = [&](auto&& edit) { edit(others.emplace_back(base)); };
  vary([](auto& s) { s.default_action = oci::SeccompAction::kAllow; });
  vary([](auto& s) { s.default_errno_ret = 0; });
  vary([](auto& s) { s.default_errno_ret = 1; });
  vary([](auto& s) { s.architectures = {oci::SeccompArch::kX86}; });
  vary([](auto& s) { s.flags = {oci::SeccompFlag::kLog}; });
  vary([](auto& s) { s.syscalls.clear(); });
  vary([](auto& s) { s.syscalls[0].names = {"getpid", "exit", "_group"}; });
  vary([](auto& s) { s.syscalls[0].names = {"getpide", "xit_group"}; });
  vary([](auto& s) { s.syscalls[0].action = oci::SeccompAction::kLog; });
  vary([](auto& s) { s.syscalls[0].errno_ret = 0; });
  vary([](auto& s) { s.syscalls[0].args = {{}}; });
  vary([](auto& s) { s.syscalls[0].args = {{1, 0, 0, {}}}; });
  vary([](auto& s) { s.syscalls[0].args = {{0, 1, 0, {}}}; });
  vary([](auto& s) { s.syscalls[0].args = {{0, 0, 1, {}}}; });
  vary([](auto& s) { s.syscalls[0].args = {{0, 0, 0, oci::SeccompOperator::kNotEqual}}; });
  others.push_back(base);
  for (std::size_t i = 0; i < others.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(plan::filter_key(others[i]) != plan::filter_key(others[j]));
  oci::Seccomp listened = base;
  listened.listener_path = "/run/agent.sock";
  listened.listener_metadata = "x";
  CHECK(plan::filter_key(listened) == plan::filter_key(base));
}

TEST_CASE("a filter comes back from the cache as it was compiled", "[container][filter_cache]") {
  const Root root;
  const oci::Seccomp seccomp = profile("getpid");
  const plan::CompiledFilter compiled = plan::compile_seccomp(seccomp);
  CHECK(container::cached_filter(root.path(), seccomp) == compiled);
  REQUIRE(fs::exists(root.entry(seccomp)));
  CHECK((fs::status(root.cache()).permissions() & fs::perms::mask) == fs::perms::owner_all);
  CHECK(container::cached_filter(root.path(), seccomp) == compiled);
  CHECK(root.count() == 1);
  // It is the file that is used.
  plan::CompiledFilter marked = compiled;
  marked.flags = 2;
  spill(root.entry(seccomp), container::seal_filter(file_name(seccomp), marked));
  CHECK(container::cached_filter(root.path(), seccomp) == marked);
}

TEST_CASE("what is not the cache's own is compiled anew and replaced", "[container][filter_cache]") {
  const Root root;
  const oci::Seccomp seccomp = profile("getpid"), other = profile("getuid");
  const plan::CompiledFilter compiled = plan::compile_seccomp(seccomp);
  (void)container::cached_filter(root.path(), seccomp);
  const std::string good = slurp(root.entry(seccomp));
  const auto heals = [&] {
    const bool right = container::cached_filter(root.path(), seccomp) == compiled;
    return right && slurp(root.entry(seccomp)) == good;
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    CHECK_FALSE(container::open_filter(file_name(seccomp), bad));
    CHECK_FALSE(container::open_filter(file_name(seccomp), good.substr(0, at)));
  }
  CHECK_FALSE(container::open_filter(file_name(seccomp), good + '\0'));
  spill(root.entry(seccomp), good.substr(0, good.size() - 8));
  CHECK(heals());
  spill(root.entry(seccomp), "");
  CHECK(heals());
  // The filter of another profile under this name.
  spill(root.entry(seccomp), container::seal_filter(file_name(other), plan::compile_seccomp(other)));
  CHECK(heals());
  fs::permissions(root.entry(seccomp), fs::perms::all);
  CHECK(heals());
  fs::remove(root.entry(seccomp));
  fs::create_symlink("/dev/zero", root.entry(seccomp));
  CHECK(heals());
  fs::remove(root.entry(seccomp));
  REQUIRE(::mkfifo(root.entry(seccomp).c_str(), 0600) == 0);
  CHECK(heals());
}

TEST_CASE("a directory that others can write to is no cache", "[container][filter_cache]") {
  const Root root;
  const oci::Seccomp seccomp = profile("getpid");
  plan::CompiledFilter planted = plan::compile_seccomp(seccomp);
  const plan::CompiledFilter compiled = planted;
  planted.flags = 2;
  fs::create_directory(root.cache());
  spill(root.entry(seccomp), container::seal_filter(file_name(seccomp), planted));
  fs::permissions(root.cache(), fs::perms::owner_all | fs::perms::others_write);
  CHECK(container::cached_filter(root.path(), seccomp) == compiled);
  fs::permissions(root.cache(), fs::perms::owner_all);
  fs::permissions(root.path(), fs::perms::all);
  CHECK(container::cached_filter(root.path(), seccomp) == compiled);
  fs::permissions(root.path(), fs::perms::owner_all);
  if (::geteuid() == 0) {
    REQUIRE(::chown(root.cache().c_str(), 12345, 0) == 0);
    CHECK(container::cached_filter(root.path(), seccomp) == compiled);
    REQUIRE(::chown(root.cache().c_str(), 0, 0) == 0);
    REQUIRE(::chown(root.entry(seccomp).c_str(), 12345, 0) == 0);
    CHECK(container::cached_filter(root.path(), seccomp) == compiled);
  }
  fs::remove_all(root.cache());
  fs::create_directory_symlink("/tmp", root.cache());
  CHECK(container::cached_filter(root.path(), seccomp) == compiled);
  CHECK(container::cached_filter(root.path() + "/nowhere", seccomp) == compiled);
}

TEST_CASE("the cache does not grow without bound", "[container][filter_cache]") {
  const Root root;
  for (std::size_t i = 0; i < container::kMostFilters + 10; ++i) {
    oci::Seccomp seccomp = profile("getpid");
    seccomp.default_errno_ret = static_cast<std::uint32_t>(i);
    (void)container::cached_filter(root.path(), seccomp);
  }
  CHECK(root.count() == static_cast<std::ptrdiff_t>(container::kMostFilters));
}

TEST_CASE("a profile that cannot be compiled is no entry", "[container][filter_cache]") {
  const Root root;
  oci::Seccomp seccomp = profile("getpid");
  seccomp.syscalls[0].names.clear();
  CHECK_THROWS(container::cached_filter(root.path(), seccomp));
  CHECK(root.count() == 0);
}
