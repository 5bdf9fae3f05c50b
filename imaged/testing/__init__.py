"""For plugin authors: generated pictures, fakes, and the contract suites that a plugin of each kind must pass."""

import sys

if "pytest" in sys.modules:  # a contract that is not kept is told with its values, also outside of this repository
    sys.modules["pytest"].register_assert_rewrite("imaged.testing.processors", "imaged.testing.uploaders")
