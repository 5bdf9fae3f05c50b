"""`imaged queue`: what it prints, where, and with which exit status."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imaged.cli import main
from imaged.commands import configuration
from imaged.commands.queue_list import age_text
from imaged.core.files import ORIGINAL
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.jobs.queue import JobQueue

CAT = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
A, B = map(parse, ("x1.jpg", "x2.jpg"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMAGED_CONFIG", raising=False)
    monkeypatch.setattr(configuration, "SYSTEM", tmp_path / "system.yaml")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    """Return the queue of a running daemon, with two failed renders and a queued upload."""
    queue = JobQueue(tmp_path / "state", time.time)
    queue.add("upload", CAT, [ORIGINAL])
    queue.add("render", CAT, [A, B])
    for job in queue.claim("render"):
        queue.fail(job, "no\tpicture:\n\x1b[31mred", None)
    yield queue
    queue.close()


def invoke(*arguments: str) -> Result:
    """Run `imaged queue …` on that queue."""
    return CliRunner().invoke(main, ["queue", *arguments, "--set", "state_dir=state"])


@pytest.mark.usefixtures("queue")
def test_a_program_gets_columns_parted_by_tabs() -> None:
    """Each job is one line with tabs between columns, whatever its error contains."""
    result = invoke("list")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    image, error = f"p/{CAT.hash}", "no picture: ?[31mred"
    assert [row[:4] + row[5:] for row in rows] == [
        ["2", "render", "parked", "1", image, "x1.jpg", error],
        ["3", "render", "parked", "1", image, "x2.jpg", error],
        ["1", "upload", "queued", "0", image, "original", ""],
    ]
    assert all(0 <= int(row[4]) < 60 for row in rows)
    assert [line[0] for line in invoke("list", "--parked").stdout.splitlines()] == ["2", "3"]
    assert [line[0] for line in invoke("list", "--kind", "upload").stdout.splitlines()] == ["1"]


def test_a_comparison_that_has_not_ended_is_reported(queue: JobQueue) -> None:
    """A comparison that has not ended is reported on standard error, so that programs read only jobs."""
    assert invoke("list").stderr == ""
    queue.comparisons.begin("s3")
    queue.comparisons.note("s3", "running", 200, 3)
    result = invoke("list")
    assert "more uploads may be pending: the comparison with the remote store, begun 20" in result.stderr
    assert "is running; 200 images looked at, 3 files missing" in result.stderr
    assert len(result.stdout.splitlines()) == 3
    assert invoke("list", "--kind", "render").stderr == ""
    queue.comparisons.note("s3", "failed")
    assert "is failed" in invoke("list").stderr
    queue.comparisons.note("s3", "ended", 201, 3)
    assert invoke("list").stderr == ""


def test_ages_are_short() -> None:
    """Ages show their two largest units."""
    assert [age_text(seconds) for seconds in (-1, 59.4, 3_599, 3_600, 90_000)] == [
        "0m00s",
        "0m59s",
        "59m59s",
        "1h00m",
        "1d01h",
    ]


def test_failed_jobs_are_queued_again(queue: JobQueue) -> None:
    """Failed jobs are queued again by id or all at once, and the command prints their number."""
    assert invoke("retry", "3").stdout == "queued again: 1\n"
    assert queue.states(CAT) == {A: "failed", B: "pending"}
    assert invoke("retry", "--all").stdout == "queued again: 1\n"
    assert invoke("retry", "--all").stdout == "queued again: 0\n"
    assert queue.depth("render").failed == 0


def test_failed_jobs_are_dropped(queue: JobQueue) -> None:
    """Only failed jobs are dropped; a refusal is one line and an exit status."""
    assert invoke("drop", "2").stdout == "dropped: 1\n"
    refused = invoke("drop", "1", "3")
    assert (refused.exit_code, refused.output) == (1, "job 1 is queued, not parked\n")
    assert invoke("drop", "--all").stdout == "dropped: 1\n"
    assert (queue.depth("upload").queued, queue.states(CAT)) == (1, {})


@pytest.mark.parametrize("arguments", [(), ("--all", "3"), ("0",), ("x",), ("9" * 20,)])
@pytest.mark.parametrize("verb", ["retry", "drop"])
def test_jobs_have_to_be_named(queue: JobQueue, verb: str, arguments: tuple[str, ...]) -> None:
    """Neither no job nor ids together with --all are accepted."""
    result = invoke(verb, *arguments)
    assert (result.exit_code, "Error:" in result.stderr) == (2, True)
    assert queue.depth("render").failed == 2


@pytest.mark.parametrize("arguments", [("list",), ("retry", "--all"), ("drop", "1")])
def test_a_missing_queue_is_an_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A wrong folder is an error and not an empty queue."""
    result = invoke(*arguments)
    assert (result.exit_code, result.output) == (
        1,
        "no job queue in state: check state_dir, or start the daemon, which makes it\n",
    )
    assert not (tmp_path / "state").exists()


@pytest.mark.usefixtures("queue")
def test_secrets_that_are_the_daemons_alone_are_not_missed(tmp_path: Path) -> None:
    """Faults in the options of plugins do not stop the command; other faults do."""
    (tmp_path / "a.yaml").write_text("state_dir: state\nplugins: {noop: {key: {env: NOT_HERE}}}\n")
    assert len(invoke("list", "-c", "a.yaml").stdout.splitlines()) == 3
    (tmp_path / "a.yaml").write_text("state_dri: elsewhere\n")
    refused = invoke("list", "-c", "a.yaml")
    assert refused.exit_code == 1
    assert refused.output.startswith("a.yaml:1: state_dri: unknown key")
