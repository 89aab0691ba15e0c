// SPDX-License-Identifier: Apache-2.0
// A directory of plain files that stands in for a cgroup: what is written can be read back.
#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "os/core/calls.hpp"

namespace wherry::test {

class FakeCgroup {
 public:
  FakeCgroup() {
    std::string name = (std::filesystem::temp_directory_path() / "wherry-cgroup-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = std::filesystem::canonical(name);
    auto opened = os::openat(os::kAtFdcwd, root_.c_str(), os::kRdOnly | os::kDirectory);
    REQUIRE(opened);
    dir_ = std::move(*opened);
  }
  ~FakeCgroup() { std::filesystem::remove_all(root_); }
  FakeCgroup(const FakeCgroup&) = delete;
  FakeCgroup& operator=(const FakeCgroup&) = delete;

  [[nodiscard]] int fd() const { return dir_.get(); }
  [[nodiscard]] std::string path() const { return root_.string(); }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return root_ / name; }

  void put(const std::string& name, const std::string& text = {}) const {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  [[nodiscard]] std::string get(const std::string& name) const {
    std::ifstream file(root_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] bool has(const std::string& name) const { return std::filesystem::exists(root_ / name); }

 private:
  std::filesystem::path root_;
  os::Fd dir_;
};

}  // namespace wherry::test
