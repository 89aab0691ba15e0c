// SPDX-License-Identifier: Apache-2.0
// argv and envp for execve(2): pointers into the plan. Many of them are in pages of their own, since there is no heap.
#pragma once

#include "init/context.hpp"

namespace wherry::init {

class PointerArray {
 public:
  PointerArray() noexcept = default;
  PointerArray(PointerArray&&) = delete;  // and with it all copies: data() may point into this object
  ~PointerArray() {
    if (pointers_ != few_) (void)os::raw_syscall(__NR_munmap, os::address(pointers_), bytes_);
  }

  // `extra` goes behind the list's elements when it is not null. EBADMSG: a malformed list.
  [[nodiscard]] os::Status fill(const plan::ListView<TextView>& list, const char* extra = nullptr) noexcept {
    bytes_ = static_cast<long>((uint64_t{list.count} + 2) * sizeof(char*));
    if (bytes_ > static_cast<long>(sizeof few_)) {
      const long mapped = os::raw_syscall(__NR_mmap, 0, bytes_, 3 /* PROT_READ | PROT_WRITE */,
                                          0x22 /* MAP_PRIVATE | MAP_ANONYMOUS */, -1, 0);
      if (mapped < 0) return os::Status(static_cast<int>(-mapped));
      pointers_ = reinterpret_cast<const char**>(mapped);
    }
    uint32_t count = 0;
    const bool complete = plan::for_each(list, [&](TextView text) {
      pointers_[count++] = text.data;
      return true;
    });
    if (extra != nullptr) pointers_[count++] = extra;
    pointers_[count] = nullptr;
    return os::Status(complete ? 0 : EBADMSG);
  }
  [[nodiscard]] const char* const* data() const noexcept { return pointers_; }

 private:
  const char* few_[64];
  const char** pointers_ = few_;
  long bytes_ = 0;
};

}  // namespace wherry::init
