"""A deep check prints a line for each step, removes its traces, and never waits for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from service_harness import NAME, ServiceHarness, install
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs

from imaged.api import Host, Processor, Uploader, hookimpl
from imaged.commands.deep_check import DeepCheck
from imaged.config.load import load
from imaged.core.errors import NotAPictureError, StoreError
from imaged.daemon.health import PIXEL
from imaged.testing.fakes import MemoryUploader, NoThreads

YAML = f"""
processors: [{NAME}]
uploader: {NAME}
remote: {{base_path: public/images}}
upload: {{timeout_s: 5}}
render: {{isolation: thread}}
"""


class DeepCheckHarness(ServiceHarness):
    """A plugin that gives the uploader of a test, and whose renders fail with `failure`."""

    def __init__(self, uploader: MemoryUploader, failure: Exception | None = None) -> None:
        super().__init__()
        self.uploaders.append(uploader)
        self._failure = failure

    @hookimpl
    def imaged_processor(self, host: Host) -> Processor | None:
        """Give a processor that fails with `failure`."""
        super().imaged_processor(host)
        self.processor.failure = self._failure
        return self.processor

    @hookimpl
    def imaged_uploader(self, host: Host) -> Uploader | None:  # noqa: ARG002  # as the hook has it
        """Give the uploader of the test."""
        return self.uploader


class Trial:
    """A deep check of the harness plugin, in memory; `lines` are its output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.yaml = YAML
        self.reactor = MemoryReactorClock()
        self.lines: list[str] = []
        self.files: dict[str, bytes] = {}

    def begin(self) -> Deferred[bool]:
        """Start the check; the Deferred has its result."""
        paths = f"store: {{path: {self.folder}/public}}\nstate_dir: {self.folder}/state\n"

        def read_bytes(name: str) -> bytes:
            return self.files[name]

        loaded = load(self.yaml + paths, "imaged.yaml", environ={}, read_bytes=read_bytes)
        threads: Any = NoThreads()
        return Deferred.fromCoroutine(DeepCheck(loaded, self.reactor, threads, self.lines.append).run())

    def outcome(self) -> bool:
        """Run the check, which ends without waiting."""
        results: list[Any] = []
        self.begin().addBoth(results.append)
        assert results in ([True], [False])
        return bool(results[0])

    def shortened(self) -> list[str]:
        """Return the lines without the folder and the random key."""
        words = [line.replace(str(self.folder), "").split(" public/images/.imaged-check-") for line in self.lines]
        return [" KEY".join([first, *(each.partition(".png")[2] for each in rest)]) for first, *rest in words]


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Return a check that has not started."""
    return Trial(tmp_path)


def shelve(
    uploader: MemoryUploader, folder: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception | None = None
) -> None:
    """Install the harness plugin with this uploader, and with renders that fail with `failure`."""
    install(folder, monkeypatch)
    monkeypatch.setitem(sys.modules, "imaged_harness", DeepCheckHarness(uploader, failure))


THREADS = "renders run in the daemon's own process, with all its rights: set render.isolation to process"
HERE = [
    "store.path /public takes a file: ok",
    "state_dir /state keeps a queue: ok",
    "a processor renders a pixel: ok",
    THREADS,
]
FINE = [
    *HERE,
    "the remote store takes a file: ok",
    "the remote store gives it back: ok",
    "the remote store lists it: ok",
    "the remote store removes KEY: ok",
]


def test_all_is_well(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is a line; nothing stays in any store, and the plugins are closed."""
    service_harness = install(tmp_path, monkeypatch)
    assert trial.outcome() is True
    assert trial.shortened() == FINE
    assert service_harness.files == {}
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "dist-info" not in str(path)] == []
    assert (service_harness.uploader.closed, service_harness.processor.closed) == (1, 1)


