// SPDX-License-Identifier: Apache-2.0
#include "image/unpack.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <deque>
#include <memory>
#include <thread>

#include "image/archive.hpp"
#include "image/store.hpp"
#include "image/stream.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr std::size_t kLargestAccounts = 4U << 20U;
// Each stream that runs ahead costs its chunks.
constexpr std::size_t kMostStreams = 4;

std::string absolute(const std::string& path) {
  if (!path.empty() && path[0] == '/') return path;
  char buffer[PATH_MAX];
  if (::getcwd(buffer, sizeof buffer) == nullptr) throw Error("find the current directory").because(errno);
  return std::string(buffer) + "/" + path;
}

// Where the bundle will be: its parent directory is open from the beginning.
struct Target {
  std::string path, parent_path, name;
  os::Fd parent;
};

Target open_target(const std::string& bundle) {
  Target target;
  target.path = absolute(bundle);
  while (target.path.size() > 1 && target.path.back() == '/') target.path.pop_back();
  const std::size_t slash = target.path.rfind('/');
  target.parent_path = slash == 0 ? "/" : target.path.substr(0, slash);
  target.name = target.path.substr(slash + 1);
  if (target.name.empty() || target.name == "." || target.name == "..")
    throw Error("make the bundle " + bundle).because(EEXIST).remedy("name a directory that is not there yet");
  auto parent = os::openat(os::kAtFdcwd, target.parent_path.c_str(), os::kRdOnly | os::kDirectory);
  if (!parent) throw Error("open the directory " + target.parent_path).because(parent.error());
  target.parent = std::move(*parent);
  struct statx status {};
  if (os::statx(target.parent.get(), target.name.c_str(), os::kAtSymlinkNofollow, STATX_TYPE, status))
    throw Error("make the bundle " + target.path)
        .because(EEXIST)
        .remedy("remove what is there, or choose another name");
  return target;
}

void publish(Draft& draft, const Target& target) {
  if (auto done = draft.publish(target.parent.get(), target.name); !done)
    throw Error("make the bundle " + target.path).because(done.error());
}

os::Fd make_directory(int dir, const char* name, unsigned mode) {
  auto made = os::mkdirat(dir, name, mode);
  auto fd = made ? os::openat(dir, name, os::kRdOnly | os::kDirectory | os::kNoFollow)
                 : os::Result<os::Fd>::failure(made.error());
  if (!fd) throw Error(std::string("make the directory ") + name).because(fd.error());
  return std::move(*fd);
}

void write_file(int dir, const char* name, const std::string& text) {
  if (auto written = os::create_file(dir, name, text, 0600); !written)
    throw Error(std::string("write ") + name + " of the bundle").because(written.error());
}

// Streams of the layers to be unpacked: those that come next run ahead.
class Ahead {
 public:
  Ahead(const std::vector<LayerBlob>& layers, const Limits& limits)
      : layers_(layers), limits_{limits.bytes, limits.ratio}, streams_(layers.size()) {}

  LayerStream& begin(std::size_t index) {
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    const std::size_t end = std::min(layers_.size(), index + std::min(cores, kMostStreams));
    for (std::size_t i = index; i < end; ++i)
      if (!streams_[i]) streams_[i] = std::make_unique<LayerStream>(layers_[i], limits_, &read_);
    return *streams_[index];
  }
  void end(std::size_t index) { streams_[index].reset(); }
  [[nodiscard]] std::uint64_t read() const noexcept { return read_; }

 private:
  const std::vector<LayerBlob>& layers_;
  StreamLimits limits_;
  std::atomic<std::uint64_t> read_{0};
  std::vector<std::unique_ptr<LayerStream>> streams_;
};

// The stream as the tree reads it; whoever watches hears of each chunk.
class Watched final : public ByteSource {
 public:
  Watched(LayerStream& stream, std::function<void()> tell) : stream_(stream), tell_(std::move(tell)) {}
  std::span<const std::byte> next() override {
    tell_();
    return stream_.next();
  }

 private:
  LayerStream& stream_;
  std::function<void()> tell_;
};

class Unpacking {
 public:
  Unpacking(const UnpackOptions& options, Watcher& watcher)
      : options_(options),
        watcher_(watcher),
        source_(open_source(options.source)),
        image_(find_image(*source_, options.choice)) {
    result_.reference = image_.reference;
    result_.manifest = image_.manifest ? image_.manifest->text() : "";
    result_.architecture = image_.configuration.architecture;
    result_.layers = image_.layers.size();
  }

