// SPDX-License-Identifier: Apache-2.0
#include "init/player.hpp"

#include "init/channel.hpp"
#include "init/execute.hpp"

namespace wherry::init {
namespace {

using plan::Lane;
using plan::PlanHeader;
using plan::StepHeader;

template <template <class> class Step>
[[gnu::noinline]] Outcome decode_and_execute(const unsigned char* fields, uint32_t size, Context& context) noexcept {
  Step<Wired> step;
  if (!plan::decode_step(fields, size, step)) return failed(EBADMSG, Detail::kPlan);
  return execute(step, context);
}

template <template <class> class... Steps>
Outcome dispatch(plan::StepList<Steps...>, uint16_t kind, const unsigned char* fields, uint32_t size,
                 Context& context) noexcept {
  Outcome outcome = failed(EBADMSG, Detail::kPlan);
  uint16_t candidate = 0;
  (void)((candidate++ == kind && (outcome = decode_and_execute<Steps>(fields, size, context), true)) || ...);
  return outcome;
}

class Cursor {
 public:
  explicit Cursor(const plan::StatusPage& page) noexcept
      : begin_(reinterpret_cast<const unsigned char*>(&page) + page.plan_offset), size_(page.plan_size) {
    __builtin_memcpy(&plan_, begin_, sizeof plan_);
    rewind();
  }
  [[nodiscard]] bool at_end() const noexcept { return index_ >= plan_.step_count; }
  [[nodiscard]] uint32_t index() const noexcept { return index_; }
  [[nodiscard]] const StepHeader& header() const noexcept { return header_; }
  [[nodiscard]] const unsigned char* fields() const noexcept { return begin_ + offset_ + sizeof header_; }
  [[nodiscard]] bool load() noexcept {
    if (size_ - offset_ < sizeof header_) return false;
    __builtin_memcpy(&header_, begin_ + offset_, sizeof header_);
    return size_ - offset_ - sizeof header_ >= header_.size;
  }
  void next() noexcept {
    offset_ += static_cast<uint32_t>(sizeof header_) + header_.size;
    ++index_;
  }
  [[nodiscard]] bool seek(uint32_t index) noexcept {
    if (index < index_) rewind();
    while (index_ < index && !at_end()) {
      if (!load()) return false;
      next();
    }
    return index_ == index;
  }

 private:
  void rewind() noexcept { index_ = 0, offset_ = sizeof(PlanHeader); }

  const unsigned char* begin_;
  uint32_t size_, index_ = 0, offset_ = 0;
  PlanHeader plan_;
  StepHeader header_;
};

void perform_timed(const Cursor& at, Context& context) noexcept {
  plan::StatusPage& page = *context.page;
  page.step = context.step = at.index();
  const int64_t before = page.trace != 0 ? os::monotonic_ns() : 0;
  const Outcome outcome = perform(at.header().kind, at.fields(), at.header().size, context);
  if (outcome.error != 0) fail(context, outcome);
  if (at.index() >= page.record_count) return;
  plan::StepRecord& record = page.records[at.index()];
  if (outcome.rung != 0) record.rung = outcome.rung;
  if (page.trace != 0) record.duration_ns = static_cast<uint64_t>(os::monotonic_ns() - before);
}

void go_to(Cursor& cursor, os::Result<uint32_t> go, Context& context) noexcept {
  if (!go) fail(context, failed(go.error(), Detail::kHostGone));
  if (!cursor.seek(*go)) fail(context, failed(EBADMSG, Detail::kPlan));
}

}  // namespace

Outcome perform(uint16_t kind, const unsigned char* fields, uint32_t size, Context& context) noexcept {
  return dispatch(plan::ContainerSteps{}, kind, fields, size, context);
}

int open_plan(Context& context) noexcept {
  struct statx status {};
  if (auto found = os::statx(context.page_fd.get(), "", os::kAtEmptyPath, STATX_SIZE, status); !found)
    return found.error();
  const uint64_t size = status.stx_size;
  if (size < sizeof(plan::StatusPage) + sizeof(PlanHeader)) return EBADMSG;
  const long mapped = os::raw_syscall(__NR_mmap, 0, static_cast<long>(size), 3 /* PROT_READ | PROT_WRITE */,
                                      1 /* MAP_SHARED */, context.page_fd.get(), 0);
  if (mapped < 0) return static_cast<int>(-mapped);
  context.page = reinterpret_cast<plan::StatusPage*>(mapped);
  const plan::StatusPage& page = *context.page;
  if (page.plan_offset < sizeof page || page.plan_offset > size) return EBADMSG;
  if (page.plan_size > size - page.plan_offset || page.plan_size < sizeof(PlanHeader)) return EBADMSG;
  if (page.record_count > (page.plan_offset - sizeof page) / sizeof(plan::StepRecord)) return EBADMSG;
  PlanHeader header;
  __builtin_memcpy(&header, reinterpret_cast<const unsigned char*>(&page) + page.plan_offset, sizeof header);
  const bool valid = header.magic == plan::kPlanMagic && header.version == plan::kPlanVersion &&
                     header.size <= page.plan_size && header.slot_count <= kMaxPlanSlots;
  return valid ? 0 : EBADMSG;
}

void play(Context& context, uint32_t step) noexcept {
  Cursor cursor(*context.page);
  go_to(cursor, step, context);
  while (!cursor.at_end()) {
    if (!cursor.load()) fail(context, failed(EBADMSG, Detail::kPlan));
    const Lane lane = cursor.header().lane;
    if (lane == Lane::kHost) {
      context.step = cursor.index();
      go_to(cursor, hand_over(context, cursor.index()), context);
      continue;
    }
    if (lane == context.lane) perform_timed(cursor, context);
    if (context.spawned) os::exit_group(0);
    cursor.next();
  }
  fail(context, failed(EBADMSG, Detail::kPlan));  // a plan ends in Exec
}

}  // namespace wherry::init
