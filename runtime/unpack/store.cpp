// SPDX-License-Identifier: Apache-2.0
// images, prune, discard
#include "image/store.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/arguments.hpp"
#include "cli/output.hpp"
#include "unpack/commands.hpp"
#include "unpack/progress.hpp"
#include "wherry/error.hpp"

namespace wherry::unpacking {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string short_digest(const std::string& digest) {
  const std::size_t colon = digest.find(':');
  return digest.empty() ? "-" : digest.substr(colon == std::string::npos ? 0 : colon + 1, 12);
}

std::string images_as_json(const std::vector<image::StoredImage>& images) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const image::StoredImage& at : images)
    list.push_back({{"reference", at.reference},
                    {"manifest", at.manifest},
                    {"created", at.created},
                    {"layers", at.chains},
                    {"bytes", at.bytes},
                    {"bundles", at.bundles}});
  return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string store_path(const std::string& given, const Identity& identity) {
  return given.empty() ? image::default_store(identity.privileged, variable("HOME"), variable("XDG_DATA_HOME")) : given;
}

int images_command(const Invocation& invocation) {
  std::string path, format = "table";
  bool quiet = false;
  cli::Arguments arguments("images", "", "List the images whose layers are in the store.");
  arguments.text("--store", path, "Directory of the layers that bundles share");
  arguments.text("-f,--format", format, "table or json [table]");
  arguments.flag("-q,--quiet", quiet, "References only");
  if (!arguments.parse(invocation.words, 0, 0)) return 0;
  const bool json = cli::wants_json(format);
  const auto images = image::Store(store_path(path, invocation.identity)).images();
  if (json) return cli::print(images_as_json(images)), 0;
  std::vector<std::vector<std::string>> rows{{"REFERENCE", "MANIFEST", "LAYERS", "SIZE", "BUNDLES", "CREATED"}};
  std::string references;
  for (const image::StoredImage& at : images) {
    rows.push_back({at.reference.empty() ? "-" : at.reference, short_digest(at.manifest),
                    std::to_string(at.chains.size()), human_size(at.bytes), std::to_string(at.bundles), at.created});
    references += at.reference + "\n";
  }
  cli::print(quiet ? references : cli::format_table(rows));
  return 0;
}

int prune_command(const Invocation& invocation) {
  std::string path;
  bool quiet = false;
  cli::Arguments arguments("prune", "", "Remove layers from the store that no bundle uses.");
  arguments.text("--store", path, "Directory of the layers that bundles share");
  arguments.flag("-q,--quiet", quiet, "Print nothing but errors");
  if (!arguments.parse(invocation.words, 0, 0)) return 0;
  const auto reclaimed = image::Store(store_path(path, invocation.identity)).prune();
  if (!quiet)
    cli::print("removed " + std::to_string(reclaimed.layers) + " layers and " + std::to_string(reclaimed.images) +
               " images, " + human_size(reclaimed.bytes) + "\n");
  return 0;
}

int discard_command(const Invocation& invocation) {
  const std::string path = invocation.words.size() == 1 ? invocation.words[0] : "";
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) throw Error("discard BUNDLE");
  auto parent = os::openat(os::kAtFdcwd, path.substr(0, slash + 1).c_str(), os::kPath | os::kDirectory);
  if (!parent) throw Error("open the directory of " + path).because(parent.error());
  if (auto gone = image::remove_tree(parent->get(), path.c_str() + slash + 1); !gone)
    throw Error("remove " + path).because(gone.error());
  return 0;
}

}  // namespace wherry::unpacking
