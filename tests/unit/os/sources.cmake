# SPDX-License-Identifier: Apache-2.0
unit_sources(digest_test.cpp fd_test.cpp files_test.cpp message_test.cpp sockets_test.cpp spawn_test.cpp)
