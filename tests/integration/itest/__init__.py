# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: bundles, the runtime under test, terminals, leak checks and the runner."""

from .bundle import Bundle, deep_merge
from .case import Case, Failure, Skip, TIMEOUT
from .marks import known_differences, needs, wherry_only
from .runtime import Result, Runtime
from .terminal import ConsoleSocket, Pty

__all__ = [
    "Bundle", "Case", "ConsoleSocket", "Failure", "Pty", "Result", "Runtime", "Skip", "TIMEOUT",
    "deep_merge", "known_differences", "needs", "wherry_only",
]
