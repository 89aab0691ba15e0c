// SPDX-License-Identifier: Apache-2.0
// The one error type of the library: what failed, on what, why, where in which document, and what to do.
// The library throws it and never logs; the program logs it once.
#pragma once

#include <exception>
#include <string>

namespace wherry {

// "ENOENT" for 2; "E4711" for a number the kernel does not define. Never a strerror() text: engines
// guess exit codes from those phrases (see engines in docs/), so they appear in no error by accident.
[[nodiscard]] std::string errno_name(int number);

class Error : public std::exception {
 public:
  // `what` is operation and object, as one phrase: "mount tmpfs on /dev/shm".
  explicit Error(std::string what);

  Error&& at(std::string pointer) &&;                        // JSON pointer into config.json
  Error&& in(std::string document, std::string pointer) &&;  // another document: "process.json"
  Error&& because(int number) &&;                            // errno
  Error&& detail(std::string text) &&;                       // what the kernel or the rule says
  Error&& remedy(std::string text) &&;                       // what the user can do
  Error&& exit_code(int code) &&;                            // process exit code; default 1

  // config.json /mounts/3: mount tmpfs on /dev/shm: EINVAL: unknown option "sise"; remove it
  [[nodiscard]] const char* what() const noexcept override;
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const std::string& pointer() const noexcept { return pointer_; }
  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  void compose();

  std::string what_, document_, pointer_, detail_, remedy_, message_;
  int number_ = 0;
  int code_ = 1;
};

}  // namespace wherry
