// SPDX-License-Identifier: Apache-2.0
#include "os/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <thread>

#include "os/files.hpp"

using namespace wherry::os;

namespace {

Program shell(const std::string& script) {
  Program program;
  program.path = "/bin/sh";
  program.args = {"sh", "-c", script};
  return program;
}

Exit run(const Program& program) {
  auto child = spawn(program);
  REQUIRE(child);
  CHECK(child->pid > 0);
  auto exit = reap(child->pidfd.get());
  REQUIRE(exit);
  return *exit;
}

struct Pipe {
  Fd reader, writer;
  Pipe() {
    int fds[2];
    REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
    reader.reset(fds[0]);
    writer.reset(fds[1]);
  }
};

std::string output_of(Program program) {
  Pipe pipe;
  program.standard_output = pipe.writer.get();
  auto child = spawn(program);
  REQUIRE(child);
  pipe.writer.reset();
  auto text = read_all(pipe.reader.get(), 1 << 20);
  REQUIRE(text);
  REQUIRE(reap(child->pidfd.get()));
  return *text;
}

}  // namespace

TEST_CASE("spawn: exit codes and signals", "[os]") {
  for (const int code : {0, 1, 42, 255}) {
    const Exit exit = run(shell("exit " + std::to_string(code)));
    CHECK(exit.code == code);
    CHECK_FALSE(exit.signaled);
    CHECK(exit.status() == code);
  }
  const Exit killed = run(shell("kill -KILL $$"));
  CHECK(killed.signaled);
  CHECK(killed.code == SIGKILL);
  CHECK(killed.status() == 128 + SIGKILL);
}

TEST_CASE("spawn: an exec that fails is the result, and leaves no zombie", "[os]") {
  Program program;
  program.args = {"x"};
  for (const auto& [path, error] : {std::pair("/nowhere/program", ENOENT), std::pair("/etc/passwd", EACCES),
                                    std::pair("/etc", EACCES), std::pair("/etc/passwd/x", ENOTDIR)}) {
    INFO(path);
    program.path = path;
    auto child = spawn(program);
    REQUIRE_FALSE(child);
    CHECK(child.error() == error);
  }
  siginfo_t info{};
  CHECK(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("spawn: arguments and nothing but the given environment", "[os]") {
  Program program = shell("printf '%s|' \"$0\" \"$@\" \"$NAME\" \"$HOME\"");
  program.args.insert(program.args.end(), {"zero", "a b", ""});
  program.env = {"NAME=value"};
  CHECK(output_of(program) == "zero|a b||value||");
}

TEST_CASE("spawn: standard input", "[os]") {
  Pipe pipe;
  Program program = shell("cat");
  program.standard_input = pipe.reader.get();
  REQUIRE(write_all(pipe.writer.get(), "through a pipe"));
  pipe.writer.reset();
  CHECK(output_of(program) == "through a pipe");
}

TEST_CASE("spawn: only what is kept stays open", "[os]") {
  const Pipe pipe;
  // Without FD_CLOEXEC, as a careless caller leaves them.
  const Fd kept(::fcntl(pipe.reader.get(), F_DUPFD, 30)), low(::fcntl(pipe.reader.get(), F_DUPFD, 40)),
      high(::fcntl(pipe.reader.get(), F_DUPFD, 60));
  REQUIRE(high);
  const auto open_in = [&](const Program& given) {
    std::string seen;
    for (const int fd : {kept.get(), low.get(), high.get()}) {
      Program program = given;
      program.args = {"sh", "-c", "[ -e /proc/self/fd/" + std::to_string(fd) + " ]"};
      seen += run(program).status() == 0 ? "1" : "0";
    }
    return seen;
  };
  Program program = shell("");
  CHECK(open_in(program) == "000");
  program.kept = {kept.get()};
  CHECK(open_in(program) == "100");
  program.first_closed = static_cast<unsigned>(high.get());
  program.kept.clear();
  CHECK(open_in(program) == "110");
  program.kept = {9999};
  auto child = spawn(program);
  REQUIRE_FALSE(child);
  CHECK(child.error() == EBADF);
}

TEST_CASE("spawn: signals are at their defaults and unblocked", "[os]") {
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  REQUIRE(::sigaction(SIGUSR1, &ignore, &before) == 0);
  sigset_t blocked, mask;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  REQUIRE(::sigprocmask(SIG_BLOCK, &blocked, &mask) == 0);
  Program cat;  // a shell may ignore signals of its own
  cat.path = "/bin/cat";
  cat.args = {"cat", "/proc/self/status"};
  const std::string status = output_of(cat);
  CHECK(status.find("\nSigBlk:\t0000000000000000\n") != std::string::npos);
  CHECK(status.find("\nSigIgn:\t0000000000000000\n") != std::string::npos);
  CHECK(run(shell("kill -USR1 $$")).code == SIGUSR1);
  CHECK(run(shell("kill -USR2 $$")).code == SIGUSR2);
  sigset_t now;
  REQUIRE(::sigprocmask(SIG_SETMASK, &mask, &now) == 0);
  CHECK(sigismember(&now, SIGUSR2) == 1);  // the caller's own are as they were
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);
}

TEST_CASE("spawn: a process group of its own", "[os]") {
  Program program = shell("cut -d' ' -f5 /proc/$$/stat; echo $$");
  program.own_group = true;
  const std::string text = output_of(program);
  const std::size_t line = text.find('\n');
  REQUIRE(line != std::string::npos);
  CHECK(text.substr(0, line) + "\n" == text.substr(line + 1));
}

TEST_CASE("spawn: a program by its descriptor", "[os]") {
  auto fd = wherry::os::openat(kAtFdcwd, "/bin/sh", kPath);
  REQUIRE(fd);
  Program program = shell("exit 7");
  program.path.clear();
  program.executable = fd->get();
  CHECK(run(program).code == 7);
}

TEST_CASE("spawn: several at once, and from threads", "[os]") {
  std::vector<Spawning> spawnings;
  spawnings.reserve(8);
  for (int i = 0; i < 8; ++i) spawnings.emplace_back(shell("exit " + std::to_string(i)));
  for (int i = 0; i < 8; ++i) {
    auto child = spawnings[static_cast<std::size_t>(i)].finish();
    REQUIRE(child);
    CHECK(reap(child->pidfd.get())->code == i);
  }
  std::vector<int> codes(4, -1);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < codes.size(); ++i)
    threads.emplace_back([&codes, i] {
      auto child = spawn(shell("exit " + std::to_string(i)));
      if (!child) return;
      if (auto exit = reap(child->pidfd.get())) codes[i] = exit->code;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(codes == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("reap: what is no child", "[os]") {
  CHECK(reap(-1).error() == EINVAL);
  auto self = pidfd_open(static_cast<int>(wherry::os::getpid()));
  REQUIRE(self);
  CHECK(reap(self->get()).error() == ECHILD);
}
