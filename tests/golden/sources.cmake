# SPDX-License-Identifier: Apache-2.0
unit_sources(explain_test.cpp refusals_test.cpp)
