// SPDX-License-Identifier: Apache-2.0
#include "oci/record.hpp"

#include <concepts>
#include <utility>
#include <vector>

#include "oci/state.hpp"
#include "oci/typed_reader.hpp"

namespace wherry::oci {

// The one list for reading and writing. All are required: a record with a part missing is not one of ours.
static constexpr auto fields(const Record*) {
  return std::tuple{
      must("version", &Record::version),
      must("id", &Record::id),
      must("bundle", &Record::bundle),
      must("rootfs", &Record::rootfs),
      must("created", &Record::created),
      must("bootId", &Record::boot_id),
      must("ociVersion", &Record::oci_version),
      must("owner", &Record::owner),
      must("pid", &Record::pid),
      must("pidStartTime", &Record::pid_start_time),
      must("pidfdInode", &Record::pidfd_inode),
      must("cgroupManager", &Record::cgroup_manager),
      must("cgroupPath", &Record::cgroup_path),
      must("cgroupRoot", &Record::cgroup_root),
      must("cgroupExisting", &Record::cgroup_existing),
      must("coveredMount", &Record::covered_mount),
      must("resctrlGroup", &Record::resctrl_group),
      must("resctrlMonitor", &Record::resctrl_monitor),
      must("unit", &Record::unit),
      must("bus", &Record::bus),
      must("pendingUnit", &Record::pending_unit),
      must("pendingPath", &Record::pending_path),
      must("noNewKeyring", &Record::no_new_keyring),
      must("creating", &Record::creating),
      must("poststopHooks", &Record::poststop_hooks),
      must("annotations", &Record::annotations),
  };
}

namespace {

void append(std::string& out, const std::string& text) { append_json_quoted(out, text); }

void append(std::string& out, bool value) { out += value ? "true" : "false"; }

template <std::integral Integer>
void append(std::string& out, Integer value) {
  out += std::to_string(value);
}

void append(std::string& out, const StringMap& map) {
  out += '{';
  for (const auto& [key, value] : map) {
    if (out.back() != '{') out += ',';
    append_json_quoted(out, key);
    out += ':';
    append_json_quoted(out, value);
  }
  out += '}';
}

// What kill() and the cgroup code would take for something else.
void check(const Record& record, std::vector<Fault>& faults) {
  if (record.version != kRecordVersion) {
    faults.push_back(
        {"/version", "must be " + std::to_string(kRecordVersion) + ", is " + std::to_string(record.version)});
  }
  if (record.pid < 0) faults.push_back({"/pid", "must not be negative"});
}

}  // namespace

Record read_record(std::string_view json) {
  const std::string document = "state.json";
  if (json.size() > kRecordMaxBytes) {
    throw FaultsError(document, {{"", "is larger than " + std::to_string(kRecordMaxBytes) + " bytes"}});
  }
  Record record;
  std::vector<Fault> faults;
  const Tape tape(json, document);
  TypedReader(tape, faults).read_document(record);
  if (faults.empty()) check(record, faults);
  if (!faults.empty()) throw FaultsError(document, std::move(faults));
  return record;
}

std::string write_record(const Record& record) {
  std::string out;
  out.reserve(1024);
  const auto append_field = [&](const auto& field) {
    out += out.empty() ? "{\"" : ",\"";
    out += field.name;
    out += "\":";
    append(out, record.*field.member);
  };
  std::apply([&](const auto&... field) { (append_field(field), ...); }, fields(&record));
  return out += "}\n";
}

}  // namespace wherry::oci
