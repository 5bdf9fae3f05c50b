"""`imaged process` as operators run it: resumed after a kill, sharded, with failures, and with the options of 1.x."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from loopback_origin import Origin
from PIL import Image

SETTINGS = """\
uploader: folder
metrics: [lines]
sources: {allow_networks: [127.0.0.0/8]}
plugins: {folder: {path: remote}, lines: {path: events}}
access: {tokens: [{name: a, token: {env: A_TOKEN_OF_THE_SERVICE}}]}
"""
LONGEST_S = 120
IN_FLIGHT = len(os.sched_getaffinity(0)) + 10
"""The most items that a batch works on at once: a render thread for each core, and `upload.concurrency`."""

UNTOLD = 200
"""More pictures than a fast machine finishes during the delay of the metrics sinks."""


def png(number: int) -> bytes:
    """Return a small picture that is unique to the number."""
    body = io.BytesIO()
    Image.new("RGB", (8, 6), (number % 256, number // 256, 7)).save(body, "PNG")
    return body.getvalue()


def md5(body: bytes) -> str:
    """Return the hash of an original."""
    return hashlib.md5(body).hexdigest()


class BatchFolder:
    """A folder with settings, in which batches run."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = {**os.environ, **environ}
        (folder / "imaged.yaml").write_text(SETTINGS)

    def pictures(self, count: int) -> list[str]:
        """Write so many pictures and `list`, which names them; return their hashes."""
        (self.folder / "in").mkdir()
        hashes = []
        for number in range(count):
            body = png(number)
            (self.folder / "in" / f"{number}.png").write_bytes(body)
            hashes.append(md5(body))
        (self.folder / "list").write_text("".join(f"in/{number}.png\n" for number in range(count)))
        return hashes

    def begin(self, *arguments: str, before: Sequence[str] = (), **environ: str) -> subprocess.Popen[str]:
        """Start a batch; its output goes to the files `out` and `err`."""
        command = [sys.executable, "-m", "imaged", *before, "process", "-c", "imaged.yaml", *arguments]
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**self.environ, **environ},
                text=True,
            )

    def run(self, *arguments: str, status: int = 0, before: Sequence[str] = (), **environ: str) -> list[list[str]]:
        """Run a batch to its end; return the columns of its lines."""
        assert self.begin(*arguments, before=before, **environ).wait(LONGEST_S) == status, self.err
        return self.rows

    @property
    def rows(self) -> list[list[str]]:
        """The lines of standard output of the last batch."""
        return [line.split("\t") for line in (self.folder / "out").read_text().splitlines()]

    @property
    def err(self) -> str:
        """The standard error of the last batch."""
        return (self.folder / "err").read_text()

    def remote(self, name: str = "*") -> dict[str, int]:
        """Return the files of that name in the remote store, with the time of their upload in ns."""
        root = self.folder / "remote"
        return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob(name) if path.is_file()}

    def count(self, event: str) -> int:
        """Return the number of events of a kind."""
        lines = (self.folder / "events").read_text().splitlines()
        return sum(json.loads(line)["event"] == event for line in lines if line.endswith("}"))

    def scratches(self) -> list[Path]:
        """Return the scratch folders of batches."""
        return list((self.folder / "var" / "public").glob(".batch-*"))


@pytest.fixture
def batches(tmp_path: Path, plugins: dict[str, str]) -> BatchFolder:
    """Return a folder without pictures."""
    folder = tmp_path / "place"
    folder.mkdir()
    return BatchFolder(folder, plugins)


def key(digits: str, name: str, before: str = "p") -> str:
    """Return the path of a file in the remote store."""
    return f"{before}/{digits[:3]}/{digits[3:6]}/{digits[6:]}/{name}"


