"""Long-lived objects stay out of collections."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from twisted.internet.task import Clock
from imaged.garbage import LONG_LIVED

class Cycle:
    def __init__(self):
        self.me = self

clock = Clock()
LONG_LIVED.renew_later(clock)
assert not clock.getDelayedCalls()
old = Cycle()
LONG_LIVED.keep()
gone = weakref.ref(old)
del old
gc.collect()
assert gone() is not None, "a collection visited it"
new = weakref.ref(Cycle())
assert gone() in LONG_LIVED.all_objects()
assert new() in LONG_LIVED.all_objects()
gc.collect()
assert gone() is not None, "all_objects did not keep it"
LONG_LIVED.renew_later(clock)
clock.advance(0)
assert gone() is None and new() is None
assert gc.get_freeze_count() > 10_000
"""


def test_kept_objects_are_collected_by_renew_alone() -> None:
    """No collection frees what `keep` has kept; `renew` does, and keeps the rest."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


START = """
import gc
from imaged.garbage import LONG_LIVED

LONG_LIVED.begin()
assert not gc.isenabled()
LONG_LIVED.keep()
assert gc.isenabled()
"""


def test_nothing_is_collected_before_objects_are_kept() -> None:
    """A start makes objects that stay; collections begin when it has ended."""
    subprocess.run([sys.executable, "-c", START], check=True)
