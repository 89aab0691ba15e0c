// SPDX-License-Identifier: Apache-2.0
#include "oci/state.hpp"

#include <chrono>
#include <cstddef>

namespace wherry::oci {
namespace {

// RFC 3629: the sequence lengths by first byte, and the range of the second byte, which keeps out overlong
// forms, surrogates and everything above U+10FFFF.
struct Utf8Lead {
  unsigned char first, last, second_low, second_high;
  std::size_t length;
};

constexpr Utf8Lead kUtf8Leads[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

// Bytes of the multi-byte sequence at the front of `text`; 0: not UTF-8.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (const Utf8Lead& lead : kUtf8Leads) {
    if (byte(0) < lead.first || byte(0) > lead.last) continue;
    if (text.size() < lead.length || byte(1) < lead.second_low || byte(1) > lead.second_high) return 0;
    for (std::size_t i = 2; i < lead.length; ++i) {
      if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
    }
    return lead.length;
  }
  return 0;
}

void append_control(std::string& out, char c) {
  constexpr std::string_view kShort = "\b\t\n\f\r";
  constexpr std::string_view kLetters = "btnfr";
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '\\';
  if (const std::size_t at = kShort.find(c); at != std::string_view::npos) {
    out += kLetters[at];
    return;
  }
  out += "u00";
  out += kHex[static_cast<unsigned char>(c) >> 4U];
  out += kHex[static_cast<unsigned char>(c) & 15U];
}

// Writes one object, on one line or indented as Go's json.MarshalIndent(v, "", "  ") does.
class ObjectWriter {
 public:
  ObjectWriter(bool indented, std::size_t depth = 1) : indented_(indented), depth_(depth) {}

  void add(std::string_view name, std::string_view text) {
    begin(name);
    append_json_quoted(out_, text);
  }
  void add_raw(std::string_view name, std::string_view json) {
    begin(name);
    out_ += json;
  }
  void add(std::string_view name, const StringMap& map) {
    ObjectWriter inner(indented_, depth_ + 1);
    for (const auto& [key, value] : map) inner.add(key, value);
    add_raw(name, inner.finish());
  }
  std::string finish() {
    if (out_.empty()) return "{}";
    if (indented_) new_line(depth_ - 1);
    return out_ += '}';
  }

 private:
  void begin(std::string_view name) {
    out_ += out_.empty() ? '{' : ',';
    if (indented_) new_line(depth_);
    append_json_quoted(out_, name);
    out_ += indented_ ? ": " : ":";
  }
  void new_line(std::size_t depth) {
    out_ += '\n';
    out_.append(2 * depth, ' ');
  }

  std::string out_;
  bool indented_;
  std::size_t depth_;
};

std::string runc_state(const State& state, bool indented) {
  ObjectWriter writer(indented);
  writer.add("ociVersion", state.oci_version);
  writer.add("id", state.id);
  writer.add_raw("pid", std::to_string(state.pid.value_or(0)));
  writer.add("status", state.status);
  writer.add("bundle", state.bundle);
  writer.add("rootfs", state.rootfs);
  writer.add("created", state.created);
  if (!state.annotations.empty()) writer.add("annotations", state.annotations);
  writer.add("owner", state.owner);
  return writer.finish();
}

std::string padded(std::uint64_t number, std::size_t width) {
  std::string digits = std::to_string(number);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return digits;
}

}  // namespace

void append_json_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text.front();
    std::size_t length = 1;
    if (static_cast<unsigned char>(c) < 0x20) {
      append_control(out, c);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x80) {
      out += c;
    } else if (length = utf8_length(text); length != 0) {
      out += text.substr(0, length);
    } else {
      out += "\xef\xbf\xbd";  // U+FFFD
      length = 1;
    }
    text.remove_prefix(length);
  }
  out += '"';
}

std::string json_quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_json_quoted(out, text);
  return out;
}

std::string hook_state_json(const State& state) {
  ObjectWriter writer(false);
  writer.add("ociVersion", state.oci_version);
  writer.add("id", state.id);
  writer.add("status", state.status);
  if (state.pid) writer.add_raw("pid", std::to_string(*state.pid));
  writer.add("bundle", state.bundle);
  if (!state.annotations.empty()) writer.add("annotations", state.annotations);
  return writer.finish();
}

std::string state_json(const State& state) { return runc_state(state, true); }

std::string state_json_line(const State& state) { return runc_state(state, false); }

std::string seccomp_state_json(const State& state, pid_t pid, std::string_view metadata) {
  ObjectWriter writer(false);
  writer.add("ociVersion", state.oci_version);
  writer.add_raw("fds", R"(["seccompFd"])");
  writer.add_raw("pid", std::to_string(pid));
  if (!metadata.empty()) writer.add("metadata", metadata);
  writer.add_raw("state", hook_state_json(state));
  return writer.finish();
}

std::string rfc3339_utc(std::int64_t seconds, std::uint32_t nanoseconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  const auto number = [](auto count) { return static_cast<std::uint64_t>(count); };

  std::string text = padded(number(static_cast<int>(date.year())), 4);
  text += '-' + padded(static_cast<unsigned>(date.month()), 2) + '-' + padded(static_cast<unsigned>(date.day()), 2);
  text += 'T' + padded(number(clock.hours().count()), 2) + ':' + padded(number(clock.minutes().count()), 2);
  text += ':' + padded(number(clock.seconds().count()), 2);
  if (nanoseconds != 0) {
    std::string fraction = padded(nanoseconds, 9);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text += '.' + fraction;
  }
  return text += 'Z';
}

}  // namespace wherry::oci
