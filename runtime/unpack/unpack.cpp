// SPDX-License-Identifier: Apache-2.0
#include "image/unpack.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/arguments.hpp"
#include "cli/output.hpp"
#include "image/overlay.hpp"
#include "image/store.hpp"
#include "unpack/commands.hpp"
#include "unpack/progress.hpp"
#include "wherry/error.hpp"

namespace wherry::unpacking {
namespace {

struct Raw {
  std::string platform, layers = "flat", profile = "default", store, format = "text";
  std::string max_bytes, max_entries, max_ratio;
  std::vector<std::string> uid_map, gid_map;
  bool rootless = false, quiet = false, terminal = false, no_progress = false, temporary = false;
};

std::uint64_t parse_number(const char* option, std::string_view text, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || fault != std::errc{} || end != text.data() + text.size() || value > most)
    throw Error(std::string(option) + " " + std::string(text))
        .detail("it must be a number up to " + std::to_string(most));
  return value;
}

image::IdRange parse_range(const char* option, const std::string& text) {
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  if (second == std::string::npos)
    throw Error(std::string(option) + " " + text).detail("it must be CONTAINER:HOST:SIZE");
  const std::string_view view = text;
  constexpr std::uint64_t kMost = 0xffffffff;
  const auto number = [&](std::string_view part) {
    return static_cast<std::uint32_t>(parse_number(option, part, kMost));
  };
  image::IdRange range{number(view.substr(0, first)), number(view.substr(first + 1, second - first - 1)),
                       number(view.substr(second + 1))};
  const bool fits = range.size != 0 && range.container <= kMost - range.size && range.host <= kMost - range.size;
  if (!fits) throw Error(std::string(option) + " " + text).detail("the range is empty, or ends behind the last id");
  return range;
}

void set_limits(const Raw& raw, image::Limits& limits) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 60U;
  if (!raw.max_bytes.empty()) limits.bytes = parse_number("--max-bytes", raw.max_bytes, kMost);
  if (!raw.max_entries.empty()) limits.entries = parse_number("--max-entries", raw.max_entries, kMost);
  if (!raw.max_ratio.empty()) limits.ratio = parse_number("--max-ratio", raw.max_ratio, kMost);
}

// Whose files they are, and in which namespace the container will run.
void set_owners(const Raw& raw, const Identity& identity, image::UnpackOptions& options) {
  for (const std::string& text : raw.uid_map) options.tree.uids.push_back(parse_range("--uid-map", text));
  for (const std::string& text : raw.gid_map) options.tree.gids.push_back(parse_range("--gid-map", text));
  if (options.tree.uids.empty() != options.tree.gids.empty()) throw Error("--uid-map and --gid-map go together");
  const bool maps = !options.tree.uids.empty();
  if (maps && (raw.rootless || !identity.privileged))
    throw Error("--uid-map")
        .detail("a user without privileges has the ids of /etc/subuid")
        .remedy("be root, or leave it away");
  options.convert.uids = options.tree.uids;
  options.convert.gids = options.tree.gids;
  if (!raw.rootless && identity.privileged) return;
  options.tree.own = identity.many_ids && !identity.privileged;
  options.tree.devices = false;
  options.convert.rootless = true;
  options.convert.uids = identity.privileged ? std::vector<image::IdRange>{{0, identity.uid, 1}} : identity.uids;
  options.convert.gids = identity.privileged ? std::vector<image::IdRange>{{0, identity.gid, 1}} : identity.gids;
}

image::LayerMode layer_mode(const std::string& text, const std::string& store) {
  if (text == "flat") return image::LayerMode::kFlat;
  if (text == "overlay") return image::LayerMode::kOverlay;
  if (text != "auto") throw Error("--layers " + text).detail("it must be flat, overlay or auto");
  return image::overlay_works(store) ? image::LayerMode::kOverlay : image::LayerMode::kFlat;
}

