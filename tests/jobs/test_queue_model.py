"""Two processes on one queue, against a model of it that a reader can check by eye."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tallying import check_tallies

from imaged.core.files import ImageFile
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import Output, parse
from imaged.jobs.admin import administer
from imaged.jobs.queue import Depth, Job, JobQueue, Kind

KINDS: list[Kind] = ["render", "upload"]
IMAGES = [ImageId("p", ImageHash("0" * 32)), ImageId("p", ImageHash("1" * 32))]
OUTPUTS = [parse(name) for name in ("w1.jpg", "w2.jpg", "w3.jpg")]

kinds = st.sampled_from(KINDS)
processes = st.integers(0, 1)
delays = st.none() | st.integers(0, 20)


@dataclass
class ExpectedJob:
    """One job of the model; `by` is the process that runs it."""

    due_s: float
    created_s: float
    state: str = "queued"
    attempts: int = 0
    by: int | None = None
    again: bool = False
    orphaned: int = 0


class TwoProcesses(RuleBasedStateMachine):
    """The queue holds the jobs of the model and gives each due job to one process."""

    @initialize()
    def begin(self) -> None:
        """Open the queue twice."""
        self.now_s = 0.0
        self.folder = Path(tempfile.mkdtemp())
        self.queues = [self.open(), self.open()]
        self.expected: dict[tuple[Kind, ImageId, ImageFile], ExpectedJob] = {}
        self.running: list[tuple[int, Job]] = []
        self.stale: list[Job] = []

    def open(self) -> JobQueue:
        """Open the queue, as a process does when it starts."""
        return JobQueue(self.folder, lambda: self.now_s)

    def teardown(self) -> None:
        """Close the queues and remove the folder."""
        for queue in self.queues:
            queue.close()
        shutil.rmtree(self.folder)

    def requeue(self, expected: ExpectedJob) -> None:
        """Queue a job that no process runs."""
        expected.state, expected.by = "queued", None

    def orphan(self, expected: ExpectedJob) -> None:
        """Queue a job whose process has ended: due at once, then 2, 4, 8 … 300 s later; in the end it fails."""
        self.requeue(expected)
        expected.orphaned += 1
        if expected.orphaned > 10:
            expected.state = "parked"
        elif expected.orphaned > 1:
            expected.due_s = max(expected.due_s, self.now_s + min(300, 2 ** (expected.orphaned - 1)))

    @rule(who=processes, kind=kinds, image=st.sampled_from(IMAGES), outputs=st.lists(st.sampled_from(OUTPUTS)))
    def add(self, who: int, kind: Kind, image: ImageId, outputs: Sequence[Output]) -> None:
        """Queue jobs: a queued one is due now, a running one runs once more, a failed one starts again."""
        self.queues[who].add(kind, image, outputs)
        for output in outputs:
            expected = self.expected.setdefault((kind, image, output), ExpectedJob(self.now_s, self.now_s))
            expected.due_s = self.now_s
            expected.again = expected.state == "running"
            if expected.state == "parked":
                expected.state, expected.attempts, expected.orphaned = "queued", 0, 0

    @rule(who=processes, kind=kinds)
    def claim(self, who: int, kind: Kind) -> None:
        """Claim every due job of one image and no other; of uploads, the image whose job was due first."""
        due = {
            key: expected
            for key, expected in self.expected.items()
            if key[0] == kind and expected.state == "queued" and expected.due_s <= self.now_s
        }
        jobs = self.queues[who].claim(kind)
        first = min(due, key=lambda key: due[key].due_s, default=None)  # of two that are due alike, the older one
        if kind == "render" and jobs:
            first = (kind, jobs[0].image, jobs[0].file)  # whose turn it is has tests of its own
        claimable = {
            key: expected.attempts for key, expected in due.items() if first is not None and key[1] == first[1]
        }
        assert {(job.kind, job.image, job.file): job.attempts for job in jobs} == claimable
        assert len(jobs) == len(claimable)
        assert bool(jobs) == bool(due)
        for key in claimable:
            self.expected[key].state, self.expected[key].by, self.expected[key].again = "running", who, False
        self.running.extend((who, job) for job in jobs)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        """Remove a done job, unless it was added again."""
        who, job = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.queues[who].done([job])
        key = (job.kind, job.image, job.file)
        if self.expected[key].again:
            self.requeue(self.expected[key])
            self.expected[key].attempts = 0
        else:
            del self.expected[key]
        self.stale.append(job)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), delay_s=delays, counts=st.booleans())
    def failed(self, data: st.DataObject, delay_s: float | None, *, counts: bool) -> None:
        """Delay a failed job or let it fail for good, unless it was added again; not every failure counts."""
        who, job = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.queues[who].fail(job, "because", delay_s, counts=counts)
        expected = self.expected[job.kind, job.image, job.file]
        self.requeue(expected)
        if expected.again:
            expected.attempts = 0
            return
        expected.attempts += counts
        expected.due_s = self.now_s + (delay_s or 0)
        if delay_s is None:
            expected.state = "parked"

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end_a_job_of_the_other(self, data: st.DataObject) -> None:
        """Ignore a process that ends a job of the other one."""
        who, job = data.draw(st.sampled_from(self.running))
        self.queues[1 - who].done([job])
        self.queues[1 - who].fail(job, "not mine", None)

    @precondition(lambda self: self.stale)
    @rule(who=processes, data=st.data())
    def end_again(self, who: int, data: st.DataObject) -> None:
        """Ignore a second end of a done job, also where the same output is queued again."""
        job = data.draw(st.sampled_from(self.stale))
        expected = self.expected.get((job.kind, job.image, job.file))
        if expected is None or all(running.id != job.id for _, running in self.running):
            self.queues[who].done([job])

    @rule(who=processes, politely=st.booleans())
    def leave_and_return(self, who: int, *, politely: bool) -> None:
        """Close a process or kill it, and start it again: its running jobs are due, later each time."""
        if politely:
            self.queues[who].close()
        else:
            self.queues[who]._db.close()
            self.queues[who].owner._file.close()  # all that the kernel does for a killed process: the lock is free
        self.queues[who] = self.open()
        for expected in self.expected.values():
            if expected.by == who:
                self.orphan(expected)
        self.running = [(by, job) for by, job in self.running if by != who]

    @rule(retry=st.booleans())
    def mend(self, *, retry: bool) -> None:
        """Let an operator retry or drop all failed jobs; no others change."""
        parked = [key for key, expected in self.expected.items() if expected.state == "parked"]
        with administer(self.folder, lambda: self.now_s) as seen:
            assert len(list(seen.jobs(None, failed_only=True))) == len(parked)
            assert (seen.retry(None) if retry else seen.drop(None)) == len(parked)
        for key in parked:
            if retry:
                expected = self.expected[key]
                expected.state, expected.attempts, expected.orphaned, expected.due_s = "queued", 0, 0, self.now_s
            else:
                del self.expected[key]

    @rule(who=processes)
    def recover(self, who: int) -> None:
        """Recover nothing while every process runs."""
        assert self.queues[who].recover() == 0

    @rule(seconds=st.integers(1, 10))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now_s += seconds

    @invariant()
    def figures_agree(self) -> None:
        """Both processes see the numbers of the model."""
        for queue in getattr(self, "queues", ()):
            for kind in KINDS:
                mine = [expected for key, expected in self.expected.items() if key[0] == kind]
                states = [expected.state for expected in mine]
                due = [expected.due_s - self.now_s for expected in mine if expected.state == "queued"]
                ages = [self.now_s - expected.created_s for expected in mine if expected.state != "parked"]
                queued, running, parked = (states.count(state) for state in ("queued", "running", "parked"))
                assert queue.depth(kind) == Depth(queued, running, parked, max(ages, default=None))
                assert queue.next_due_s(kind) == min(due, default=None)
            check_tallies(queue._db)
            for image in IMAGES:
                assert queue.states(image) == {
                    key[2]: "failed" if expected.state == "parked" else "pending"
                    for key, expected in self.expected.items()
                    if key[:2] == ("render", image)
                }


TestTwoProcesses = TwoProcesses.TestCase
TestTwoProcesses.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
