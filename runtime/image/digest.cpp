// SPDX-License-Identifier: Apache-2.0
#include "image/digest.hpp"

#include <nettle/sha2.h>

#include <algorithm>

#include "wherry/error.hpp"

namespace wherry::image {
namespace {

struct Row {
  Algorithm algorithm;
  std::string_view name;
  std::size_t digits;
};
constexpr Row kRows[] = {
    {Algorithm::kSha256, "sha256", 2UL * SHA256_DIGEST_SIZE},
    {Algorithm::kSha512, "sha512", 2UL * SHA512_DIGEST_SIZE},
};

const Row& row_of(Algorithm algorithm) { return *std::ranges::find(kRows, algorithm, &Row::algorithm); }

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

std::string to_hex(const std::uint8_t* data, std::size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += kDigits[data[i] >> 4U];
    text += kDigits[data[i] & 15U];
  }
  return text;
}

}  // namespace

std::string Digest::text() const { return std::string(row_of(algorithm).name) + ":" + hex; }
std::string Digest::path() const { return "blobs/" + std::string(row_of(algorithm).name) + "/" + hex; }

Digest parse_digest(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto* row = std::ranges::find(kRows, text.substr(0, std::min(colon, text.size())), &Row::name);
  const std::string_view hex = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (row == std::end(kRows) || hex.size() != row->digits || !std::ranges::all_of(hex, is_hex))
    throw Error("read the digest \"" + std::string(text.substr(0, 200)) + "\"")
        .detail("it must be sha256: or sha512: and lower-case hexadecimal digits");
  return {row->algorithm, std::string(hex)};
}

struct Hasher::Contexts {
  sha256_ctx small;
  sha512_ctx large;
};

Hasher::Hasher(Algorithm algorithm) : algorithm_(algorithm), contexts_(std::make_unique<Contexts>()) {
  sha256_init(&contexts_->small);
  sha512_init(&contexts_->large);
}
Hasher::~Hasher() = default;

void Hasher::update(const void* data, std::size_t size) noexcept {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  if (algorithm_ == Algorithm::kSha256) {
    sha256_update(&contexts_->small, size, bytes);
  } else {
    sha512_update(&contexts_->large, size, bytes);
  }
}

Digest Hasher::finish() {
  std::uint8_t bytes[SHA512_DIGEST_SIZE];
  if (algorithm_ == Algorithm::kSha256) {
    sha256_digest(&contexts_->small, SHA256_DIGEST_SIZE, bytes);
  } else {
    sha512_digest(&contexts_->large, SHA512_DIGEST_SIZE, bytes);
  }
  return {algorithm_, to_hex(bytes, row_of(algorithm_).digits / 2)};
}

Digest digest_of(Algorithm algorithm, std::string_view data) {
  Hasher hasher(algorithm);
  hasher.update(data.data(), data.size());
  return hasher.finish();
}

Digest chain_id(const std::string& below, const Digest& diff_id) {
  return below.empty() ? diff_id : digest_of(Algorithm::kSha256, below + " " + diff_id.text());
}

}  // namespace wherry::image
