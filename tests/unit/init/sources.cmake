# SPDX-License-Identifier: Apache-2.0
# wherry-init's own sources, built with a C library for the sanitizers to live in.
unit_sources(channel_test.cpp paths_test.cpp player_test.cpp program_test.cpp text_test.cpp)
unit_links(wherry_init_hosted)
