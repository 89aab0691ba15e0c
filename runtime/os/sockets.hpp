// SPDX-License-Identifier: Apache-2.0
// AF_UNIX sockets by path. sun_path holds 107 bytes: longer paths are reached through a descriptor of their directory.
#pragma once

#include <string>

#include "os/core/calls.hpp"

namespace wherry::os {

// SOCK_SEQPACKET, listening, mode 0600, below the directory `dir`.
Result<Fd> listen_at(int dir, const std::string& name);
// SOCK_DGRAM. It has `mode` whatever the umask is, but not from its first moment on: `dir` must be closed to others.
Result<Fd> receive_datagrams_at(int dir, const std::string& name, unsigned mode);
// `type`: kSockSeqpacket, kSockStream or kSockDgram, and kSockNonblock.
Result<Fd> connect_at(int dir, const std::string& name, int type);
Result<Fd> connect_to(const std::string& path, int type);
// In the abstract namespace of unix(7): `name` has no path.
Result<Fd> connect_abstract(const std::string& name, int type);

}  // namespace wherry::os
