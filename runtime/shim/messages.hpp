// SPDX-License-Identifier: Apache-2.0
// The messages that travel between a shim and its callers, with the numbers of their .proto files. `bytes` are strings.
#pragma once

#include "shim/proto.hpp"

namespace wherry::shim {

struct KeyValue {
  std::string key, value;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.key), visit(2, self.value);
  }
};

struct Any {
  std::string type_url, value;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.type_url), visit(2, self.value);
  }
};

struct Timestamp {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.seconds), visit(2, self.nanos);
  }
};

struct Empty {
  template <class Self, class Visitor>
  static void fields(Self&, Visitor&) {}
};

// --- ttrpc (its request.proto; google/rpc/status.proto)

struct RpcRequest {
  std::string service, method, payload;
  std::int64_t timeout_nano = 0;
  std::vector<KeyValue> metadata;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.service), visit(2, self.method), visit(3, self.payload), visit(4, self.timeout_nano),
        visit(5, self.metadata);
  }
};

struct RpcStatus {
  std::int32_t code = 0;
  std::string message;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.code), visit(2, self.message);
  }
};

struct RpcResponse {
  std::optional<RpcStatus> status;
  std::string payload;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.status), visit(2, self.payload);
  }
};

// --- containerd.task.v2 and v3 (api/runtime/task): the same messages

struct Mount {
  std::string type, source, target;
  std::vector<std::string> options;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.type), visit(2, self.source), visit(3, self.target), visit(4, self.options);
  }
};

struct CreateTaskRequest {
  std::string id, bundle;
  std::vector<Mount> rootfs;
  bool terminal = false;
  std::string standard_input, standard_output, standard_error, checkpoint, parent_checkpoint;
  std::optional<Any> options;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.bundle), visit(3, self.rootfs), visit(4, self.terminal),
        visit(5, self.standard_input), visit(6, self.standard_output), visit(7, self.standard_error),
        visit(8, self.checkpoint), visit(9, self.parent_checkpoint), visit(10, self.options);
  }
};

struct CreateTaskResponse {
  std::uint32_t pid = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.pid);
  }
};

struct ProcessRequest {
  std::string id, exec_id;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.exec_id);
  }
};

struct ShutdownRequest {
  std::string id;
  bool now = false;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.now);
  }
};

struct StartResponse {
  std::uint32_t pid = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.pid);
  }
};

struct DeleteResponse {
  std::uint32_t pid = 0, exit_status = 0;
  std::optional<Timestamp> exited_at;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.pid), visit(2, self.exit_status), visit(3, self.exited_at);
  }
};

struct StateResponse {
  std::string id, bundle;
  std::uint32_t pid = 0, status = 0;
  std::string standard_input, standard_output, standard_error;
  bool terminal = false;
  std::uint32_t exit_status = 0;
  std::optional<Timestamp> exited_at;
  std::string exec_id;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.bundle), visit(3, self.pid), visit(4, self.status), visit(5, self.standard_input),
        visit(6, self.standard_output), visit(7, self.standard_error), visit(8, self.terminal),
        visit(9, self.exit_status), visit(10, self.exited_at), visit(11, self.exec_id);
  }
};

struct ProcessDetails {
  std::string exec_id;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.exec_id);
  }
};

struct ProcessInfo {
  std::uint32_t pid = 0;
  std::optional<Any> info;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.pid), visit(2, self.info);
  }
};

struct PidsResponse {
  std::vector<ProcessInfo> processes;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.processes);
  }
};

struct KillRequest {
  std::string id, exec_id;
  std::uint32_t signal = 0;
  bool all = false;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.exec_id), visit(3, self.signal), visit(4, self.all);
  }
};

struct ExecRequest {
  std::string id, exec_id;
  bool terminal = false;
  std::string standard_input, standard_output, standard_error;
  std::optional<Any> spec;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.exec_id), visit(3, self.terminal), visit(4, self.standard_input),
        visit(5, self.standard_output), visit(6, self.standard_error), visit(7, self.spec);
  }
};

struct ResizeRequest {
  std::string id, exec_id;
  std::uint32_t width = 0, height = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.exec_id), visit(3, self.width), visit(4, self.height);
  }
};

