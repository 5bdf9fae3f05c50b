"""An encoded profile has every sample, and each name and location once."""

from __future__ import annotations

import string

import pytest
from decoded import decode, numbers
from hypothesis import given
from hypothesis import strategies as st

from imaged.profiling.pprof import Frame, Profile, Sample, Unit, encode, varint

UNITS = (Unit("inuse_objects", "count"), Unit("inuse_space", "bytes"))
NAMES = st.text(string.ascii_letters + "ä.<>", min_size=1, max_size=4)
FRAMES = st.builds(Frame, NAMES, NAMES, st.integers(0, 2**31), st.integers(0, 3))
VALUES = st.tuples(*[st.integers(-(2**63), 2**63 - 1)] * 2)
SAMPLES = st.lists(st.builds(Sample, st.lists(FRAMES, max_size=5).map(tuple), VALUES, st.one_of(st.just(""), NAMES)))


def profile(samples: list[Sample]) -> Profile:
    """Return a profile of these samples."""
    return Profile(UNITS, "inuse_space", samples, UNITS[1], 512, 1_700_000_000_000_000_000, 2_000_000_000, ("by hand",))


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (1, "01"), (127, "7f"), (300, "ac02"), (-1, "ff" * 9 + "01"), (2**63 - 1, "ff" * 8 + "7f")],
)
def test_integers_are_as_the_format_has_them(value: int, encoded: str) -> None:
    """The example in the format's documents is 300; a negative number takes ten bytes."""
    assert varint(value).hex() == encoded
    assert list(numbers(bytes.fromhex(encoded))) == [value]


@given(SAMPLES)
def test_samples_survive_encoding(samples: list[Sample]) -> None:
    """Every sample keeps its stack, values and thread, in order."""
    read = decode(encode(profile(samples)))
    assert read.samples == [(each.thread, list(map(tuple, each.stack)), list(each.values)) for each in samples]


def test_the_head_survives_encoding() -> None:
    """Units, the default, the period, times and comments are kept."""
    read = decode(encode(profile([])))
    assert read.units == [("inuse_objects", "count"), ("inuse_space", "bytes")]
    assert (read.default, read.period) == ("inuse_space", ("inuse_space", "bytes", 512))
    assert (read.time_ns, read.duration_ns) == (1_700_000_000_000_000_000, 2_000_000_000)
    assert read.comments == ["by hand"]


def test_nothing_is_written_twice() -> None:
    """Stacks share the locations of common calls, and lines of a function share its name."""
    outer, inner, later = Frame("a.f", "a.py", 1, 1), Frame("a.g", "a.py", 9, 8), Frame("a.g", "a.py", 10, 8)
    read = decode(encode(profile([Sample((inner, outer), (1, 2)), Sample((later, outer), (3, 4))])))
    assert read.locations == 3
    assert [read.strings.count(name) for name in ("a.f", "a.g", "a.py")] == [1, 1, 1]


def test_the_same_profile_is_the_same_bytes() -> None:
    """Two profiles can be compared by their bytes."""
    samples = [Sample((Frame("a.f", "a.py", 1),), (1, 2), "main")]
    assert encode(profile(samples)) == encode(profile(samples))


def test_a_name_that_is_no_text_is_no_fault() -> None:
    """A file name may hold bytes that are not UTF-8, which are lone surrogates in Python."""
    read = decode(encode(profile([Sample((Frame("a.f", "caf\udce9.py", 1),), (1, 2))])))
    assert read.samples[0][1][0][1] == "caf?.py"
