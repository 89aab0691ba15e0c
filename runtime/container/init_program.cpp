// SPDX-License-Identifier: Apache-2.0
#include "container/init_program.hpp"

#include <unistd.h>

#include <csignal>

#include "init/image.hpp"
#include "os/files.hpp"
#include "plan/protocol.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

constexpr const char* kInstalled = WHERRY_LIBEXECDIR "/wherry-init";

std::string_view image_text() {
  const auto image = init::image();
  return {reinterpret_cast<const char*>(image.data()), image.size()};
}

// With vm.memfd_noexec=2 no memfd may be executed. The installed program is run through a detached read-only mount:
// through /proc/PID/exe a plain file could be opened for writing by root in the container (CVE-2019-5736).
os::Result<os::Fd> open_installed() {
  auto tree = os::open_tree(os::kAtFdcwd, kInstalled, os::kOpenTreeClone);
  if (!tree) return tree;
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  auto changed = os::mount_setattr(tree->get(), "", os::kAtEmptyPath, attributes);
  return changed ? std::move(tree) : os::Result<os::Fd>::failure(changed.error());
}

// Looked at before this process opens anything itself.
unsigned open_ones(unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    if (!os::fcntl(static_cast<int>(3 + i), os::kFGetFd))
      throw Error("preserve fd " + std::to_string(3 + i))
          .because(EBADF)
          .detail("it is not open")
          .remedy("lower --preserve-fds");
  }
  return count;
}

os::Fd must(os::Result<os::Fd> made, const char* what) {
  if (!made) throw Error(what).because(made.error());
  return std::move(*made);
}

}  // namespace

InitProgram::InitProgram(unsigned preserve_fds, const Streams& streams, bool own_user_namespace)
    : preserve_fds_(open_ones(preserve_fds)),
      streams_(streams),
      own_user_namespace_(own_user_namespace),
      page_(must(os::make_memory("wherry-plan", os::kMfdNoexecSeal), "make the plan's memory")),
      page_number_(page_.get()) {
  int ends[2] = {-1, -1};
  if (auto made = os::socketpair(os::kSockSeqpacket, ends); !made)
    throw Error("make a socket pair").because(made.error());
  channel_.reset(ends[0]);
  their_channel_.reset(ends[1]);
  os::Program from_memory = program();
  from_memory.image = image_text();
  spawning_.emplace(std::move(from_memory));
}

InitProgram::InitProgram(InitProgram&& other) noexcept
    : preserve_fds_(other.preserve_fds_),
      streams_(other.streams_),
      own_user_namespace_(other.own_user_namespace_),
      channel_(std::move(other.channel_)),
      their_channel_(std::move(other.their_channel_)),
      page_(std::move(other.page_)),
      page_number_(other.page_number_),
      spawning_(std::move(other.spawning_)) {
  other.spawning_.reset();
}

InitProgram::~InitProgram() {
  if (!spawning_) return;
  const auto child = spawning_->finish();
  if (!child) return;
  (void)os::pidfd_send_signal(child.value().pidfd.get(), SIGKILL);  // it had nothing to do yet
  (void)os::reap(child.value().pidfd.get());
}

os::Program InitProgram::program() const {
  os::Program program;
  program.args = {"wherry-init", std::to_string(their_channel_.get()), std::to_string(page_number_)};
  program.kept = {their_channel_.get(), page_number_};
  program.first_closed = 3 + preserve_fds_;
  program.own_user_namespace = own_user_namespace_;
  program.standard_input = streams_.in;
  program.standard_output = streams_.out;
  program.standard_error = streams_.err;
  return program;
}

void InitProgram::begin_with(plan::Namespaces namespaces) const {
  if (namespaces.value == 0) return;
  plan::Message message{};
  message.kind = plan::MessageKind::kAhead;
  message.namespaces = namespaces.value;
  if (auto sent = os::send_message(channel_.get(), &message, sizeof message); !sent)
    throw Error("speak to wherry-init").because(sent.error());
}

os::Child InitProgram::finish() {
  auto child = spawning_->finish();
  spawning_.reset();
  if (!child && (child.error() == EACCES || child.error() == EPERM)) {
    if (auto installed = open_installed()) {
      os::Program from_file = program();
      from_file.executable = installed->get();
      child = os::spawn(from_file);
    }
  }
  their_channel_.reset();  // from here on the channel's end is init's end
  if (child) return std::move(*child);
  const bool forbidden = child.error() == EACCES || child.error() == EPERM;
  const std::string remedy = "set the sysctl vm.memfd_noexec to 0 or 1, or install " + std::string(kInstalled);
  throw Error("start wherry-init").because(child.error()).remedy(forbidden ? remedy : "");
}

}  // namespace wherry::container
