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
class Owed:
    """One job of the model; `by` is the process that runs it."""

    due_s: float
    created_s: float
    state: str = "queued"
    attempts: int = 0
    by: int | None = None
    again: bool = False
    orphaned: int = 0


class TwoProcesses(RuleBasedStateMachine):
    """What the model says is owed, the queue owes; what it says is due, the queue hands out, once."""

    @initialize()
    def begin(self) -> None:
        """Open the queue twice."""
        self.now_s = 0.0
        self.folder = Path(tempfile.mkdtemp())
        self.queues = [self.open(), self.open()]
        self.owed: dict[tuple[Kind, ImageId, ImageFile], Owed] = {}
        self.running: list[tuple[int, Job]] = []
        self.stale: list[Job] = []

    def open(self) -> JobQueue:
        """Open the queue, as a process does when it starts."""
        return JobQueue(self.folder, lambda: self.now_s)

    def teardown(self) -> None:
        """Leave nothing behind."""
        for queue in self.queues:
            queue.close()
        shutil.rmtree(self.folder)

    def requeue(self, owed: Owed) -> None:
        """Let a job be nobody's."""
        owed.state, owed.by = "queued", None

    def orphan(self, owed: Owed) -> None:
        """Let a job whose process is gone be nobody's: at once, then 2, 4, 8 … 300 s later, and parked at last."""
        self.requeue(owed)
        owed.orphaned += 1
        if owed.orphaned > 10:
            owed.state = "parked"
        elif owed.orphaned > 1:
            owed.due_s = max(owed.due_s, self.now_s + min(300, 2 ** (owed.orphaned - 1)))

    @rule(who=processes, kind=kinds, image=st.sampled_from(IMAGES), outputs=st.lists(st.sampled_from(OUTPUTS)))
    def add(self, who: int, kind: Kind, image: ImageId, outputs: Sequence[Output]) -> None:
        """Make what is owed already due now; have what runs run once more, and what was parked begin anew."""
        self.queues[who].add(kind, image, outputs)
        for output in outputs:
            owed = self.owed.setdefault((kind, image, output), Owed(self.now_s, self.now_s))
            owed.due_s = self.now_s
            owed.again = owed.state == "running"
            if owed.state == "parked":
                owed.state, owed.attempts, owed.orphaned = "queued", 0, 0

    @rule(who=processes, kind=kinds)
    def claim(self, who: int, kind: Kind) -> None:
        """Every due job of one image, and of no other: of uploads, that whose job was due first."""
        due = {
            key: owed
            for key, owed in self.owed.items()
            if key[0] == kind and owed.state == "queued" and owed.due_s <= self.now_s
        }
        jobs = self.queues[who].claim(kind)
        first = min(due, key=lambda key: due[key].due_s, default=None)  # of two that are due alike, the older one
        if kind == "render" and jobs:
            first = (kind, jobs[0].image, jobs[0].file)  # whose turn it is has tests of its own
        expected = {key: owed.attempts for key, owed in due.items() if first is not None and key[1] == first[1]}
        assert {(job.kind, job.image, job.file): job.attempts for job in jobs} == expected
        assert len(jobs) == len(expected)
        assert bool(jobs) == bool(due)
        for key in expected:
            self.owed[key].state, self.owed[key].by, self.owed[key].again = "running", who, False
        self.running.extend((who, job) for job in jobs)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        """Forget what is done, but for what was asked for once more."""
        who, job = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.queues[who].done([job])
        key = (job.kind, job.image, job.file)
        if self.owed[key].again:
            self.requeue(self.owed[key])
            self.owed[key].attempts = 0
        else:
            del self.owed[key]
        self.stale.append(job)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), delay_s=delays, counts=st.booleans())
    def failed(self, data: st.DataObject, delay_s: float | None, *, counts: bool) -> None:
        """Let what failed wait, or park it, but for what was asked for once more; not every failure is an attempt."""
        who, job = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.queues[who].fail(job, "because", delay_s, counts=counts)
        owed = self.owed[job.kind, job.image, job.file]
        self.requeue(owed)
        if owed.again:
            owed.attempts = 0
            return
        owed.attempts += counts
        owed.due_s = self.now_s + (delay_s or 0)
        if delay_s is None:
            owed.state = "parked"

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def strangers_word(self, data: st.DataObject) -> None:
        """Give a process no say in what the other one runs."""
        who, job = data.draw(st.sampled_from(self.running))
        self.queues[1 - who].done([job])
        self.queues[1 - who].fail(job, "not mine", None)

    @precondition(lambda self: self.stale)
    @rule(who=processes, data=st.data())
    def late_word(self, who: int, data: st.DataObject) -> None:
        """End nothing by ending once more what has been done, even where the same output is owed anew."""
        job = data.draw(st.sampled_from(self.stale))
        owed = self.owed.get((job.kind, job.image, job.file))
        if owed is None or all(running.id != job.id for _, running in self.running):
            self.queues[who].done([job])

    @rule(who=processes, politely=st.booleans())
    def leave_and_return(self, who: int, *, politely: bool) -> None:
        """End a process, by itself or by `kill -9`, and start it anew: what it ran is due, or later and later."""
        if politely:
            self.queues[who].close()
        else:
            self.queues[who]._db.close()
            self.queues[
                who
            ]._owner._owner._file.close()  # all that the kernel does for a killed process: the lock is free
        self.queues[who] = self.open()
        for owed in self.owed.values():
            if owed.by == who:
                self.orphan(owed)
        self.running = [(by, job) for by, job in self.running if by != who]

    @rule(retry=st.booleans())
    def mend(self, *, retry: bool) -> None:
        """Let an operator queue again, or forget, all that is parked; nothing else is touched."""
        parked = [key for key, owed in self.owed.items() if owed.state == "parked"]
        with administer(self.folder, lambda: self.now_s) as seen:
            assert len(list(seen.jobs(None, failed_only=True))) == len(parked)
            assert (seen.retry(None) if retry else seen.drop(None)) == len(parked)
        for key in parked:
            if retry:
                owed = self.owed[key]
                owed.state, owed.attempts, owed.orphaned, owed.due_s = "queued", 0, 0, self.now_s
            else:
                del self.owed[key]

    @rule(who=processes)
    def recover(self, who: int) -> None:
        """While every process lives, nothing is taken from any."""
        assert self.queues[who].recover() == 0

    @rule(seconds=st.integers(1, 10))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now_s += seconds

    @invariant()
    def figures_agree(self) -> None:
        """Both processes see the same figures, those of the model."""
        for queue in getattr(self, "queues", ()):
            for kind in KINDS:
                mine = [owed for key, owed in self.owed.items() if key[0] == kind]
                states = [owed.state for owed in mine]
                due = [owed.due_s - self.now_s for owed in mine if owed.state == "queued"]
                ages = [self.now_s - owed.created_s for owed in mine if owed.state != "parked"]
                counts = (states.count(state) for state in ("queued", "running", "parked"))
                assert queue.depth(kind) == Depth(*counts, max(ages, default=None))
                assert queue.next_due_s(kind) == min(due, default=None)
            for image in IMAGES:
                assert queue.states(image) == {
                    key[2]: "failed" if owed.state == "parked" else "pending"
                    for key, owed in self.owed.items()
                    if key[:2] == ("render", image)
                }


TestTwoProcesses = TwoProcesses.TestCase
TestTwoProcesses.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
