// SPDX-License-Identifier: Apache-2.0
// CLI11 without <iostream>. Until GCC 13 that header puts the construction of the eight standard streams,
// with the locale behind them, into every program that includes it: 23 page faults and some 70 us before
// main, for streams that nothing here uses. CLI11 only names them, in functions that are never called.
#pragma once

#include <istream>
#include <ostream>

#if defined(__GLIBCXX__) && !defined(_GLIBCXX_IOSTREAM)
#define _GLIBCXX_IOSTREAM 1  // its include guard. NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
namespace std {              // NOLINT(cert-dcl58-cpp)
extern ostream cout;
extern ostream cerr;
}  // namespace std
#endif

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
