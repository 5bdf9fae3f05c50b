"""Settings of limits: which proxies may be trusted."""

from __future__ import annotations

import json
from ipaddress import ip_network

import pytest
from settings_world import World

from imaged.core.client_addresses import TrustedProxies


def test_networks_addresses_and_unix() -> None:
    """An address is the network of one, and unix stands for UNIX sockets."""
    limits = World().load('limits: {trusted_proxies: [10.0.0.0/8, 127.0.0.1, "::1", unix]}').settings.limits
    assert limits.trusted_proxies == (*map(ip_network, ("10.0.0.0/8", "127.0.0.1/32", "::1/128")), "unix")
    assert json.loads(limits.model_dump_json())["trusted_proxies"][-2:] == ["::1/128", "unix"]


def test_mapped_networks_are_those_of_ipv4() -> None:
    """A network of IPv4-mapped addresses trusts the same proxies as the network of IPv4 in it."""
    limits = World().load('limits: {trusted_proxies: ["::ffff:10.0.0.0/104", "::ffff:192.0.2.1"]}').settings.limits
    proxies = TrustedProxies(limits.trusted_proxies)
    trusted = ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.1", "::ffff:192.0.2.1", "11.0.0.1", "192.0.2.2"]
    assert [proxies.trusts(each) for each in trusted] == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        ("{trusted_proxies: [10.0.0.1/8]}", "trusted_proxies.0: expected unix, an address, or a network by its first"),
        ("{trusted_proxies: [proxy]}", "trusted_proxies.0: expected unix, an address, or a network by its first"),
        ("{trusted_proxies: 10.0.0.1}", 'trusted_proxies: expected a list, got "10.0.0.1": put it in [ ]'),
        ("{trusted_proxies: [0.0.0.0/0]}", "trusted_proxies.0: expected the networks of your proxies"),
        ('{trusted_proxies: [unix, "::/0"]}', "trusted_proxies.1: expected the networks of your proxies"),
        ('{trusted_proxies: ["::ffff:0:0/96"]}', "trusted_proxies.0: expected the networks of your proxies"),
        ('{trusted_proxies: [10.0.0.1, "::ffff:10.0.0.1"]}', "trusted_proxies: an entry is listed twice"),
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