struct CloseIoRequest {
  std::string id, exec_id;
  bool standard_input = false;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.exec_id), visit(3, self.standard_input);
  }
};

struct UpdateRequest {
  std::string id;
  std::optional<Any> resources;
  std::vector<KeyValue> annotations;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.resources), visit(3, self.annotations);
  }
};

struct WaitResponse {
  std::uint32_t exit_status = 0;
  std::optional<Timestamp> exited_at;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.exit_status), visit(2, self.exited_at);
  }
};

struct StatsResponse {
  std::optional<Any> stats;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.stats);
  }
};

struct ConnectResponse {
  std::uint32_t shim_pid = 0, task_pid = 0;
  std::string version;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.shim_pid), visit(2, self.task_pid), visit(3, self.version);
  }
};

// --- containerd.events (api/events/task.proto) and the envelope they travel in

struct TaskIo {
  std::string standard_input, standard_output, standard_error;
  bool terminal = false;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.standard_input), visit(2, self.standard_output), visit(3, self.standard_error),
        visit(4, self.terminal);
  }
};

struct TaskCreate {
  std::string container_id, bundle;
  std::vector<Mount> rootfs;
  std::optional<TaskIo> io;
  std::string checkpoint;
  std::uint32_t pid = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.bundle), visit(3, self.rootfs), visit(4, self.io),
        visit(5, self.checkpoint), visit(6, self.pid);
  }
};

struct TaskStart {
  std::string container_id;
  std::uint32_t pid = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.pid);
  }
};

struct TaskExit {
  std::string container_id, id;
  std::uint32_t pid = 0, exit_status = 0;
  std::optional<Timestamp> exited_at;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.id), visit(3, self.pid), visit(4, self.exit_status),
        visit(5, self.exited_at);
  }
};

struct TaskDelete {
  std::string container_id;
  std::uint32_t pid = 0, exit_status = 0;
  std::optional<Timestamp> exited_at;
  std::string id;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.pid), visit(3, self.exit_status), visit(4, self.exited_at),
        visit(5, self.id);
  }
};

struct TaskOom {
  std::string container_id;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id);
  }
};

struct TaskExecAdded {
  std::string container_id, exec_id;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.exec_id);
  }
};

struct TaskExecStarted {
  std::string container_id, exec_id;
  std::uint32_t pid = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.exec_id), visit(3, self.pid);
  }
};

struct TaskPaused {
  std::string container_id;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id);
  }
};

struct TaskResumed {
  std::string container_id;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id);
  }
};

struct Envelope {
  std::optional<Timestamp> timestamp;
  std::string event_namespace, topic;
  std::optional<Any> event;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.timestamp), visit(2, self.event_namespace), visit(3, self.topic), visit(4, self.event);
  }
};

struct ForwardRequest {
  std::optional<Envelope> envelope;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.envelope);
  }
};

// --- containerd.runc.v1.Options; containerd.runtime.bootstrap.v1; runtime information

struct RuncOptions {
  bool no_pivot_root = false, no_new_keyring = false;
  std::string shim_cgroup;
  std::uint32_t io_uid = 0, io_gid = 0;
  std::string binary_name, root;
  bool systemd_cgroup = false;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.no_pivot_root), visit(2, self.no_new_keyring), visit(3, self.shim_cgroup), visit(4, self.io_uid),
        visit(5, self.io_gid), visit(6, self.binary_name), visit(7, self.root), visit(9, self.systemd_cgroup);
  }
};

struct Extension {
  std::optional<Any> value;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.value);
  }
};

struct BootstrapParams {
  std::string instance_id, shim_namespace;
  std::int32_t log_level = 0;
  std::string containerd_version, ttrpc_address, grpc_address, containerd_binary;
  std::vector<Extension> extensions;
  std::string socket_dir;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.instance_id), visit(2, self.shim_namespace), visit(3, self.log_level),
        visit(4, self.containerd_version), visit(5, self.ttrpc_address), visit(6, self.grpc_address),
        visit(7, self.containerd_binary), visit(8, self.extensions), visit(9, self.socket_dir);
  }
};

