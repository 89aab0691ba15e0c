// SPDX-License-Identifier: Apache-2.0
#include "oci/default_spec.hpp"

#include <string_view>

namespace wherry::oci {
namespace {

// The document in parts: what both variants share, and between two shared parts what they do not.

constexpr std::string_view kUpToDevptsMode = R"json({
	"ociVersion": "1.3.0",
	"process": {
		"terminal": true,
		"user": {
			"uid": 0,
			"gid": 0
		},
		"args": [
			"sh"
		],
		"env": [
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"TERM=xterm"
		],
		"cwd": "/",
		"capabilities": {
			"bounding": [
				"CAP_AUDIT_WRITE",
				"CAP_KILL",
				"CAP_NET_BIND_SERVICE"
			],
			"effective": [
				"CAP_AUDIT_WRITE",
				"CAP_KILL",
				"CAP_NET_BIND_SERVICE"
			],
			"permitted": [
				"CAP_AUDIT_WRITE",
				"CAP_KILL",
				"CAP_NET_BIND_SERVICE"
			]
		},
		"rlimits": [
			{
				"type": "RLIMIT_NOFILE",
				"hard": 1024,
				"soft": 1024
			}
		],
		"noNewPrivileges": true
	},
	"root": {
		"path": "rootfs",
		"readonly": true
	},
	"hostname": "wherry",
	"mounts": [
		{
			"destination": "/proc",
			"type": "proc",
			"source": "proc"
		},
		{
			"destination": "/dev",
			"type": "tmpfs",
			"source": "tmpfs",
			"options": [
				"nosuid",
				"strictatime",
				"mode=755",
				"size=65536k"
			]
		},
		{
			"destination": "/dev/pts",
			"type": "devpts",
			"source": "devpts",
			"options": [
				"nosuid",
				"noexec",
				"newinstance",
				"ptmxmode=0666",
				"mode=0620")json";
constexpr std::string_view kDevptsGroup = R"json(,
				"gid=5")json";
constexpr std::string_view kUpToSys = R"json(
			]
		},
		{
			"destination": "/dev/shm",
			"type": "tmpfs",
			"source": "shm",
			"options": [
				"nosuid",
				"noexec",
				"nodev",
				"mode=1777",
				"size=65536k"
			]
		},
		{
			"destination": "/dev/mqueue",
			"type": "mqueue",
			"source": "mqueue",
			"options": [
				"nosuid",
				"noexec",
				"nodev"
			]
		},
		{
			"destination": "/sys",
)json";
constexpr std::string_view kSysfs = R"json(			"type": "sysfs",
			"source": "sysfs",
			"options": [
)json";
// A user namespace without its own network namespace may not mount sysfs.
constexpr std::string_view kBoundSys = R"json(			"type": "none",
			"source": "/sys",
			"options": [
				"rbind",
)json";
constexpr std::string_view kSysReadonly = R"json(				"nosuid",
				"noexec",
				"nodev",
				"ro")json";
// What is mounted below the host's /sys comes along.
constexpr std::string_view kAllReadonly = R"json(,
				"rro")json";
constexpr std::string_view kUpToLinux = R"json(
			]
		},
		{
			"destination": "/sys/fs/cgroup",
			"type": "cgroup",
			"source": "cgroup",
			"options": [
				"nosuid",
				"noexec",
				"nodev",
				"relatime",
				"ro"
			]
		}
	],
	"linux": {
)json";
constexpr std::string_view kResources = R"json(		"resources": {
			"devices": [
				{
					"allow": false,
					"access": "rwm"
				}
			]
		},
)json";
constexpr std::string_view kNamespaces = R"json(		"namespaces": [
			{
				"type": "pid"
			},
)json";
constexpr std::string_view kNetworkNamespace = R"json(			{
				"type": "network"
			},
)json";
constexpr std::string_view kMoreNamespaces = R"json(			{
				"type": "ipc"
			},
			{
				"type": "uts"
			},
			{
				"type": "mount"
			},
			{
				"type": "cgroup"
			})json";
constexpr std::string_view kUserNamespace = R"json(,
			{
				"type": "user"
			})json";
constexpr std::string_view kRest = R"json(
		],
		"maskedPaths": [
			"/proc/acpi",
			"/proc/asound",
			"/proc/kcore",
			"/proc/keys",
			"/proc/latency_stats",
			"/proc/timer_list",
			"/proc/timer_stats",
			"/proc/sched_debug",
			"/sys/firmware",
			"/proc/scsi",
			"/sys/devices/virtual/tpm"
		],
		"readonlyPaths": [
			"/proc/bus",
			"/proc/fs",
			"/proc/irq",
			"/proc/sys",
			"/proc/sysrq-trigger"
		]
	}
})json";

std::string mapping(std::string_view name, unsigned host_id) {
  std::string text = "\t\t\"";
  text += name;
  text += "\": [\n\t\t\t{\n\t\t\t\t\"containerID\": 0,\n\t\t\t\t\"hostID\": " + std::to_string(host_id);
  return text += ",\n\t\t\t\t\"size\": 1\n\t\t\t}\n\t\t],\n";
}

}  // namespace

std::string default_config_json(bool rootless, unsigned host_uid, unsigned host_gid) {
  std::string json(kUpToDevptsMode);
  if (!rootless) json += kDevptsGroup;
  json += kUpToSys;
  json += rootless ? kBoundSys : kSysfs;
  json += kSysReadonly;
  if (rootless) json += kAllReadonly;
  json += kUpToLinux;
  if (rootless) {
    json += mapping("uidMappings", host_uid) + mapping("gidMappings", host_gid);
  } else {
    json += kResources;
  }
  json += kNamespaces;
  if (!rootless) json += kNetworkNamespace;
  json += kMoreNamespaces;
  if (rootless) json += kUserNamespace;
  return json += kRest;
}

}  // namespace wherry::oci
