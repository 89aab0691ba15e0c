// SPDX-License-Identifier: Apache-2.0
// JSON text to the nouns of spec.hpp. All faults are collected and thrown together as one FaultsError.
//
// Read as Go reads it, since the engines are written in Go: unknown properties are ignored (config.md
// "Extensibility"), null is the same as absent, and of a repeated key the last one wins. Stricter than Go
// where a wrong value could pass for a right one: numbers out of the C type's range, unknown names of closed
// sets, NUL bytes in strings, missing REQUIRED properties and invalid UTF-8 are faults.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/spec.hpp"
#include "wherry/error.hpp"

namespace wherry::oci {

// One thing that is wrong with a document.
struct Fault {
  std::string pointer;  // JSON pointer (RFC 6901); empty: the whole document
  std::string message;  // "must be a string, is a number"
  bool operator==(const Fault&) const = default;
};

// One fault:  config.json /mounts/3/type: must be a string, is a number
// Several:    config.json: 2 faults: /mounts/3/type: must be a string, is a number; /root: is required
class FaultsError : public Error {
 public:
  // `faults` is not empty. The message lists the first 16 of them, faults() has all.
  FaultsError(std::string document, std::vector<Fault> faults);
  [[nodiscard]] const std::vector<Fault>& faults() const noexcept { return faults_; }

 private:
  std::vector<Fault> faults_;
};

// An object's key as one token of a JSON pointer (RFC 6901): "net/ipv4" is "net~1ipv4".
[[nodiscard]] std::string pointer_token(std::string_view key);

// `document` is the name in error messages. All throw FaultsError.
[[nodiscard]] Spec read_spec(std::string_view json, std::string_view document = "config.json");
[[nodiscard]] Process read_process(std::string_view json, std::string_view document = "process.json");
[[nodiscard]] Resources read_resources(std::string_view json, std::string_view document = "resources.json");

}  // namespace wherry::oci
