"""URLs of a service with sentinels, and of a cluster."""

from __future__ import annotations

import pytest
from redis.asyncio.connection import SSLConnection

from server.redis_link.address import Address, BadStoreUrl
from server.redis_link.sentinel import SentinelAddress
from server.redis_link.url import Seeds, place_of

Server = tuple[str, int]


def sentinels_of(url: str) -> tuple[SentinelAddress, list[Address]]:
    place = place_of(url)
    assert isinstance(place, SentinelAddress)
    return place, list(place._sentinels._sentinels)


def test_sentinels_have_ports_and_a_sign_in_of_their_own() -> None:
    server, sentinels = sentinels_of(
        "redis+sentinel://user:p%40ss@one:7001,two,[::1]/care/3?sentinel_username=watch&sentinel_password=s%2Fw"
    )

    assert [sentinel.server for sentinel in sentinels] == [("one", 7001), ("two", 26379), ("::1", 26379)]
    assert all(sentinel.sign_in == {"username": "watch", "password": "s/w"} for sentinel in sentinels)
    settings = server.settings(0.5)
    assert (settings["username"], settings["password"], settings["db"]) == ("user", "p@ss", 3)


def test_sentinels_that_want_no_password_are_given_none() -> None:
    _, (sentinel,) = sentinels_of("redis+sentinel://user:secret@one/care")

    assert sentinel.sign_in == {}


def test_tls_is_spoken_with_sentinels_and_servers_alike() -> None:
    server, sentinels = sentinels_of("rediss+sentinel://one,two/care?ssl_ca_certs=/ca.pem")

    for address in (server, *sentinels):
        assert issubclass(address.kind, SSLConnection)
        assert address.settings(1)["ssl_ca_certs"] == "/ca.pem"


def test_the_servers_of_a_cluster_share_a_sign_in() -> None:
    place = place_of("rediss+cluster://user:secret@one:7001,two?ssl_ca_certs=/ca.pem")

    assert isinstance(place, Seeds)
    assert [address.server for address in place.addresses] == [("one", 7001), ("two", 6379)]
    for address in (*place.addresses, place.addresses[0].at("three", 7003)):
        assert (address.sign_in["username"], address.sign_in["password"]) == ("user", "secret")
        assert issubclass(address.kind, SSLConnection)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+sentinel://u:secret@one", "must name the service"),
        ("redis+sentinel://u:secret@one/", "must name the service"),
        ("redis+sentinel://one/care/secret", "must name the service"),
        ("redis+sentinel://one/care/0/secret", "must name the service"),
        ("redis+sentinel://u:secret@/care", "at least one host"),
        ("redis+sentinel://u:secret@one,,two/care", "no empty one"),
        ("redis+sentinel://one:secret/care", "well-formed"),
        ("redis+sentinel://one/care?secret", "well-formed"),
        ("redis+sentinel://one/care?secret=1", "may have the options"),
        ("redis+sentinel://one/care?ssl_ca_certs=/secret", "does not go with its beginning"),
        ("redis+cluster://u:secret@one/1", "one database"),
        ("redis+cluster://u:secret@one?db=1", "one database"),
        ("redis+cluster://u:secret@", "at least one host"),
        ("redis+cluster://one?sentinel_password=secret", "may have the options"),
        ("redis+secret://one", "must begin with"),
        ("unix+cluster://secret", "must begin with"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence_without_the_url(url: str, words: str) -> None:
    with pytest.raises(BadStoreUrl) as refusal:
        place_of(url)

    assert words in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_no_address_shows_a_password() -> None:
    for url in ("redis+sentinel://u:secret@one/care?sentinel_password=secret", "redis+cluster://u:secret@one"):
        assert "secret" not in repr(place_of(url))
