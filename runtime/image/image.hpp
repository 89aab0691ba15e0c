// SPDX-License-Identifier: Apache-2.0
// What a source says about its images: index, manifest and configuration, each verified and strictly typed.
// image-spec image-layout.md, image-index.md, manifest.md, config.md; and the archives of `docker save`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "image/source.hpp"
#include "image/stream.hpp"

namespace wherry::image {

struct Platform {
  std::string os = "linux", architecture, variant;  // as Go names them: "amd64", "arm64" and "v8"
};

// "linux/arm64/v8", "arm64", "linux/amd64"; throws Error.
[[nodiscard]] Platform parse_platform(const std::string& text);
[[nodiscard]] Platform host_platform();

// config.md, as far as it matters for a bundle.
struct Configuration {
  std::string os, architecture, variant, os_version, author, created;
  std::vector<std::string> os_features;
  std::string user, working_directory, stop_signal;
  std::vector<std::string> env, entrypoint, command;
  std::map<std::string, std::string> labels;
  std::vector<std::string> exposed_ports, volumes;  // sorted
  std::vector<Digest> diff_ids;
};

struct Layer {
  LayerBlob blob;
  std::string name;  // for messages: its digest, or its file
};

struct Image {
  std::string reference;  // the name by which it was found, or ""
  std::optional<Digest> manifest;
  Configuration configuration;
  std::vector<Layer> layers;  // the lowest first; as many as configuration.diff_ids
  std::uint64_t size = 0;     // of all blobs of layers
};

struct Choice {
  std::string reference;  // org.opencontainers.image.ref.name, or a docker tag; "": the only one there is
  std::optional<Platform> platform;
};

// Which image is meant, and where its parts lie. Blobs stay unread but for documents. Throws Error; for a choice that
// is not clear it names what there is.
[[nodiscard]] Image find_image(Source& source, const Choice& choice);

// Exposed for its tests and fuzzing. Throws Error.
[[nodiscard]] Configuration parse_configuration(const std::string& text);

}  // namespace wherry::image
