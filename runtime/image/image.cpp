// SPDX-License-Identifier: Apache-2.0
#include "image/image.hpp"

#include <algorithm>

#include "image/json.hpp"
#include "image/paths.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr const char* kReferenceName = "org.opencontainers.image.ref.name";
constexpr const char* kDockerName =
    "io.containerd.image.name";  // of `docker save` and of containerd: with the registry
constexpr std::size_t kMostLayers = 500;
constexpr int kDeepestIndex = 8;

constexpr std::string_view kIndexTypes[] = {"application/vnd.oci.image.index.v1+json",
                                            "application/vnd.docker.distribution.manifest.list.v2+json"};
constexpr std::string_view kManifestTypes[] = {"application/vnd.oci.image.manifest.v1+json",
                                               "application/vnd.docker.distribution.manifest.v2+json"};
constexpr std::string_view kConfigTypes[] = {"application/vnd.oci.image.config.v1+json",
                                             "application/vnd.docker.container.image.v1+json"};
// Which compression it is, the first bytes say.
constexpr std::string_view kLayerTypes[] = {
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
};

template <std::size_t N>
bool is_one_of(const std::string_view (&types)[N], std::string_view type) {
  return std::ranges::find(types, type) != std::end(types);
}

struct Descriptor {
  std::string type, name, docker_name;
  Digest digest;
  std::uint64_t size = 0;
  std::optional<Platform> platform;
};

Descriptor read_descriptor(const Json& json) {
  Descriptor descriptor;
  descriptor.type = text_of(json, "mediaType");
  descriptor.digest = parse_digest(text_of(json, "digest"));
  descriptor.size = number_of(json, "size");
  const auto annotations = map_of(json, "annotations");
  if (const auto found = annotations.find(kReferenceName); found != annotations.end()) descriptor.name = found->second;
  if (const auto found = annotations.find(kDockerName); found != annotations.end())
    descriptor.docker_name = found->second;
  if (const Json& platform = member(json, "platform"); platform.is_object())
    descriptor.platform = {text_of(platform, "os"), text_of(platform, "architecture"), text_of(platform, "variant")};
  return descriptor;
}

Blob open_blob(Source& source, const Descriptor& descriptor) {
  const Blob blob = source.open(descriptor.digest.path());
  if (blob.size != descriptor.size)
    throw Error("verify " + descriptor.digest.text())
        .detail("it has " + std::to_string(blob.size) + " bytes, and should have " + std::to_string(descriptor.size));
  return blob;
}

std::string read_verified(Source& source, const Descriptor& descriptor) {
  (void)open_blob(source, descriptor);
  std::string text = source.read(descriptor.digest.path(), kLargestDocument);
  if (const Digest found = digest_of(descriptor.digest.algorithm, text); !(found == descriptor.digest))
    throw Error("verify " + descriptor.digest.text()).detail("its digest is " + found.text());
  return text;
}

// CVE-2021-41190: a document that is read as something else than its descriptor says.
void check_kind(const Json& json, const Descriptor& descriptor, bool index) {
  const std::string inside = text_of(json, "mediaType");
  const bool differs = !inside.empty() && inside != descriptor.type;
  const bool both = !member(json, "manifests").is_null() && !member(json, "layers").is_null();
  const bool wrong = index ? !member(json, "manifests").is_array() : !member(json, "layers").is_array();
  if (differs || both || wrong)
    throw Error("read " + descriptor.digest.text()).detail("it is not the " + descriptor.type + " it is said to be");
}

bool fits(const Platform& wanted, const Platform& offered) {
  // containerd's and Go's names agree; arm64 has v8 as its default.
  const auto variant = [](const Platform& platform) {
    return platform.variant.empty() && platform.architecture == "arm64" ? "v8" : platform.variant;
  };
  return wanted.os == offered.os && wanted.architecture == offered.architecture &&
         (wanted.variant.empty() || variant(wanted) == variant(offered));
}

std::string name_of(const Platform& platform) {
  return platform.os + "/" + platform.architecture + (platform.variant.empty() ? "" : "/" + platform.variant);
}

