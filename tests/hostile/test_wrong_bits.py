"""Hostile files, one after the other, and good pictures with wrong bits: pictures of the planned size, or an error."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from corpus import small_made
from damage import flip
from fuzz_case import Case, CaseRunner
from good_pictures import good_pictures
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from installed_processors import ENDINGS, build, chains, variants

PICTURES = good_pictures()
OUTPUTS = ("x30.jpg", "w20.webp", "12x9.gif", "full_size.png")
DAMAGE = st.lists(st.integers(0, 2**16), min_size=1, max_size=12)


@pytest.mark.parametrize("processor", chains())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(sorted(PICTURES)), places=DAMAGE, length=st.none() | st.integers(0, 4000))
def test_wrong_bits_end_as_a_picture_or_an_error(
    processor: str, name: str, places: list[int], length: int | None
) -> None:
    """A picture with wrong bits, cut or whole, ends as every output, or as an error that its client understands."""
    processors = build(processor)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "original")
        source.write_bytes(flip(PICTURES[name][:length], places))
        try:
            processors.verify(source, 30)
            for variant in variants(processors, *OUTPUTS):
                assert [each.output for each in processors.render(source, [variant], 30)] == [variant.output]
        except ENDINGS:
            return


@pytest.mark.parametrize("processor", chains())
@pytest.mark.parametrize("name", sorted(PICTURES))
def test_the_good_pictures_are_good(processor: str, name: str, tmp_path: Path) -> None:
    """Without damage, each of them is rendered: else the damaged ones would test nothing."""
    processors, source = build(processor), tmp_path / "original"
    source.write_bytes(PICTURES[name])
    if processors.formats.sniff(PICTURES[name]) not in processors.formats.reads:
        pytest.skip(f"{processor} does not read this format")
    processors.verify(source, 30)
    outputs = variants(processors, *OUTPUTS)
    assert len(list(processors.render(source, outputs, 30))) == len(outputs)


@pytest.mark.parametrize("processor", chains())
def test_made_files_end_as_a_picture_or_an_error(processor: str, tmp_path: Path) -> None:
    """Nine in ten of the files that are made by hand, with the judgement of the fuzzer."""
    runner = CaseRunner(build(processor), tmp_path, lambda _: None)
    found, count = [], 0
    for name, body in small_made():
        found += [(name, each) for each in runner.run(Case(body, ["x9.jpg"], twice=False))]
        count += 1
    assert found == []
    assert count > 600
