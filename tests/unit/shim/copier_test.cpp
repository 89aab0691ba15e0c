// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <catch2/catch.hpp>

#include "shim/stdio.hpp"

using namespace wherry;

TEST_CASE("shim: the end of a copy does not wait for a source without end") {
  shim::Loop loop;
  shim::Copier copier(loop, os::Fd(::open("/dev/zero", O_RDONLY | O_CLOEXEC)),
                      os::Fd(::open("/dev/null", O_WRONLY | O_CLOEXEC)), os::Fd{}, nullptr);
  copier.finish();
  CHECK(copier.has_ended());
}
