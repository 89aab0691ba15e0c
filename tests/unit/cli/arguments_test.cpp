// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry::cli;
using Catch::Matchers::Contains;

namespace {

struct Values {
  std::string bundle = ".";
  std::optional<std::string> cwd;
  std::vector<std::string> env;
  std::uint32_t fds = 0;
  bool detach = false;
  Words operands;
};

Values parsed(const Words& words, std::size_t least = 0, std::size_t most = 2) {
  Values values;
  Arguments arguments("test", "ID", "");
  arguments.text("-b,--bundle", values.bundle, "");
  arguments.text("--cwd", values.cwd, "");
  arguments.list("-e,--env", values.env, "");
  arguments.number("--preserve-fds", values.fds, "");
  arguments.flag("-d,--detach", values.detach, "");
  const bool wanted = arguments.parse(words, least, most);
  CHECK(wanted);
  values.operands = arguments.operands();
  return values;
}

std::string complaint(const Words& words) {
  try {
    (void)parsed(words, 1, 1);
  } catch (const wherry::Error& error) {
    return error.message();
  }
  return "";
}

}  // namespace

TEST_CASE("declared variables get what the words say", "[cli]") {
  const Values values =
      parsed({"-d", "--bundle", "/b", "--cwd=/c", "-e", "A=1", "--env", "[x,y]", "-preserve-fds", "3", "ID"});
  CHECK(values.bundle == "/b");
  CHECK(values.cwd == "/c");
  CHECK(values.env == Words{"A=1", "[x,y]"});
  CHECK(values.fds == 3);
  CHECK(values.detach);
  CHECK(values.operands == Words{"ID"});
}

TEST_CASE("what is not said stays as it was", "[cli]") {
  const Values values = parsed({"ID"});
  CHECK(values.bundle == ".");
  CHECK_FALSE(values.cwd.has_value());
  CHECK_FALSE(values.detach);
}

TEST_CASE("options may be repeated; the last one counts", "[cli]") {
  const Values values = parsed({"--detach", "--detach", "--bundle", "/a", "--bundle", "", "ID"});
  CHECK(values.detach);
  CHECK(values.bundle.empty());
  CHECK_FALSE(parsed({"--detach", "--detach=false"}).detach);
}

TEST_CASE("what does not fit is named", "[cli]") {
  CHECK_THAT(complaint({"--frob", "ID"}), Contains("unknown option --frob"));
  CHECK_THAT(complaint({"-x", "ID"}), Contains("unknown option -x"));
  CHECK_THAT(complaint({"ID", "--bundle"}), Contains("--bundle needs a value"));
  CHECK_THAT(complaint({"--preserve-fds", "-1", "ID"}), Contains("\"-1\" is no number"));
  CHECK_THAT(complaint({"--preserve-fds", "0x1", "ID"}), Contains("is no number"));
  CHECK_THAT(complaint({"--preserve-fds", "4294967296", "ID"}), Contains("is no number"));
  CHECK_THAT(complaint({}), Contains("\"test\" requires exactly 1 argument(s)"));
  CHECK_THAT(complaint({"a", "b"}), Contains("\"test\" requires exactly 1 argument(s)"));
}

TEST_CASE("help lists every option", "[cli]") {
  bool flag = false;
  Arguments arguments("frob", "ID [SIGNAL]", "Frobs.");
  arguments.flag("-f,--force", flag, "By force");
  CHECK_THAT(arguments.help(),
             Contains("Usage: wherry frob [OPTIONS] ID [SIGNAL]") && Contains("--force") && Contains("By force"));
}