bool has_tag(const std::string& full, const std::string& wanted) {
  if (full == wanted) return true;
  // "debian:12" stands for "docker.io/library/debian:12".
  return full.size() > wanted.size() && full.compare(full.size() - wanted.size(), wanted.size(), wanted) == 0 &&
         full[full.size() - wanted.size() - 1] == '/';
}

// One image layout being searched.
class Search {
 public:
  Search(Source& source, const Choice& choice)
      : source_(source), choice_(choice), platform_(choice.platform.value_or(host_platform())) {}

  Descriptor find() {
    const Json layout = parse_json(source_.read("oci-layout", kLargestDocument), "oci-layout");
    if (const std::string version = text_of(layout, "imageLayoutVersion"); version != "1.0.0")
      throw Error("read oci-layout").detail("version \"" + version + "\" of the image layout is not known");
    const Json index = parse_json(source_.read("index.json", kLargestDocument), "index.json");
    collect(index, choice_.reference.empty(), 0);
    if (found_.empty()) refuse_absent();
    return choose();
  }

 private:
  // A name counts for all that is below it.
  void collect(const Json& index, bool named, int depth) {
    if (depth > kDeepestIndex) throw Error("read the index").detail("indexes are nested too deep");
    if (!member(index, "manifests").is_array()) throw Error("read the index").detail("it has no list of manifests");
    for (const Json& json : member(index, "manifests")) {
      if (++seen_ > kMostDescriptors) throw Error("read the index").detail("it has too many manifests");
      const Descriptor descriptor = read_descriptor(json);
      if (!descriptor.name.empty()) names_.push_back(descriptor.name);
      const bool hit = named || matches(descriptor);
      if (is_one_of(kIndexTypes, descriptor.type)) {
        const Json inner = parse_json(read(descriptor), descriptor.digest.text());
        check_kind(inner, descriptor, true);
        collect(inner, hit, depth + 1);
      } else if (hit && is_one_of(kManifestTypes, descriptor.type)) {
        consider(descriptor);
      }
    }
  }

  [[nodiscard]] bool matches(const Descriptor& descriptor) const {
    if (choice_.reference.empty()) return false;
    return descriptor.name == choice_.reference || descriptor.digest.text() == choice_.reference ||
           (!descriptor.docker_name.empty() && has_tag(descriptor.docker_name, choice_.reference));
  }

  void consider(const Descriptor& descriptor) {
    if (std::ranges::find(found_, descriptor.digest, &Descriptor::digest) == found_.end()) found_.push_back(descriptor);
  }

  Descriptor choose() {
    if (found_.size() == 1 && !choice_.platform) return found_.front();
    std::vector<Descriptor> fitting;
    for (Descriptor& descriptor : found_) {
      if (!descriptor.platform) descriptor.platform = platform_of(descriptor);
      if (fits(platform_, *descriptor.platform)) fitting.push_back(descriptor);
    }
    if (fitting.empty()) {
      std::string there;
      for (const Descriptor& descriptor : found_) there += " " + name_of(*descriptor.platform);
      throw Error("find an image for " + name_of(platform_)).detail("there is" + there).remedy("pass --platform");
    }
    if (fitting.size() > 1 && choice_.reference.empty())
      throw Error("choose an image").detail("there are several" + list_names()).remedy("pass --image");
    return fitting.front();
  }

  // An index need not say; the configuration does.
  Platform platform_of(const Descriptor& descriptor) {
    const Json manifest = parse_json(read(descriptor), descriptor.digest.text());
    check_kind(manifest, descriptor, false);
    const Descriptor config = read_descriptor(member(manifest, "config"));
    if (!is_one_of(kConfigTypes, config.type)) return {"", config.type, ""};
    const Json json = parse_json(read(config), config.digest.text());
    return {text_of(json, "os"), text_of(json, "architecture"), text_of(json, "variant")};
  }

