# SPDX-License-Identifier: Apache-2.0
unit_sources(
  arguments_test.cpp
  globals_test.cpp
  log_test.cpp
  output_test.cpp
  process_table_test.cpp
  quantities_test.cpp
  signals_test.cpp
  terminal_test.cpp
  words_test.cpp)
unit_links(wherry_cli)
