// SPDX-License-Identifier: Apache-2.0
// Kernel ABI that libc headers define in conflict with <linux/*.h>, or that Debian 12's headers lack.
#pragma once

#include <linux/errno.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <stddef.h>
#include <stdint.h>

namespace wherry::os {

// open(2) flags. <asm/fcntl.h> clashes with libc's <fcntl.h>.
inline constexpr int kRdOnly = 0, kWrOnly = 1, kRdWr = 2, kCreat = 0100, kExcl = 0200, kNoCtty = 0400, kTrunc = 01000,
                     kAppend = 02000, kNonBlock = 04000, kCloexec = 02000000, kPath = 010000000;
#if defined(__aarch64__)
inline constexpr int kDirectory = 040000, kNoFollow = 0100000;
#else
inline constexpr int kDirectory = 0200000, kNoFollow = 0400000;
#endif

inline constexpr int kFGetFd = 1, kFSetFd = 2, kFDupFdCloexec = 1030, kFAddSeals = 1033;  // fcntl(2)
inline constexpr int kSealSeal = 1, kSealShrink = 2, kSealGrow = 4, kSealWrite = 8;

inline constexpr unsigned kTypeMask = 0170000, kTypeDirectory = 0040000, kTypeRegular = 0100000, kTypeSymlink = 0120000,
                          kTypeChar = 0020000, kTypeBlock = 0060000, kTypeFifo = 0010000;

inline constexpr int kAtFdcwd = -100;             // fcntl.h AT_FDCWD
inline constexpr int kAtSymlinkNofollow = 0x100;  // AT_SYMLINK_NOFOLLOW
inline constexpr int kAtSymlinkFollow = 0x400;    // AT_SYMLINK_FOLLOW
inline constexpr int kAtEmptyPath = 0x1000;       // AT_EMPTY_PATH
inline constexpr int kAtRecursive = 0x8000;       // AT_RECURSIVE
inline constexpr int kAtEaccess = 0x200;          // AT_EACCESS

inline constexpr unsigned kOpenTreeClone = 1;  // open_tree(2), 5.2

inline constexpr unsigned kMfdCloexec = 1;
inline constexpr unsigned kMfdAllowSealing = 2;
inline constexpr unsigned kMfdNoexecSeal = 8, kMfdExec = 0x10;  // memfd_create(2), 6.3

inline constexpr uint64_t kCloneNewTime = 0x80;
inline constexpr uint64_t kCloneIntoCgroup = 0x200000000ULL;  // clone3(2), 5.7

inline constexpr long kProcSuperMagic = 0x9fa0;
inline constexpr long kCgroup2SuperMagic = 0x63677270;
inline constexpr long kNsfsMagic = 0x6e736673;

inline constexpr unsigned long kMsRdonly = 1, kMsNosuid = 2, kMsNodev = 4, kMsNoexec = 8, kMsRemount = 32,
                               kMsBind = 4096, kMsMove = 8192, kMsRec = 16384, kMsUnbindable = 1UL << 17,
                               kMsPrivate = 1UL << 18, kMsSlave = 1UL << 19, kMsShared = 1UL << 20;
inline constexpr int kMntDetach = 2;

struct iovec {
  void* base;
  size_t length;
};

struct msghdr {  // the kernel's user_msghdr
  void* name;
  int name_length;
  iovec* vectors;
  size_t vector_count;
  void* control;
  size_t control_length;
  unsigned flags;
};

struct cmsghdr {
  size_t length;
  int level;
  int type;
};

struct sockaddr_un {
  uint16_t family;
  char path[108];
};

struct pollfd {
  int fd;
  short events;
  short revents;
};

struct timespec64 {
  int64_t seconds;
  int64_t nanoseconds;
};

struct DirectoryEntry {  // the kernel's linux_dirent64
  uint64_t inode;
  int64_t offset;
  uint16_t size;  // of this entry; the next one stands behind it
  uint8_t type;
  char name[];
};

struct statfs64 {  // asm-generic struct statfs, 64-bit
  long type, block_size;
  uint64_t blocks, blocks_free, blocks_available, files, files_free;
  int fsid[2];
  long name_length, fragment_size, flags, spare[4];
};

inline constexpr int kAfUnix = 1, kSockStream = 1, kSockDgram = 2, kSockSeqpacket = 5, kSockCloexec = 02000000,
                     kSockNonblock = 04000, kSolSocket = 1, kScmRights = 1;
inline constexpr int kMsgNosignal = 0x4000, kMsgCmsgCloexec = 0x40000000, kMsgTrunc = 0x20, kMsgCtrunc = 8;
inline constexpr short kPollIn = 1, kPollOut = 4, kPollErr = 8, kPollHup = 16;

}  // namespace wherry::os