struct BootstrapResult {
  std::int32_t version = 0;
  std::string address, protocol;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.version), visit(2, self.address), visit(3, self.protocol);
  }
};

struct RuntimeVersion {
  std::string version, revision;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.version), visit(2, self.revision);
  }
};

struct RuntimeInfo {
  std::string name;
  std::optional<RuntimeVersion> version;
  std::optional<Any> options, features;
  std::vector<KeyValue> annotations;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.name), visit(2, self.version), visit(3, self.options), visit(4, self.features),
        visit(5, self.annotations);
  }
};

// --- io.containerd.cgroups.v2.Metrics

struct PsiData {
  double avg10 = 0, avg60 = 0, avg300 = 0;
  std::uint64_t total = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.avg10), visit(2, self.avg60), visit(3, self.avg300), visit(4, self.total);
  }
};

struct PsiStats {
  std::optional<PsiData> some, full;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.some), visit(2, self.full);
  }
};

struct PidsStat {
  std::uint64_t current = 0, limit = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.current), visit(2, self.limit);
  }
};

struct CpuStat {
  std::uint64_t usage_usec = 0, user_usec = 0, system_usec = 0, nr_periods = 0, nr_throttled = 0, throttled_usec = 0;
  std::optional<PsiStats> psi;
  std::uint64_t nr_bursts = 0, burst_usec = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.usage_usec), visit(2, self.user_usec), visit(3, self.system_usec), visit(4, self.nr_periods),
        visit(5, self.nr_throttled), visit(6, self.throttled_usec), visit(7, self.psi), visit(8, self.nr_bursts),
        visit(9, self.burst_usec);
  }
};

struct RdmaEntry {
  std::string device;
  std::uint32_t hca_handles = 0, hca_objects = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.device), visit(2, self.hca_handles), visit(3, self.hca_objects);
  }
};

struct RdmaStat {
  std::vector<RdmaEntry> current, limit;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.current), visit(2, self.limit);
  }
};

struct IoEntry {
  std::uint64_t major = 0, minor = 0, rbytes = 0, wbytes = 0, rios = 0, wios = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.major), visit(2, self.minor), visit(3, self.rbytes), visit(4, self.wbytes), visit(5, self.rios),
        visit(6, self.wios);
  }
};

struct IoStat {
  std::vector<IoEntry> usage;
  std::optional<PsiStats> psi;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.usage), visit(2, self.psi);
  }
};

struct HugeTlbStat {
  std::uint64_t current = 0, max = 0;
  std::string pagesize;
  std::uint64_t failcnt = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.current), visit(2, self.max), visit(3, self.pagesize), visit(4, self.failcnt);
  }
};

struct MemoryEvents {
  std::uint64_t low = 0, high = 0, max = 0, oom = 0, oom_kill = 0, oom_group_kill = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.low), visit(2, self.high), visit(3, self.max), visit(4, self.oom), visit(5, self.oom_kill),
        visit(6, self.oom_group_kill);
  }
};

// Most of its fields are the lines of memory.stat under their own names: kMemoryFields says which has which number.
struct MemoryStat {
  std::vector<std::uint64_t> values;  // by field number
  std::optional<PsiStats> psi;
  static constexpr std::uint32_t kPsi = 38, kLast = 42;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    self_sized(self);
    for (std::uint32_t tag = 1; tag <= kLast; ++tag)
      if (tag != kPsi && tag < self.values.size()) visit(tag, self.values[tag]);
    visit(kPsi, self.psi);
  }

 private:
  static void self_sized(MemoryStat& self) { self.values.resize(kLast + 1); }
  static void self_sized(const MemoryStat&) {}
};

struct Metrics {
  std::optional<PidsStat> pids;
  std::optional<CpuStat> cpu;
  std::optional<MemoryStat> memory;
  std::optional<RdmaStat> rdma;
  std::optional<IoStat> io;
  std::vector<HugeTlbStat> hugetlb;
  std::optional<MemoryEvents> memory_events;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.pids), visit(2, self.cpu), visit(4, self.memory), visit(5, self.rdma), visit(6, self.io),
        visit(7, self.hugetlb), visit(8, self.memory_events);
  }
};

}  // namespace wherry::shim