  // An index may name the same large document ten thousand times.
  std::string read(const Descriptor& descriptor) {
    if (descriptor.size > left_) throw Error("read the index").because(EFBIG).detail("its documents are too large");
    left_ -= descriptor.size;
    return read_verified(source_, descriptor);
  }

  [[nodiscard]] std::string list_names() const {
    std::string text;
    for (const std::string& name : names_) text += (text.empty() ? ": " : ", ") + name;
    return text;
  }

  [[noreturn]] void refuse_absent() const {
    if (choice_.reference.empty()) throw Error("find an image").detail("there is none");
    throw Error("find the image \"" + choice_.reference + "\"")
        .detail("there is" + (names_.empty() ? " no name" : list_names()));
  }

  static constexpr std::size_t kMostDescriptors = 10000;
  Source& source_;
  const Choice& choice_;
  Platform platform_;
  std::vector<Descriptor> found_;
  std::vector<std::string> names_;
  std::size_t seen_ = 0;
  std::uint64_t left_ = 32 * kLargestDocument;  // bytes of documents yet to be read
};

void add_layers(Image& image, Source& source, const Json& manifest) {
  const Json& layers = member(manifest, "layers");
  const auto& diff_ids = image.configuration.diff_ids;
  if (layers.size() != diff_ids.size())
    throw Error("read the manifest")
        .detail("it has " + std::to_string(layers.size()) + " layers, and the configuration " +
                std::to_string(diff_ids.size()) + " diffIDs");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Descriptor descriptor = read_descriptor(layers[i]);
    if (!is_one_of(kLayerTypes, descriptor.type))
      throw Error("read the layer " + descriptor.digest.text()).detail("its type " + descriptor.type + " is not known");
    image.layers.push_back({{open_blob(source, descriptor), descriptor.digest, diff_ids[i]}, descriptor.digest.text()});
    image.size += descriptor.size;
  }
}

Image find_in_layout(Source& source, const Choice& choice) {
  Image image;
  const Descriptor descriptor = Search(source, choice).find();
  image.manifest = descriptor.digest;
  image.reference = choice.reference.empty() ? descriptor.name : choice.reference;
  const Json manifest = parse_json(read_verified(source, descriptor), descriptor.digest.text());
  check_kind(manifest, descriptor, false);
  const Descriptor config = read_descriptor(member(manifest, "config"));
  if (!is_one_of(kConfigTypes, config.type))
    throw Error("read the image " + descriptor.digest.text())
        .detail("it is no image of a file system but " + (config.type.empty() ? "nothing" : config.type));
  image.configuration = parse_configuration(read_verified(source, config));
  add_layers(image, source, manifest);
  return image;
}

// Docker names the file by its digest: "HEX.json" or "blobs/sha256/HEX".
void check_named_digest(const std::string& name, const std::string& text) {
  std::string hex = split_path(name).name;
  if (hex.ends_with(".json")) hex.resize(hex.size() - 5);
  const bool named = hex.size() == 64 && hex.find_first_not_of("0123456789abcdef") == std::string::npos;
  const Digest found = digest_of(Algorithm::kSha256, text);
  if (named && found.hex != hex) throw Error("verify " + name).detail("its digest is " + found.text());
}