  Unpacked flat(const Target& target) {
    Draft draft(target.parent.get(), target.parent_path);
    std::vector<LayerBlob> blobs;
    for (const Layer& layer : image_.layers) blobs.push_back(layer.blob);
    begin(blobs);
    Tree tree(make_directory(draft.fd(), "rootfs", 0755), options_.tree);
    for (std::size_t i = 0; i < image_.layers.size(); ++i) apply(tree, i, i);
    tree.finish();
    take_over(tree);
    const os::Fd rootfs = open_directory(draft.fd(), "rootfs");
    write_config(draft.fd(), options_.convert, Layers({rootfs.get()}));
    publish(draft, target);
    return std::move(result_);
  }

  Unpacked overlay(const Target& target) {
    Store store(absolute(options_.store));
    find_chains();
    std::vector<LayerBlob> missing;
    for (std::size_t i = 0; i < chains_.size(); ++i)
      if (!store.open_layer(chains_[i])) missing.push_back(image_.layers[i].blob);
    begin(missing);
    std::deque<os::Fd> layers;  // the topmost first
    std::vector<NewLayer> made;
    for (std::size_t i = 0; i < chains_.size(); ++i) {
      auto there = store.open_layer(chains_[i]);
      if (there) {
        ++result_.reused;
        watcher_.layer(image_.layers[i].name, image_.layers[i].blob.blob.size, true);
      } else {
        if (made.size() == missing.size()) throw Error("use the store").detail("a layer has disappeared");
        made.push_back(make_layer(store, i, made.size(), layers));
        there = open_directory(made.back().draft->fd(), "diff");
      }
      layers.push_front(std::move(*there));
      ++done_;
    }
    publish_layers(store, made);
    store.record(image_, chains_);
    make_overlay_bundle(store, target, layers);
    return std::move(result_);
  }

 private:
  void begin(const std::vector<LayerBlob>& blobs) {
    blobs_ = blobs;
    for (const LayerBlob& blob : blobs_) total_ += blob.blob.size;
    ahead_ = std::make_unique<Ahead>(blobs_, options_.tree.limits);
  }

  void tell() { watcher_.progress(ahead_->read(), total_, done_, image_.layers.size()); }

  // Layer `index` of the image, stream `at` of those to be read.
  void apply(Tree& tree, std::size_t index, std::size_t at) {
    const Layer& layer = image_.layers[index];
    watcher_.layer(layer.name, layer.blob.blob.size, false);
    try {
      LayerStream& stream = ahead_->begin(at);
      Watched watched(stream, [this] { tell(); });
      TarReader reader(watched);
      tree.apply(reader);
      reader.drain();
    } catch (const Error& error) {
      if (error.code() != 1) throw;  // interrupted
      throw Error("layer " + layer.name).because(error.number()).detail(error.message());
    }
    ahead_->end(at);
    if (options_.mode == LayerMode::kFlat) ++done_;
    tell();
  }

  void take_over(const Tree& tree) {
    result_.bytes += tree.bytes();
    result_.entries += tree.entries();
    const Losses& losses = tree.losses();
    if (losses.xattrs != 0)
      result_.warnings.push_back(std::to_string(losses.xattrs) +
                                 " extended attributes could not be kept, the first: " + losses.first_xattr);
    if (losses.devices != 0)
      result_.warnings.push_back(std::to_string(losses.devices) +
                                 " device nodes became empty files, the first: " + losses.first_device);
  }

  static os::Fd open_directory(int parent, const char* name) {
    auto fd = os::openat(parent, name, os::kRdOnly | os::kDirectory | os::kNoFollow);
    if (!fd) throw Error(std::string("open the directory ") + name).because(fd.error());
    return std::move(*fd);
  }

  void find_chains() {
    std::string below;
    for (const Digest& diff_id : image_.configuration.diff_ids) {
      chains_.push_back(chain_id(below, diff_id));
      below = chains_.back().text();
    }
    // The store's names are of one kind, and a tree without owners or devices is not that of the chainID.
    const std::string lacks =
        std::string(options_.tree.own ? "" : " without owners") + (options_.tree.devices ? "" : " without devices");
    for (Digest& chain : chains_)
      if (!lacks.empty() || chain.algorithm != Algorithm::kSha256)
        chain = digest_of(Algorithm::kSha256, chain.text() + lacks);
    if (chains_.empty()) throw Error("unpack the image").detail("it has no layer").remedy("use --layers flat");
  }

