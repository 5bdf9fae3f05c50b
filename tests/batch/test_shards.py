"""Each process of a batch has one share of the items."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import pytest

from imaged.batch.errors import UsageError
from imaged.batch.shards import Shard, choose

SLURM = {"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_STEP": "2"}
AWS = {"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "3"}
FIGURES = [[5, 6, 7, 8, 9], [3, 4], [0, 1, 2]]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_item_is_in_one_shard(count: int) -> None:
    """Each item is in one shard, and the shards are about equal."""
    shards = [Shard(number, count) for number in range(1, count + 1)]
    held = [[f"p/{item}" for item in range(1000) if shard.holds(f"p/{item}")] for shard in shards]
    assert sorted(chain.from_iterable(held)) == sorted(f"p/{item}" for item in range(1000))
    assert min(map(len, held)) > 500 / count


def test_a_shard_is_the_same_everywhere() -> None:
    """The shard of an item is the same on any machine, in every version."""
    assert [[n for n in range(10) if Shard(part, 3).holds(f"p/{n}")] for part in (1, 2, 3)] == FIGURES


@pytest.mark.parametrize(
    ("given", "environ", "shard"),
    [
        (None, {}, Shard(1, 1)),
        ("1/4", {}, Shard(1, 4)),
        ("4/4", AWS, Shard(4, 4)),
        (None, {**SLURM, "SLURM_ARRAY_TASK_COUNT": "4"}, Shard(3, 4)),
        ("/8", SLURM, Shard(3, 8)),
        (None, AWS, Shard(1, 3)),
        ("/2", {"JOB_COMPLETION_INDEX": "1"}, Shard(2, 2)),
        ("1/1", {"JOB_COMPLETION_INDEX": "1"}, Shard(1, 1)),
    ],
)
def test_a_shard_is_given_or_scheduled(given: str | None, environ: Mapping[str, str], shard: Shard) -> None:
    """The option counts from 1, schedulers from 0 or another number."""
    assert choose(given, environ) == shard


@pytest.mark.parametrize(
    ("given", "environ", "reason"),
    [
        ("0/4", {}, "from 1 to N"),
        ("5/4", {}, "from 1 to N"),
        ("1/0", {}, "from 1 to N"),
        ("four", {}, "no shard"),
        ("-1/4", {}, "no shard"),
        ("/4", {}, "no variable of a scheduler"),
        ("/1", {"JOB_COMPLETION_INDEX": "1"}, "consecutive"),
        (None, {"JOB_COMPLETION_INDEX": "1"}, "--shard /N"),
        (None, {"JOB_COMPLETION_INDEX": "x"}, "no number"),
        (None, {**SLURM, "SLURM_ARRAY_TASK_COUNT": "2"}, "consecutive"),
        (None, {**AWS, "AWS_BATCH_JOB_ARRAY_SIZE": "0"}, "consecutive"),
    ],
)
def test_a_shard_that_cannot_be(given: str | None, environ: Mapping[str, str], reason: str) -> None:
    """The message says which option to give."""
    with pytest.raises(UsageError, match=reason):
        choose(given, environ)
