// SPDX-License-Identifier: Apache-2.0
// unpack, images, prune: commands of wherry-unpack.
#include "cli/command.hpp"
#include "cli/image_program.hpp"

namespace wherry::cli {

int unpack_command(const Invocation& invocation) {
  become_image_program(invocation.globals, "unpack", invocation.words);
}
int images_command(const Invocation& invocation) {
  become_image_program(invocation.globals, "images", invocation.words);
}
int prune_command(const Invocation& invocation) { become_image_program(invocation.globals, "prune", invocation.words); }

}  // namespace wherry::cli
