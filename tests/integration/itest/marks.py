# SPDX-License-Identifier: Apache-2.0
"""Decorators that say for whom a test holds."""


def wherry_only(reason):
    """The behaviour is a promise of Wherry's that the OCI texts do not make; peers skip it."""

    def mark(test):
        test.wherry_only = reason
        return test

    return mark


def known_differences(reasons):
    """reasons: {runtime name: why it differs}. There the test still runs, and a failure counts as a skip."""

    def mark(test):
        test.known_differences = reasons
        return test

    return mark


def needs(predicate, reason):
    """The test is skipped, with the reason printed, where predicate() is false on this host."""

    def mark(test):
        test.needs = getattr(test, "needs", []) + [(predicate, reason)]
        return test

    return mark
