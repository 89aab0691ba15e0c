// SPDX-License-Identifier: Apache-2.0
#include "shim/stdio.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::shim {
namespace {

constexpr int kLoggerLimit = 30000;  // ms until it says that it is ready
constexpr std::string_view kFile = "file://", kBinary = "binary://", kBinary2 = "binary-v2://", kFifo = "fifo://";

bool has_scheme(const std::string& uri, std::string_view scheme) { return uri.compare(0, scheme.size(), scheme) == 0; }

os::Fd open_or_throw(const std::string& path, int flags, mode_t mode = 0) {
  os::Fd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode));
  if (!fd) throw Error("open " + path).because(errno);
  return fd;
}

void make_pipe(os::Fd& read_end, os::Fd& write_end) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error("make a pipe").because(errno);
  read_end.reset(ends[0]);
  write_end.reset(ends[1]);
}

// Only this program's own side: the container's must block as a pipe does.
void make_nonblocking(int fd) { (void)::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

// Out of the way of the numbers that a program is to get (os::Program::passed).
os::Fd copy_above(const os::Fd& fd) {
  auto copy = os::duplicate(fd.get(), 16);
  if (!copy) throw Error("pass a descriptor on").because(copy.error());
  return std::move(*copy);
}

bool is_fifo(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
}

// `keeper` is the reader that a FIFO always has: writing to it never ends with EPIPE.
os::Fd open_target(const std::string& uri, os::Fd& keeper) {
  if (has_scheme(uri, kFile)) {
    const std::string path = uri.substr(kFile.size());
    if (const std::size_t name = path.rfind('/'); name != std::string::npos && name != 0)
      if (auto made = os::make_directories(path.substr(0, name), 0755, 0755); !made)
        throw Error("make the directory of " + path).because(made.error());
    return open_or_throw(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  }
  const std::string path = has_scheme(uri, kFifo) ? uri.substr(kFifo.size()) : uri;
  if (is_fifo(path)) {
    keeper = open_or_throw(path, O_RDONLY | O_NONBLOCK);
    return open_or_throw(path, O_WRONLY | O_NONBLOCK);
  }
  return open_or_throw(path, O_WRONLY | O_APPEND | O_NONBLOCK);
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) {
      const char c = text[at];
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    if (text[i] == '%' && i + 2 < text.size() && digit(i + 1) >= 0 && digit(i + 2) >= 0) {
      out.push_back(static_cast<char>(digit(i + 1) * 16 + digit(i + 2)));
      i += 2;
    } else {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

// binary:///path?key=value&flag → /path key value flag
std::vector<std::string> logger_args(std::string_view uri) {
  uri.remove_prefix(uri.find("://") + 3);
  const std::size_t mark = uri.find('?');
  std::vector<std::string> args{std::string(uri.substr(0, mark))};
  std::string_view query = mark == std::string_view::npos ? std::string_view() : uri.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(pair.size() < query.size() ? pair.size() + 1 : pair.size());
    const std::size_t equal = pair.find('=');
    if (!pair.empty()) args.push_back(unescape(pair.substr(0, equal)));
    if (equal != std::string_view::npos && equal + 1 < pair.size()) args.push_back(unescape(pair.substr(equal + 1)));
  }
  return args;
}

}  // namespace

std::shared_ptr<Stdio> Stdio::open(const StdioPaths& paths, const std::string& id,
                                   const std::string& container_namespace, std::uint32_t uid, std::uint32_t gid) {
  auto stdio = std::make_shared<Stdio>();
  stdio->terminal_ = paths.terminal;
  stdio->uid_ = uid;
  stdio->gid_ = gid;
  for (os::Fd& end : stdio->process_ends_) end = open_or_throw("/dev/null", O_RDWR);
  if (!paths.in.empty()) stdio->open_input(paths.in);
  if (has_scheme(paths.out, kBinary) || has_scheme(paths.out, kBinary2)) {
    stdio->start_logger(paths.out, id, container_namespace);
    return stdio;
  }
  if (!paths.out.empty()) stdio->open_output(1, paths.out);
  if (!paths.err.empty() && !paths.terminal) stdio->open_output(2, paths.err);
  return stdio;
}

void Stdio::open_input(const std::string& path) {
  if (!is_fifo(path)) {
    process_ends_[0] = open_or_throw(path, O_RDONLY);
    return;
  }
  input_ = open_or_throw(path, O_RDONLY | O_NONBLOCK);
  // Without a writer of its own, a client that detaches would end the input.
  input_keeper_ = open_or_throw(path, O_WRONLY | O_NONBLOCK);
  if (terminal_) return;
  make_pipe(process_ends_[0], input_to_);
  give_to_user(process_ends_[0]);
  make_nonblocking(input_to_.get());
}

void Stdio::give_to_user(const os::Fd& end) const {
  if (::fchown(end.get(), uid_, gid_) != 0)
    throw Error("give a standard stream to user " + std::to_string(uid_)).because(errno);
}

void Stdio::open_output(int number, const std::string& uri) {
  Output& output = outputs_[number - 1];
  output.to = open_target(uri, output.keeper);
  if (terminal_) return;
  make_pipe(output.from, process_ends_[number]);
  give_to_user(process_ends_[number]);
  make_nonblocking(output.from.get());
}

// It gets the output itself. With a terminal, what the terminal says is copied to it.
void Stdio::start_logger(const std::string& uri, const std::string& id, const std::string& container_namespace) {
  os::Fd out, err, out_to, err_to, ready, ready_to;
  make_pipe(out, out_to);
  make_pipe(err, err_to);
  make_pipe(ready, ready_to);
  os::Program program;
  program.args = logger_args(uri);
  program.path = program.args[0];
  program.env = {"CONTAINER_ID=" + id, "CONTAINER_NAMESPACE=" + container_namespace};
  program.standard_input = process_ends_[0].get();
  {
    const os::Fd passed[] = {copy_above(out), copy_above(err), copy_above(ready_to)};
    for (const os::Fd& fd : passed) program.passed.push_back(fd.get());
    auto child = os::spawn(program);
    if (!child) throw Error("start the logger " + program.path).because(child.error());
    logger_.process = std::move(*child);
  }
  ready_to.reset();  // the logger has the only one now: its end is seen
  os::pollfd poll{ready.get(), os::kPollIn, 0};
  const bool in_time = os::poll(&poll, 1, kLoggerLimit).value() == 1;
  char byte = 0;
  const bool said = in_time && ::read(ready.get(), &byte, 1) == 1;
  if (!in_time || (!said && has_scheme(uri, kBinary2))) {
    (void)os::pidfd_send_signal(logger_.process.pidfd.get(), SIGKILL);
    (void)os::reap(logger_.process.pidfd.get());
    throw Error("start the logger " + program.path).detail("it did not say that it is ready");
  }
  if (terminal_) {
    make_nonblocking(out_to.get());
    outputs_[0].to = std::move(out_to);
    return;
  }
  process_ends_[1] = std::move(out_to);
  process_ends_[2] = std::move(err_to);
}

void Stdio::close_process_ends() noexcept {
  for (os::Fd& end : process_ends_) end.reset();
}

void Stdio::start(Loop& loop) {
  if (terminal_) return;
  for (Output& output : outputs_)
    if (output.from)
      output.copier = std::make_unique<Copier>(loop, std::move(output.from), std::move(output.to),
                                               std::move(output.keeper), [this] { copied(); });
  if (input_to_)
    input_copier_ = std::make_unique<Copier>(loop, std::move(input_), std::move(input_to_), os::Fd{}, nullptr);
}

void Stdio::start_terminal(Loop& loop, os::Fd console) {
  console_ = std::move(console);
  make_nonblocking(console_.get());
  const auto copy = [this] { return os::Fd(::fcntl(console_.get(), F_DUPFD_CLOEXEC, 3)); };
  if (outputs_[0].to)
    outputs_[0].copier = std::make_unique<Copier>(loop, copy(), std::move(outputs_[0].to),
                                                  std::move(outputs_[0].keeper), [this] { copied(); });
  if (input_) input_copier_ = std::make_unique<Copier>(loop, std::move(input_), copy(), os::Fd{}, nullptr);
}

void Stdio::close_input() { input_keeper_.reset(); }

void Stdio::resize(std::uint16_t width, std::uint16_t height) const {
  if (!console_) return;
  winsize size{};
  size.ws_col = width;
  size.ws_row = height;
  if (::ioctl(console_.get(), TIOCSWINSZ, &size) != 0) throw Error("resize the terminal").because(errno);
}

bool Stdio::is_drained() const {
  for (const Output& output : outputs_)
    if (output.copier && !output.copier->has_ended()) return false;
  return true;
}

void Stdio::copied() {
  if (!drained_ || !is_drained()) return;
  const auto done = std::move(drained_);
  drained_ = nullptr;
  done();
}

void Stdio::drain(Loop& loop, std::chrono::milliseconds limit, std::function<void()> done) {
  if (is_drained()) return done();
  auto timer = std::make_shared<std::uint64_t>(0);
  drained_ = [&loop, timer, done = std::move(done)] {
    loop.cancel(*timer);
    loop.post(done);  // the copier that has ended is still on the stack
  };
  *timer = loop.after(limit, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    for (Output& output : self->outputs_)
      if (output.copier) output.copier->finish();
  });
}

}  // namespace wherry::shim