  struct NewLayer {
    std::unique_ptr<Draft> draft;
    std::size_t index = 0;
    std::uint64_t bytes = 0, entries = 0;
  };

  NewLayer make_layer(const Store& store, std::size_t index, std::size_t at, const std::deque<os::Fd>& below) {
    NewLayer made{std::unique_ptr<Draft>(new Draft(store.draft())), index};  // NOLINT(modernize-make-unique): no move
    TreeOptions options = options_.tree;
    options.overlay = true;
    options.uids.clear();  // the mount maps ids
    options.gids.clear();
    const std::vector<int> lowers = numbers(below);
    os::Fd root = make_directory(made.draft->fd(), "diff", 0755);
    // A layer that says nothing about the root shows that of the layer below, since overlayfs shows the topmost.
    if (!lowers.empty()) copy_directory(lowers.front(), root.get(), options_.tree.own);
    Tree tree(std::move(root), options, lowers);
    apply(tree, index, at);
    tree.finish();
    take_over(tree);
    made.bytes = tree.bytes();
    made.entries = tree.entries();
    return made;
  }

  // What is in the store is believed by its name: it must be whole even after the power was cut.
  void publish_layers(const Store& store, const std::vector<NewLayer>& made) {
    if (made.empty()) return;
    if (auto kept = os::status_of(os::raw_syscall(__NR_syncfs, made.front().draft->fd())); !kept)
      throw Error("write the layers to the disk").because(kept.error());
    for (const NewLayer& layer : made) store.publish(*layer.draft, chains_[layer.index], layer.bytes, layer.entries);
  }

  void make_overlay_bundle(const Store& store, const Target& target, const std::deque<os::Fd>& layers) {
    Draft draft(target.parent.get(), target.parent_path);
    const os::Fd rootfs = make_directory(draft.fd(), "rootfs", 0755);
    const os::Fd changes = make_directory(draft.fd(), "overlay", 0700);
    const os::Fd upper = make_directory(changes.get(), "upper", 0755);
    const os::Fd work = make_directory(changes.get(), "work", 0755);
    copy_directory(layers.front().get(), upper.get(), options_.tree.own);
    store.claim(draft.fd(), target.path, chains_);
    ConvertOptions convert = options_.convert;
    for (auto chain = chains_.rbegin(); chain != chains_.rend(); ++chain)
      convert.lowers.push_back(store.layer_path(*chain));
    convert.upper = target.path + "/overlay/upper";
    convert.work = target.path + "/overlay/work";
    write_config(draft.fd(), convert, Layers(numbers(layers)));
    publish(draft, target);
  }

  static std::vector<int> numbers(const std::deque<os::Fd>& fds) {
    std::vector<int> list;
    list.reserve(fds.size());
    for (const os::Fd& fd : fds) list.push_back(fd.get());
    return list;
  }

  void write_config(int bundle, const ConvertOptions& options, const Layers& root) {
    const Account account =
        find_account(image_.configuration.user, root.read("etc/passwd", kLargestAccounts).value_or(""),
                     root.read("etc/group", kLargestAccounts).value_or(""));
    Converted converted = convert(image_.configuration, account, options);
    result_.warnings.insert(result_.warnings.end(), converted.warnings.begin(), converted.warnings.end());
    write_file(bundle, "config.json", converted.json);
  }

  const UnpackOptions& options_;
  Watcher& watcher_;
  std::unique_ptr<Source> source_;
  Image image_;
  std::vector<Digest> chains_;
  std::vector<LayerBlob> blobs_;
  std::unique_ptr<Ahead> ahead_;
  std::uint64_t total_ = 0;
  std::size_t done_ = 0;
  Unpacked result_;
};

}  // namespace

Unpacked unpack(const UnpackOptions& options, Watcher& watcher) {
  const Target target = open_target(options.bundle);
  if (is_bundle_archive(options.source, options.tree.limits)) {
    Draft draft(target.parent.get(), target.parent_path);
    Unpacked result = unpack_bundle_archive(options, draft.fd(), watcher);
    publish(draft, target);
    return result;
  }
  Unpacking unpacking(options, watcher);
  return options.mode == LayerMode::kFlat ? unpacking.flat(target) : unpacking.overlay(target);
}

}  // namespace wherry::image
