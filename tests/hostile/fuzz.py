"""Look for pictures that crash, hang or confuse a processor: `make fuzz`, five minutes.

Each case is a number. With the seed it decides which good picture is changed, how (`mutation.py`), and which outputs
are requested (`fuzz_case.py`). So a case needs no file to be run again, and cases run in any order on any number of
processes. They are chosen by chance and by the structure of the formats, without coverage: most of the code is C that
is not built for it. Hypothesis has the same pictures in `test_wrong_bits.py`, where it finds the smallest example; it
does not number its examples, and a crash would end it.

The cases run in child processes, through the code of a worker. Findings are: a signal, a hang, more memory than a
bound, an error that a client would not understand, CPU time beyond the limit of a render, two renders that differ with
what memory held before, and a picture that is verified and then not rendered. Each is saved with the command that runs
it again; a finding that is mended becomes a test of the plugin.

    make fuzz SECONDS=60 ARGS='--seed 7'
    make fuzz ARGS='--seed 7 --only 1234'
    make fuzz ARGS='--processor pillow,magick'   as in the setting `processors`
    make fuzz ARGS='--pictures FOLDER'           mutate the files of a folder instead
"""

from __future__ import annotations

import argparse
import os
import secrets
import select
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fuzz_case import Finding, make_case
from fuzz_child import Child, Plan
from good_pictures import good_pictures
from installed_processors import build

ALIKE = 3
"""How many findings with the same kind and the same last line are saved."""


@dataclass
class Fuzzer:
    """Runs children until `end_s`, on the monotonic clock, and saves findings in `kept`."""

    plan: Plan
    kept: Path
    hangs_after_s: float
    cases: int = 0
    found: Counter[tuple[str, str]] = field(default_factory=Counter)

    def run(self, end_s: float, folder: Path) -> None:
        """Run all children at once. A child that ends is replaced by one that begins with the next case."""
        first = 0 if self.plan.end is None else self.plan.end - 1
        children = {child.reports: child for child in self._start(range(first, first + self.plan.stride), folder)}
        while children and time.monotonic() < end_s:
            ready, _, _ = select.select(list(children), [], [], 1)
            for reports in ready:
                child = children[reports]
                findings = child.read()
                for number, finding in findings or ():
                    self._keep(number, finding)
                if findings is None:
                    del children[reports]
                    self._bury(child)
                    if self.plan.end is None:
                        (new,) = self._start([child.number + self.plan.stride], folder)
                        children[new.reports] = new
            for child in children.values():
                if time.monotonic() - child.since_s > self.hangs_after_s:
                    self._keep(child.number, Finding("hang", child.step, f"no end after {self.hangs_after_s:g} s"))
                    child.since_s = time.monotonic()
                    child.kill()
        for child in children.values():
            child.kill()
            child.end()
            self.cases += child.cases

    def _start(self, numbers: range | list[int], folder: Path) -> list[Child]:
        return [Child(self.plan, number, folder) for number in numbers]

    def _bury(self, child: Child) -> None:
        self.cases += child.cases + 1
        if (finding := child.end()) is not None:
            self._keep(child.number, finding)

    def _keep(self, number: int, finding: Finding) -> None:
        """Save a finding, unless there are enough like it, and print a line."""
        last = finding.details.strip().rpartition("\n")[2].replace(finding.step, "…")[:200]
        self.found[finding.kind, last] += 1
        if self.found[finding.kind, last] > ALIKE:
            return
        self.kept.mkdir(parents=True, exist_ok=True)
        case = make_case(self.plan.seed, number, self.plan.pictures)
        base = self.kept / f"{finding.kind.replace(' ', '-')}-{self.plan.seed}-{number}"
        base.with_suffix(".picture").write_bytes(case.body)
        again = f"make fuzz ARGS='--seed {self.plan.seed} --only {number}', and --processor and --pictures as before"
        text = f"{finding.kind} at {finding.step}, outputs {', '.join(case.outputs)}\n{again}\n\n{finding.details}\n"
        base.with_suffix(".txt").write_text(text)
        sys.stdout.write(f"{finding.kind} at {finding.step}, case {number}: {last} ({base}.txt)\n")
        sys.stdout.flush()


def _pictures(folder: Path | None) -> Mapping[str, bytes]:
    if folder is None:
        return good_pictures()
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def main() -> None:
    """Run the fuzzer. The exit status is 1 when it has found something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), help="default: another one each time")
    parser.add_argument("--only", type=int, help="run this case alone")
    parser.add_argument("--processor", default="magick", help="the plugin, or several: pillow,magick")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--hangs-after-s", type=float, default=120.0, help="the longest time of a step, by the clock")
    parser.add_argument("--pictures", type=Path, help="a folder of files to mutate, instead of small good pictures")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="the folder of findings")
    given = parser.parse_args()
    stride, end = (given.processes, None) if given.only is None else (1, given.only + 1)
    plan = Plan(build(given.processor), _pictures(given.pictures), given.seed, stride, end)
    fuzzer = Fuzzer(plan, given.keep, given.hangs_after_s)
    sys.stdout.write(f"fuzzing {given.processor} for {given.seconds:g} s with the seed {given.seed}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        fuzzer.run(time.monotonic() + given.seconds, Path(folder))
    sys.stdout.write(f"{fuzzer.cases} cases, {fuzzer.found.total()} findings, {len(fuzzer.found)} of them different\n")
    sys.exit(1 if fuzzer.found else 0)


if __name__ == "__main__":
    main()
