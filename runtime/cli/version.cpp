// SPDX-License-Identifier: Apache-2.0
#include "cli/version.hpp"

namespace wherry::cli {

std::string version_text() {
  std::string text = "wherry version " WHERRY_VERSION "\n";
#ifdef WHERRY_COMMIT
  text += "commit: " WHERRY_COMMIT "\n";
#endif
  return text + "spec: 1.3.0\nlibseccomp: " WHERRY_LIBSECCOMP_VERSION "\n";
}

}  // namespace wherry::cli
