// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>

#include "shim/commands.hpp"
#include "shim/service.hpp"

namespace wherry::shim {
namespace {

constexpr int kListener = 3;
constexpr std::chrono::milliseconds kFlushLimit{2000};  // containerd waits for three seconds

// The program's text is read again from the page cache when it is needed: what was touched once, at start or for a
// launch, need not stay in this process. Writable segments are left alone.
int drop_pages(dl_phdr_info* info, std::size_t, void*) {
  const auto page = static_cast<ElfW(Addr)>(::sysconf(_SC_PAGESIZE));
  for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const ElfW(Addr) begin = (info->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const ElfW(Addr) end = (info->dlpi_addr + segment.p_vaddr + segment.p_memsz + page - 1) & ~(page - 1);
    (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

void trim() {
  (void)::malloc_trim(0);
  (void)::dl_iterate_phdr(drop_pages, nullptr);
}

// The bundle's log is a FIFO that containerd holds open. Without it, nothing is said.
void open_log() {
  const os::Fd log(::open("log", O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (log) (void)::dup2(log.get(), STDERR_FILENO);
}

std::string path_of(int socket) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  return ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0 ? address.sun_path : "";
}

os::Fd take_signals() {
  sigset_t wanted;
  (void)::sigemptyset(&wanted);
  (void)::sigaddset(&wanted, SIGTERM);
  (void)::sigaddset(&wanted, SIGINT);
  (void)::sigaddset(&wanted, SIGPIPE);  // blocked: a write says EPIPE, and nothing else happens
  (void)::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  (void)::sigdelset(&wanted, SIGPIPE);
  return os::Fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

void serve(const Arguments& arguments, const Surroundings& surroundings) {
  (void)::mallopt(M_ARENA_MAX, 1);
  (void)::mallopt(M_TRIM_THRESHOLD, 65536);
  (void)::prctl(PR_SET_NAME, "containerd-shim");  // it was started as /proc/self/exe
  (void)::fcntl(kListener, F_SETFD, FD_CLOEXEC);
  const std::string path = path_of(kListener);
  open_log();
  const os::Fd signals = take_signals();
  Loop loop;
  Workers workers(loop);
  Events events(loop, surroundings.ttrpc_address, arguments.container_namespace);
  Server* server = nullptr;
  // No caller may come to a socket whose shim has decided to go.
  const auto finish = [&] {
    (void)::unlink(path.c_str());
    events.flush(kFlushLimit, [&] { server->finish([&loop] { loop.stop(); }); });
  };
  Service service(loop, workers, events, arguments.container_namespace, finish);
  Server the_server(loop, os::Fd(kListener),
                    [&service](const Call& call, const RpcRequest& request) { service.handle(call, request); });
  server = &the_server;
  std::uint64_t watch = 0;
  watch = loop.watch(signals.get(), EPOLLIN, [&](std::uint32_t) {
    loop.forget(watch);
    finish();
  });
  loop.run(trim);
  os::exit_group(0);  // a worker may still be there, for a moment; nothing of this process is left to be put in order
}

}  // namespace wherry::shim
