// SPDX-License-Identifier: Apache-2.0
// The documents of a hostile image layout or `docker save` archive: an image is found or refused, and what is found has
// a diffID for each layer and names no file outside of blobs/.
//
// Documents are divided by NUL. In each, "@N" stands for the digest of the Nth one before and "#N" for its size, so
// that what a mutation makes can pass verification. The last is index.json, or manifest.json when there is no '@' in
// it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "image/digest.hpp"
#include "image/image.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace {

using namespace wherry;

class Memory final : public image::Source {
 public:
  Memory() {
    auto made = os::make_memory("fuzz", 0);
    if (!made) std::abort();
    fd_ = std::move(*made);
  }
  void add(const std::string& name, const std::string& text) {
    if (!os::write_all(fd_.get(), text)) std::abort();
    files_.insert_or_assign(name, image::Blob{fd_.get(), end_, text.size()});
    end_ += text.size();
  }
  bool has(const std::string& name) override { return files_.contains(name); }
  image::Blob open(const std::string& name) override {
    const auto found = files_.find(name);
    if (found == files_.end()) throw Error("open " + name).because(ENOENT);
    return found->second;
  }

 private:
  os::Fd fd_;
  std::uint64_t end_ = 0;
  std::map<std::string, image::Blob> files_;
};

std::string completed(const std::string& text, const std::vector<std::string>& before) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool mark = (text[i] == '@' || text[i] == '#') && i + 1 < text.size();
    const auto number = static_cast<std::size_t>(mark ? text[i + 1] - '0' : -1);
    if (number >= before.size()) {
      result += text[i];
      continue;
    }
    const std::string& document = before[number];
    result += text[i++] == '@' ? image::digest_of(image::Algorithm::kSha256, document).text()
                               : std::to_string(document.size());
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  Memory source;
  std::vector<std::string> documents;
  for (std::size_t at = 0; at <= input.size() && documents.size() < 10;) {
    const std::size_t end = std::min(input.find('\0', at), input.size());
    const std::string text = input.substr(at, end - at), document = completed(text, documents);
    const bool last = end == input.size() || documents.size() == 9;
    if (last && text.find('@') == std::string::npos) {
      source.add("manifest.json", document);
    } else if (last) {
      source.add("index.json", document);
      source.add("oci-layout", R"({"imageLayoutVersion": "1.0.0"})");
    }
    source.add(image::digest_of(image::Algorithm::kSha256, document).path(), document);
    source.add("file" + std::to_string(documents.size()), document);
    documents.push_back(document);
    at = end + 1;
  }
  for (const char* reference : {"", "t"}) {
    try {
      const image::Image image = image::find_image(source, {reference, std::nullopt});
      if (image.layers.size() != image.configuration.diff_ids.size()) std::abort();
      std::uint64_t sum = 0;
      for (const image::Layer& layer : image.layers) {
        if (!layer.blob.diff_id) std::abort();
        sum += layer.blob.blob.size;
      }
      if (sum != image.size) std::abort();
    } catch (const Error&) {
      // refused
    }
  }
  return 0;
}
