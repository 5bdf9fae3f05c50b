"""Which requests count as those of one client."""

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
    """A client is an IPv4 address, also when mapped to IPv6, or a /64 of IPv6."""
    assert client_key(address) == key