def test_a_killed_batch_is_resumed(batches: BatchFolder) -> None:
    """A resumed batch makes each output of four hundred pictures, and none that existed at the kill again."""
    hashes = batches.pictures(400)
    arguments = ("--outputs", "x4.png", "--resume", "state", "list")
    batch = batches.begin(*arguments)
    end_s = time.monotonic() + LONGEST_S
    while len(batches.rows) < 160:
        assert batch.poll() is None, batches.err
        assert time.monotonic() < end_s, batches.err
        time.sleep(0.01)
    batch.kill()
    batch.wait()
    first = {row[0] for row in batches.rows}
    assert 160 <= len(first) < 400
    before = batches.remote("x4.png")
    assert {key(digits, "x4.png") for digits in first} <= set(before)
    assert len(batches.scratches()) == 1
    rows = batches.run(*arguments)
    assert {row[0] for row in rows} | first == set(hashes)
    assert len(rows) <= 400 - len(first) + IN_FLIGHT
    after = batches.remote("x4.png")
    assert set(after) == {key(digits, "x4.png") for digits in hashes}
    assert {name: after[name] for name in before} == before
    # Sinks receive events after a delay: they miss the last events before the kill.
    assert 400 - UNTOLD <= batches.count("OutputRendered") <= 400 + IN_FLIGHT
    assert 3 * (400 - UNTOLD) <= batches.count("Uploaded") <= 3 * (400 + IN_FLIGHT)
    assert batches.scratches() == []
    assert batches.run(*arguments) == []
    assert "400 done before" in batches.err


def test_shards_share_the_work(batches: BatchFolder) -> None:
    """Two shards divide all pictures, whether options or a scheduler number them."""
    hashes = batches.pictures(40)
    parts = [
        batches.run("--outputs", "x4.png", "--shard", "1/2", "list"),
        batches.run(
            "--outputs", "x4.png", "list", SLURM_ARRAY_TASK_ID="6", SLURM_ARRAY_TASK_MIN="5", SLURM_ARRAY_TASK_COUNT="2"
        ),
    ]
    one, two = ({row[0] for row in part} for part in parts)
    assert one
    assert two
    assert not one & two
    assert one | two == set(hashes)
    assert batches.count("OutputRendered") == 40
    again = batches.run("--outputs", "x4.png", "--shard", "/2", "list", JOB_COMPLETION_INDEX="1")
    assert {row[0] for row in again} == two


def test_a_failure_is_reported_and_stops_nothing(batches: BatchFolder) -> None:
    """A failed item gives status 1 and a line for a later batch. The other items are done."""
    hashes = batches.pictures(5)
    unknown = md5(b"no such original")
    (batches.folder / "in" / "2.png").write_bytes(b"no picture")
    (batches.folder / "more").write_text(f"{unknown}\n{unknown} {unknown}\n")
    rows = batches.run("--outputs", "x4.png", "--failed", "failed", "list", "more", status=1)
    assert {row[0] for row in rows} == {*hashes} - {hashes[2]}
    failed = [line.split("\t") for line in (batches.folder / "failed").read_text().splitlines()]
    assert {line[0] for line in failed} == {"in/2.png", unknown, f"{unknown} {unknown}"}
    assert all(len(line[1].split()) > 3 for line in failed)
    assert unknown in batches.err
    assert "4 done, 3 failed" in batches.err
    (batches.folder / "in" / "2.png").write_bytes(png(2))
    rows = batches.run("--outputs", "x4.png", "failed", status=1)
    assert [row[0] for row in rows] == [hashes[2]]


def test_the_form_of_image_server_1(batches: BatchFolder) -> None:
    """Options of 1.x work: before the command, hash from the path, keys below the prefix, four columns."""
    body = png(1)
    digits = md5(body)
    path = batches.folder / "jobs" / "public" / "images" / key(digits, "original", "wine")
    path.parent.mkdir(parents=True)
    path.write_bytes(body)
    form = ("--remote_base_path", "public/images", "--outputs", "x3.webp,x3.jpg")
    assert batches.run(str(path), before=form) == [[digits, "", "8", "6"]]
    names = ["original", "info.json", "x3.webp", "x3.jpg"]
    assert set(batches.remote()) == {f"public/images/{key(digits, name, 'wine')}" for name in names}
    path.write_bytes(b"not read: nothing is missing")
    assert batches.run(str(path), before=form) == [[digits, "", "8", "6"]]
    assert batches.run(str(path), "--outputs", "x2.jpg", before=form, status=1) == []
    assert "does not match the hash" in batches.err


