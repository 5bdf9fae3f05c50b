"""`docs/statsd.md` is exact about names, options and bounds."""

from __future__ import annotations

import random
import re

import pytest
from pydantic import BaseModel
from source_tree import ROOT

import imaged_graphite.slots
import imaged_statsd
from imaged.api import Event, OriginalDownloaded, OriginalUnavailable, OutputRendered, RequestFailed, Tally
from imaged.api import Uploaded as FileUploaded
from imaged.config.load import load
from imaged_graphite.link import LONGEST_PAUSE_S, TIMEOUT_S
from imaged_statsd.lines import MAXIMUM_DATAGRAM_BYTES
from imaged_statsd.sink import MAXIMUM_TIMINGS

EXTENSIONS = ("jpg", "png", "gif", "webp")
PAGE = (ROOT / "docs" / "statsd.md").read_text(encoding="utf-8")

EVENTS: list[Event] = [
    *(OutputRendered("p", f"x1.{each}", each, 0.1) for each in EXTENSIONS),
    *(RequestFailed("p", each, 404, "output") for each in EXTENSIONS),
    OriginalDownloaded("p", 1, 0.1),
    OriginalUnavailable("p", "NotFoundError"),
    FileUploaded("p", 1, 0.1),
]


def section(title: str) -> str:
    """Return the section of a title."""
    return re.split(r"^## ", PAGE.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def test_every_name_is_on_the_page_and_no_other() -> None:
    """The tables list them."""
    tally = Tally(1, random.randrange)
    for event in EVENTS:
        tally.record(event)
    counted = tally.take()
    named = set()
    for row in re.findall(r"^\| (`.*`) \|", section("What is counted"), re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", row)
        named |= {first, *(f"{first.partition('.')[0]}{each}" for each in others)}
    assert named == {*counted.counts, *counted.timings}


@pytest.mark.parametrize(
    ("title", "model"),
    [("StatsD", imaged_statsd.Options), ("Graphite", imaged_graphite.Options)],
)
def test_every_option_is_on_the_page(title: str, model: type[BaseModel]) -> None:
    """The tables have its default, in the order of the model."""
    rows = re.findall(r"^\| `(\w+)` \| `(\S+)` \|", section(title), re.MULTILINE)
    assert rows == [(name, str(field.default)) for name, field in model.model_fields.items()]


def test_the_examples_are_good() -> None:
    """Each is valid."""
    for example, model in zip(
        re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL),
        (imaged_statsd.Options, imaged_graphite.Options),
        strict=True,
    ):
        loaded = load(example, "imaged.yaml", environ={}, read_bytes=str.encode)
        assert loaded.faults == ()
        (name,) = loaded.settings.metrics
        assert model(**loaded.settings.plugins[name]).host == f"{name.replace('graphite', 'carbon')}.example"


def test_the_bounds_are_on_the_page() -> None:
    """The page has the constants of the code."""
    statsd, graphite = section("StatsD"), section("Graphite")
    assert f"{MAXIMUM_DATAGRAM_BYTES} bytes" in statsd
    assert f"at most {MAXIMUM_TIMINGS} timings" in statsd
    assert f"{imaged_graphite.slots.MAXIMUM_SLOTS} intervals" in graphite
    assert f"every {LONGEST_PAUSE_S:g} seconds" in graphite
    assert f"after {TIMEOUT_S:g} seconds" in graphite
