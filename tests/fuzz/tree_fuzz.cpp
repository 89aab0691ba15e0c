// SPDX-License-Identifier: Apache-2.0
// Layers of a hostile image, made of few names so that they meet: whatever they do to each other, nothing appears
// beside the root, and all of it can be removed again.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "image/tree.hpp"
#include "wherry/error.hpp"

namespace {

using namespace wherry;

struct Place {
  std::string path = "/tmp/wherry-fuzz-XXXXXX";
  os::Fd dir;
  Place() {
    (void)::umask(0);
    if (::mkdtemp(path.data()) == nullptr) ::abort();
    dir.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~Place() { (void)::rmdir(path.c_str()); }
};

constexpr const char* kNames[] = {
    "a",    "b",     "a/b", "b/a",   "a/b/c",     "..",      "a/..",         "",
    "/a",   ".",     "c",   ".wh.a", ".wh.b",     "a/.wh.b", ".wh..wh..opq", "a/.wh..wh..opq",
    ".wh.", ".wh..", "l",   "l/a",   "a/../../x", "/",       "../victim",    "b/l"};
constexpr const char* kTargets[] = {"a", "..", "/", "../victim", "/b", "l", "a/b", "../../../../../../tmp"};
constexpr char kTypes[] = {'0', '1', '2', '5', '6'};

std::string header(std::uint8_t name, std::uint8_t type, std::uint8_t target) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, const char* text) { std::memcpy(block.data() + at, text, std::strlen(text)); };
  put(0, kNames[name % std::size(kNames)]);
  put(100, (type & 0x80) != 0 ? "0000000" : "0000755");
  put(108, "0000000");
  put(116, "0000000");
  put(124, "00000000000");
  put(136, "00000000000");
  block[156] = kTypes[type % std::size(kTypes)];
  put(157, kTargets[target % std::size(kTargets)]);
  put(257, "ustar");
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  char digits[8];
  (void)std::snprintf(digits, sizeof digits, "%06o", sum);
  std::memcpy(block.data() + 148, digits, 7);
  return block;
}

class Text final : public image::ByteSource {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  std::span<const std::byte> next() override {
    const auto part = std::as_bytes(std::span(text_).subspan(at_));
    at_ = text_.size();
    return part;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

}  // namespace

// Three bytes for an entry; a name byte of 255 begins the next layer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Place place;
  if (!os::mkdirat(place.dir.get(), "root", 0755)) ::abort();
  try {
    image::TreeOptions options;
    options.own = false;
    options.limits.depth = 16;
    auto root = os::openat(place.dir.get(), "root", os::kRdOnly | os::kDirectory);
    image::Tree tree(std::move(*root), options);
    std::string layer;
    for (std::size_t i = 0; i + 3 <= size && i < 300; i += 3) {
      if (data[i] != 255) layer += header(data[i], data[i + 1], data[i + 2]);
      if (data[i] != 255 && i + 6 <= size) continue;
      Text text(std::move(layer));
      image::TarReader reader(text);
      tree.apply(reader);
      layer.clear();
    }
    tree.finish();
  } catch (const Error&) {
    // refused
  }
  const auto names = image::names_in(place.dir.get(), ".");
  if (!names || names.value() != std::vector<std::string>{"root"}) ::abort();
  if (!image::remove_tree(place.dir.get(), "root")) ::abort();
  return 0;
}
