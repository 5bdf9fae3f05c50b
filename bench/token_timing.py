"""Time wrong tokens and wrong signatures of uploads by how many of their first characters are right: no trend may show.

    python bench/token_timing.py [ROUNDS]

Each round asks the guard about each guess once, in a new random order. The figures are nanoseconds of CPU time: the
mean of the faster half of the rounds. The trend is the slope of these means for each right character, beside that of
random permutations of them: a share above 0.05 is no trend.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from statistics import linear_regression, mean

from imaged.config.access import AccessSettings
from imaged.config.model import Settings
from imaged.core.access_request import AccessRequest, Action
from imaged.core.errors import ImagedError
from imaged.core.signatures import sign, upload_message
from imaged.web.writes import guard_writes

NOW_S = 1_800_000_000.0
TOKEN, KEY = "imaged_f2nnhDnbUi-AlH5yOT4HefH03uDsJCunGhzHcSQpqzw", "a3f1-signing-key-0123456789"
EXPIRES = str(int(NOW_S) + 600)
PERMUTATIONS = 2000
Ask = Callable[[str], AccessRequest]


def measure(
    ask: Ask, guard: Callable[[AccessRequest, Settings], None], settings: Settings, right: str, rounds: int
) -> None:
    """Time guesses of a text, and print the range of their times and the trend."""
    spent_ns: dict[int, list[int]] = {length: [] for length in range(len(right))}
    order = list(spent_ns)
    for _ in range(rounds):
        random.shuffle(order)
        for length in order:
            request = ask(right[:length] + "!" * (len(right) - length))  # a new one, so that its place in memory varies
            began_ns = time.thread_time_ns()
            try:
                guard(request, settings)
            except ImagedError:
                spent_ns[length].append(time.thread_time_ns() - began_ns)
    means = [mean(sorted(each)[: rounds // 2]) for _, each in sorted(spent_ns.items())]
    print(f"  {min(means):.1f} to {max(means):.1f} ns")
    slope, share = trend(means)
    print(f"  trend {slope:+.2f} ns for each right character; as steep by chance: {share:.2f}")


def trend(values: Sequence[float]) -> tuple[float, float]:
    """Return the slope of values, and the share of their permutations that are as steep."""
    numbers = range(len(values))
    slope = linear_regression(numbers, values).slope
    shuffled = list(values)
    steep = 0
    for _ in range(PERMUTATIONS):
        random.shuffle(shuffled)
        steep += abs(linear_regression(numbers, shuffled).slope) >= abs(slope)
    return slope, steep / PERMUTATIONS


def main(rounds: int) -> None:
    """Time guesses of a token, and of the signature of an upload."""
    token = {"name": "a", "token": TOKEN}
    access = AccessSettings.model_validate({"tokens": [token], "signing_keys": [KEY]})
    settings, writes = Settings(access=access), guard_writes(lambda: NOW_S)

    print("tokens")
    measure(
        lambda text: AccessRequest(Action.POST, "p", "/p", authorization=f"Bearer {text}"),
        writes,
        settings,
        TOKEN,
        rounds,
    )
    print("signatures of uploads")
    right = sign(KEY, upload_message("/p", EXPIRES))
    measure(
        lambda text: AccessRequest(Action.POST, "p", "/p", parameters={"e": EXPIRES, "s": text}),
        writes,
        settings,
        right,
        rounds,
    )
    print("for comparison: tokens that a loop compares, character by character")
    measure(
        lambda text: AccessRequest(Action.POST, "p", "/p", authorization=text), compare_slowly, settings, TOKEN, rounds
    )


def compare_slowly(request: AccessRequest, _: Settings) -> None:
    """Refuse a token at its first wrong character: this shows a trend."""
    for given, right in zip(request.authorization or "", TOKEN, strict=True):
        if given != right:
            raise ImagedError("wrong")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
