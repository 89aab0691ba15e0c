// SPDX-License-Identifier: Apache-2.0
#include "shim/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry;

TEST_CASE("shim: the loop goes on when a callback fails") {
  shim::Loop loop;
  const os::Fd ready(::eventfd(1, EFD_CLOEXEC));
  std::uint64_t watch = 0;
  watch = loop.watch(ready.get(), EPOLLIN, [&](std::uint32_t) {
    loop.forget(watch);
    throw Error("see a descriptor");
  });
  loop.post([] { throw Error("do what was posted"); });
  bool posted_was_done = false;
  loop.post([&] { posted_was_done = true; });
  (void)loop.after(std::chrono::milliseconds(1), [] { throw Error("do what was due"); });
  (void)loop.after(std::chrono::milliseconds(2), [&] { loop.stop(); });
  loop.run([] {});
  CHECK(posted_was_done);
}
