"""Worker processes: each does jobs, is replaced when it is old, large or dead, and ends with its pool."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from real_reactor import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase

from imaged.config.load import load
from imaged.core.errors import NotAPictureError, NoWorkerError, OutOfTimeError, StoreError, TooLargeError
from imaged.core.formats import AVIF, FORMATS
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.core.variants import Variant
from imaged.logs.lines import observer as make_observer
from imaged.testing.pictures import make_jpeg, make_png
from imaged.testing.processors import make_variant
from imaged.workers import pool
from imaged.workers.building import _generation_spec
from imaged.workers.forker_client import ChildProcess
from imaged.workers.pool import FEWEST, WorkerPool, WorkersFailedError
from imaged.workers.process_workers import HEADER_WORKERS, ProcessWorkers
from imaged.workers.processors import Ended
from imaged.workers.render_jobs import RenderedVariant
from imaged.workers.tasks import Tasks
from imaged.workers.templates import Templates
from imaged.workers.threads import Threads
from imaged.workers.wire import Kind, Message
from imaged.workers.worker_jobs import IdentifyWork, RenderWork

PLUGIN = '''
import ctypes, dataclasses, os, signal, threading, time
from pydantic import BaseModel
from twisted.logger import Logger
from imaged.api import hookimpl, Rendered, NotAPictureError
from imaged.core.formats import AVIF, CORE
from imaged.testing.fakes import StillProcessor
from imaged.workers import wire, worker_main

def stay(*arguments, **named):
    try:
        return wire.receive(*arguments, **named)
    except wire.EndedError:
        time.sleep(600)

class Options(BaseModel):
    deed: str = "nothing"

class Acting(StillProcessor):
    """Renders after a deed, which the section names."""

    kept = []
    reads = CORE
    writes = (*CORE, AVIF)

    def __init__(self, deed):
        super().__init__()
        self.deed = deed

    def render(self, job):
        if self.deed == "sleep":
            time.sleep(0.5)
        elif self.deed == "hang_at_first":  # the folder of a worker has its number
            time.sleep(60 if int(os.path.basename(os.getcwd())) <= FIRST_WORKERS else 0)
        elif self.deed == "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            time.sleep(60)
        elif self.deed == "late_avif":
            rest = tuple(each for each in job.variants if each.format != AVIF)
            yield from super().render(dataclasses.replace(job, variants=rest))
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            time.sleep(0 if rest == job.variants else 60)
            return
        elif self.deed == "crash":
            ctypes.string_at(0)
        elif self.deed == "keep":
            self.kept.append(bytearray(os.urandom(1)) * 2**26)
        elif self.deed == "eat":
            self.kept.append(bytearray(2**40))
        elif self.deed == "exit":
            os._exit(0)
        elif self.deed == "log":
            Logger().warn("first\\n12:00:00 error    forged")
        elif self.deed == "stay":
            worker_main.receive = stay
        elif self.deed == "nest":
            for _ in range(3000):
                os.mkdir("deep", 0o300)
                os.chdir("deep")
            os._exit(0)
        elif self.deed == "secrets":
            raise NotAPictureError(os.environ.get("IMAGED_TEST_SECRET", "no secret"))
        yield from super().render(job)

@hookimpl
def imaged_processor(host):
    options = host.options(Options)
    doomed = options.deed == "stillborn" and open("/proc/self/comm").read() == "imaged-worker\\n"
    if doomed and os.path.exists(os.environ["TMPDIR"] + "/../doomed"):
        os._exit(3)
    if options.deed in ("thread", "stillborn"):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    if options.deed == "refuse" and host.clock.__class__.__name__ == "NoReactor":
        raise RuntimeError("not in a worker")
    if options.deed == "crash_early" and host.clock.__class__.__name__ == "NoReactor":
        ctypes.string_at(0)
    return Acting(options.deed)
'''
HASH = ImageHash("0" * 32)
MOST = 1 + HEADER_WORKERS
"""How many workers a test may have. It starts with FEWEST."""
VARIANTS = [make_variant(parse(f"x{side}.jpg")) for side in (10, 20, 30)]


class TestProcessWorkers(TestCase):
    """Each test has workers of its own, whose processor does a deed."""

    timeout = 60

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        info = tmp_path / "site" / "acting-0.1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acting\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text("[imaged]\nacting = imaged_acting\n")
        (tmp_path / "site" / "imaged_acting.py").write_text(PLUGIN.replace("FIRST_WORKERS", str(FEWEST)))
        (tmp_path / "tmp").mkdir()
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
        self.folder = tmp_path
        self.source = tmp_path / "original"
        self.source.write_bytes(make_jpeg())
        self.emitted: list[RenderedVariant] = []
        self.enough = False
        self.emitting_s = 0.0

    async def start(
        self, deed: str = "nothing", *, timeout_s: float = 30, ready: bool = True, **render: Any
    ) -> ProcessWorkers:
        """Start workers, and wait for them if they will be `ready`; they end with the test."""
        settings = {"timeout_s": timeout_s, "concurrency": 1, **render}
        overrides = [f"render.{key}={value}" for key, value in settings.items()]
        overrides += ["processors=[acting]", f"plugins.acting.deed={deed}"]
        loaded = load("", "imaged.yaml", overrides, environ={}, read_bytes=str.encode)
        threads, self.others = Threads(reactor, "render", 1), Threads(reactor, "work", 4)
        self.templates = Templates()
        spec, run = _generation_spec(loaded.settings), self.others.run
        self.pool = WorkerPool(reactor, loaded.settings.render, MOST, self.templates, spec, run)
        self.deaths: list[str] = []
        workers = ProcessWorkers(reactor, self.pool, threads, run, Tasks(), FORMATS, timeout_s, self.deaths.append)

        async def end() -> None:
            workers.stop()
            self.templates.stop()
            await self.until(lambda: not any(isinstance(each, ChildProcess) for each in reactor.getReaders()))
            await self.others.join()
            await self.until(lambda: not list((self.folder / "tmp").iterdir()))

        self.addCleanup(lambda: Deferred.fromCoroutine(end()))
        await workers.start()
        if ready:
            await self.until(lambda: len(self.pids()) == FEWEST)
        return workers

    async def render(
        self,
        workers: ProcessWorkers,
        hash: ImageHash = HASH,
        timeout_s: float = 30,
        variants: Sequence[Variant] = VARIANTS,
    ) -> Ended:
        """Render the variants; take the one that comes with the end, too."""
        ended = await workers.render(hash, self.source, variants, timeout_s, self.emit)
        if ended.last is not None:
            self.emitted.append(ended.last)
        return ended

    def emit(self, rendered: RenderedVariant) -> bool:
        """Take a variant; want more unless `enough`."""
        time.sleep(self.emitting_s)
        self.emitted.append(rendered)
        return not self.enough

    async def until(self, done: Callable[[], object]) -> None:
        """Return when something is so; the timeout of the test is the limit."""
        while not done():
            await deferLater(reactor, 0.01)

    def pids(self) -> set[int]:
        """Return the processes of the pool."""
        return {worker.child.pid for worker in self.pool.workers if worker.child.pid is not None}

    async def test_a_job_is_done(self) -> None:
        """Each variant comes as a picture of its format, and the facts are those of the file."""
        workers = await self.start()
        assert (await self.render(workers)).error is None
        assert [each.output for each in self.emitted] == [each.output for each in VARIANTS]
        assert all(
            FORMATS.sniff(each.body) == each_variant.format
            for each, each_variant in zip(self.emitted, VARIANTS, strict=True)
        )
        facts = await workers.identify(HASH, self.source)
        assert (facts.format.extension, facts.frames) == ("jpg", 1)
        assert workers.isolation.kind == "process"
        assert sum(row.jobs for row in workers.statuses()) == 2

    async def test_a_worker_knows_no_picture_by_its_path(self) -> None:
        """After jobs of one original, facts are those of the file that is there now."""
        workers = await self.start()
        for body, extension in ((make_jpeg(), "jpg"), (make_png(), "png"), (make_jpeg(), "jpg")):
            self.source.write_bytes(body)
            for _ in range(3):
                assert (await workers.identify(HASH, self.source)).format.extension == extension
        self.source.unlink()
        with pytest.raises(StoreError):
            await workers.identify(HASH, self.source)

    async def test_a_job_ends_when_no_more_is_wanted(self) -> None:
        """The worker stops at the next variant, and is good for another job."""
        workers = await self.start()
        before = self.pids()
        self.enough = True
        assert (await self.render(workers)).error is None
        assert len(self.emitted) == 1
        assert (await self.render(workers)).error is None
        assert (self.pids(), self.deaths) == (before, [])

    async def test_an_error_of_a_processor_costs_no_worker(self) -> None:
        """It comes back as the error that it was, with its text."""
        workers = await self.start()
        before = self.pids()
        self.source.write_bytes(b"no picture")
        with pytest.raises(NotAPictureError, match="header of this file is unknown"):
            await workers.identify(HASH, self.source)
        assert (self.pids(), self.deaths) == (before, [])

    async def test_a_worker_in_a_job_that_the_daemon_gives_up_gets_no_other(self) -> None:
        """It would answer the next job with the rest of this one, and a good picture would be refused."""
        workers = await self.start()

        def fail(_: RenderedVariant) -> bool:
            raise StoreError("the disk is broken")

        with pytest.raises(StoreError, match="the disk is broken"):
            await workers.render(HASH, self.source, VARIANTS, 30, fail)
        assert (await self.render(workers)).error is None
        assert (len(self.emitted), self.deaths, workers.refused_pictures) == (3, [], 0)

    async def test_a_file_that_cannot_be_read_blames_no_picture(self) -> None:
        """The daemon reads it before the worker has the job, which gets another one."""
        workers = await self.start()
        before = self.pids()
        self.source.unlink()
        with pytest.raises(StoreError):
            IdentifyWork(FORMATS, self.source).head(1)
        with pytest.raises(StoreError):
            await workers.identify(HASH, self.source)
        assert (self.pids(), self.deaths, workers.refused_pictures) == (before, [], 0)

    async def test_workers_start_when_all_others_are_busy(self) -> None:
        """At most as many as the pool may have; a job beyond that waits for one of them."""
        await self.start()
        lent = [await self.pool.take(30) for _ in range(MOST)]
        await self.until(lambda: len(self.pids()) == MOST)
        waiting = Deferred.fromCoroutine(self.pool.take(30))
        assert len(set(lent)) == len(self.pool.workers) == MOST
        self.pool.give_back(lent[0])
        assert await waiting is lent[0]
        for each in lent:
            self.pool.give_back(each)
        assert await self.pool.take(30) is lent[-1]  # that with the warmest caches
        assert len(self.pool.workers) == MOST
        self.pool.give_back(lent[-1])

    async def test_workers_that_no_job_has_needed_end(self) -> None:
        """Not those in a job, and no new ones take their places. The next burst starts new ones."""
        self.patch(pool, "REST_S", 0.2)
        workers = await self.start()
        lent = [await self.pool.take(30) for _ in range(MOST)]
        await self.until(lambda: len(self.pids()) == MOST)
        for each in lent[1:]:
            self.pool.give_back(each)
        await self.until(lambda: len(self.pids()) == FEWEST)
        assert self.pids() == {lent[0].child.pid}
        again = await self.pool.take(30)
        assert again not in lent
        self.pool.give_back(again)
        self.pool.give_back(lent[0])
        await self.until(lambda: len(self.pids()) == FEWEST)
        assert (await self.render(workers)).error is None
        assert (self.deaths, workers.fault) == ([], None)

    async def test_an_old_worker_is_replaced(self) -> None:
        """After `recycle_after` jobs another process takes its place, and no job fails."""
        workers = await self.start(recycle_after=2)
        seen = set()
        for _ in range(7):
            assert (await self.render(workers)).error is None
            seen |= self.pids()
        await self.until(lambda: len(seen | self.pids()) == FEWEST + 3)
        assert self.deaths == []

    async def test_a_worker_that_keeps_memory_is_replaced(self) -> None:
        """Each render keeps 64 MiB; a worker has to go after the third."""
        workers = await self.start("keep", worker_memory_bytes=2**28)
        seen = set()
        for _ in range(9):
            assert (await self.render(workers)).error is None
            seen |= self.pids()
        assert FEWEST < len(seen) < 9
        assert self.deaths == []

    async def test_a_worker_that_had_an_erased_picture_is_replaced(self) -> None:
        """At once when it is idle, after its job when it has one; it may have a copy. Other pictures replace none."""
        workers, image = await self.start("sleep"), ImageId("p", ImageHash("1" * 32))
        assert (await self.render(workers, image.hash)).error is None
        before = self.pids()
        workers.drop(ImageId("p", ImageHash("2" * 32)))
        assert (await self.render(workers, image.hash)).error is None
        assert self.pids() == before
        workers.drop(image)
        await self.until(lambda: self.pids() and not self.pids() & before)
        before = self.pids()
        rendering = Deferred.fromCoroutine(self.render(workers, image.hash))
        await self.until(lambda: any(each.doing for each in workers.statuses()))
        workers.drop(image)
        assert (await rendering).error is None
        await self.until(lambda: self.pids() and not self.pids() & before)
        assert self.deaths == []

    async def test_a_worker_that_stays_when_it_is_replaced_is_killed(self) -> None:
        """A picture that has taken it over cannot keep its process."""
        workers = await self.start("stay", recycle_after=1)
        before = self.pids()
        assert (await self.render(workers)).error is None
        await self.until(lambda: not self.pids() & before and len(self.pids()) == FEWEST)
        assert self.deaths == []

    async def test_deep_folders_cost_their_worker_only(self) -> None:
        """Folders that are nested deeper than Python recurses, and cannot be listed, are removed like others."""
        workers = await self.start("nest")
        before = self.pids()
        assert isinstance((await self.render(workers)).error, NotAPictureError)
        (folder,) = (self.folder / "tmp").iterdir()
        await self.until(lambda: len(list(folder.iterdir())) == FEWEST == len(self.pids()))
        assert not self.pids() & before
        assert workers.fault is None

    async def test_a_crash_is_the_fault_of_the_picture(self) -> None:
        """The picture is refused from then on, without another worker; other pictures are not."""
        workers = await self.start("crash")
        for _ in range(3):
            error = (await self.render(workers)).error
            assert isinstance(error, NotAPictureError)
            assert "SIGSEGV" in str(error)
        assert self.deaths == ["SIGSEGV"]
        assert isinstance((await self.render(workers, ImageHash("1" * 32))).error, NotAPictureError)
        assert self.deaths == ["SIGSEGV", "SIGSEGV"]
        await self.until(lambda: len(self.pids()) == FEWEST)

    async def test_a_worker_that_exits_has_crashed(self) -> None:
        """The status does not matter: it did not end its job."""
        workers = await self.start("exit")
        assert isinstance((await self.render(workers)).error, NotAPictureError)
        assert self.deaths == ["exit"]

    async def test_a_worker_that_does_not_end_is_killed(self) -> None:
        """Its job ends at the deadline, though it blocks every signal."""
        workers = await self.start("hang", timeout_s=1)
        began_s = reactor.seconds()
        assert isinstance((await self.render(workers, timeout_s=1)).error, OutOfTimeError)
        assert reactor.seconds() - began_s < 30  # it hangs for a minute
        assert self.deaths == ["late"]
        assert isinstance((await self.render(workers, timeout_s=1)).error, OutOfTimeError)
        assert self.deaths == ["late"]

    async def test_a_late_avif_blames_no_other_output(self) -> None:
        """What was ready is taken; then the AVIFs of the picture are refused, and nothing else."""
        workers = await self.start("late_avif", timeout_s=1)
        jpeg = make_variant(parse("x10.jpg"))
        avif = replace(jpeg, output=parse("x10.avif"), format=AVIF)
        late = await self.render(workers, timeout_s=1, variants=[jpeg, avif])
        assert (type(late.error), [str(each.output) for each in self.emitted]) == (OutOfTimeError, ["x10.jpg"])
        assert isinstance((await self.render(workers, variants=[avif])).error, OutOfTimeError)
        assert self.deaths == ["late"]
        assert (await self.render(workers)).error is None
        assert (await workers.identify(HASH, self.source)).format.extension == "jpg"
        larger = replace(jpeg, output=parse("x40.jpg"), sizing=parse("x40.jpg").sizing)
        assert (await self.render(workers, variants=[avif, larger])).error is None
        assert (str(self.emitted[-1].output), self.deaths) == ("x40.jpg", ["late"])

    async def test_a_line_of_a_worker_looks_like_none_of_the_daemon(self) -> None:
        """On a terminal, where a line break in it is one, too."""
        stream = StringIO()
        observer = make_observer(stream, for_people=True)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        workers = await self.start("log")
        assert (await self.render(workers)).error is None
        (line,) = [each for each in stream.getvalue().splitlines() if "forged" in each]
        assert line.startswith(" ")

    async def test_a_worker_says_no_longer_time_than_it_took(self) -> None:
        """It is that of metrics and of headers."""
        job = RenderWork(FORMATS, self.source, VARIANTS[:1], None, self.emit)
        job.head(1)
        head = json.dumps({"index": 0, "spans_s": {"decode": 1e6, "resize": 0, "other": 1}}).encode()
        job.take(Message(Kind.RENDERED, head, make_jpeg()))
        rendered = job.last
        assert rendered is not None
        assert set(rendered.spans_s) == {"decode", "resize"}
        assert 0 <= rendered.spans_s["decode"] <= rendered.elapsed_s + 1

    async def test_a_slow_disk_costs_no_worker(self) -> None:
        """The time in which a variant is saved does not count."""
        workers = await self.start(timeout_s=1)
        self.emitting_s = 0.8
        assert (await self.render(workers, timeout_s=1)).error is None
        assert (len(self.emitted), self.deaths) == (3, [])

    async def test_a_slow_copy_of_the_original_blames_no_picture(self) -> None:
        """The time in which the daemon reads the store does not count."""
        workers = await self.start("sleep", timeout_s=0.6)
        sendfile = os.sendfile

        def slow(*arguments: int) -> int:
            time.sleep(1)
            return sendfile(*arguments)

        self.patch(os, "sendfile", slow)
        assert (await self.render(workers, timeout_s=0.6)).error is None
        assert (self.deaths, workers.refused_pictures) == ([], 0)

    async def test_a_job_with_little_time_left_blames_no_picture(self) -> None:
        """Its client had waited for long: the picture may be good."""
        workers = await self.start("sleep")
        assert isinstance((await self.render(workers, timeout_s=0.001)).error, OutOfTimeError | None)
        assert (await self.render(workers)).error is None

    async def test_memory_beyond_the_limit_is_413(self) -> None:
        """The worker gets no more from the kernel, and says so."""
        workers = await self.start("eat")
        error = (await self.render(workers)).error
        assert isinstance(error, TooLargeError)
        assert self.deaths == []

    async def test_a_job_whose_worker_is_killed_is_done_by_another(self) -> None:
        """An operator, or the kernel, sends SIGKILL: the picture need not be the reason."""
        workers = await self.start("hang_at_first")
        rendering = Deferred.fromCoroutine(self.render(workers))
        await self.until(lambda: any(row.jobs for row in workers.statuses()))
        (pid,) = [row.pid for row in workers.statuses() if row.jobs]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert (await rendering).error is None
        assert self.deaths == ["SIGKILL"]

    async def test_the_worker_after_a_dead_one_is_younger(self) -> None:
        """It may have started before the thread of the job sees the end of the dead one."""
        await self.start(concurrency=1)
        dead = await self.pool.take(30)
        others = [await self.pool.take(30) for _ in range(HEADER_WORKERS)]
        assert dead.child.pid is not None
        os.kill(dead.child.pid, signal.SIGKILL)
        await self.until(lambda: dead.child.ended and len(self.pids()) == MOST)
        for each in others:
            self.pool.give_back(each)
        younger = await self.pool.take(30, dead.child.ended_s)
        assert younger not in (dead, *others)
        self.pool.give_back(younger)
        dead.close()

    async def test_an_idle_worker_that_dies_is_replaced(self) -> None:
        """No job fails."""
        workers = await self.start()
        assert (await self.render(workers)).error is None
        before = self.pids()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert (await self.render(workers)).error is None
        await self.until(lambda: len(self.pids() - before) == len(self.pids()) == FEWEST)

    async def test_a_template_that_dies_is_replaced(self) -> None:
        """All workers die with their template; other ones come from a new template."""
        workers = await self.start()
        before = self.pids()
        assert self.pool._generation is not None
        assert self.pool._generation.pid is not None
        os.kill(self.pool._generation.pid, signal.SIGKILL)
        await self.until(lambda: workers.fault == "the template of the worker processes has died")
        await self.until(lambda: self.pids() and not self.pids() & before)
        assert (await self.render(workers)).error is None
        assert workers.fault is None

    async def test_workers_that_cannot_be_started_are_a_fault_until_they_can(self) -> None:
        """The status has the reason, and a job that finds no worker blames no picture."""
        doomed = self.folder / "doomed"
        doomed.touch()
        workers = await self.start("stillborn", ready=False)
        await self.until(lambda: workers.fault)
        assert workers.fault == "worker processes die before their first job: the last one exited with status 3"
        assert isinstance((await self.render(workers, timeout_s=0.01)).error, NoWorkerError)
        doomed.unlink()
        while workers.fault:
            await self.render(workers)
        assert (await self.render(workers)).error is None
        assert (self.deaths, workers.refused_pictures) == ([], 0)

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names of processes in /proc")
    async def test_processes_have_names(self) -> None:
        """`ps` and `top` tell workers from their template."""
        await self.start()
        worker = min(self.pids())
        ancestors = [worker, parent(worker)]
        await self.until(lambda: name(worker) == "imaged-worker")  # a new process has the name of its template
        assert [name(pid) for pid in ancestors] == ["imaged-worker", "imaged-workers"]

    async def test_a_worker_has_no_secrets(self) -> None:
        """The environment of the daemon, which settings may refer to, is not that of a worker."""
        os.environ["IMAGED_TEST_SECRET"] = "hunter2"  # that is the test
        self.addCleanup(os.environ.pop, "IMAGED_TEST_SECRET")
        workers = await self.start("secrets")
        assert str((await self.render(workers)).error) == "no secret"

    async def test_a_processor_with_threads_is_loaded_in_each_worker(self) -> None:
        """A fork of a process with threads may hang."""
        workers = await self.start("thread")
        assert (await self.render(workers)).error is None
        assert self.deaths == []

    async def test_a_processor_that_cannot_be_loaded_is_a_fault(self) -> None:
        """The operator gets the reason that the plugin gives."""
        with pytest.raises(WorkersFailedError, match="RuntimeError: not in a worker"):
            await self.start("refuse")

    async def test_a_processor_that_crashes_when_it_is_loaded_is_a_fault(self) -> None:
        """The operator reads what has ended the process that loads it."""
        with pytest.raises(WorkersFailedError, match="it died of SIGSEGV while it loaded the processors"):
            await self.start("crash_early")

    async def test_a_picture_that_cannot_be_read_costs_no_worker(self) -> None:
        """The daemon opens it, not the worker."""
        workers = await self.start()
        before = self.pids()
        self.source.unlink()
        with pytest.raises(Exception, match="cannot be read"):
            await self.render(workers)
        assert (self.pids(), self.deaths) == (before, [])

    async def test_many_headers_wait_and_too_many_are_refused(self) -> None:
        """None waits for a render."""
        workers = await self.start("sleep")
        rendering = Deferred.fromCoroutine(self.render(workers))
        calls: list[Coroutine[Any, Any, Any]] = [workers.identify(HASH, self.source) for _ in range(20)]
        for call in [Deferred.fromCoroutine(each) for each in calls]:
            assert (await call).frames == 1
        assert not rendering.called
        await rendering


def parent(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def name(pid: int) -> str:
    """Return the name of a process."""
    return Path(f"/proc/{pid}/comm").read_text().strip()
