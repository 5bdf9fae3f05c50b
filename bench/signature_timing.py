"""Whether the time of a refusal says how much of a wrong signature is right: `python bench/signature_timing.py`.

Each round times one call of the guard for a signature that has the first N characters of the right one, for each N, in
random order. The trend is the slope of the means of the faster half of the calls, with its standard error. A comparison
that ends at the first wrong character is timed likewise, to show that the method would find a trend.
"""

from __future__ import annotations

import argparse
import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Sequence

from imaged.config.model import Settings
from imaged.core.access_request import AccessRequest, Action
from imaged.core.errors import ForbiddenError
from imaged.core.files import parse_file
from imaged.core.signatures import read_message, sign
from imaged.web.read_guard import ReadGuard

KEYS = ("first-key-0123456789", "second-key-0123456789", "third-key-0123456789")
PATH = "/p/f84/0ee/339d264d4bab1b169a653b1a91/w777.jpg"
LENGTH = 22
SETTINGS = Settings.model_validate(
    {"images": {"allowed_outputs": ["w320.jpg"]}, "access": {"signing_keys": list(KEYS)}}
)
GUARD = ReadGuard(time.time)


def wrong(right: str, prefix: int) -> str:
    """Return a signature whose first `prefix` characters are right, and the others wrong."""
    return right[:prefix] + "".join("A" if each != "A" else "B" for each in right[prefix:])


def by_guard(key: str) -> Callable[[str], None]:
    """Return a call that asks the guard about a signature, for the URL that `key` would sign."""

    def call(signature: str) -> None:
        request = AccessRequest(Action.READ, "p", PATH, parse_file("w777.jpg"), {"s": signature})
        try:
            GUARD(request, SETTINGS)
        except ForbiddenError:
            return
        raise AssertionError(f"a wrong signature of {key} passed")

    return call


def by_characters(key: str) -> Callable[[str], None]:
    """Return a call that compares as no server should: character by character, up to the first wrong one."""
    right = sign(key, read_message(PATH))

    def call(signature: str) -> None:
        for mine, given in zip(right, signature, strict=True):
            if mine != given:
                return

    return call


def measure(call: Callable[[str], None], right: str, rounds: int) -> list[list[int]]:
    """Return the nanoseconds of each call, by the length of the right prefix."""
    signatures = [wrong(right, prefix) for prefix in range(LENGTH)]
    taken: list[list[int]] = [[] for _ in signatures]
    order = list(range(LENGTH))
    for _ in range(rounds):
        random.shuffle(order)
        for prefix in order:
            signature = signatures[prefix]
            began_ns = time.perf_counter_ns()
            call(signature)
            taken[prefix].append(time.perf_counter_ns() - began_ns)
    return taken


def trend(means_ns: Sequence[float]) -> tuple[float, float]:
    """Return the slope in nanoseconds for each right character, and its standard error (ordinary least squares)."""
    slope, intercept = statistics.linear_regression(range(len(means_ns)), means_ns)
    rest = sum((each - intercept - slope * number) ** 2 for number, each in enumerate(means_ns))
    middle = (len(means_ns) - 1) / 2
    spread = sum((number - middle) ** 2 for number in range(len(means_ns)))
    return slope, math.sqrt(rest / (len(means_ns) - 2) / spread)


def report(name: str, taken: list[list[int]]) -> None:
    """Print the means of the faster halves, and their trend."""
    means = [statistics.fmean(sorted(each)[: len(each) // 2]) for each in taken]
    slope, error = trend(means)
    print(f"{name}: {slope:+.2f} ns for each right character, standard error {error:.2f}")
    print("  mean ns by right characters: " + " ".join(f"{mean:.0f}" for mean in means))


def main() -> None:
    """Measure each key and the control."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20_000)
    rounds = parser.parse_args().rounds
    gc.disable()
    for number, key in enumerate(KEYS, 1):
        report(f"guard, key {number} of {len(KEYS)}", measure(by_guard(key), sign(key, read_message(PATH)), rounds))
    report("control, by characters", measure(by_characters(KEYS[0]), sign(KEYS[0], read_message(PATH)), rounds))


if __name__ == "__main__":
    main()
