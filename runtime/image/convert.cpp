// SPDX-License-Identifier: Apache-2.0
#include "image/convert.hpp"

#include <algorithm>

#include "image/paths.hpp"
#include "oci/default_spec.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

using OrderedJson = nlohmann::ordered_json;

// CVE-2026-53488 and its like: an image's author must not speak to the runtime, nor to what supervises it.
constexpr std::string_view kObeyed[] = {
    "run.oci.",           "org.systemd.property.",
    "org.criu.",          "module.wasm.image/",
    "org.wherry.",        "krun.",
    "io.containerd.",     "containerd.io/",
    "nerdctl/",           "io.kubernetes.",
    "io.cri-containerd.", "io.podman.",
    "io.katacontainers.", "io.container.manager",
    "com.docker.",        "bundle",
};

constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool has_variable(const std::vector<std::string>& env, std::string_view name) {
  return std::ranges::any_of(env, [&](const std::string& at) {
    return at.size() > name.size() && at.compare(0, name.size(), name) == 0 && at[name.size()] == '=';
  });
}

// Defaults stand behind, so that nothing of the image's is overridden.
std::vector<std::string> environment(const Configuration& image, bool terminal) {
  std::vector<std::string> env = image.env;
  if (!has_variable(env, "PATH")) env.emplace_back(kPath);
  if (terminal && !has_variable(env, "TERM")) env.emplace_back("TERM=xterm");
  return env;
}

std::vector<std::string> arguments(const Configuration& image, const ConvertOptions& options) {
  std::vector<std::string> args = image.entrypoint;
  const auto& more = options.arguments.empty() ? image.command : options.arguments;
  args.insert(args.end(), more.begin(), more.end());
  if (args.empty())
    throw Error("find the program to run")
        .detail("the image has neither Entrypoint nor Cmd")
        .remedy("name one behind the other words");
  return args;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string text;
  for (const std::string& part : texts) text += (text.empty() ? "" : ",") + part;
  return text;
}

void add_annotations(const Configuration& image, OrderedJson& config, std::vector<std::string>& warnings) {
  const std::pair<const char*, std::string> kOwn[] = {
      {"os", image.os},
      {"architecture", image.architecture},
      {"variant", image.variant},
      {"os.version", image.os_version},
      {"os.features", joined(image.os_features)},
      {"author", image.author},
      {"created", image.created},
      {"stopSignal", image.stop_signal},
      {"exposedPorts", joined(image.exposed_ports)},
  };
  OrderedJson annotations = OrderedJson::object();
  for (const auto& [name, value] : kOwn)
    if (!value.empty()) annotations[std::string("org.opencontainers.image.") + name] = value;
  for (const auto& [key, value] : image.labels) {
    if (key.empty() || is_obeyed_annotation(key)) {
      warnings.push_back("the label \"" + key + "\" was left out: runtimes act on annotations of this name");
      continue;
    }
    annotations[key] = value;
  }
  if (!annotations.empty()) config["annotations"] = annotations;
}

// CVE-2022-23648: nothing is copied from, or mounted at, a place outside the root.
void add_volumes(const Configuration& image, OrderedJson& config) {
  for (const std::string& volume : image.volumes) {
    const auto path = clean_name(volume);
    const bool climbs = ("/" + volume + "/").find("/../") != std::string::npos;
    constexpr std::string_view kKernels[] = {"proc", "sys", "dev"};
    const bool kernels = path && std::ranges::any_of(kKernels, [&](std::string_view at) {
                           return *path == at || path->compare(0, at.size() + 1, std::string(at) + "/") == 0;
                         });
    if (volume.substr(0, 1) != "/" || climbs || !path || path->empty() || kernels)
      throw Error("mount the image's volume \"" + volume + "\"").detail("it must be an absolute path below the root");
    config["mounts"].push_back({{"destination", "/" + *path},
                                {"type", "tmpfs"},
                                {"source", "tmpfs"},
                                {"options", {"nosuid", "nodev", "tmpcopyup", "mode=0755"}}});
  }
}

std::string escaped(const std::string& path) {
  std::string text;
  for (const char c : path) {
    if (c == ':' || c == ',' || c == '\\') text += '\\';
    text += c;
  }
  return text;
}

// config.md "mounts" in order: the first covers the empty directory that root.path names.
void add_overlay(const ConvertOptions& options, OrderedJson& config) {
  if (options.lowers.empty()) return;
  std::string lowers;
  for (const std::string& lower : options.lowers) lowers += (lowers.empty() ? "" : ":") + escaped(lower);
  const OrderedJson mount = {
      {"destination", "/"},
      {"type", "overlay"},
      {"source", "overlay"},
      {"options",
       {"lowerdir=" + lowers, "upperdir=" + escaped(options.upper), "workdir=" + escaped(options.work), "userxattr"}}};
  config["mounts"].insert(config["mounts"].begin(), mount);
}

OrderedJson mappings(const std::vector<IdRange>& ranges) {
  OrderedJson list = OrderedJson::array();
  for (const IdRange& range : ranges)
    list.push_back({{"containerID", range.container}, {"hostID", range.host}, {"size", range.size}});
  return list;
}

void add_user_namespace(const ConvertOptions& options, OrderedJson& config) {
  if (options.uids.empty()) return;
  OrderedJson& linux = config["linux"];
  const auto is_user = [](const OrderedJson& at) { return at["type"] == "user"; };
  if (std::ranges::none_of(linux["namespaces"], is_user)) linux["namespaces"].push_back({{"type", "user"}});
  linux["uidMappings"] = mappings(options.uids);
  linux["gidMappings"] = mappings(options.gids);
  // devpts's gid=5 is one that the namespace may not have.
  const bool has_tty = std::ranges::any_of(
      options.gids, [](const IdRange& range) { return range.container <= 5 && 5 - range.container < range.size; });
  if (has_tty) return;
  for (OrderedJson& mount : config["mounts"]) {
    if (mount["type"] != "devpts") continue;
    OrderedJson kept = OrderedJson::array();
    for (const OrderedJson& option : mount["options"])
      if (option != "gid=5") kept.push_back(option);
    mount["options"] = kept;
  }
}

}  // namespace

bool is_obeyed_annotation(std::string_view key) {
  return std::ranges::any_of(kObeyed, [&](std::string_view prefix) { return key.substr(0, prefix.size()) == prefix; });
}

Converted convert(const Configuration& image, const Account& account, const ConvertOptions& options) {
  Converted result;
  OrderedJson config = OrderedJson::parse(oci::default_config_json(options.rootless));
  OrderedJson& process = config["process"];
  process["terminal"] = options.terminal;
  process["user"] = {{"uid", account.uid}, {"gid", account.gid}};
  if (!account.additional_gids.empty()) process["user"]["additionalGids"] = account.additional_gids;
  process["args"] = arguments(image, options);
  process["env"] = environment(image, options.terminal);
  const std::string& cwd = image.working_directory;
  if (!cwd.empty() && cwd[0] != '/')
    throw Error("use the image's WorkingDir \"" + cwd + "\"").detail("it must be an absolute path");
  process["cwd"] = cwd.empty() ? "/" : cwd;
  config["root"]["path"] = "rootfs";
  apply_profile(options.profile, config);
  add_user_namespace(options, config);
  add_volumes(image, config);
  add_overlay(options, config);
  add_annotations(image, config, result.warnings);
  try {
    result.json = config.dump(2) + "\n";
  } catch (const nlohmann::json::type_error&) {
    throw Error("write config.json").detail("the image's configuration is not UTF-8");
  }
  return result;
}

}  // namespace wherry::image