std::string as_json(const image::Unpacked& unpacked, const std::string& bundle, std::uint64_t milliseconds) {
  const nlohmann::ordered_json json = {{"bundle", bundle},
                                       {"reference", unpacked.reference},
                                       {"manifest", unpacked.manifest},
                                       {"architecture", unpacked.architecture},
                                       {"layers", unpacked.layers},
                                       {"reused", unpacked.reused},
                                       {"entries", unpacked.entries},
                                       {"bytes", unpacked.bytes},
                                       {"milliseconds", milliseconds},
                                       {"warnings", unpacked.warnings}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string as_text(const image::Unpacked& unpacked, const std::string& bundle, std::uint64_t milliseconds) {
  char seconds[32];
  (void)std::snprintf(seconds, sizeof seconds, "%.1f s", static_cast<double>(milliseconds) / 1000);
  return bundle + ": " + (unpacked.reference.empty() ? "" : unpacked.reference + ", ") +
         std::to_string(unpacked.layers) + (unpacked.layers == 1 ? " layer, " : " layers, ") +
         (unpacked.reused == 0 ? "" : std::to_string(unpacked.reused) + " of them in the store, ") +
         std::to_string(unpacked.entries) + " entries, " + human_size(unpacked.bytes) + " in " + seconds + "\n";
}

Show what_to_show(const Raw& raw) {
  if (raw.quiet || raw.format == "json") return Show::kNothing;
  if (::isatty(2) == 1 && !raw.no_progress) return Show::kBar;
  return raw.temporary ? Show::kNothing : Show::kLines;
}

// Of `run --image`, not for people: BUNDLE is a container's id, and the bundle is made in the store.
bool is_temporary(const cli::Words& words) { return std::ranges::find(words, "--temporary") != words.end(); }

void declare(cli::Arguments& arguments, Raw& raw, image::UnpackOptions& options, bool temporary) {
  arguments.text("--image", options.choice.reference, "Name of the image in SOURCE, or its digest");
  arguments.text("--platform", raw.platform, "OS/ARCHITECTURE[/VARIANT] [this host's]");
  arguments.text("--layers", raw.layers, "flat: one directory; overlay: layers from the store; auto [flat]");
  arguments.text("--profile", raw.profile, "What the program may do: default, docker, strict or none [default]");
  arguments.text("--store", raw.store, "Directory of the layers that bundles share");
  arguments.flag("--rootless", raw.rootless, "For a user without privileges; implied for one");
  arguments.list("--uid-map", raw.uid_map, "CONTAINER:HOST:SIZE, ids of a user namespace; may be repeated");
  arguments.list("--gid-map", raw.gid_map, "As --uid-map, for groups");
  arguments.flag("-t,--tty", raw.terminal, "The program gets a terminal");
  arguments.text("--max-bytes", raw.max_bytes, "Largest sum of the files' sizes [68719476736]");
  arguments.text("--max-entries", raw.max_entries, "Most entries of all layers [8000000]");
  arguments.text("--max-ratio", raw.max_ratio, "Largest growth of a layer by decompression [500]");
  arguments.text("--format", raw.format, "text or json [text]");
  arguments.flag("--no-progress", raw.no_progress, "No bar, even on a terminal");
  arguments.flag("-q,--quiet", raw.quiet, "Print nothing but errors");
  if (temporary) arguments.flag("--temporary", raw.temporary, "");
}

}  // namespace

int unpack_command(const Invocation& invocation) {
  Raw raw;
  image::UnpackOptions options;
  cli::Arguments arguments(
      "unpack", "SOURCE BUNDLE [ARG...]",
      "Make a bundle of an image: an OCI image layout (a directory or a tar file), a `docker save` "
      "archive, or a tar file of a bundle. ARGs take the place of the image's Cmd.");
  declare(arguments, raw, options, is_temporary(invocation.words));
  arguments.stop_at_operand();
  if (!arguments.parse(invocation.words, 2, 4096)) return 0;
  if (raw.format != "text" && raw.format != "json")
    throw Error("--format " + raw.format).detail("it must be text or json");

  const cli::Words& operands = arguments.operands();
  options.source = operands[0];
  options.bundle = operands[1];
  const bool dashes = operands.size() > 2 && operands[2] == "--";
  options.convert.arguments.assign(operands.begin() + (dashes ? 3 : 2), operands.end());
  options.convert.profile = image::parse_profile(raw.profile);
  options.convert.terminal = raw.terminal;
  if (!raw.platform.empty()) options.choice.platform = image::parse_platform(raw.platform);
  set_limits(raw, options.tree.limits);
  set_owners(raw, invocation.identity, options);
  if (raw.layers != "flat" || raw.temporary) options.store = store_path(raw.store, invocation.identity);
  options.mode = layer_mode(raw.layers, options.store);
  if (raw.temporary) options.bundle = image::Store(options.store).place_for_run(operands[1]);

  catch_signals();
  Progress progress(what_to_show(raw));
  const image::Unpacked unpacked = image::unpack(options, progress);
  const std::uint64_t elapsed = progress.elapsed_ms();
  if (raw.format == "json") {
    cli::print(as_json(unpacked, options.bundle, elapsed));
  } else {
    for (const std::string& warning : unpacked.warnings) invocation.log.warning(warning);
    if (raw.temporary)
      cli::print(options.bundle + "\n");
    else if (!raw.quiet)
      cli::print(as_text(unpacked, options.bundle, elapsed));
  }
  return 0;
}

}  // namespace wherry::unpacking
