// SPDX-License-Identifier: Apache-2.0
#include "os/digest.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

namespace wherry::os {
namespace {

static_assert(std::endian::native == std::endian::little);  // words are read as they lie

constexpr std::size_t kBlock = 128;
constexpr int kRounds = 12;

// RFC 7693, 2.6: the first 64 bits of the fractions of the roots of the first eight primes.
constexpr std::uint64_t kStart[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                     0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

// RFC 7693, 2.7: which message word each step of a round takes.
constexpr std::uint8_t kOrder[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

struct Quarter {
  std::uint8_t a, b, c, d;
};
constexpr Quarter kQuarters[8] = {{0, 4, 8, 12},  {1, 5, 9, 13},  {2, 6, 10, 14}, {3, 7, 11, 15},
                                  {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13},  {3, 4, 9, 14}};

void mix(std::uint64_t (&v)[16], const Quarter& at, std::uint64_t x, std::uint64_t y) noexcept {
  v[at.a] += v[at.b] + x;
  v[at.d] = std::rotr(v[at.d] ^ v[at.a], 32);
  v[at.c] += v[at.d];
  v[at.b] = std::rotr(v[at.b] ^ v[at.c], 24);
  v[at.a] += v[at.b] + y;
  v[at.d] = std::rotr(v[at.d] ^ v[at.a], 16);
  v[at.c] += v[at.d];
  v[at.b] = std::rotr(v[at.b] ^ v[at.c], 63);
}

void compress(std::uint64_t (&state)[8], const unsigned char* block, std::uint64_t count, bool last) noexcept {
  std::uint64_t words[16], v[16];
  std::memcpy(words, block, sizeof words);
  std::memcpy(v, state, sizeof state);
  std::memcpy(v + 8, kStart, sizeof kStart);
  v[12] ^= count;
  if (last) v[14] = ~v[14];
  for (int round = 0; round < kRounds; ++round) {
    const auto& order = kOrder[round % 10];
    for (std::size_t i = 0; i < 8; ++i) mix(v, kQuarters[i], words[order[2 * i]], words[order[2 * i + 1]]);
  }
  for (int i = 0; i < 8; ++i) state[i] ^= v[i] ^ v[i + 8];
}

}  // namespace

Digest digest(std::string_view data) noexcept {
  std::uint64_t state[8];
  std::memcpy(state, kStart, sizeof state);
  state[0] ^= 0x01010000U ^ sizeof(Digest);  // no key, the result's size
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  std::size_t at = 0;
  for (; data.size() - at > kBlock; at += kBlock) compress(state, bytes + at, at + kBlock, false);
  unsigned char rest[kBlock] = {};
  if (data.size() != at) std::memcpy(rest, bytes + at, data.size() - at);
  compress(state, rest, data.size(), true);
  Digest result;
  std::memcpy(result.data(), state, result.size());
  return result;
}

std::string hex(const Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : digest) (text += kDigits[byte >> 4U]) += kDigits[byte & 15U];
  return text;
}

}  // namespace wherry::os
