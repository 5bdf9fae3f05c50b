"""The share of items of this process: one of N shards, each item in exactly one of them.

The shard follows from the identity of an item and not from its position: lists that overlap, are sorted differently or
grow between runs are shared in the same way, and an image that is listed twice belongs to one process.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from imaged.batch.errors import UsageError

_GIVEN = re.compile(r"(\d{1,9})?/(\d{1,9})")


@dataclass(frozen=True)
class Shard:
    """Shard `number` of `count`, the first being 1."""

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise UsageError(f"shard {self.number} of {self.count}: give I/N with I from 1 to N")

    def holds(self, identity: str) -> bool:
        """Say whether an item belongs to this shard."""
        digest = hashlib.blake2b(identity.encode(errors="surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.number - 1


def choose(given: str | None, environ: Mapping[str, str]) -> Shard:
    """Return the shard that the option or the environment of a scheduler names, else the one shard of all items.

    `I/N` is complete; `/N` takes I from the environment, for schedulers that do not give the number of tasks. Raises
    UsageError.
    """
    match = _GIVEN.fullmatch(given or "")
    if given is not None and match is None:
        raise UsageError(f"{given!r} is no shard: give I/N, such as 1/4, or /N where the scheduler numbers the tasks")
    if match and match[1]:
        return Shard(int(match[1]), int(match[2]))
    index, size, source = _scheduled(environ)
    if match:
        size = int(match[2])
    if index is None:
        if match:
            raise UsageError(f"{given!r}: no variable of a scheduler numbers this task: give I/N")
        return Shard()
    if size is None:
        raise UsageError(f"{source} is set, but no variable gives the number of tasks: give --shard /N, or 1/1 for all")
    if not 0 <= index < size:
        raise UsageError(
            f"{source} makes this task {index + 1} of {size}: the tasks of an array have to be consecutive"
        )
    return Shard(index + 1, size)


def _scheduled(environ: Mapping[str, str]) -> tuple[int | None, int | None, str]:
    """Return the index of the task from 0, the number of tasks, and the variable that gave them.

    Slurm's sbatch(1), AWS Batch's "Job environment variables", Kubernetes' "Indexed Job" name these variables.
    """

    def number(name: str) -> int | None:
        text = environ.get(name)
        if text is None:
            return None
        if not re.fullmatch(r"\d{1,9}", text):
            raise UsageError(f"{name} is {text!r}, which is no number")
        return int(text)

    if (task := number("SLURM_ARRAY_TASK_ID")) is not None:
        first, step = number("SLURM_ARRAY_TASK_MIN") or 0, number("SLURM_ARRAY_TASK_STEP") or 1
        return (task - first) // step, number("SLURM_ARRAY_TASK_COUNT"), "SLURM_ARRAY_TASK_ID"
    if (index := number("AWS_BATCH_JOB_ARRAY_INDEX")) is not None:
        return index, number("AWS_BATCH_JOB_ARRAY_SIZE"), "AWS_BATCH_JOB_ARRAY_INDEX"
    return number("JOB_COMPLETION_INDEX"), None, "JOB_COMPLETION_INDEX"
