# SPDX-License-Identifier: Apache-2.0
unit_sources(protocol_test.cpp)
