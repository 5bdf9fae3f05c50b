"""The largest output of an original is rendered beside the others, where that saves time."""

from __future__ import annotations

import pytest
from pipeline_harness import IMAGE

from imaged.core.outputs import parse
from imaged.pipeline.division import divide
from imaged.workers.render_jobs import ImageOutput


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        ("", [""]),
        ("w1000.jpg", ["w1000.jpg"]),
        ("x300.jpg w1000.jpg w500.jpg", ["w1000.jpg", "x300.jpg w500.jpg"]),
        ("w1000.webp x300.jpg w1000.jpg w900.jpg", ["w1000.webp w1000.jpg", "x300.jpg w900.jpg"]),
        ("w1000.jpg w1000.webp", ["w1000.jpg w1000.webp"]),
        ("full_size.png w5000.jpg", ["full_size.png", "w5000.jpg"]),
        ("x300.jpg w500.jpg", ["x300.jpg w500.jpg"]),
        ("w1000.jpg w900.jpg w800.jpg", ["w1000.jpg w900.jpg w800.jpg"]),
    ],
)
def test_the_largest_size_is_alone_if_it_is_most_of_the_work(names: str, parts: list[str]) -> None:
    """Formats of one size stay together; small outputs, and those without a largest one, are not divided."""
    found = divide([ImageOutput(IMAGE, parse(name)) for name in names.split()])
    assert [" ".join(str(each.output) for each in part) for part in found] == parts
