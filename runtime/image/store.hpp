// SPDX-License-Identifier: Apache-2.0
// The content store: each layer unpacked once, under its chainID, and shared by bundles.
//
//   STORE/lock                     held shared while layers are used or made, alone by prune
//   STORE/tmp/                     layers in the making, each locked by its maker
//   STORE/layers/HEX/diff          the layer's tree, for overlayfs with userxattr
//   STORE/layers/HEX/layer.json    what it is; each bundle that uses it has a hard link to this file, so that its link
//                                  count says whether it is in use, wherever the bundle may have moved to
//   STORE/bundles/HEX              for bundles on another file system: their path; HEX is its digest
//   STORE/images/HEX.json          which image had which layers
//   STORE/run/ID                   bundles of `run --image`, each locked by who runs it
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "image/digest.hpp"
#include "image/image.hpp"
#include "os/core/calls.hpp"

namespace wherry::image {

// A directory under a name that nobody else has, until it is renamed to its place. Otherwise it is removed: by the
// destructor, or, when the process was killed, by the next one that makes such a directory beside it.
class Draft {
 public:
  // In the directory `parent`. Throws Error.
  explicit Draft(int parent, std::string parent_path);
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] std::string path() const { return parent_path_ + "/" + name_; }
  // Into place, in one step; EEXIST when something is there.
  [[nodiscard]] os::Status publish(int directory, const std::string& name);

 private:
  int parent_;
  std::string parent_path_, name_;
  os::Fd fd_;
  bool published_ = false;
};

struct StoredLayer {
  std::string chain;  // hexadecimal digits
  std::uint64_t bytes = 0, entries = 0;
  std::uint64_t bundles = 0;  // that use it
};

struct StoredImage {
  std::string key;  // of its record
  std::string reference, manifest, created;
  std::vector<std::string> chains;  // the lowest first
  std::uint64_t bytes = 0;
  std::uint64_t bundles = 0;
};

class Store {
 public:
  // Made where it is missing. Throws Error.
  explicit Store(const std::string& path);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // The root of a layer's tree; nullopt: it is not there.
  [[nodiscard]] std::optional<os::Fd> open_layer(const Digest& chain) const;
  [[nodiscard]] std::string layer_path(const Digest& chain) const;
  [[nodiscard]] Draft draft() const;
  // What someone else has published meanwhile stays, and is as good.
  void publish(Draft& draft, const Digest& chain, std::uint64_t bytes, std::uint64_t entries) const;
  // The bundle in the making uses these layers. `path` is where it will be.
  void claim(int bundle, const std::string& path, const std::vector<Digest>& chains) const;
  void record(const Image& image, const std::vector<Digest>& chains) const;

  [[nodiscard]] std::vector<StoredImage> images() const;
  [[nodiscard]] std::vector<StoredLayer> layers() const;
  // Where `run --image` has the bundle of container `id` made. Throws Error for an id that is no file name.
  [[nodiscard]] std::string place_for_run(const std::string& id) const;

  // Removes what no bundle uses, and bundles of `run --image` that nobody runs. Waits for others that use the store.
  struct Reclaimed {
    std::uint64_t layers = 0, images = 0, bytes = 0;
  };
  Reclaimed prune();

 private:
  [[nodiscard]] std::vector<std::string> claimed_elsewhere() const;
  void forget_gone_bundles() const;
  void remove_abandoned() const;

  std::string path_;
  os::Fd dir_, lock_, layers_, tmp_, images_, bundles_, run_;
};

// /var/lib/wherry/images, and for a user without privileges $XDG_DATA_HOME/wherry/images; `home` and `data` are the
// values of $HOME and $XDG_DATA_HOME, or "".
[[nodiscard]] std::string default_store(bool privileged, const std::string& home, const std::string& data);

}  // namespace wherry::image
