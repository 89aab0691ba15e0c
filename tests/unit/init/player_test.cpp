// SPDX-License-Identifier: Apache-2.0
#include "init/player.hpp"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <functional>

#include "unit/init/init_fixtures.hpp"
#include "unit/plan/random_step.hpp"

using namespace wherry;
using namespace wherry::init;
using plan::Owned;

namespace {

// The shared memory object of plan/protocol.hpp, as the host lays it out.
struct Page {
  std::vector<unsigned char> head;  // StatusPage and its records
  std::vector<unsigned char> steps;

  explicit Page(const plan::Plan& the_plan)
      : head(sizeof(plan::StatusPage) + the_plan.steps.size() * sizeof(plan::StepRecord)),
        steps(plan::encode(the_plan)) {
    status().record_count = static_cast<uint32_t>(the_plan.steps.size());
    status().plan_offset = static_cast<uint32_t>(head.size());
    status().plan_size = static_cast<uint32_t>(steps.size());
  }
  plan::StatusPage& status() { return *reinterpret_cast<plan::StatusPage*>(head.data()); }
  [[nodiscard]] std::vector<unsigned char> bytes() const {
    std::vector<unsigned char> bytes = head;
    bytes.insert(bytes.end(), steps.begin(), steps.end());
    return bytes;
  }
};

Fd memory_of(const std::vector<unsigned char>& bytes) {
  auto fd = os::memfd_create("page", 0);
  REQUIRE(fd);
  REQUIRE(os::ftruncate(fd->get(), static_cast<int64_t>(bytes.size())));
  if (!bytes.empty()) REQUIRE(os::write(fd->get(), bytes.data(), bytes.size()));
  return std::move(*fd);
}

int open_bytes(const std::vector<unsigned char>& bytes) {
  const auto context = test::make_context();
  context->page_fd = memory_of(bytes);
  const int error = open_plan(*context);
  if (context->page != nullptr) ::munmap(context->page, bytes.size());
  return error;
}

plan::Plan small_plan() {
  plan::Plan plan;
  plan.steps.push_back({plan::Lane::kInit, plan::SetUmask<Owned>{{022}}, "/process/user/umask"});
  plan.steps.push_back({plan::Lane::kInit, plan::SetHostname<Owned>{"h"}, "/hostname"});
  return plan;
}

Page changed(const std::function<void(Page&)>& change) {
  Page page(small_plan());
  change(page);
  return page;
}

void change_header(Page& page, const std::function<void(plan::PlanHeader&)>& change) {
  plan::PlanHeader header;
  std::memcpy(&header, page.steps.data(), sizeof header);
  change(header);
  std::memcpy(page.steps.data(), &header, sizeof header);
}

}  // namespace

TEST_CASE("player: a whole page is opened", "[init]") { CHECK(open_bytes(Page(small_plan()).bytes()) == 0); }

TEST_CASE("player: a short page is refused", "[init]") {
  const std::vector<unsigned char> whole = Page(small_plan()).bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    CHECK(open_bytes({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}) == EBADMSG);
  }
  const auto context = test::make_context();
  CHECK(open_plan(*context) == EBADF);
}

TEST_CASE("player: offsets outside the page are refused", "[init]") {
  for (const uint32_t offset : {0U, 4U, 8U, 31U, 0xffffffffU})
    CHECK(open_bytes(changed([&](Page& page) { page.status().plan_offset = offset; }).bytes()) == EBADMSG);
  for (const uint32_t size : {0U, 23U, 0xffffffffU})
    CHECK(open_bytes(changed([&](Page& page) { page.status().plan_size = size; }).bytes()) == EBADMSG);
  std::vector<unsigned char> bytes = Page(small_plan()).bytes();
  const uint32_t too_many = 3;
  std::memcpy(bytes.data() + offsetof(plan::StatusPage, record_count), &too_many, sizeof too_many);
  CHECK(open_bytes(bytes) == EBADMSG);
}

// A status page whose own fields look like the header of a plan: records would lie behind its end.
TEST_CASE("player: a plan inside the status page is refused", "[init]") {
  plan::StatusPage status{};
  status.plan_offset = offsetof(plan::StatusPage, trace);
  status.plan_size = sizeof(plan::PlanHeader);
  status.trace = plan::kPlanMagic;
  status.step = plan::kPlanVersion;
  status.record_count = 100000;
  std::vector<unsigned char> bytes(4096);
  std::memcpy(bytes.data(), &status, sizeof status);
  CHECK(open_bytes(bytes) == EBADMSG);
}

