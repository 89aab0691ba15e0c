// SPDX-License-Identifier: Apache-2.0
// wherry-unpack, the program for images: this one starts containers and stays small.
#pragma once

#include "cli/globals.hpp"
#include "cli/words.hpp"
#include "os/core/fd.hpp"

namespace wherry::cli {

// Replaces this process. Throws Error when it cannot be started.
[[noreturn]] void become_image_program(const Globals& globals, const std::string& command, const Words& words);

// A bundle that lives as long as this object, in the store of layers. `reference` is SOURCE or SOURCE:NAME; the options
// are those of `unpack`. Throws Error; what wherry-unpack has to say it says itself.
class TemporaryBundle {
 public:
  TemporaryBundle(const Globals& globals, const std::string& reference, Words options, const std::string& id,
                  const Words& arguments);
  ~TemporaryBundle();
  TemporaryBundle(const TemporaryBundle&) = delete;
  TemporaryBundle& operator=(const TemporaryBundle&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  const Globals& globals_;
  std::string path_;
  os::Fd lock_;  // says to `prune` that somebody is there
};

}  // namespace wherry::cli
