"""New work takes the new value, old work keeps its own, and the old value is let go of once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.generations import Generation, Generations


def test_a_generation_without_leases_drains_at_once() -> None:
    """Nobody holds it, so nobody is waited for."""
    generations = Generations("old")
    drained: list[Generation[str]] = []
    generations.swap("new", drained.append)
    assert [each.value for each in drained] == ["old"]
    assert (generations.current.value, generations.current.number) == ("new", 2)


def test_leases_keep_the_value_that_they_began_with() -> None:
    """A swap in the middle of a request changes nothing for it; the old value drains with its last lease."""
    generations: Generations[str] = Generations("old")
    drained: list[Generation[str]] = []
    with generations.lease() as first:
        with generations.lease() as second:
            generations.swap("new", drained.append)
            with generations.lease() as third:
                assert (first, second, third) == ("old", "old", "new")
        assert drained == []
    assert [each.value for each in drained] == ["old"]


def test_an_error_ends_its_lease() -> None:
    """A request that fails does not hold its generation for ever."""
    generations = Generations("old")
    drained: list[Generation[str]] = []

    def fail() -> None:
        with generations.lease():
            generations.swap("new", drained.append)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(drained) == 1


def test_a_drained_generation_is_told_once() -> None:
    """A late lease of a retired generation, taken and given back, does not tell it again."""
    generation = Generation(1, "only")
    drained: list[Generation[str]] = []
    generation.retire(drained.append)
    with generation.lease():
        pass
    assert drained == [generation]


@given(st.lists(st.sampled_from(["lease", "release", "swap"]), max_size=40))
def test_each_generation_drains_once_and_never_under_a_lease(steps: list[str]) -> None:
    """In whatever order leases and swaps come, a value that is leased is not let go of, and none is forgotten."""
    generations: Generations[int] = Generations(1)
    drained: list[int] = []
    leases = []
    for step in steps:
        if step == "lease":
            lease = generations.lease()
            leases.append((lease, lease.__enter__()))
        elif step == "release" and leases:
            leases.pop(0)[0].__exit__(None, None, None)
        elif step == "swap":
            generations.swap(generations.current.number + 1, lambda old: drained.append(old.value))
        held = {value for _, value in leases}
        assert sorted(drained) == [n for n in range(1, generations.current.number) if n not in held]