TEST_CASE("player: another header is refused", "[init]") {
  const auto open_with = [](const std::function<void(plan::PlanHeader&)>& change) {
    return open_bytes(changed([&](Page& page) { change_header(page, change); }).bytes());
  };
  CHECK(open_with([](plan::PlanHeader&) {}) == 0);
  CHECK(open_with([](plan::PlanHeader& header) { header.magic = 0; }) == EBADMSG);
  CHECK(open_with([](plan::PlanHeader& header) { header.version = 2; }) == EBADMSG);
  CHECK(open_with([](plan::PlanHeader& header) { header.size = 0xffffffff; }) == EBADMSG);
  CHECK(open_with([](plan::PlanHeader& header) { header.slot_count = kMaxPlanSlots + 1; }) == EBADMSG);
}

TEST_CASE("player: an unknown kind is a damaged plan", "[init]") {
  const auto context = test::make_context();
  for (const uint16_t kind :
       {uint16_t{plan::AllSteps::kContainerKinds}, uint16_t{plan::kFirstHostKind}, uint16_t{0xffff}}) {
    const Outcome outcome = perform(kind, nullptr, 0, *context);
    CHECK(outcome.error == EBADMSG);
    CHECK(outcome.detail == Detail::kPlan);
  }
}

// In a child: should a step be executed after all, it must not be this process that changes.
TEST_CASE("player: fields that are too short or too long are a damaged plan", "[init]") {
  const int wrong = test::in_child([] {
    test::RandomFields fill(11);
    for (std::size_t kind = 0; kind < plan::AllSteps::kContainerKinds; ++kind) {
      const auto context = test::make_context();
      test::WireStep wire = test::on_the_wire(test::random_step(kind, fill));
      wire.fields.push_back(0);
      const auto size = static_cast<uint32_t>(wire.fields.size());
      for (uint32_t length = 0; length <= size; ++length) {
        if (length + 1 == size) continue;  // whole
        const Outcome outcome = perform(wire.kind, wire.fields.data(), length, *context);
        if (outcome.error != EBADMSG || outcome.detail != Detail::kPlan) return 1 + static_cast<int>(kind);
      }
    }
    return 0;
  });
  CHECK(wrong == 0);
}

TEST_CASE("player: a slot that nothing is bound to, or that there is not", "[init]") {
  test::TemporaryDirectory base;
  base.write("file", "x");
  const auto context = test::make_context();
  context->root = base.open();
  for (const plan::Slot slot : {plan::Slot{16}, plan::Slot{1023}, plan::Slot{1024}, plan::Slot{65535}}) {
    INFO(slot);
    plan::Bind<Owned> bind;
    bind.target = "/target";
    bind.slot = slot;
    CHECK(test::perform(bind, *context).error == EBADF);
    CHECK(test::perform(plan::MountRoot<Owned>{base.path(), slot, false}, *context).error == EBADF);
    CHECK(test::perform(plan::MaskPath<Owned>{"/file", slot, ""}, *context).error == EBADF);
    CHECK(test::perform(plan::BindDevice<Owned>{"/file", slot}, *context).error != 0);
    CHECK(test::perform(plan::EnterNamespace<Owned>{{0}, slot}, *context).error == EBADF);
  }
  for (const plan::Slot slot : {plan::Slot{1024}, plan::Slot{65535}}) {
    CHECK(test::perform(plan::OpenTree<Owned>{"/", slot, false, {}}, *context).error != 0);
    CHECK(test::perform(plan::OpenDevice<Owned>{"/dev/null", slot, {os::kTypeChar}, 1, 3}, *context).error != 0);
    CHECK(test::perform(plan::OpenNamespace<Owned>{{0x20000000}, "/proc/self/ns/pid", slot}, *context).error != 0);
  }
}

TEST_CASE("player: lists that do not hold what they say", "[init]") {
  const auto with_byte = [](plan::Step step, std::size_t at, unsigned char value) {
    test::WireStep wire = test::on_the_wire(std::move(step));
    wire.fields.at(at) = value;
    return test::in_child([&] {
      const auto context = test::make_context();
      return perform(wire.kind, wire.fields.data(), static_cast<uint32_t>(wire.fields.size()), *context).error;
    });
  };
  // The count of a list stands before its size.
  CHECK(with_byte(plan::SetMemoryPolicy<Owned>{0, {1}}, 4, 2) == EBADMSG);
  CHECK(with_byte(plan::SetMemoryPolicy<Owned>{0, {1}}, 4, 17) == EINVAL);
  CHECK(with_byte(plan::SetCredentials<Owned>{0, 0, {1, 2}}, 8, 3) == EBADMSG);
  CHECK(with_byte(plan::SetCredentials<Owned>{0, 0, {1, 2}}, 10, 1) == EINVAL);
  CHECK(with_byte(plan::Exec<Owned>{{"a", "b"}, {}}, 0, 3) == EBADMSG);
  CHECK(test::in_child([] {
          return test::perform(plan::LoadSeccomp<Owned>{std::vector<unsigned char>(7), 0}, *test::make_context()).error;
        }) == EINVAL);
}

