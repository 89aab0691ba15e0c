// SPDX-License-Identifier: Apache-2.0
// AF_UNIX sockets by path. sun_path holds 107 bytes: longer paths are reached through a descriptor of their directory.
#pragma once

#include <string>

#include "os/core/calls.hpp"

namespace wherry::os {

// SOCK_SEQPACKET, listening, mode 0600, below the directory `dir`.
Result<Fd> listen_at(int dir, const std::string& name);
// `type`: kSockSeqpacket, kSockStream or kSockDgram.
Result<Fd> connect_at(int dir, const std::string& name, int type);
Result<Fd> connect_to(const std::string& path, int type);

}  // namespace wherry::os
