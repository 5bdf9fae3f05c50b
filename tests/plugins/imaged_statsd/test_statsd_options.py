"""Options of the plugin `statsd`, and the faults of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from imaged.api import OptionsError
from imaged.testing.fakes import make_host
from imaged_statsd import Options, imaged_metrics


def test_the_defaults_are_those_of_statsd() -> None:
    """A StatsD on this machine needs no options."""
    options = make_host("statsd").options(Options)
    assert (options.host, options.port, options.prefix) == ("127.0.0.1", 8125, "image_server")


@pytest.mark.parametrize("host", ["statsd.example", "10.1.2.3", "::1", "fe80::1%eth0", "::ffff:10.1.2.3", "localhost"])
def test_hosts(host: str) -> None:
    """Names and addresses of either kind."""
    assert make_host("statsd", {"host": host}).options(Options).host == host


@pytest.mark.parametrize("prefix", ["image_server", "stats.image-server.node_1", "A.b"])
def test_prefixes(prefix: str) -> None:
    """Letters, digits, _ and -, in parts with dots between them."""
    assert make_host("statsd", {"prefix": prefix}).options(Options).prefix == prefix


@pytest.mark.parametrize(
    "section",
    [
        *({"host": each} for each in ("", "a b", "a..b", "a\n", "statsd:8125", "127.0.0.1:8125", "udp://statsd")),
        *({"host": each} for each in ("[::1]", "::1::", "a" * 64, "a." * 127, "ä.example", "256.1.1.1", "10.1.2")),
        {"port": 0},
        {"port": 65_536},
        *(
            {"prefix": each}
            for each in ("", ".", "a.", ".a", "a..b", "a b", "a:1", "a|c", "a\n", "a/b", "ä", "a" * 201)
        ),
        {"interval_s": 10},
    ],
)
def test_faults(section: dict[str, Any]) -> None:
    """Each is a fault before anything is sent."""
    with pytest.raises(OptionsError):
        imaged_metrics(make_host("statsd", section))


@pytest.mark.parametrize(
    ("section", "detail"),
    [
        ({}, "udp 127.0.0.1:8125 image_server."),
        ({"host": "::1", "port": 9, "prefix": "a.b"}, "udp [::1]:9 a.b."),
    ],
)
def test_the_status_page_says_where_it_goes(section: dict[str, Any], detail: str) -> None:
    """It has host, port and prefix."""
    sink: Any = imaged_metrics(make_host("statsd", section))
    assert sink.detail == detail
    sink.close()
