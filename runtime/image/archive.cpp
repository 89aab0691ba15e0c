// SPDX-License-Identifier: Apache-2.0
#include "image/archive.hpp"

#include <atomic>

#include "image/paths.hpp"
#include "image/stream.hpp"
#include "oci/reader.hpp"
#include "oci/validate.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr std::size_t kLargestConfig = 16U << 20U;

bool belongs(const std::string& name) {
  const auto path = clean_name(name);
  return path && (path->empty() || *path == "config.json" || *path == "rootfs" || path->rfind("rootfs/", 0) == 0);
}

os::Fd open_file(const std::string& path, std::uint64_t& size) {
  auto fd = os::openat(os::kAtFdcwd, path.c_str(), os::kRdOnly | os::kNonBlock | os::kNoCtty);
  if (!fd) throw Error("open " + path).because(fd.error());
  struct statx status {};
  if (auto known = os::statx(fd->get(), "", os::kAtEmptyPath, STATX_TYPE | STATX_SIZE, status); !known)
    throw Error("open " + path).because(known.error());
  size = (status.stx_mode & os::kTypeMask) == os::kTypeRegular ? status.stx_size : 0;
  return std::move(*fd);
}

// Hands the tree only what belongs to a bundle.
class Guarded final : public ByteSource {
 public:
  Guarded(LayerStream& stream, Watcher& watcher, const std::atomic<std::uint64_t>& read, std::uint64_t size)
      : stream_(stream), watcher_(watcher), read_(read), size_(size) {}
  std::span<const std::byte> next() override {
    watcher_.progress(read_, size_, 0, 1);
    return stream_.next();
  }

 private:
  LayerStream& stream_;
  Watcher& watcher_;
  const std::atomic<std::uint64_t>& read_;
  std::uint64_t size_;
};

}  // namespace

bool is_bundle_archive(const std::string& path, const Limits& limits) {
  std::uint64_t size = 0;
  const os::Fd fd = open_file(path, size);
  if (size == 0) return false;
  LayerStream stream({{fd.get(), 0, size}, {}, {}}, {limits.bytes, limits.ratio});
  TarReader reader(stream);
  Entry entry;
  try {
    while (reader.next(entry)) {
      const auto name = clean_name(entry.name);
      // config.json may also be the configuration of an image.
      if (name && !name->empty() && *name != "config.json") return belongs(entry.name);
    }
  } catch (const Error& error) {
    if (error.number() == EFBIG) throw;
    // It is none; what it is, the reader of images says.
  }
  return false;
}

Unpacked unpack_bundle_archive(const UnpackOptions& options, int bundle, Watcher& watcher) {
  if (options.mode == LayerMode::kOverlay)
    throw Error("unpack " + options.source).detail("a bundle archive has no layers").remedy("use --layers flat");
  std::uint64_t size = 0;
  const os::Fd fd = open_file(options.source, size);
  std::atomic<std::uint64_t> read{0};
  LayerStream stream({{fd.get(), 0, size}, {}, {}}, {options.tree.limits.bytes, options.tree.limits.ratio}, &read);
  Guarded guarded(stream, watcher, read, size);
  TarReader reader(guarded);
  TreeOptions tree_options = options.tree;
  tree_options.uids.clear();  // owners are the host's already, as its config.json has them
  tree_options.gids.clear();
  tree_options.layer = false;
  tree_options.accepts = belongs;
  auto root = os::openat(bundle, ".", os::kRdOnly | os::kDirectory);
  if (!root) throw Error("open the bundle").because(root.error());
  Tree tree(std::move(*root), tree_options);
  watcher.layer(options.source, size, false);
  tree.apply(reader);
  reader.drain();
  tree.finish();

  auto config = os::open_regular(bundle, "config.json", RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
  if (!config) throw Error("read config.json of the archive").because(config.error());
  auto text = os::read_all(config->get(), kLargestConfig);
  if (!text) throw Error("read config.json of the archive").because(text.error());
  const oci::Spec spec = oci::read_spec(*text);
  if (auto faults = oci::validate(spec); !faults.empty()) throw oci::FaultsError("config.json", std::move(faults));

  Unpacked result;
  result.layers = 1;
  result.bytes = tree.bytes();
  result.entries = tree.entries();
  const auto& hooks = spec.hooks;
  if (!hooks.prestart.empty() || !hooks.create_runtime.empty() || !hooks.create_container.empty() ||
      !hooks.start_container.empty() || !hooks.poststart.empty() || !hooks.poststop.empty())
    result.warnings.emplace_back("its config.json has hooks: they are programs that run on this host");
  return result;
}

}  // namespace wherry::image
