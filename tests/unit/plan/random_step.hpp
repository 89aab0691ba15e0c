// SPDX-License-Identifier: Apache-2.0
// Steps with random fields, made by walking their field lists.
#pragma once

#include <algorithm>
#include <concepts>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "plan/plan.hpp"

namespace wherry::test {

class RandomFields {
 public:
  explicit RandomFields(unsigned seed, std::size_t longest_text = 5000) : random_(seed), longest_(longest_text) {}

  [[nodiscard]] std::size_t below(std::size_t bound) { return random_() % bound; }

  void operator()(const char*, bool& value) { value = below(2) == 1; }
  void operator()(const char*, plan::HookKind& value) { value = static_cast<plan::HookKind>(below(6)); }
  void operator()(const char*, plan::DeviceType& value) { value = static_cast<plan::DeviceType>(below(3)); }
  void operator()(const char*, plan::PropertyType& value) { value = static_cast<plan::PropertyType>(below(7)); }
  template <std::integral T>
  void operator()(const char*, T& value) {
    value = static_cast<T>(below(4) == 0 ? 0 : random_());
  }
  template <class Tag>
  void operator()(const char*, plan::Bits<Tag>& value) {
    value.value = random_();
  }
  void operator()(const char*, std::string& value) {
    constexpr std::string_view kLetters = "abc/XYZ.,=\"\\ \n\t\xc3\xa4";
    value.clear();
    for (std::size_t left = length(); left > 0; --left) value += kLetters[below(kLetters.size())];
  }
  template <class T>
  void operator()(const char*, std::optional<T>& value) {
    value.reset();
    if (below(2) == 1) (*this)("", value.emplace());
  }
  template <class T>
  void operator()(const char*, std::vector<T>& list) {
    list.clear();
    for (std::size_t left = below(5); left > 0; --left) (*this)("", list.emplace_back());
  }
  template <class T>
  requires requires(T& value, RandomFields& self) { T::fields(value, self); }
  void operator()(const char*, T& value) { T::fields(value, *this); }

 private:
  std::size_t length() { return below(8) == 0 ? below(longest_) : below(std::min<std::size_t>(longest_, 24)); }

  std::mt19937_64 random_;
  std::size_t longest_;
};

template <std::size_t Index = 0>
plan::Step random_step(std::size_t kind, RandomFields& fill) {
  if constexpr (Index < std::variant_size_v<plan::Step>) {
    if (kind != Index) return random_step<Index + 1>(kind, fill);
    std::variant_alternative_t<Index, plan::Step> step;
    decltype(step)::fields(step, fill);
    return step;
  } else {
    return {};
  }
}

// Every verb there is, once, in the order of plan::Step.
inline plan::Plan random_plan(unsigned seed, std::size_t longest_text = 5000) {
  RandomFields fill(seed, longest_text);
  plan::Plan plan;
  for (std::size_t kind = 0; kind < std::variant_size_v<plan::Step>; ++kind) {
    plan::PlannedStep planned{static_cast<plan::Lane>(fill.below(4)), random_step(kind, fill), {}};
    fill("", planned.origin);
    plan.steps.push_back(std::move(planned));
  }
  plan.slot_count = static_cast<plan::Slot>(fill.below(65536));
  return plan;
}

}  // namespace wherry::test
