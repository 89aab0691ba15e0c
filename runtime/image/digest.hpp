// SPDX-License-Identifier: Apache-2.0
// Content addresses: image-spec descriptor.md "Digests".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace wherry::image {

enum class Algorithm : std::uint8_t { kSha256, kSha512 };

struct Digest {
  Algorithm algorithm = Algorithm::kSha256;
  std::string hex;  // lower case, of the algorithm's length
  bool operator==(const Digest&) const = default;
  [[nodiscard]] std::string text() const;  // "sha256:..."
  [[nodiscard]] std::string path() const;  // "blobs/sha256/..." of an image layout
};

// Throws Error for anything but "sha256:" or "sha512:" and exactly that many lower-case hexadecimal digits: the text
// becomes part of a path.
[[nodiscard]] Digest parse_digest(std::string_view text);

class Hasher {
 public:
  explicit Hasher(Algorithm algorithm);
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void update(const void* data, std::size_t size) noexcept;
  [[nodiscard]] Digest finish();  // once

 private:
  struct Contexts;
  Algorithm algorithm_;
  std::unique_ptr<Contexts> contexts_;
};

[[nodiscard]] Digest digest_of(Algorithm algorithm, std::string_view data);

// image-spec config.md "Layer ChainID": names a layer together with all below it. `below` is empty for the lowest.
[[nodiscard]] Digest chain_id(const std::string& below, const Digest& diff_id);

}  // namespace wherry::image