def test_hashes_and_urls(batches: BatchFolder, origin: Origin) -> None:
    """An original comes from the stores, or from its URL if its bytes have the given hash."""
    bodies = [png(number) for number in range(3)]
    for number, body in enumerate(bodies):
        origin.pictures[f"{number}.png"] = body
    urls = [f"{origin.url}/{number}.png" for number in range(3)]
    one, two, three = map(md5, bodies)
    (batches.folder / "list").write_text(f"{urls[0]}\n{two}\t{urls[1]}\n{urls[2]} {md5(b'other')}\n")
    rows = batches.run("--outputs", "x4.png", "list", status=1)
    assert sorted(rows) == sorted([[one, urls[0], "8", "6"], [two, urls[1], "8", "6"]])
    assert f"MD5 {three}" in batches.err
    (batches.folder / "hashes").write_text(f"{one}\n{two}\n")
    origin.pictures.clear()
    rows = batches.run("--outputs", "x5.png", "hashes")
    assert sorted(rows) == sorted([[one, "", "8", "6"], [two, "", "8", "6"]])
    assert len(batches.remote("x5.png")) == 2


def test_without_a_remote_store_outputs_stay(batches: BatchFolder) -> None:
    """Without a remote store, the files are in the local store."""
    hashes = batches.pictures(3)
    batches.run("--set", "uploader=noop", "--set", "plugins={lines: {path: events}}", "--outputs", "x4.png", "list")
    for digits in hashes:
        folder = (batches.folder / "var" / "public" / key(digits, "")).iterdir()
        assert sorted(path.name for path in folder) == ["info.json", "original", "x4.png"]
    assert not (batches.folder / "remote").exists()
    batches.run("--set", "uploader=noop", "--set", "plugins={lines: {path: events}}", "--outputs", "x4.png", "list")
    assert batches.count("OutputRendered") == 3


def test_a_signal_ends_it_in_order(batches: BatchFolder) -> None:
    """A signal: the batch finishes its items, prints the summary, and exits with the status of the signal."""
    batches.pictures(600)
    batch = batches.begin("--outputs", "x4.png,w5.jpg", "--resume", "state", "list")
    end_s = time.monotonic() + LONGEST_S
    while not batches.rows:
        assert time.monotonic() < end_s, batches.err
        time.sleep(0.01)
    batch.send_signal(signal.SIGTERM)
    assert batch.wait(LONGEST_S) == 143
    done = len(batches.rows)
    assert 0 < done < 600
    assert f"{done} done, 0 failed" in batches.err
    assert "unfinished" not in batches.err
    assert len(batches.remote("w5.jpg")) == done
    assert len((batches.folder / "state").read_text().splitlines()) == done + 1
    assert batches.scratches() == []


def test_a_closed_pipe_ends_the_batch(batches: BatchFolder) -> None:
    """A closed output ends the batch with the status of SIGPIPE, without a traceback."""
    batches.pictures(300)
    command = (
        f"{sys.executable} -m imaged process -c imaged.yaml --outputs x4.png list | head -1; exit ${{PIPESTATUS[0]}}"
    )
    ended = subprocess.run(
        ["bash", "-c", command], cwd=batches.folder, env=batches.environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 141
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr
    assert batches.scratches() == []


def test_lines_come_one_by_one(batches: BatchFolder) -> None:
    """The batch does each line of standard input as it comes. A signal ends the wait for the next."""
    (digits, _) = batches.pictures(2)
    batch = subprocess.Popen(
        [sys.executable, "-m", "imaged", "process", "-c", "imaged.yaml", "--outputs", "x4.png", "-"],
        cwd=batches.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=batches.environ,
        text=True,
    )
    assert batch.stdin is not None
    assert batch.stdout is not None
    with batch:
        batch.stdin.write("in/0.png\n")
        batch.stdin.flush()
        assert batch.stdout.readline() == f"{digits}\t\t8\t6\n"
        batch.send_signal(signal.SIGINT)
        assert batch.wait(LONGEST_S) == 130
        assert batch.stderr is not None
        assert batch.stderr.read().startswith("1 done, 0 failed")


def test_a_wrong_command_line_begins_nothing(batches: BatchFolder) -> None:
    """Wrong use gives status 2 and a reason. Faults of the settings give status 1."""
    batches.pictures(1)
    batches.run("list", status=2)
    assert "--outputs" in batches.err
    batches.run("--outputs", "x4.png", "--shard", "0/2", "list", status=2)
    batches.run("--outputs", "x4.png", "list", status=2, JOB_COMPLETION_INDEX="0")
    assert "--shard /N" in batches.err
    batches.run("--outputs", "x4.png", "--set", "render.queue=many", "list", status=1)
    assert "render.queue" in batches.err
    assert not (batches.folder / "events").exists()
