# SPDX-License-Identifier: Apache-2.0
"""End-to-end tests: real engines, with an OCI runtime of one's choice under them."""
