// SPDX-License-Identifier: Apache-2.0
// The configuration of a hostile image, and its /etc/passwd and /etc/group: what is accepted becomes a config.json that
// this runtime accepts, without an annotation that it acts on.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "image/convert.hpp"
#include "oci/reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wherry;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(text.find('\0'), text.size());
  const std::string json = text.substr(0, cut), accounts = text.substr(std::min(cut + 1, text.size()));
  try {
    const image::Configuration configuration = image::parse_configuration(json);
    const image::Account account = image::find_account(configuration.user, accounts, accounts);
    const image::Converted converted = image::convert(configuration, account, {});
    const oci::Spec spec = oci::read_spec(converted.json);
    for (const auto& [key, value] : spec.annotations)
      if (image::is_obeyed_annotation(key)) std::abort();
    if (spec.process->user.uid != account.uid) std::abort();
  } catch (const Error&) {
    // refused
  }
  return 0;
}
