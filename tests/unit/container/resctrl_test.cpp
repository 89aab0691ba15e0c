// SPDX-License-Identifier: Apache-2.0
// Against a directory that stands in for resctrl: groups have their files beforehand, since only the kernel would make
// them.
#include "container/resctrl.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "unit/temporary_directory.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using container::holds_schemata;
namespace fs = std::filesystem;

namespace {

class Resctrl {
 public:
  void group(const std::string& name, const std::string& schemata) const {
    directory_.write(name + "/schemata", schemata);
    directory_.write(name + "/tasks", "");
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (directory_ / name).string(); }
  [[nodiscard]] std::string get(const std::string& name) const {
    std::ifstream file(directory_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void put(const std::string& name, const std::string& text) const { directory_.write(name, text); }

 private:
  test::TemporaryDirectory directory_;
};

std::string refusal(const plan::JoinResctrlGroup& step) {
  try {
    container::join_resctrl_group(step, 42);
    return "";
  } catch (const Error& error) {
    return error.message();
  }
}

}  // namespace

TEST_CASE("schemata are compared by what they mean", "[container][resctrl]") {
  const std::string held = "    L3:0=00ff;1=0f0\n    MB:0= 70;1=100\n";
  CHECK(holds_schemata(held, "L3:0=ff;1=f0"));
  CHECK(holds_schemata(held, "L3:1=F0"));
  CHECK(holds_schemata(held, " MB : 1 = 0100 ; 0=70\n"));
  CHECK(holds_schemata(held, ""));
  CHECK_FALSE(holds_schemata(held, "L3:0=fe"));
  CHECK_FALSE(holds_schemata(held, "L3:2=ff"));
  CHECK_FALSE(holds_schemata(held, "L2:0=ff"));
  CHECK_FALSE(holds_schemata(held, "MB:0=7"));
  CHECK_FALSE(holds_schemata(held, "nonsense"));
  CHECK_FALSE(holds_schemata("", "L3:0=ff"));
}

TEST_CASE("a group that is there takes the container if its schemata are those", "[container][resctrl]") {
  const Resctrl resctrl;
  resctrl.group("gold", "L3:0=ff;1=f\n");
  plan::JoinResctrlGroup step{resctrl.path("gold"), false, {"L3:0=ff"}, ""};
  CHECK(refusal(step).empty());
  CHECK(resctrl.get("gold/tasks") == "42");
  CHECK(resctrl.get("gold/schemata") == "L3:0=ff;1=f\n");
  step.schemata = {"L3:0=ff", "L3:1=3"};
  CHECK(refusal(step).find("its schemata are not \"L3:1=3\"") != std::string::npos);
}

TEST_CASE("a group that must be there is not made", "[container][resctrl]") {
  const Resctrl resctrl;
  const plan::JoinResctrlGroup step{resctrl.path("gold"), true, {}, ""};
  CHECK(refusal(step).find("ENOENT: a closID without schemata names a group that exists") != std::string::npos);
  CHECK_FALSE(fs::exists(resctrl.path("gold")));
  resctrl.group("gold", "");
  CHECK(refusal(step).empty());
  CHECK(resctrl.get("gold/tasks") == "42");
}

TEST_CASE("a monitoring group is made below the group", "[container][resctrl]") {
  const Resctrl resctrl;
  resctrl.group("gold", "");
  resctrl.put("gold/mon_groups/web/tasks", "");
  const plan::JoinResctrlGroup step{resctrl.path("gold"), true, {}, resctrl.path("gold/mon_groups/web")};
  CHECK(refusal(step).empty());
  CHECK(resctrl.get("gold/mon_groups/web/tasks") == "42");
  const plan::JoinResctrlGroup fresh{resctrl.path("gold"), true, {}, resctrl.path("gold/mon_groups/new")};
  CHECK(refusal(fresh).find("ENOENT") != std::string::npos);  // no kernel that would put the file tasks there
  CHECK(fs::is_directory(resctrl.path("gold/mon_groups/new")));
}

TEST_CASE("what the kernel says of a refused write is told", "[container][resctrl]") {
  const Resctrl resctrl;
  resctrl.put("info/last_cmd_status", "Mask out of range\nmore\n");
  const plan::JoinResctrlGroup step{resctrl.path("new"), false, {"L3:0=fffff"}, ""};
  const std::string said = refusal(step);
  CHECK(said.find("write the schemata") != std::string::npos);
  CHECK(said.find("Mask out of range") != std::string::npos);
  CHECK(fs::is_directory(resctrl.path("new")));
}
