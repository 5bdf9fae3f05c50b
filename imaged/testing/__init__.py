"""Test helpers for plugin authors: generated pictures, fakes, and a contract suite for each kind of plugin."""

import sys

if "pytest" in sys.modules:  # so that failed assertions show their values, also outside of this repository
    suites = ("detectors", "processors", "purgers", "uploaders")
    sys.modules["pytest"].register_assert_rewrite(*[f"imaged.testing.{suite}" for suite in suites])
