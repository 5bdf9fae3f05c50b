"""New requests take the new generation, running requests keep theirs, and each generation is closed once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from imaged.config.load import load
from imaged.core.formats import FORMATS
from imaged.core.snapshot import Plugin
from imaged.daemon.generations import Generation, Generations
from imaged.hooks.checked_uploader import CheckedUploader
from imaged.hooks.contract_check import Metadata
from imaged.hooks.host import PluginState
from imaged.hooks.registry import HookResult, Plugins
from imaged.pipeline.build import Environment, build_pipeline
from imaged.pipeline.counters import Counters
from imaged.store.local import LocalStore
from imaged.testing.fakes import MemoryUploader, NoThreads, make_host
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.templates import Templates

SETTINGS = load("render: {isolation: thread}", "imaged.yaml", environ={}, read_bytes=str.encode).settings


class Threads(NoThreads):
    """Threads that do their work at once, and can be stopped."""

    def stop(self) -> None:
        """There is nothing to stop."""


class Fixture:
    """Builds generations and keeps the plugin of each, by number: a plugin counts how often it is closed."""

    def __init__(self) -> None:
        self.plugins: dict[int, MemoryUploader] = {}
        self.clock = Clock()
        jobs: Any = None  # nothing is queued
        threads: Any = Threads()
        self.environment = Environment(
            self.clock,
            threads,
            jobs,
            Counters(self.clock.seconds),
            PluginState(),
            KeyedLocks(),
            Templates(),
        )

    def build(self, number: int) -> Generation:
        """Return a generation whose plugin is open."""
        plugin = self.plugins[number] = MemoryUploader()
        metadata = Metadata("", "memory")
        result = HookResult(Plugin("memory", "uploader", "", ""), plugin, metadata, make_host())
        plugins = Plugins((), FORMATS, CheckedUploader("memory", metadata, plugin, self.clock), {}, (result,))
        make_threads: Any = lambda *_: Threads()  # noqa: E731  # a type for what follows
        store = LocalStore(Path("public"), (3, 3))
        pipeline = build_pipeline(SETTINGS, plugins, store, self.environment, make_threads=make_threads)
        return Generation(number, datetime.now(UTC), plugins, pipeline)

    @property
    def closed(self) -> list[int]:
        """The numbers of the generations whose plugin is closed; none is closed twice."""
        assert all(plugin.closed <= 1 for plugin in self.plugins.values())
        return [number for number, plugin in self.plugins.items() if plugin.closed]


@pytest.fixture
def fixture() -> Fixture:
    """Return one without generations."""
    return Fixture()


def test_a_generation_without_leases_is_closed_at_once(fixture: Fixture) -> None:
    """The replacement closes it."""
    generations = Generations(fixture.build(1), Clock())
    generations.replace(fixture.build(2))
    assert fixture.closed == [1]
    assert generations.current.number == 2


def test_a_request_keeps_the_generation_that_it_began_with(fixture: Fixture) -> None:
    """The replaced generation is closed when its last lease ends."""
    first, second = fixture.build(1), fixture.build(2)
    generations = Generations(first, Clock())
    with generations.lease() as one:
        with generations.lease() as two:
            generations.replace(second)
            with generations.lease() as three:
                assert (one, two, three) == (first.pipeline, first.pipeline, second.pipeline)
        assert fixture.closed == []
    assert fixture.closed == [1]


def test_the_status_has_the_pipelines_of_all_open_generations(fixture: Fixture) -> None:
    """The current one is the first; an older one with a request is still there, with its worker processes."""
    first, second = fixture.build(1), fixture.build(2)
    generations = Generations(first, Clock())
    with generations.lease():
        generations.replace(second)
        assert generations.pipelines == [second.pipeline, first.pipeline]
    assert generations.pipelines == [second.pipeline]


def test_an_error_ends_its_lease(fixture: Fixture) -> None:
    """A request that fails does not keep its generation open."""
    generations = Generations(fixture.build(1), Clock())

    def fail() -> None:
        with generations.lease():
            generations.replace(fixture.build(2))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert fixture.closed == [1]


def test_a_task_without_its_client_keeps_its_generation(fixture: Fixture) -> None:
    """The plugins stay open until the task has ended."""
    first = fixture.build(1)
    generations = Generations(first, Clock())
    done: Deferred[None] = Deferred()

    async def work() -> None:
        await done

    first.pipeline.tasks.own(work())
    generations.replace(fixture.build(2))
    assert fixture.closed == []
    done.callback(None)
    assert fixture.closed == [1]


def test_an_abandoned_generation_is_never_closed(fixture: Fixture) -> None:
    """Its last lease may end later; a thread may hang in its plugins."""
    generations = Generations(fixture.build(1), Clock())
    with generations.lease():
        closing = Deferred.fromCoroutine(generations.close())
        Deferred.fromCoroutine(generations.close_sinks())
    assert closing.called
    assert fixture.closed == []


@given(st.lists(st.sampled_from(["lease", "release", "replace"]), max_size=40))
def test_each_generation_is_closed_once_and_never_under_a_lease(steps: list[str]) -> None:
    """In whatever order leases and replacements come, a leased generation stays open, and every other one is closed."""
    fixture = Fixture()
    generations = Generations(fixture.build(1), Clock())
    leases = []
    for step in steps:
        if step == "lease":
            lease = generations.lease()
            lease.__enter__()
            leases.append((lease, generations.current.number))
        elif step == "release" and leases:
            leases.pop(0)[0].__exit__(None, None, None)
        elif step == "replace":
            generations.replace(fixture.build(generations.current.number + 1))
        held = {number for _, number in leases}
        assert fixture.closed == [n for n in range(1, generations.current.number) if n not in held]
