// SPDX-License-Identifier: Apache-2.0
#include "cli/words.hpp"

#include <catch2/catch.hpp>

using namespace wherry::cli;

namespace {

const std::vector<OptionName> kKnown{
    {"bundle", 'b', true}, {"detach", 'd', false}, {"tty", 't', false}, {"user", 'u', true}, {"no-subreaper", 0, false},
};

SortedWords sorted(const Words& words, bool stop = false) { return sort_words(words, kKnown, stop); }

}  // namespace

TEST_CASE("values follow = or are the next word", "[cli]") {
  for (const Words& words : {Words{"--bundle", "/b", "ID"}, Words{"--bundle=/b", "ID"}, Words{"-bundle", "/b", "ID"},
                             Words{"-bundle=/b", "ID"}, Words{"ID", "--bundle", "/b"}}) {
    CHECK(sorted(words).options == Words{"--bundle", "/b"});
    CHECK(sorted(words).operands == Words{"ID"});
  }
}

TEST_CASE("a value may look like anything", "[cli]") {
  CHECK(sorted({"--bundle", "--detach", "ID"}).options == Words{"--bundle", "--detach"});
  CHECK(sorted({"--bundle", "--", "ID"}).options == Words{"--bundle", "--"});
  CHECK(sorted({"--bundle=", "ID"}).options == Words{"--bundle", ""});
  CHECK(sorted({"--bundle=a=b", "ID"}).options == Words{"--bundle", "a=b"});
  CHECK(sorted({"-u", "-t", "ID"}).options == Words{"-u", "-t"});
}

TEST_CASE("long options are taken with one dash", "[cli]") {
  CHECK(sorted({"-no-subreaper", "ID"}).options == Words{"--no-subreaper"});
  CHECK(sorted({"-no-subreaper=false", "ID"}).options == Words{"--no-subreaper=false"});
  CHECK(sorted({"-no-such", "ID"}).options == Words{"-no-such"});
}

TEST_CASE("short options group; the last one may take a value", "[cli]") {
  CHECK(sorted({"-dtu", "1:2", "ID"}).options == Words{"-dtu", "1:2"});
  CHECK(sorted({"-dtu1:2", "ID"}).operands == Words{"ID"});
  CHECK(sorted({"-dt", "ID"}).operands == Words{"ID"});
}

TEST_CASE("-- ends the options, a lone dash is an operand", "[cli]") {
  CHECK(sorted({"-d", "--", "-t", "--bundle"}).operands == Words{"-t", "--bundle"});
  CHECK(sorted({"-", "-d"}).operands == Words{"-"});
  CHECK(sorted({""}).operands == Words{""});
}

TEST_CASE("a missing value is left to the parser", "[cli]") {
  CHECK(sorted({"ID", "--bundle"}).options == Words{"--bundle"});
}

TEST_CASE("the first operand may take all that follows", "[cli]") {
  CHECK(sorted({"-t", "ID", "ls", "-t", "--user", "x"}, true).options == Words{"-t"});
  CHECK(sorted({"-t", "ID", "ls", "-t", "--", "x"}, true).operands == Words{"ID", "ls", "-t", "--", "x"});
  CHECK(sorted({"ID", "--", "ls", "--", "x"}, true).operands == Words{"ID", "ls", "--", "x"});
  CHECK(sorted({"--", "ID", "ls"}, true).operands == Words{"ID", "ls"});
}

TEST_CASE("the command is the first word that belongs to no global option", "[cli]") {
  const std::vector<OptionName> globals{
      {"root", 0, true}, {"log", 0, true}, {"debug", 0, false}, {"version", 'v', false}};
  const CommandLine line =
      split_command_line({"--root", "create", "-log=/l", "--debug", "delete", "--force", "--root", "x"}, globals);
  CHECK(line.globals == Words{"--root", "create", "-log=/l", "--debug"});
  CHECK(line.command == "delete");
  CHECK(line.rest == Words{"--force", "--root", "x"});
  CHECK(split_command_line({}, globals).command.empty());
  CHECK(split_command_line({"-v"}, globals).globals == Words{"-v"});
  CHECK(split_command_line({"--root"}, globals).command.empty());
  CHECK(split_command_line({"--", "state", "a"}, globals).command == "state");
  CHECK(split_command_line({"--unknown", "state"}, globals).command == "state");
}

TEST_CASE("lists may be written with separators", "[cli]") {
  CHECK(split({"1,2", "3", "", ",4,,"}, ',') == Words{"1", "2", "3", "4"});
}
