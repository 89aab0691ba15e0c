// SPDX-License-Identifier: Apache-2.0
// Thin, typed, noexcept wrappers around the system calls that both the host and wherry-init make.
// No wrapper retries, except where its name says so; none touches errno; every fd is born O_CLOEXEC.
#pragma once

#include "os/core/abi.hpp"
#include "os/core/fd.hpp"

namespace wherry::os {

inline long address(const void* pointer) noexcept { return reinterpret_cast<long>(pointer); }

// --- files ---------------------------------------------------------------------------------------

inline Result<Fd> openat(int dir, const char* path, int flags, unsigned mode = 0) noexcept {
  return fd_of(raw_syscall(__NR_openat, dir, address(path), flags | kCloexec, mode));
}

// openat2(2): EAGAIN means that a rename raced with the walk; the kernel asks the caller to try again.
inline Result<Fd> openat2(int dir, const char* path, uint64_t flags, uint64_t resolve, uint64_t mode = 0) noexcept {
  open_how how{flags | static_cast<uint64_t>(kCloexec), mode, resolve};
  long result = -EAGAIN;
  for (int i = 0; i < 128 && result == -EAGAIN; ++i)
    result = raw_syscall(__NR_openat2, dir, address(path), address(&how), sizeof how);
  return fd_of(result);
}

inline Result<long> read(int fd, void* buffer, size_t size) noexcept {
  long result;
  do result = raw_syscall(__NR_read, fd, address(buffer), static_cast<long>(size));
  while (result == -EINTR);
  return result_of(result);
}

inline Result<long> write(int fd, const void* buffer, size_t size) noexcept {
  long result;
  do result = raw_syscall(__NR_write, fd, address(buffer), static_cast<long>(size));
  while (result == -EINTR);
  return result_of(result);
}

inline Status mkdirat(int dir, const char* path, unsigned mode) noexcept {
  return status_of(raw_syscall(__NR_mkdirat, dir, address(path), mode));
}
inline Status mknodat(int dir, const char* path, unsigned mode, unsigned device) noexcept {
  return status_of(raw_syscall(__NR_mknodat, dir, address(path), mode, device));
}
inline Status unlinkat(int dir, const char* path, int flags) noexcept {
  return status_of(raw_syscall(__NR_unlinkat, dir, address(path), flags));
}
inline Status symlinkat(const char* target, int dir, const char* path) noexcept {
  return status_of(raw_syscall(__NR_symlinkat, address(target), dir, address(path)));
}
inline Status renameat(int old_dir, const char* old_path, int new_dir, const char* new_path) noexcept {
  return status_of(raw_syscall(__NR_renameat2, old_dir, address(old_path), new_dir, address(new_path), 0));
}
inline Result<long> readlinkat(int dir, const char* path, char* buffer, size_t size) noexcept {
  return result_of(raw_syscall(__NR_readlinkat, dir, address(path), address(buffer), static_cast<long>(size)));
}
inline Status fchownat(int dir, const char* path, unsigned uid, unsigned gid, int flags) noexcept {
  return status_of(raw_syscall(__NR_fchownat, dir, address(path), uid, gid, flags));
}
inline Status fchmod(int fd, unsigned mode) noexcept { return status_of(raw_syscall(__NR_fchmod, fd, mode)); }
inline Status fchmodat(int dir, const char* path, unsigned mode) noexcept {
  return status_of(raw_syscall(__NR_fchmodat, dir, address(path), mode));
}
inline Status faccessat2(int dir, const char* path, int mode, int flags) noexcept {
  return status_of(raw_syscall(__NR_faccessat2, dir, address(path), mode, flags));
}
inline Status statx(int dir, const char* path, int flags, unsigned mask, struct statx& out) noexcept {
  return status_of(raw_syscall(__NR_statx, dir, address(path), flags, mask, address(&out)));
}
inline Status fstatfs(int fd, statfs64& out) noexcept {
  return status_of(raw_syscall(__NR_fstatfs, fd, address(&out)));
}
inline Status statfs(const char* path, statfs64& out) noexcept {
  return status_of(raw_syscall(__NR_statfs, address(path), address(&out)));
}
inline Status ftruncate(int fd, int64_t size) noexcept { return status_of(raw_syscall(__NR_ftruncate, fd, size)); }
inline Result<long> fcntl(int fd, int command, long argument = 0) noexcept {
  return result_of(raw_syscall(__NR_fcntl, fd, command, argument));
}
inline Result<long> ioctl(int fd, unsigned long request, void* argument) noexcept {
  return result_of(raw_syscall(__NR_ioctl, fd, static_cast<long>(request), address(argument)));
}
inline Result<long> ioctl(int fd, unsigned long request, long argument = 0) noexcept {
  return result_of(raw_syscall(__NR_ioctl, fd, static_cast<long>(request), argument));
}
inline Status dup3(int from, int to, int flags) noexcept { return status_of(raw_syscall(__NR_dup3, from, to, flags)); }
inline Result<Fd> duplicate(int fd, int lowest = 3) noexcept {
  return fd_of(raw_syscall(__NR_fcntl, fd, kFDupFdCloexec, lowest));
}
inline Status close_range(unsigned first, unsigned last, unsigned flags) noexcept {
  return status_of(raw_syscall(__NR_close_range, first, last, flags));
}
inline Result<Fd> memfd_create(const char* name, unsigned flags) noexcept {
  return fd_of(raw_syscall(__NR_memfd_create, address(name), flags | kMfdCloexec));
}

// --- mounts --------------------------------------------------------------------------------------

inline Result<Fd> open_tree(int dir, const char* path, unsigned flags) noexcept {
  return fd_of(raw_syscall(__NR_open_tree, dir, address(path), flags | static_cast<unsigned>(kCloexec)));
}
inline Status move_mount(int from, const char* from_path, int to, const char* to_path, unsigned flags) noexcept {
  return status_of(raw_syscall(__NR_move_mount, from, address(from_path), to, address(to_path), flags));
}
inline Result<Fd> fsopen(const char* type) noexcept {
  return fd_of(raw_syscall(__NR_fsopen, address(type), FSOPEN_CLOEXEC));
}
inline Status fsconfig(int fd, unsigned command, const char* key, const void* value, int aux) noexcept {
  return status_of(raw_syscall(__NR_fsconfig, fd, command, address(key), address(value), aux));
}
inline Result<Fd> fsmount(int fd, unsigned attributes) noexcept {
  return fd_of(raw_syscall(__NR_fsmount, fd, FSMOUNT_CLOEXEC, attributes));
}
inline Status mount_setattr(int dir, const char* path, unsigned flags, const mount_attr& attributes) noexcept {
  return status_of(raw_syscall(__NR_mount_setattr, dir, address(path), flags, address(&attributes), sizeof attributes));
}
inline Status mount(const char* source, const char* target, const char* type, unsigned long flags,
                    const void* data) noexcept {
  return status_of(raw_syscall(__NR_mount, address(source), address(target), address(type), static_cast<long>(flags),
                               address(data)));
}
inline Status umount2(const char* path, int flags) noexcept {
  return status_of(raw_syscall(__NR_umount2, address(path), flags));
}
inline Status pivot_root(const char* new_root, const char* put_old) noexcept {
  return status_of(raw_syscall(__NR_pivot_root, address(new_root), address(put_old)));
}
inline Status chroot(const char* path) noexcept { return status_of(raw_syscall(__NR_chroot, address(path))); }
inline Status chdir(const char* path) noexcept { return status_of(raw_syscall(__NR_chdir, address(path))); }
inline Status fchdir(int fd) noexcept { return status_of(raw_syscall(__NR_fchdir, fd)); }

// --- processes -----------------------------------------------------------------------------------

inline long getpid() noexcept { return raw_syscall(__NR_getpid); }
inline Result<Fd> pidfd_open(int pid) noexcept { return fd_of(raw_syscall(__NR_pidfd_open, pid, 0)); }
inline Status pidfd_send_signal(int pidfd, int signal) noexcept {
  return status_of(raw_syscall(__NR_pidfd_send_signal, pidfd, signal, 0, 0));
}
inline Status unshare(unsigned long flags) noexcept {
  return status_of(raw_syscall(__NR_unshare, static_cast<long>(flags)));
}
inline Status setns(int fd, int type) noexcept { return status_of(raw_syscall(__NR_setns, fd, type)); }
inline Result<long> prctl(int option, unsigned long a = 0, unsigned long b = 0, unsigned long c = 0,
                          unsigned long d = 0) noexcept {
  return result_of(raw_syscall(__NR_prctl, option, static_cast<long>(a), static_cast<long>(b), static_cast<long>(c),
                               static_cast<long>(d)));
}
[[noreturn]] inline void exit_group(int code) noexcept {
  for (;;) (void)raw_syscall(__NR_exit_group, code);
}

// --- waiting and messages ------------------------------------------------------------------------

// timeout_ms < 0 waits for ever. EINTR is returned: the caller owns the clock.
inline Result<long> poll(pollfd* fds, unsigned count, int timeout_ms) noexcept {
  timespec64 time{timeout_ms / 1000, (timeout_ms % 1000) * 1000000L};
  return result_of(raw_syscall(__NR_ppoll, address(fds), count, timeout_ms < 0 ? 0 : address(&time), 0, 8));
}
inline Status socketpair(int type, int (&fds)[2]) noexcept {
  return status_of(raw_syscall(__NR_socketpair, kAfUnix, type | kSockCloexec, 0, address(fds)));
}
inline Result<Fd> socket(int family, int type) noexcept {
  return fd_of(raw_syscall(__NR_socket, family, type | kSockCloexec, 0));
}
inline int64_t monotonic_ns() noexcept {
  timespec64 now{};
  (void)raw_syscall(__NR_clock_gettime, 1, address(&now));  // CLOCK_MONOTONIC cannot fail
  return now.seconds * 1000000000 + now.nanoseconds;
}

inline constexpr unsigned kMaxPassedFds = 16;

// One datagram with up to kMaxPassedFds descriptors; the peer gets copies.
Status send_message(int socket, const void* data, size_t size, const int* fds = nullptr,
                    unsigned fd_count = 0) noexcept;

struct Received {
  long size = 0;  // 0 is end of file
  unsigned fd_count = 0;
};
// Received descriptors are owned by the caller. A truncated datagram is EMSGSIZE; no room for a descriptor EMFILE.
Result<Received> receive_message(int socket, void* data, size_t size, int* fds, unsigned fd_capacity) noexcept;

}  // namespace wherry::os
