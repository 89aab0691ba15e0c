// SPDX-License-Identifier: Apache-2.0
#include "image/store.hpp"

#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "image/json.hpp"
#include "image/tree.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr const char* kDraftPrefix = ".wherry-unpack.";
constexpr const char* kLayerFile = "layer.json";

bool is_missing(int error) { return error == ENOENT || error == ENOTDIR; }

os::Fd open_or_throw(os::Result<os::Fd> fd, const std::string& what) {
  if (!fd) throw Error("open " + what).because(fd.error());
  return std::move(*fd);
}

// flock(2): the lock goes with the descriptor, so a killed process holds none.
bool lock(int fd, int operation) {
  long done = 0;
  do done = os::raw_syscall(__NR_flock, fd, operation);
  while (done == -EINTR);
  return done == 0;
}

std::string random_name() {
  std::uint8_t bytes[8];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) throw Error("read random bytes").because(errno);
  std::string text(kDraftPrefix);
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4U];
    text += "0123456789abcdef"[byte & 15U];
  }
  return text;
}

// What a process that was killed has left.
void sweep(int parent) {
  auto names = names_in(parent, ".");
  if (!names) return;
  for (const std::string& name : *names) {
    if (name.rfind(kDraftPrefix, 0) != 0) continue;
    auto fd = os::openat(parent, name.c_str(), os::kRdOnly | os::kDirectory | os::kNoFollow);
    struct statx status {};
    const bool ours =
        fd && os::statx(fd->get(), "", os::kAtEmptyPath, STATX_UID, status) && status.stx_uid == ::geteuid();
    if (ours && lock(fd->get(), LOCK_EX | LOCK_NB)) (void)remove_tree(parent, name.c_str());  // else it stays as it was
  }
}