// manifest.json of `docker save`: [{"Config": FILE, "RepoTags": [...], "Layers": [FILE...]}]
Image find_in_docker_archive(Source& source, const Choice& choice) {
  const Json manifests = parse_json(source.read("manifest.json", kLargestDocument), "manifest.json");
  if (!manifests.is_array()) throw Error("read manifest.json").detail("it must be a list");
  const Json* chosen = nullptr;
  std::string names;
  for (const Json& json : manifests) {
    bool hit = choice.reference.empty();
    for (const std::string& tag : texts_of(json, "RepoTags")) {
      names += (names.empty() ? " " : ", ") + tag;
      hit = hit || has_tag(tag, choice.reference);
    }
    if (!hit) continue;
    if (chosen != nullptr) throw Error("choose an image").detail("there are several:" + names).remedy("pass --image");
    chosen = &json;
  }
  if (chosen == nullptr)
    throw Error("find the image \"" + choice.reference + "\"")
        .detail("there is" + (names.empty() ? " no name" : names));
  Image image;
  const auto tags = texts_of(*chosen, "RepoTags");
  image.reference = choice.reference.empty() && !tags.empty() ? tags.front() : choice.reference;
  const std::string config = text_of(*chosen, "Config");
  const std::string text = source.read(config, kLargestDocument);
  check_named_digest(config, text);
  image.configuration = parse_configuration(text);
  const auto layers = texts_of(*chosen, "Layers");
  if (layers.size() != image.configuration.diff_ids.size())
    throw Error("read manifest.json").detail("it has another number of layers than the configuration has diffIDs");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Blob blob = source.open(layers[i]);
    image.layers.push_back({{blob, std::nullopt, image.configuration.diff_ids[i]}, layers[i]});
    image.size += blob.size;
  }
  if (choice.platform &&
      !fits(*choice.platform, {image.configuration.os, image.configuration.architecture, image.configuration.variant}))
    throw Error("find an image for " + name_of(*choice.platform))
        .detail("there is " + image.configuration.os + "/" + image.configuration.architecture);
  return image;
}

}  // namespace

Platform parse_platform(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  const bool good = parts.size() <= 3 && std::ranges::none_of(parts, &std::string::empty);
  if (!good) throw Error("read the platform \"" + text + "\"").detail("it must be OS/ARCHITECTURE[/VARIANT]");
  if (parts.size() == 1) return {"linux", parts[0], ""};
  return {parts[0], parts[1], parts.size() == 3 ? parts[2] : ""};
}

Platform host_platform() {
#if defined(__aarch64__)
  return {"linux", "arm64", ""};
#else
  return {"linux", "amd64", ""};
#endif
}

namespace {

// image-spec config.md
template <class T>
using Field = std::pair<const char*, T Configuration::*>;
constexpr Field<std::string> kTexts[] = {
    {"os", &Configuration::os},           {"architecture", &Configuration::architecture},
    {"variant", &Configuration::variant}, {"os.version", &Configuration::os_version},
    {"author", &Configuration::author},   {"created", &Configuration::created},
};
constexpr Field<std::string> kConfigTexts[] = {
    {"User", &Configuration::user},
    {"WorkingDir", &Configuration::working_directory},
    {"StopSignal", &Configuration::stop_signal},
};
constexpr Field<std::vector<std::string>> kConfigLists[] = {
    {"Env", &Configuration::env},
    {"Entrypoint", &Configuration::entrypoint},
    {"Cmd", &Configuration::command},
};

}  // namespace

Configuration parse_configuration(const std::string& text) {
  const Json json = parse_json(text, "the image's configuration");
  Configuration result;
  for (const auto& [name, field] : kTexts) result.*field = text_of(json, name);
  result.os_features = texts_of(json, "os.features");
  const Json& config = member(json, "config");
  for (const auto& [name, field] : kConfigTexts) result.*field = text_of(config, name);
  for (const auto& [name, field] : kConfigLists) result.*field = texts_of(config, name);
  result.labels = map_of(config, "Labels");
  result.exposed_ports = keys_of(config, "ExposedPorts");
  result.volumes = keys_of(config, "Volumes");
  const Json& rootfs = member(json, "rootfs");
  if (text_of(rootfs, "type") != "layers")
    throw Error("read the image's configuration").detail("rootfs.type must be \"layers\"");
  for (const std::string& id : texts_of(rootfs, "diff_ids")) result.diff_ids.push_back(parse_digest(id));
  if (result.diff_ids.size() > kMostLayers)
    throw Error("read the image's configuration").detail("it has more than 500 layers");
  return result;
}

Image find_image(Source& source, const Choice& choice) {
  if (source.has("oci-layout")) return find_in_layout(source, choice);
  if (source.has("manifest.json")) return find_in_docker_archive(source, choice);
  throw Error("read the image").detail("there is neither oci-layout nor manifest.json in it");
}

}  // namespace wherry::image
