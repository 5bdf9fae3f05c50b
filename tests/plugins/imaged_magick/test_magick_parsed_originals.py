"""A job parses its original once, and never gets that of another job."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imaged.api import StoreError
from imaged.testing.pictures import make_png
from imaged_magick.parsed_originals import ParsedOriginals


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    """Return a function that writes an original to one path, as a worker process has it."""

    def write(body: bytes) -> Path:
        source = tmp_path / "original"
        source.write_bytes(body)
        return source

    return write


def test_the_identified_original_is_not_parsed_again(write: Callable[[bytes], Path]) -> None:
    """What `keep` has parsed, the next `take` returns; the one after that parses again."""
    originals = ParsedOriginals()
    source = write(make_png())
    kept = originals.keep(source)
    assert originals.take(source) is kept
    assert originals.take(source) == kept
    assert originals.take(source) is not kept


def test_another_original_at_the_same_path_is_parsed(write: Callable[[bytes], Path]) -> None:
    """An original with other bytes is another one, even of the same size at the same path at the same time."""
    originals = ParsedOriginals()
    one, other = make_png(orientation=1), make_png(orientation=6)
    assert len(one) == len(other)
    originals.keep(write(one))
    assert originals.take(write(other)).orientation == 6


def test_a_failure_keeps_nothing(write: Callable[[bytes], Path]) -> None:
    """After a file that cannot be read, the original before it is parsed again."""
    originals = ParsedOriginals()
    source = write(make_png())
    kept = originals.keep(source)
    with pytest.raises(StoreError):
        originals.keep(source.with_name("missing"))
    assert originals.take(source) is not kept


def test_each_thread_keeps_its_own(write: Callable[[bytes], Path]) -> None:
    """An original that one thread has identified is parsed again on another one."""
    originals = ParsedOriginals()
    source = write(make_png())
    kept = originals.keep(source)
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(originals.take, source).result() is not kept
    assert originals.take(source) is kept
