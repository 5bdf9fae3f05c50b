"""Files in formats that no processor writes any more stay where they are, and harm nothing else."""

from __future__ import annotations

from pathlib import Path

from pipeline_harness import IMAGE, PipelineHarness

from imaged.core.errors import PolicyError
from imaged.core.files import parse_file
from imaged.core.outputs import parse
from imaged.testing.waiting import wait

X30, BMP = parse("x30.jpg"), parse("x30.bmp")


def put(harness: PipelineHarness, name: str) -> Path:
    """Write a file of the image into the store."""
    path = harness.store.path(IMAGE, parse_file(name))
    path.write_bytes(b"BM")
    return path


def test_they_are_not_listed(harness: PipelineHarness) -> None:
    """Neither with the image nor as outputs that are ready."""
    harness.keep()
    put(harness, "x30.bmp")
    assert wait(harness.pipeline.states(IMAGE)) == {}


def test_a_queued_render_fails_alone(harness: PipelineHarness) -> None:
    """The other outputs of the same image are rendered."""
    harness.keep()
    results = wait(harness.pipeline.run_renders(IMAGE, [BMP, X30]))
    assert isinstance(results[BMP], PolicyError)
    assert results[X30] is None
    assert harness.store.has(IMAGE, X30)


def test_a_queued_upload_fails_alone(harness: PipelineHarness) -> None:
    """Its content type is not known."""
    harness.keep()
    put(harness, "x30.bmp")
    wait(harness.pipeline.run_renders(IMAGE, [X30]))
    results = wait(harness.pipeline.run_uploads(IMAGE, [BMP, X30]))
    assert isinstance(results[BMP], PolicyError)
    assert results[X30] is None


def test_the_record_of_an_unknown_format_is_written_again(harness: PipelineHarness) -> None:
    """The original is identified again, so no client gets a content type that no processor brings."""
    harness.keep()
    info = wait(harness.originals.info(IMAGE))
    record = harness.store.path(IMAGE, parse_file("info.json"))
    record.write_text(record.read_text().replace("image/jpeg", "image/svg+xml"))
    assert wait(harness.originals.info(IMAGE)) == info
    assert "image/jpeg" in record.read_text()
