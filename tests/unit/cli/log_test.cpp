// SPDX-License-Identifier: Apache-2.0
#include "cli/log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "os/files.hpp"
#include "wherry/error.hpp"

using namespace wherry::cli;
using Catch::Matchers::Matches;

TEST_CASE("text lines have logrus' shape", "[cli]") {
  CHECK(format_line(false, Level::kError, "container does not exist", 1795419821) ==
        "time=\"2026-11-23T07:43:41Z\" level=error msg=\"container does not exist\"\n");
  CHECK(format_line(false, Level::kWarning, "a \"b\" \\ c\nd", 0) ==
        "time=\"1970-01-01T00:00:00Z\" level=warning msg=\"a \\\"b\\\" \\\\ c\\nd\"\n");
}

TEST_CASE("JSON lines are one object each, whatever is in the message", "[cli]") {
  CHECK(format_line(true, Level::kError, "say \"no\"\n\x1b[0m", 0) ==
        "{\"level\":\"error\",\"msg\":\"say \\\"no\\\"\\n\\u001b[0m\",\"time\":\"1970-01-01T00:00:00Z\"}\n");
  CHECK(format_line(true, Level::kDebug, "bad \xff utf-8", 0) ==
        "{\"level\":\"debug\",\"msg\":\"bad \xEF\xBF\xBD utf-8\",\"time\":\"1970-01-01T00:00:00Z\"}\n");
}

TEST_CASE("level names", "[cli]") {
  CHECK(parse_level("warn") == Level::kWarning);
  CHECK(parse_level("warning") == Level::kWarning);
  CHECK(parse_level("panic") == Level::kError);
  CHECK_THROWS_AS(parse_level(""), wherry::Error);
}

TEST_CASE("lines are appended to the log file, from the least level on", "[cli]") {
  const std::string file = "/tmp/wherry-log-test-" + std::to_string(getpid());
  {
    Log log;
    log.configure({.file = file, .json = true, .least = Level::kInfo});
    log.debug("one");
    CHECK(access(file.c_str(), F_OK) != 0);
    log.warning("two");
    log.warning("three");
  }
  struct stat status = {};
  CHECK(stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 07133) == 0);
  const auto text = wherry::os::read_file(AT_FDCWD, file.c_str(), 4096);
  unlink(file.c_str());
  CHECK_THAT(text.value(), Matches("\\{\"level\":\"warning\",\"msg\":\"two\",\"time\":\"[^\"]*Z\"\\}\n"
                                   "\\{\"level\":\"warning\",\"msg\":\"three\",\"time\":\"[^\"]*Z\"\\}\n"));
}
