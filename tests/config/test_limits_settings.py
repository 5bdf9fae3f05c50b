"""Settings of limits: which proxies may be trusted."""

from __future__ import annotations

import json
from ipaddress import ip_network

import pytest
from settings_world import World


def test_networks_addresses_and_unix() -> None:
    """An address is the network of one, and unix stands for UNIX sockets."""
    limits = World().load('limits: {trusted_proxies: [10.0.0.0/8, 127.0.0.1, "::1", unix]}').settings.limits
    assert limits.trusted_proxies == (*map(ip_network, ("10.0.0.0/8", "127.0.0.1/32", "::1/128")), "unix")
    assert json.loads(limits.model_dump_json())["trusted_proxies"][-2:] == ["::1/128", "unix"]


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        ("{trusted_proxies: [10.0.0.1/8]}", "trusted_proxies.0: expected a network, by its first address"),
        ("{trusted_proxies: [proxy]}", "trusted_proxies.0: expected a network, by its first address"),
        ("{trusted_proxies: [0.0.0.0/0]}", "trusted_proxies.0: expected the networks of your proxies"),
        ('{trusted_proxies: [unix, "::/0"]}', "trusted_proxies.1: expected the networks of your proxies"),
        ("{trusted_proxies: [unix, unix]}", "trusted_proxies: an entry is listed twice"),
        ("{trusted_proxies: [127.0.0.1, 127.0.0.1/32]}", "trusted_proxies: an entry is listed twice"),
        ("{proxy_protocol: true}", "limits: proxy_protocol needs trusted_proxies"),
        ("{requests_per_s: -1}", "requests_per_s: expected at least 0"),
        ("{connections: 1.5}", "connections: expected a whole number"),
    ],
)
def test_faults(limits: str, fault: str) -> None:
    """A fault has its line and its key."""
    (found,) = World().faults(f"limits: {limits}")
    assert found.startswith("etc/imaged.yaml:1: limits")
    assert fault in found
