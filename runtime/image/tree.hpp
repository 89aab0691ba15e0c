// SPDX-License-Identifier: Apache-2.0
// Layers become a directory tree: image-spec layer.md. The tree's content is hostile. Its directories are resolved
// here, component by component as in a chroot, and opened by openat2(2) beneath the root without following any link;
// what stands in them is made by the *at calls, which do not follow the last component. The process's umask must be 0.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "image/layers.hpp"
#include "image/tar.hpp"
#include "os/core/calls.hpp"

namespace wherry::image {

// One line of a uid or gid map: as in config.json.
struct IdRange {
  std::uint32_t container = 0, host = 0, size = 0;
  bool operator==(const IdRange&) const = default;
};

struct Limits {
  std::uint64_t bytes = std::uint64_t{64} << 30U;  // of all files, holes included, and of each decompressed layer
  std::uint64_t entries = 8'000'000;               // and directories that none of them names
  std::uint64_t names = std::uint64_t{1} << 29U;   // bytes of memory, about, for what is remembered of all paths
  std::uint64_t depth = 512;                       // components of a name
  std::uint64_t ratio = 500;                       // of a layer: decompressed to compressed
};

struct TreeOptions {
  bool own = true;                  // owners are those of the image; else all belongs to the caller
  bool devices = true;              // device nodes are made; else an empty file of mode 0 stands for each
  bool layer = true;                // names of whiteouts hide; else they are names like any other
  bool overlay = false;             // whiteouts stay, in overlayfs's own form (with its option userxattr)
  std::vector<IdRange> uids, gids;  // what is written for the owners; empty: as they are
  Limits limits;
  bool (*accepts)(const std::string& name) = nullptr;  // names of entries; any other is an error
};

// What could not be kept, for one warning each.
struct Losses {
  std::uint64_t xattrs = 0, devices = 0;
  std::string first_xattr, first_device;
};

class Tree {
 public:
  // `root` is the directory to fill. `lowers` are the roots of the layers below, the topmost first, for overlay only;
  // they must outlive the tree.
  Tree(os::Fd root, TreeOptions options, std::vector<int> lowers = {});

  // Applies a layer. Throws Error with the entry's name.
  void apply(TarReader& reader);
  // Gives directories their times and final modes; once, after the last layer.
  void finish();

  [[nodiscard]] const Losses& losses() const noexcept { return losses_; }
  [[nodiscard]] std::uint64_t entries() const noexcept { return entries_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  struct Directory {
    bool set_group = false;  // what is made inside inherits the group
    bool opaque = false;
    bool has_time = false;
    bool late_mode = false;
    unsigned mode = 0;
    os::timespec64 time{};
  };
  using Directories = std::map<std::string, Directory, std::less<>>;
  // A directory of the tree and a name in it.
  struct Place {
    std::string directory, name;  // canonical
    int fd = -1;
    [[nodiscard]] std::string path() const { return directory.empty() ? name : directory + "/" + name; }
  };
  struct Kept {
    std::string path;
    os::Fd fd;
    std::uint64_t used = 0;
  };

  // tree_resolve.cpp: directories
  // Its canonical path, without links; it is made where it is missing, if `create`, else nullopt.
  std::optional<std::string> find_directory(const std::string& path, bool create);
  std::optional<std::string> walk(const std::string& path, bool create);
  bool enter(std::string& at, std::string& rest, const std::string& component, bool create);
  Directories::iterator adopt(const std::string& path, const struct statx& status);
  void make_implied(const std::string& directory, const std::string& name);
  int open_directory(const std::string& path);
  Place place_of(const std::string& path);
  void check_depth(const std::string& path) const;
  void forget(const std::string& path);
  void make_real(const std::string& directory);

  // tree.cpp: entries
  void apply_entry(Entry& entry, TarReader& reader);
  void count(const Entry& entry);
  void count_one(const std::string& name);
  bool is_special(const std::string& path, const Entry& entry);
  void set_root(const Entry& entry);
  void make_directory(const Place& place, const Entry& entry);
  void make_file(const Place& place, const Entry& entry, TarReader& reader);
  static void fill(int fd, const Entry& entry, TarReader& reader);
  void make_hard_link(const Place& place, const Entry& entry);
  void make_other(const Place& place, const Entry& entry);
  void make_node(const Place& place, const Entry& entry);
  bool owned_already(const Place& place, const Entry& entry);
  void set_owner(const Place& place, const Entry& entry);
  static void set_times(const Place& place, const Entry& entry);
  void set_directory(const std::string& path, int fd, const Entry& entry, bool existed);
  template <class Make>
  void make_anew(const Place& place, Make&& make);
  void remember(const std::string& path);

  // tree_xattr.cpp
  void set_xattrs(const std::string& path, const Entry& entry);
  void set_xattrs(int fd, const Entry& entry);
  template <class Set>
  void set_each_xattr(const Entry& entry, Set&& set);
  void clear_xattrs(int fd) const;

  // tree_whiteout.cpp
  void whiteout(const std::string& directory, const std::string& name);
  void hide(const std::string& directory, const std::string& name);
  void hide_all(const std::string& directory);
  void remove_lower(const std::string& directory, const std::string& name);
  void remove_lower_children(const std::string& directory);
  bool is_of_layer(const std::string& path) const;
  bool holds_of_layer(const std::string& path) const;
  void set_opaque(const std::string& directory);
  void finish_whiteouts();
  void drop_idle_whiteouts();
  void drop_idle_directories();
  void hide_below_root();

  // tree_lower.cpp: what the layers below have at a place
  Layers::Found look_below(const std::string& path);
  void copy_directory_attributes(const Layers::Found& below, const std::string& path);
  bool copy_up(const Place& place);
  void copy_file(int lower, const Place& place, const Entry& entry);

  os::Fd root_;
  TreeOptions options_;
  Layers lowers_;
  Directories directories_;
  // For overlayfs: directories that are there for whiteouts alone, and nothing of this layer is in them.
  std::set<std::string, std::less<>> for_whiteouts_;
  std::vector<std::string> whiteouts_;    // made for overlayfs
  std::string last_wanted_, last_found_;  // the directory of the entry before: most often the next one's, too
  std::array<Kept, 32> kept_;
  std::uint64_t uses_ = 0;
  unsigned layer_ = 0;
  std::set<std::string, std::less<>>
      of_layer_;                     // what this layer has made; not kept for the lowest, which hides nothing
  std::uint32_t uid_ = 0, gid_ = 0;  // of this process
  std::uint64_t entries_ = 0, bytes_ = 0, remembered_ = 0;
  Losses losses_;
};

// Owner (if `own`), extended attributes, mode and time of one open directory to another; O_PATH descriptors will do.
// Throws Error.
void copy_directory(int from, int to, bool own);

// Removes `name` in `directory` with all below it; ENOENT is success. Never follows a link nor leaves the file system.
[[nodiscard]] os::Status remove_tree(int directory, const char* name);

// All extended attributes that are not the host's own nor overlayfs's mark.
void copy_xattrs(int from, int to);

// What is in it but for "." and "..", in no order. `path` is not followed when it is a link.
[[nodiscard]] os::Result<std::vector<std::string>> names_in(int directory, const char* path);

}  // namespace wherry::image
