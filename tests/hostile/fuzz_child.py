"""A child process of the fuzzer: runs one case after the other, and reports each step before it does it."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from fuzz_case import CaseRunner, Finding, make_case

from imaged.workers.processors import Processors

ADDRESS_BYTES = 2**31
"""How much a child may add to its address space."""

_DONE = "done"

STEP_CPU_S = 60
"""How long a step may compute, before the kernel ends the child."""


@dataclass(frozen=True)
class Plan:
    """What all children of a run share. Each runs every `stride`-th case, from its own first one, up to `end`."""

    processors: Processors
    pictures: Mapping[str, bytes]
    seed: int
    stride: int
    end: int | None


class Child:
    """A forked process that runs cases from `first` on. `number` and `step` say what it does, since `since_s`."""

    def __init__(self, plan: Plan, first: int, folder: Path) -> None:
        self.number = first
        self.step = "start"
        self.since_s = time.monotonic()
        self.cases = 0
        self._messages = folder / f"messages-{first}"
        self._rest = b""
        self._killed = False
        self.reports, writes = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                _work(plan, first, folder, self._messages, writes)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(writes)

    def read(self) -> list[tuple[int, Finding]] | None:
        """Return the findings that it has reported, each with the number of its case; None when it has ended."""
        data = os.read(self.reports, 2**16)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = []
        for line in lines:
            report: dict[str, Any] = json.loads(line)
            self.cases += report["number"] != self.number
            self.number, self.since_s = report["number"], time.monotonic()
            if "finding" in report:
                found.append((self.number, Finding(**report["finding"])))
            self.step = report.get("step", self.step)
        return found

    def kill(self) -> None:
        """End it; that it dies of that is no finding."""
        self._killed = True
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> Finding | None:
        """Wait for its exit; return what is wrong with it, if it did not end well."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.reports)
        code = os.waitstatus_to_exitcode(status)
        if self._killed or (not code and self.step == _DONE):
            return None
        kind = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return Finding(kind, self.step, self._messages.read_text(errors="replace")[-3000:])


def _work(plan: Plan, first: int, folder: Path, messages: Path, writes: int) -> None:
    stream = os.open(messages, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for standard in (1, 2):
        os.dup2(stream, standard)
    faulthandler.enable()
    os.nice(5)
    _limit_memory()
    own = folder / f"child-{first}"
    own.mkdir()
    number = first

    def report(**fields: object) -> None:
        os.write(writes, json.dumps({"number": number, **fields}).encode() + b"\n")

    def begin(step: str) -> None:
        used_s = int(time.process_time()) + STEP_CPU_S
        resource.setrlimit(resource.RLIMIT_CPU, (used_s, resource.RLIM_INFINITY))
        report(step=step)

    runner = CaseRunner(plan.processors, own, begin)
    for number in count(first, plan.stride):
        if plan.end is not None and number >= plan.end:
            break
        for finding in runner.run(make_case(plan.seed, number, plan.pictures)):
            report(finding=asdict(finding))
            if finding.kind == "memory":  # its peak would hide that of the next cases
                report(step=_DONE)
                os._exit(0)
    report(step=_DONE)
    os._exit(0)


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # a system without /proc
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + ADDRESS_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
