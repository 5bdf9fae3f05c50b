"""What the daemon gives a plugin: its options, and the clock, logger, agent and threads that it may use."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from twisted.logger import Logger

if TYPE_CHECKING:  # they import much of Twisted, which worker processes do not need
    from twisted.internet.interfaces import IReactorTime
    from twisted.web.iweb import IAgent

P = ParamSpec("P")
R = TypeVar("R")
Options = TypeVar("Options", bound=BaseModel)


class RunInThread(Protocol):
    """Runs a blocking function on a worker thread; await the result on the reactor thread."""

    def __call__(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Return what `function` returns, or raise what it raises."""


class OwnThreads(Protocol):
    """Threads of one plugin: a call that hangs there blocks no other plugin."""

    @property
    def run(self) -> RunInThread:
        """Run a blocking function on one of them."""

    def let_go(self) -> None:
        """End each thread after its queued work. Returns at once."""


class OptionsError(Exception):
    """A plugin's section does not fit `model`; the registry turns `error` into faults with lines."""

    def __init__(self, error: ValidationError, model: type[BaseModel]) -> None:
        super().__init__(f"{error.error_count()} fault(s)")  # pydantic's text would hold values, which may be secret
        self.error = error
        self.model = model


def read_options(section: Mapping[str, Any], model: type[Options]) -> Options:
    """Return a section as `model`. Raises OptionsError if it does not fit.

    The section is validated like JSON: as strictly as the model says, but a list may become a tuple and text a path,
    because YAML has no such types. Text from a reference becomes a number or a truth value if the model wants one.
    """
    data = deepcopy(dict(section))
    while True:
        try:
            return model.model_validate_json(json.dumps(data))
        except ValidationError as error:
            # Not at the top: worker processes get valid options, and do not need the model of all settings.
            from imaged.config.validation import existing_path, retype, wants_number  # noqa: PLC0415

            retyped = [retype(data, existing_path(data, each)) for each in error.errors() if wants_number(each)]
            if not any(retyped):
                raise OptionsError(error, model) from None  # pydantic's own text would hold values


class PluginState:
    """One object for each plugin that outlives generations. Reactor thread only."""

    def __init__(self) -> None:
        self._objects: dict[str, Any] = {}

    def get(self, name: str, make: Callable[[], R]) -> R:
        """Return the object of plugin `name`; `make` creates it the first time."""
        if name not in self._objects:
            self._objects[name] = make()
        found: R = self._objects[name]
        return found


class GetState(Protocol):
    """Returns the object of a plugin that outlives reloads."""

    def __call__(self, make: Callable[[], R], /) -> R:
        """Return the object that an earlier generation of the plugin created, or create it with `make`."""


@dataclass(frozen=True, repr=False)
class Host:
    """The daemon, as one plugin sees it. Each generation passes a new host: do not store it in a module.

    `agent` is an HTTP client agent of the reactor, without the network guard. `run_in_thread` uses threads that all
    plugins share, for short work; `make_threads(size)` creates threads of the plugin, which its `close` must let go.
    `state` returns one object that outlives reloads, such as counters. `upload_concurrency` is the operator's
    `upload.concurrency`, how many uploads may run at once; `namespaces` are those that the settings name.

    `extensions` and `read_formats` are those that the settings list for any namespace: the formats of outputs and of
    originals. `maximum_pixels` is `render.maximum_pixels`.
    `worker_count` processes render side by side, each with a processor of its own; it is 1 where all renders run in
    this process. A processor divides by it what all renders together may use, such as memory. `renders` is False in the
    daemon while worker processes render: no method of the processor is called here, so it need not load its libraries.
    """

    name: str
    section: Mapping[str, Any]
    clock: IReactorTime
    log: Logger
    agent: IAgent
    run_in_thread: RunInThread
    make_threads: Callable[[int], OwnThreads]
    state: GetState
    upload_concurrency: int
    namespaces: Collection[str]
    extensions: Collection[str]
    read_formats: Collection[str]
    maximum_pixels: int
    worker_count: int
    renders: bool

    def __repr__(self) -> str:  # the section may hold secrets
        return f"<Host of plugin {self.name}>"

    def options(self, model: type[Options]) -> Options:
        """Return the plugin's section of the YAML file as `model`.

        Raises OptionsError. The plugin lets it pass; the operator gets every fault with file, line and key.
        """
        return read_options(self.section, model)