def test_each_watermark_is_drawn(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that no processor can draw is a line with its key, before a client requests an output with it."""
    service_harness = install(tmp_path, monkeypatch)
    trial.files = {"mark.png": PIXEL}
    mark = "{size: x600, watermark: {file: mark.png}}"
    trial.yaml = f"{YAML}\nimages: {{presets: {{hero: {mark}}}}}\nnamespaces: {{p: {{presets: {{card: {mark}}}}}}}\n"
    assert trial.outcome() is True
    for key in ("images.presets.hero", "namespaces.p.presets.card"):
        assert f"the watermark {key} can be drawn: ok" in trial.lines
    drawn = [variant.effects.watermark for job in service_harness.processor.jobs for variant in job.variants]
    assert [mark and mark.body for mark in drawn] == [None, PIXEL, PIXEL]


@pytest.mark.parametrize("failure", [None, StoreError("BAN: the cache answered 405")])
def test_each_purger_purges_nothing(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    """A purger that a cache refuses is a fault, before there is a picture to erase."""
    service_harness = install(tmp_path, monkeypatch)
    service_harness.purger.failure = failure
    trial.yaml = f"{YAML}\npurgers: [{NAME}]\n"
    assert trial.outcome() is (failure is None)
    step = "purger harness purges a picture that no cache has"
    assert trial.lines[-1] == f"{step}: {f'failed: {failure}' if failure else 'ok'}"
    assert len(service_harness.purger.purges) == (failure is None)


def test_each_fault_is_a_line(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails does not prevent the others."""
    (tmp_path / "public").write_bytes(b"no folder")
    (tmp_path / "state").write_bytes(b"no folder")
    uploader = MemoryUploader()
    uploader.failure = StoreError("no such bucket: pictures")
    shelve(uploader, tmp_path, monkeypatch, failure=NotAPictureError("no paint"))
    assert trial.outcome() is False
    assert [line.split(": failed: ", 1)[1] for line in trial.shortened() if line != THREADS] == [
        "no files can be kept in /public: Not a directory; look at its file system",
        "no job queue can be kept there: File exists",
        "no paint",
        "no such bucket: pictures",
        "no such bucket: pictures",
    ]
    assert uploader.closed == 1


def test_log_files_are_opened(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file of the settings is a line; a file that the check has made is removed."""
    install(tmp_path, monkeypatch)
    log = f"log: {{path: {tmp_path}/log, access_path: {tmp_path}/missing/log}}\n"
    trial.yaml = f"processors: [{NAME}]\nrender: {{isolation: thread}}\n{log}"
    assert trial.outcome() is False
    assert trial.shortened() == [
        *HERE,
        "log.path /log takes lines: ok",
        "log.access_path /missing/log takes lines: failed: cannot write /missing/log: No such file or directory",
        "no remote store is set",
    ]
    assert not (tmp_path / "log").exists()


class Forgetful(MemoryUploader):
    """Loses every file."""

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Accept the file, and drop it."""


class Garbling(MemoryUploader):
    """Returns other bytes."""

    async def download(self, key: str, path: Path) -> bool:
        """Write the file without its last byte."""
        path.write_bytes(self.files[key][:-1])  # noqa: ASYNC240  # a local file
        return True


class Blind(MemoryUploader):
    """Lists another key."""

    async def list(self, prefix: str) -> Sequence[str]:
        """Return a key that does not exist."""
        return [f"{key}.old" for key in await super().list(prefix)]


class Clinging(MemoryUploader):
    """Deletes nothing."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("uploader", "fault"),
    [
        (Forgetful(), "gives it back: failed: it does not have the file that was uploaded"),
        (Garbling(), "gives it back: failed: it returned other bytes than were uploaded"),
        (Blind(), "lists it: failed: below public/images/"),
        (Clinging(), "removes public/images/"),
    ],
)
def test_a_faulty_store_is_detected(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uploader: MemoryUploader, fault: str
) -> None:
    """By the bytes that it returns, the keys that it lists, and the files that it keeps."""
    shelve(uploader, tmp_path, monkeypatch)
    assert trial.outcome() is False
    faults = [line for line in trial.lines if line != THREADS and not line.endswith(": ok")]
    assert [line.startswith(f"the remote store {fault}") for line in faults] == [True]
    assert isinstance(uploader, Clinging) or uploader.files == {}


class Hanging(MemoryUploader):
    """An upload stores the file, but never returns, not even when it is cancelled."""

    async def upload(self, key: str, path: Path, content_type: str) -> None:
        """Store the file, and hang."""
        await super().upload(key, path, content_type)
        await self._hang()

    async def _hang(self) -> None:
        while True:
            try:
                await Deferred()
            except CancelledError:
                continue
            except GeneratorExit:
                return


class HangingForEver(Hanging):
    """Hangs in every call."""

    async def delete(self, keys: Sequence[str]) -> None:  # noqa: ARG002  # as the contract has it
        """Hang."""
        await self._hang()


def test_a_store_that_hangs_is_a_fault(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After upload.timeout_s the check fails, and removes what may have been stored."""
    uploader = Hanging()
    shelve(uploader, tmp_path, monkeypatch)
    outcome = trial.begin()
    trial.reactor.advance(4.9)
    assert not outcome.called
    assert uploader.files
    trial.reactor.advance(0.2)
    assert outcome.result is False
    assert trial.shortened()[len(HERE) :] == [
        "the remote store takes a file: failed: it took longer than 5 s",
        "the remote store removes KEY: ok",
    ]
    assert (uploader.files, uploader.closed) == ({}, 1)


def test_a_store_that_always_hangs_is_a_fault(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The removal times out too; the output names the key that may remain."""
    uploader = HangingForEver()
    shelve(uploader, tmp_path, monkeypatch)
    outcome = trial.begin()
    trial.reactor.pump([5.1, 5.1])
    assert outcome.result is False
    assert trial.shortened()[-1] == "the remote store removes KEY: failed: it took longer than 5 s"
    assert uploader.closed == 1


def test_an_interrupted_check_cleans_up(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled check leaves nothing in the remote store."""
    uploader = Hanging()
    shelve(uploader, tmp_path, monkeypatch)
    outcome = trial.begin()
    assert uploader.files
    outcome.cancel()
    assert (uploader.files, uploader.closed) == ({}, 1)
    outcome.addErrback(lambda failure: failure.trap(CancelledError) and None)
    assert outcome.result is None


def test_a_broken_contract_is_reported_without_its_text(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text may hold a secret."""
    uploader = MemoryUploader()
    uploader.failure = KeyError("hunter2")
    shelve(uploader, tmp_path, monkeypatch)
    with capturedLogs() as events:
        assert trial.outcome() is False
    assert trial.lines[4].startswith(
        f"the remote store takes a file: failed: uploader {NAME}: upload of public/images/"
    )
    assert trial.lines[4].endswith(" failed: KeyError")
    assert "hunter2" not in str(trial.lines)
    assert [event["called"].split(" of ")[0] for event in events][:1] == [f"uploader {NAME}: upload"]


def test_each_origin_is_asked(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has no such picture answers; a folder that is missing, or a bucket that is away, is a fault."""
    service_harness = install(tmp_path / "site", monkeypatch)
    (tmp_path / "scans").mkdir()
    trial.yaml += f"""
origins:
  scans: {{path: {tmp_path}/scans, namespace: p}}
  gone: {{path: {tmp_path}/gone, namespace: p}}
  photos: {{plugin: {NAME}, namespace: p}}
"""
    assert trial.outcome() is False
    assert trial.shortened()[-3:] == [
        "origin scans answers: ok",
        "origin gone answers: failed: /gone cannot be opened: No such file or directory",
        "origin photos answers: ok",
    ]
    assert {each.closed for each in service_harness.uploaders} == {1}


def test_without_a_remote_store_none_is_tried(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check succeeds."""
    install(tmp_path, monkeypatch)
    trial.yaml = f"processors: [{NAME}]\nrender: {{isolation: thread}}\n"
    assert trial.outcome() is True
    assert trial.shortened() == [*HERE, "no remote store is set"]


@pytest.mark.parametrize(("store", "status"), [("public", 0), ("/proc/none", 1)])
def test_the_command_prints_the_outcome(tmp_path: Path, store: str, status: int) -> None:
    """It runs as a program, with its own reactor and the shipped processor."""
    command = [sys.executable, "-m", "imaged", "check", "--deep", "--set", f"store.path={store}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (status, "")
    assert lines[0].startswith(f"store.path {store} takes a file: {'failed: no files' if status else 'ok'}")
    assert {"a processor renders a pixel: ok", "the processors refuse what they must: ok"} < {*lines}
    (confined,) = [line for line in lines if line.startswith("workers are confined by ")]
    assert ("not in effect: " in done.stdout) == (not confined.endswith(" and seccomp"))
    assert (lines[-1] == "built-in defaults: OK") is (status == 0)


LOOSE = """
import ctypes
from imaged.api import hookimpl
@hookimpl
def imaged_processor(host):
    from wand.api import libmagick
    libmagick.AcquireExceptionInfo.restype = ctypes.c_void_p
    rules = (f'<policy domain="{domain}" rights="read|write" pattern="*"/>' for domain in ("coder", "module"))
    policy = f"<policymap>{''.join(rules)}</policymap>".encode()
    libmagick.SetMagickSecurityPolicy(policy, ctypes.c_void_p(libmagick.AcquireExceptionInfo()))
"""


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_processor_that_allows_too_much_is_a_fault(tmp_path: Path, isolation: str) -> None:
    """Another plugin changes the policy after ours; the check runs where the renders run."""
    (tmp_path / "loose.py").write_text(LOOSE)
    info = tmp_path / "loose-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loose\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[imaged]\nloose = loose\n")
    settings = ("store.path=public", "state_dir=state", f"render.isolation={isolation}", "processors=[magick, loose]")
    command = [sys.executable, "-m", "imaged", "check", "--deep", *(f"--set={setting}" for setting in settings)]
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=environ, input=""
    )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("the processors refuse")]
    assert line.startswith("the processors refuse what they must: failed: magick allows reading ")
    assert {"reading BMP", "reading XC", "writing BMP"} < {*line.partition(" allows ")[2].split(", ")}
    assert done.returncode == 1
