// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace wherry::container {

// The name of a uid (in digits) in the host's /etc/passwd, or the digits. No NSS: nothing is loaded at run time.
[[nodiscard]] std::string user_name(const std::string& uid);

}  // namespace wherry::container
