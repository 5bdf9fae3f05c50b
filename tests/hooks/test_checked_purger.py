"""CheckedPurger checks what a purger returns and raises, and bounds the time of each call."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from imaged.api import StoreError, StoreUnavailableError
from imaged.core.errors import PluginFailedError
from imaged.hooks.checked_purger import LONGEST_S, CheckedPurger
from imaged.hooks.contract_check import ContractError, read_metadata
from imaged.testing.fakes import MemoryPurger
from imaged.testing.waiting import wait


class Returning:
    """A purger that returns what it was made with."""

    def __init__(self, result: Any) -> None:
        self.result = result

    async def purge(self, *_: object) -> Any:
        """Return that, or wait for it."""
        return await self.result if isinstance(self.result, Deferred) else self.result


def purge(purger: Any, clock: Clock | None = None) -> Any:
    """Purge one path."""
    return CheckedPurger("odd", purger, clock or Clock()).purge("p-0", ["/p/0"])


def test_a_purge_reaches_the_plugin() -> None:
    """The plugin gets the tag, and the paths as a tuple, which it cannot change for others."""
    purger = MemoryPurger()
    wait(purge(purger))
    assert purger.purges == [("p-0", ("/p/0",))]


@pytest.mark.parametrize("result", [True, 0, "done"])
def test_a_result_is_refused(result: Any) -> None:
    """A result may mean that it did nothing. The log names the plugin."""
    with capturedLogs() as logged, pytest.raises(PluginFailedError, match="purger odd: purge of p-0 failed"):
        wait(purge(Returning(result)))
    assert len(logged) == 1


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), MemoryError()])
def test_any_other_error_is_a_failure_of_the_plugin(error: BaseException) -> None:
    """Errors that the contract excludes are the plugin's."""
    purger = MemoryPurger()
    purger.failure = error  # type: ignore[assignment]  # plugins may raise anything
    with capturedLogs() as logged, pytest.raises(PluginFailedError, match="purger odd"):
        wait(purge(purger))
    assert len(logged) == 1


@pytest.mark.parametrize("error", [StoreError("away"), StoreUnavailableError("away")])
def test_a_store_error_is_one_attempt(error: StoreError) -> None:
    """An error that says that the remote store is away is none about a cache: the queue would not log it."""
    purger = MemoryPurger()
    purger.failure = error
    with pytest.raises(StoreError, match="away") as raised:
        wait(purge(purger))
    assert type(raised.value) is StoreError


def test_a_call_that_hangs_is_cancelled() -> None:
    """After LONGEST_S the call is cancelled, and tried again later."""
    clock, results, hanging = Clock(), list[Any](), Deferred[None]()
    Deferred.fromCoroutine(purge(Returning(hanging), clock)).addBoth(results.append)
    clock.advance(LONGEST_S - 1)
    assert results == []
    clock.advance(1)
    (failure,) = results
    assert isinstance(failure, Failure)
    assert type(failure.value) is StoreError


def test_an_object_without_the_method_is_no_purger() -> None:
    """The daemon refuses it when it loads."""
    with pytest.raises(ContractError, match="is no Purger: it has no purge"):
        read_metadata("purger", object())
    assert read_metadata("purger", MemoryPurger()).detail == "memory"
