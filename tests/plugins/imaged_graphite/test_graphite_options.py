"""Options of the plugin `graphite`, and the faults of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from imaged.api import OptionsError, OutputRendered
from imaged.hooks.host import PluginState
from imaged.testing.fakes import make_host
from imaged_graphite import Options, imaged_metrics


def test_the_defaults_are_those_of_carbon() -> None:
    """A carbon on this machine that keeps a value for each 10 seconds needs no options."""
    options = make_host("graphite").options(Options)
    values = (options.host, options.port, options.prefix, options.interval_s)
    assert values == ("127.0.0.1", 2003, "stats.image_server", 10)


@pytest.mark.parametrize(
    "section",
    [
        {"host": ""},
        {"host": "carbon:2003"},
        {"host": "a b"},
        {"port": 0},
        {"port": 65_536},
        {"prefix": ""},
        {"prefix": "a..b"},
        {"prefix": "a b"},
        {"prefix": "a\n"},
        {"interval_s": 0},
        {"interval_s": 3601},
        {"interval_s": 0.5},
        {"flush_s": 10},
    ],
)
def test_faults(section: dict[str, Any]) -> None:
    """Each is a fault before anything is sent."""
    with pytest.raises(OptionsError):
        imaged_metrics(make_host("graphite", section))


def test_the_status_page_says_where_it_goes() -> None:
    """It has host, port and prefix."""
    sink: Any = imaged_metrics(make_host("graphite", {"host": "::1", "prefix": "a.b"}))
    assert sink.detail == "tcp [::1]:2003 a.b."


def test_totals_outlive_a_reload() -> None:
    """Two generations with the same interval share their totals, even if other options changed."""
    kept = PluginState()

    def generation(**section: Any) -> Any:
        return imaged_metrics(make_host("graphite", section, state=lambda make: kept.get("graphite", make)))

    sinks = [generation(), generation(host="carbon.example"), generation(interval_s=60)]
    for sink in sinks:
        sink.record(OutputRendered("p", "x300.jpg", "jpg", 0.1))
    totals = [sum(each.counted.counts["image_request"] for each in sink._slots.changed()) for sink in sinks]
    assert totals == [2, 2, 1]