bool is_hex(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

os::Fd make_and_open(int dir, const char* name, const std::string& path) {
  if (auto made = os::mkdirat(dir, name, 0700); !made && made.error() != EEXIST)
    throw Error("make the directory " + path + "/" + name).because(made.error());
  return open_or_throw(os::openat(dir, name, os::kRdOnly | os::kDirectory | os::kNoFollow), path + "/" + name);
}

os::Fd make_path(const std::string& path) {
  if (auto made = os::make_directories(path, 0755, 0700); !made)
    throw Error("make the directory " + path).because(made.error());
  return open_or_throw(os::openat(os::kAtFdcwd, path.c_str(), os::kRdOnly | os::kDirectory), path);
}

std::string now() {
  timespec time{};
  (void)::clock_gettime(CLOCK_REALTIME, &time);  // CLOCK_REALTIME always exists
  tm parts{};
  (void)::gmtime_r(&time.tv_sec, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

// Records that this program wrote. What is no JSON object counts as absent: it is of a newer version, or damaged.
std::optional<Json> read_record(int dir, const char* name) {
  auto text = os::read_file(dir, name, kLargestDocument);
  if (is_missing(text.error())) return std::nullopt;
  if (!text) throw Error(std::string("read ") + name + " of the store").because(text.error());
  Json json = Json::parse(*text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) return std::nullopt;
  return json;
}

std::uint64_t number_or_zero(const Json& record, const char* name) {
  const Json& value = member(record, name);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

std::string text_or_none(const Json& record, const char* name) {
  const Json& value = member(record, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

}  // namespace

Draft::Draft(int parent, std::string parent_path) : parent_(parent), parent_path_(std::move(parent_path)) {
  sweep(parent_);
  // Another's sweep may come between making and locking.
  constexpr int kAttempts = 16;
  int error = 0;
  for (int i = 0; i < kAttempts; ++i) {
    name_ = random_name();
    if (auto made = os::mkdirat(parent_, name_.c_str(), 0700); !made)
      throw Error("make a directory in " + parent_path_).because(made.error());
    auto fd = os::openat(parent_, name_.c_str(), os::kRdOnly | os::kDirectory | os::kNoFollow);
    error = fd.error();
    struct statx status {};
    if (fd && lock(fd->get(), LOCK_EX | LOCK_NB) &&
        os::statx(parent_, name_.c_str(), os::kAtSymlinkNofollow, STATX_TYPE, status)) {
      fd_ = std::move(*fd);
      return;
    }
  }
  throw Error("lock the directory " + path()).because(error != 0 ? error : EWOULDBLOCK);
}

Draft::~Draft() {
  if (!published_) (void)remove_tree(parent_, name_.c_str());  // what cannot go now, the next draft's sweep tries again
}

os::Status Draft::publish(int directory, const std::string& name) {
  constexpr int kNoReplace = 1;  // RENAME_NOREPLACE
  const os::Status done = os::status_of(os::raw_syscall(__NR_renameat2, parent_, os::address(name_.c_str()), directory,
                                                        os::address(name.c_str()), kNoReplace));
  published_ = static_cast<bool>(done);
  return done;
}

Store::Store(const std::string& path) : path_(path), dir_(make_path(path)) {
  // Layers are believed by their names, so nobody else may have put them there.
  struct statx status {};
  if (auto known = os::statx(dir_.get(), "", os::kAtEmptyPath, STATX_UID | STATX_MODE, status); !known)
    throw Error("look up " + path).because(known.error());
  if (status.stx_uid != ::geteuid() || (status.stx_mode & 022U) != 0)
    throw Error("use the store " + path)
        .detail("others may write to it")
        .remedy("name a directory that is the caller's alone");
  lock_ = open_or_throw(os::openat(dir_.get(), "lock", os::kRdWr | os::kCreat | os::kNoFollow, 0600), path + "/lock");
  if (!lock(lock_.get(), LOCK_SH)) throw Error("lock " + path).because(EWOULDBLOCK);
  layers_ = make_and_open(dir_.get(), "layers", path);
  tmp_ = make_and_open(dir_.get(), "tmp", path);
  images_ = make_and_open(dir_.get(), "images", path);
  bundles_ = make_and_open(dir_.get(), "bundles", path);
  run_ = make_and_open(dir_.get(), "run", path);
}

std::string Store::layer_path(const Digest& chain) const { return path_ + "/layers/" + chain.hex + "/diff"; }

std::optional<os::Fd> Store::open_layer(const Digest& chain) const {
  auto fd = os::openat(layers_.get(), (chain.hex + "/diff").c_str(), os::kRdOnly | os::kDirectory | os::kNoFollow);
  if (is_missing(fd.error())) return std::nullopt;
  if (!fd) throw Error("open the layer " + chain.text()).because(fd.error());
  return std::move(*fd);
}

Draft Store::draft() const { return Draft(tmp_.get(), path_ + "/tmp"); }

void Store::publish(Draft& draft, const Digest& chain, std::uint64_t bytes, std::uint64_t entries) const {
  const Json record = {{"chainID", chain.text()}, {"bytes", bytes}, {"entries", entries}, {"created", now()}};
  if (auto written = os::create_file(draft.fd(), kLayerFile, record.dump() + "\n", 0600); !written)
    throw Error("write " + draft.path() + "/" + kLayerFile).because(written.error());
  const os::Status done = draft.publish(layers_.get(), chain.hex);
  if (!done && done.error() != EEXIST) throw Error("keep the layer " + chain.text()).because(done.error());
}

void Store::claim(int bundle, const std::string& path, const std::vector<Digest>& chains) const {
  if (auto made = os::mkdirat(bundle, "layers", 0700); !made)
    throw Error("make the directory layers in the bundle").because(made.error());
  for (const Digest& chain : chains) {
    const std::string from = chain.hex + "/" + kLayerFile;
    const std::string to = "layers/" + chain.hex;
    const os::Status linked = os::status_of(
        os::raw_syscall(__NR_linkat, layers_.get(), os::address(from.c_str()), bundle, os::address(to.c_str()), 0));
    if (linked || linked.error() == EEXIST) continue;
    if (linked.error() != EXDEV) throw Error("claim the layer " + chain.text()).because(linked.error());
    if (auto written = os::create_file(bundle, to.c_str(), "", 0600); !written)
      throw Error("claim the layer " + chain.text()).because(written.error());
    const std::string name = digest_of(Algorithm::kSha256, path).hex;
    if (auto written = os::replace_file(bundles_.get(), name, path, 0600); !written)
      throw Error("record the bundle " + path).because(written.error());
  }
}

void Store::record(const Image& image, const std::vector<Digest>& chains) const {
  Json json = {{"reference", image.reference}, {"created", now()}, {"chains", Json::array()}};
  if (image.manifest) json["manifest"] = image.manifest->text();
  for (const Digest& chain : chains) json["chains"].push_back(chain.hex);
  const std::string key =
      digest_of(Algorithm::kSha256, image.reference + "\n" + (chains.empty() ? "" : chains.back().hex)).hex;
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (auto written = os::replace_file(images_.get(), key + ".json", text, 0600); !written)
    throw Error("record the image").because(written.error());
}

// The layers of bundles on other file systems. What cannot be found out must not look unused.
std::vector<std::string> Store::claimed_elsewhere() const {
  std::vector<std::string> chains;
  auto names = names_in(bundles_.get(), ".");
  if (!names) throw Error("list " + path_ + "/bundles").because(names.error());
  for (const std::string& name : *names) {
    if (!is_hex(name)) continue;
    auto path = os::read_file(bundles_.get(), name.c_str(), kLargestDocument);
    if (is_missing(path.error())) continue;
    if (!path) throw Error("read " + path_ + "/bundles/" + name).because(path.error());
    auto used = names_in(os::kAtFdcwd, (*path + "/layers").c_str());
    if (is_missing(used.error())) continue;
    if (!used) throw Error("list " + *path + "/layers").because(used.error());
    for (std::string& chain : *used)
      if (is_hex(chain)) chains.push_back(std::move(chain));
  }
  return chains;
}

void Store::forget_gone_bundles() const {
  auto names = names_in(bundles_.get(), ".");
  if (!names) throw Error("list " + path_ + "/bundles").because(names.error());
  for (const std::string& name : *names) {
    auto path = os::read_file(bundles_.get(), name.c_str(), kLargestDocument);
    struct statx status {};
    const bool gone = path && is_missing(os::statx(os::kAtFdcwd, path->c_str(), 0, STATX_TYPE, status).error());
    if (gone) (void)os::unlinkat(bundles_.get(), name.c_str(), 0);  // or next time
  }
}

std::vector<StoredLayer> Store::layers() const {
  std::vector<StoredLayer> layers;
  std::map<std::string, std::uint64_t> elsewhere;
  for (const std::string& chain : claimed_elsewhere()) ++elsewhere[chain];
  auto names = names_in(layers_.get(), ".");
  if (!names) throw Error("list " + path_ + "/layers").because(names.error());
  std::ranges::sort(*names);
  for (const std::string& name : *names) {
    if (!is_hex(name)) continue;
    const std::string file = name + "/" + kLayerFile;
    StoredLayer layer{.chain = name, .bundles = elsewhere[name]};
    struct statx status {};
    const os::Status found = os::statx(layers_.get(), file.c_str(), os::kAtSymlinkNofollow, STATX_NLINK, status);
    if (!found && !is_missing(found.error())) throw Error("look up " + path_ + "/" + file).because(found.error());
    if (found) layer.bundles += status.stx_nlink - 1;
    if (const auto record = read_record(layers_.get(), file.c_str())) {
      layer.bytes = number_or_zero(*record, "bytes");
      layer.entries = number_or_zero(*record, "entries");
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::vector<StoredImage> Store::images() const {
  std::map<std::string, StoredLayer> known;
  for (StoredLayer& layer : layers()) known.emplace(layer.chain, layer);
  std::vector<StoredImage> images;
  auto names = names_in(images_.get(), ".");
  if (!names) throw Error("list " + path_ + "/images").because(names.error());
  for (const std::string& name : *names) {
    const auto record = read_record(images_.get(), name.c_str());
    if (!record || name.size() != 64 + 5) continue;
    StoredImage image;
    image.key = name.substr(0, 64);
    image.reference = text_or_none(*record, "reference");
    image.manifest = text_or_none(*record, "manifest");
    image.created = text_or_none(*record, "created");
    for (const Json& chain : member(*record, "chains"))
      if (chain.is_string()) image.chains.push_back(chain.get<std::string>());
    bool whole = true;
    for (const std::string& chain : image.chains) {
      const auto found = known.find(chain);
      whole = whole && found != known.end();
      if (found != known.end()) image.bytes += found->second.bytes;
    }
    if (!whole) continue;
    // A bundle uses all its layers, so the topmost counts those of this image.
    if (!image.chains.empty()) image.bundles = known[image.chains.back()].bundles;
    images.push_back(std::move(image));
  }
  std::ranges::sort(images, [](const StoredImage& a, const StoredImage& b) {
    return std::tie(a.reference, a.created) < std::tie(b.reference, b.created);
  });
  return images;
}

std::string Store::place_for_run(const std::string& id) const {
  const bool good = !id.empty() && id[0] != '.' && id.find('/') == std::string::npos && id.size() < 200;
  if (!good) throw Error("make a bundle for the container \"" + id + "\"").because(EINVAL);
  return path_ + "/run/" + id;
}

// Whoever runs a bundle locks it a moment after it was made.
void Store::remove_abandoned() const {
  constexpr std::int64_t kMoment = 60;
  timespec time{};
  (void)::clock_gettime(CLOCK_REALTIME, &time);  // CLOCK_REALTIME always exists
  auto names = names_in(run_.get(), ".");
  for (const std::string& name : names ? *names : std::vector<std::string>()) {
    struct statx status {};
    auto fd = os::openat(run_.get(), name.c_str(), os::kRdOnly | os::kDirectory | os::kNoFollow);
    if (!fd || !lock(fd->get(), LOCK_EX | LOCK_NB)) continue;
    if (!os::statx(fd->get(), "", os::kAtEmptyPath, STATX_CTIME, status)) continue;
    if (status.stx_ctime.tv_sec + kMoment < time.tv_sec) (void)remove_tree(run_.get(), name.c_str());  // or next time
  }
}

Store::Reclaimed Store::prune() {
  if (!lock(lock_.get(), LOCK_EX)) throw Error("lock " + path_).because(EWOULDBLOCK);
  Reclaimed reclaimed;
  sweep(tmp_.get());
  sweep(run_.get());
  remove_abandoned();
  std::set<std::string> kept;
  for (const StoredLayer& layer : layers()) {
    if (layer.bundles != 0) {
      kept.insert(layer.chain);
      continue;
    }
    // Out of sight first: what is half removed must not be taken for a layer.
    const std::string name = kDraftPrefix + layer.chain;
    if (auto moved = os::renameat(layers_.get(), layer.chain.c_str(), tmp_.get(), name.c_str()); !moved)
      throw Error("remove the layer " + layer.chain).because(moved.error());
    if (auto gone = remove_tree(tmp_.get(), name.c_str()); !gone)
      throw Error("remove the layer " + layer.chain).because(gone.error());
    ++reclaimed.layers;
    reclaimed.bytes += layer.bytes;
  }
  forget_gone_bundles();
  auto names = names_in(images_.get(), ".");
  if (!names) throw Error("list " + path_ + "/images").because(names.error());
  for (const std::string& name : *names) {
    const auto record = read_record(images_.get(), name.c_str());
    const bool whole = record && std::ranges::all_of(member(*record, "chains"), [&](const Json& chain) {
                         return chain.is_string() && kept.contains(chain.get<std::string>());
                       });
    if (whole) continue;
    if (auto gone = os::unlinkat(images_.get(), name.c_str(), 0); !gone)
      throw Error("remove the record " + name).because(gone.error());
    ++reclaimed.images;
  }
  (void)lock(lock_.get(), LOCK_SH);
  return reclaimed;
}

std::string default_store(bool privileged, const std::string& home, const std::string& data) {
  if (privileged) return "/var/lib/wherry/images";
  if (!data.empty() && data[0] == '/') return data + "/wherry/images";
  if (home.empty() || home[0] != '/')
    throw Error("find the store of layers").detail("neither $XDG_DATA_HOME nor $HOME is a path").remedy("pass --store");
  return home + "/.local/share/wherry/images";
}

}  // namespace wherry::image
