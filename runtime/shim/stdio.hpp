// SPDX-License-Identifier: Apache-2.0
// Between a process of a container and whoever reads its output and writes its input. Nothing here blocks the loop, and
// data is not held in memory: splice(2) moves pages from pipe to pipe.
//
//   FIFO          opened so that there is always a reader: a process is stopped, never killed, while nobody reads; at
//                 the end it stays open until its reader has come, or for kLastChance
//   file:///path  appended to
//   binary:///path?key=value  a logger with the output on its descriptors 3 and 4
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "os/core/fd.hpp"
#include "os/spawn.hpp"
#include "shim/loop.hpp"

namespace wherry::shim {

struct StdioPaths {
  std::string in, out, err;  // each may be empty
  bool terminal = false;
};

// Moves bytes from one descriptor to another until the first one ends; then closes both. An error of the second one
// does not end that: what comes is read and thrown away, lest the writer is held up for ever.
class Copier {
 public:
  // `keeper`, if there is one, is the other end of the FIFO `to`, so that it has a reader.
  Copier(Loop& loop, os::Fd from, os::Fd to, os::Fd keeper, std::function<void()> ended);
  ~Copier();
  Copier(const Copier&) = delete;
  Copier& operator=(const Copier&) = delete;
  // Tries to move what a pipe may hold already, then ends whatever is left.
  void finish();
  [[nodiscard]] bool has_ended() const noexcept { return !from_; }

 private:
  enum class Moved { kSome, kEnd, kSourceEmpty, kTargetFull, kCannotSplice };
  void move();
  [[nodiscard]] Moved move_some();
  [[nodiscard]] Moved splice_some();
  [[nodiscard]] Moved copy_some();
  [[nodiscard]] Moved write_rest();
  void wait_for(bool source);
  void end();
  void close_when_read(std::chrono::milliseconds delay);

  Loop& loop_;
  os::Fd from_, to_, keeper_;
  std::uint64_t from_watch_ = 0, to_watch_ = 0, timer_ = 0;
  std::function<void()> ended_;
  std::string rest_;  // read and not written yet: of a source that cannot be spliced
  bool can_splice_ = true, target_lost_ = false, writes_to_file_ = false;
};

// A logger that was started for binary://.
struct Logger {
  os::Child process;
  explicit operator bool() const noexcept { return static_cast<bool>(process.pidfd); }
};

class Stdio : public std::enable_shared_from_this<Stdio> {
 public:
  // Opens everything; may block for a logger. Throws Error. uid and gid: of the ends that the process gets.
  [[nodiscard]] static std::shared_ptr<Stdio> open(const StdioPaths& paths, const std::string& id,
                                                   const std::string& container_namespace, std::uint32_t uid,
                                                   std::uint32_t gid);
  Stdio() = default;

  // What becomes the process's descriptors 0, 1, 2.
  [[nodiscard]] int process_end(int number) const noexcept { return process_ends_[number].get(); }
  void close_process_ends() noexcept;

  // The rest is for the loop's thread.
  void start(Loop& loop);                           // without a terminal
  void start_terminal(Loop& loop, os::Fd console);  // with one
  void close_input();
  void resize(std::uint16_t width, std::uint16_t height) const;
  // Calls `done` when all output has been copied, or when `limit` has passed and the rest was given up.
  void drain(Loop& loop, std::chrono::milliseconds limit, std::function<void()> done);
  [[nodiscard]] Logger take_logger() noexcept { return std::move(logger_); }

 private:
  struct Output {
    os::Fd from, to, keeper;
    std::unique_ptr<Copier> copier;
  };
  void open_input(const std::string& path);
  void give_to_user(const os::Fd& end) const;
  void open_output(int number, const std::string& uri);
  void start_logger(const std::string& uri, const std::string& id, const std::string& container_namespace);
  [[nodiscard]] bool is_drained() const;
  void copied();

  os::Fd process_ends_[3];
  os::Fd input_, input_keeper_, input_to_;
  std::unique_ptr<Copier> input_copier_;
  Output outputs_[2];
  os::Fd console_;
  Logger logger_;
  bool terminal_ = false;
  std::uint32_t uid_ = 0, gid_ = 0;
  std::function<void()> drained_;
};

}  // namespace wherry::shim
