// SPDX-License-Identifier: Apache-2.0
// A stream of ttrpc frames in pieces, and every message that comes from a caller.
#include <algorithm>
#include <cstdlib>

#include "shim/frame.hpp"
#include "shim/messages.hpp"

namespace {

using namespace wherry::shim;

// What was read once is the same when it is written and read again.
template <class Message>
void try_message(std::string_view bytes) {
  Message message;
  if (!decode(bytes, message)) return;
  const std::string once = encode(message);
  Message again;
  if (!decode(once, again) || encode(again) != once) std::abort();
}

template <class... Messages>
void try_messages(std::string_view bytes) {
  (try_message<Messages>(bytes), ...);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try_messages<RpcRequest, RpcResponse, CreateTaskRequest, ProcessRequest, KillRequest, ExecRequest, ResizeRequest,
               CloseIoRequest, UpdateRequest, RuncOptions, BootstrapParams, Metrics>(bytes);
  if (bytes.empty()) return 0;
  FrameReader reader;
  const std::size_t piece = static_cast<std::size_t>(data[0]) + 1;
  for (std::size_t at = 1; at < size; at += piece) {
    reader.append(bytes.substr(at, piece));
    while (auto frame = reader.next()) try_message<RpcRequest>(frame->data);
  }
  return 0;
}
