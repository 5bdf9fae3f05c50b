"""What a plugin is given: its options, and the clock, logger, agent and threads that it may use."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from imaged.config.validation import existing_path, retype, wants_number

P = ParamSpec("P")
R = TypeVar("R")
Options = TypeVar("Options", bound=BaseModel)


class RunInThread(Protocol):
    """Runs a blocking function on a worker thread; await the result on the reactor thread."""

    def __call__(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Return what `function` returns, or raise what it raises."""


class OwnThreads(Protocol):
    """Threads that one plugin has for itself, so that what hangs in them holds up nobody else."""

    @property
    def run(self) -> RunInThread:
        """Run a blocking function on one of them."""

    def let_go(self) -> None:
        """End each thread as soon as it has nothing left to do; returns at once."""


class OptionsError(Exception):
    """A plugin's section does not fit `model`; the registry turns `error` into faults with their lines."""

    def __init__(self, error: ValidationError, model: type[BaseModel]) -> None:
        super().__init__(f"{error.error_count()} fault(s)")  # its own text would hold values, which may be secrets
        self.error = error
        self.model = model


def read_options(section: Mapping[str, Any], model: type[Options]) -> Options:
    """Return a section as `model`; raise OptionsError where it does not fit.

    It is read as JSON is: as strictly as the model says, but a list may be a tuple and text a path, which YAML has no
    other form for. Text that a reference stands for becomes a number or a truth value where one is wanted.
    """
    data = deepcopy(dict(section))
    while True:
        try:
            return model.model_validate_json(json.dumps(data))
        except ValidationError as error:
            retyped = [retype(data, existing_path(data, each)) for each in error.errors() if wants_number(each)]
            if not any(retyped):
                raise OptionsError(error, model) from None  # pydantic's own text would hold values


class PluginState:
    """What plugins keep from one generation to the next, by their names. Reactor thread only."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def keep(self, name: str, make: Callable[[], R]) -> R:
        """Return what plugin `name` keeps; `make` makes it where there is none yet."""
        if name not in self._kept:
            self._kept[name] = make()
        kept: R = self._kept[name]
        return kept


class Keep(Protocol):
    """Keeps one object of a plugin for as long as the process lives."""

    def __call__(self, make: Callable[[], R], /) -> R:
        """Return what an earlier generation of this plugin has kept, else what `make` makes, which is then kept."""


@dataclass(frozen=True, repr=False)
class Host:
    """The daemon, as one plugin sees it. Never keep it in a module: each generation gives a new one.

    `agent` is an HTTP client agent of the reactor, without the guard of sources. `run_in_thread` uses threads that all
    share, for what takes moments; `make_threads(size)` gives a plugin its own, which its `close` has to let go.
    `keep` carries one object over reloads: counters go on counting. `upload_concurrency` is the operator's
    `upload.concurrency`, how many uploads may run at once; `namespaces` are those that the settings name.
    """

    name: str
    section: Mapping[str, Any]
    clock: IReactorTime
    log: Logger
    agent: IAgent
    run_in_thread: RunInThread
    make_threads: Callable[[int], OwnThreads]
    keep: Keep
    upload_concurrency: int
    namespaces: Collection[str]

    def __repr__(self) -> str:  # the section may hold secrets
        return f"<Host of plugin {self.name}>"

    def options(self, model: type[Options]) -> Options:
        """Return the plugin's section of the YAML file as `model`.

        Raises OptionsError, which the plugin lets pass: it is told to the operator with file, line and key.
        """
        return read_options(self.section, model)
