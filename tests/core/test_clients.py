"""Which requests count as one client's."""

from __future__ import annotations

import pytest

from imaged.core.clients import client_key


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_what_a_client_is_counted_by(address: str, key: str) -> None:
    """An IPv4 address is a client, also where it comes mapped; of IPv6, a /64 is."""
    assert client_key(address) == key
