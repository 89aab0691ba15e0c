# SPDX-License-Identifier: Apache-2.0
unit_sources(arguments_test.cpp bundle_test.cpp copier_test.cpp frame_test.cpp loop_test.cpp
             metrics_test.cpp proto_test.cpp)