TEST_CASE("player: namespaces are told apart by their type", "[init]") {
  const auto context = test::make_context();
  constexpr uint64_t kPid = 0x20000000, kNetwork = 0x40000000;
  CHECK(test::perform(plan::OpenNamespace<Owned>{{kPid}, "/proc/self/ns/pid", 16}, *context).error == 0);
  CHECK(slot_fd(*context, 16) >= 0);
  const Outcome wrong = test::perform(plan::OpenNamespace<Owned>{{kNetwork}, "/proc/self/ns/pid", 17}, *context);
  CHECK(wrong.error == EINVAL);
  CHECK(wrong.detail == Detail::kWrongNamespaceType);
  CHECK(slot_fd(*context, 17) == -1);
  CHECK(test::perform(plan::OpenNamespace<Owned>{{kPid}, "/dev/null", 17}, *context).detail ==
        Detail::kWrongNamespaceType);
  CHECK(test::perform(plan::OpenNamespace<Owned>{{kPid}, "/nowhere", 17}, *context).error == ENOENT);
  test::TemporaryDirectory base;
  REQUIRE(::mkfifo((base / "fifo").c_str(), 0600) == 0);
  CHECK(test::perform(plan::OpenNamespace<Owned>{{kPid}, base / "fifo", 17}, *context).detail ==
        Detail::kWrongNamespaceType);
}

TEST_CASE("player: links and what stands in their way", "[init]") {
  test::TemporaryDirectory base;
  const auto context = test::make_context();
  context->root = base.open();
  CHECK(test::perform(plan::CreateSymlink<Owned>{"/dev/fd", "/proc/self/fd", false}, *context).rung == 0);
  CHECK(std::filesystem::read_symlink(base / "dev/fd") == "/proc/self/fd");
  const Outcome kept = test::perform(plan::CreateSymlink<Owned>{"/dev/fd", "elsewhere", false}, *context);
  CHECK(kept.error == 0);
  CHECK(kept.rung == 1);
  CHECK(std::filesystem::read_symlink(base / "dev/fd") == "/proc/self/fd");
  const Outcome replaced = test::perform(plan::CreateSymlink<Owned>{"/dev/fd", "elsewhere", true}, *context);
  CHECK(replaced.error == 0);
  CHECK(replaced.rung == 2);
  CHECK(std::filesystem::read_symlink(base / "dev/fd") == "elsewhere");
  std::filesystem::create_directory(base / "dev/ptmx");
  CHECK(test::perform(plan::CreateSymlink<Owned>{"/dev/ptmx", "pts/ptmx", true}, *context).error == EISDIR);
}

TEST_CASE("player: umask, limits and descriptors of the process", "[init]") {
  CHECK(test::in_child([] {
          const auto context = test::make_context();
          if (test::perform(plan::SetUmask<Owned>{{027}}, *context).error != 0) return 1;
          return ::umask(0) == 027 ? 0 : 2;
        }) == 0);
  CHECK(test::in_child([] {
          const auto context = test::make_context();
          if (test::perform(plan::SetRlimit<Owned>{{RLIMIT_CORE}, {1}, {2}}, *context).error != 0) return 1;
          rlimit limit{};
          if (::getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur != 1 || limit.rlim_max != 2) return 2;
          return test::perform(plan::SetRlimit<Owned>{{RLIMIT_CORE}, {3}, {2}}, *context).error == EINVAL ? 0 : 3;
        }) == 0);
  CHECK(test::in_child([] {
          const auto context = test::make_context();
          const int low = ::dup2(0, 40), high = ::dup2(0, 60);
          if (low != 40 || high != 60) return 1;
          if (test::perform(plan::SealDescriptors<Owned>{50}, *context).error != 0) return 2;
          const auto closes = [](int fd) { return os::fcntl(fd, os::kFGetFd).value() == 1; };
          return !closes(0) && !closes(low) && closes(high) ? 0 : 3;
        }) == 0);
}
