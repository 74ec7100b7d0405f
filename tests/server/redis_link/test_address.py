"""URLs of the store: what they may say, and that nothing repeats it."""

from __future__ import annotations

import pytest

from server.redis_link.address import BadStoreUrl, address_of


@pytest.mark.parametrize(
    "url",
    [
        "http://secret",
        "redis://h:secret/0",
        "unix://",
        "redis://h?socket_timeout=99",
        "redis://h?retry_on_timeout=yes",
        "redis://h?secret=1",
        "redis://h?ssl_ca_certs=/secret",
        "rediss://h?ssl_cert_reqs=none",
        "rediss://h?ssl_check_hostname=no",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(BadStoreUrl) as refusal:
        address_of(url)

    assert "secret" not in str(refusal.value)


def test_an_address_shows_no_password() -> None:
    address = address_of("rediss://user:secret@host:7000/3?ssl_ca_certs=/ca.pem")

    settings = address.settings(0.5)
    assert (settings["host"], settings["port"], settings["db"]) == ("host", 7000, 3)
    assert (settings["username"], settings["password"], settings["ssl_ca_certs"]) == ("user", "secret", "/ca.pem")
    assert "secret" not in repr(address)


def test_a_connection_repeats_nothing_and_waits_no_longer_than_told() -> None:
    connection = address_of("redis://h").connection(0.25)

    assert connection.retry.get_retries() == 0
    assert (connection.socket_timeout, connection.socket_connect_timeout) == (0.25, 0.25)
