"""Only candidates that are worth a check are looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media import ice
from server.media.networks import Networks

HOST = "candidate:1 1 udp 2113937151 192.0.2.7 51234 typ host"


@pytest.mark.parametrize(
    "text",
    [
        HOST,
        f"a={HOST}",
        HOST.replace("udp", "UDP"),
        HOST + " generation 0 ufrag abcd network-cost 999",
        "candidate:2 1 udp 1677729535 203.0.113.9 40000 typ srflx raddr 0.0.0.0 rport 0",
        "candidate:3 1 udp 41885439 2001:db8::7 40000 typ relay raddr :: rport 0",
    ],
)
def test_a_candidate_of_a_browser_is_taken(text: str) -> None:
    found = ice.parse(text)

    assert found is not None
    assert (found.component, found.protocol) == (1, "udp")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "candidate:",
        None,
        7,
        HOST.replace("192.0.2.7", "4d1f2d8e-1a61.local"),
        HOST.replace(" 1 udp", " 2 udp"),
        HOST.replace("udp", "tcp") + " tcptype active",
        HOST.replace("51234", "0"),
        HOST.replace("51234", "65536"),
        HOST.replace("2113937151", "9999999999"),
        HOST.replace("192.0.2.7", "0.0.0.0"),
        HOST.replace("192.0.2.7", "::"),
        HOST.replace("192.0.2.7", "224.0.0.1"),
        HOST.replace("192.0.2.7", "::ffff:224.0.0.1"),
        HOST.replace("192.0.2.7", "256.1.1.1"),
        HOST.replace("typ host", "typ elsewhere"),
        HOST.replace("51234", "٥١٢٣٤"),
        HOST + " x" * 400,
    ],
)
def test_anything_else_is_left_out(text: object) -> None:
    assert ice.parse(text) is None


def test_a_client_cannot_have_doors_inside_knocked_at() -> None:
    text, other = HOST.replace("192.0.2.7", "10.0.0.1"), HOST.replace("192.0.2.7", "9.9.9.9")

    assert ice.parse(text, Networks(local=False)) is None
    assert ice.parse(text, Networks(["10.0.0.0/8"], local=False)) is not None
    assert ice.parse(other, Networks(local=False)) is not None


@given(st.one_of(st.text(), st.text("candidte: 0123456789.udphostyp", max_size=80), st.from_regex(ice._GRAMMAR)))
def test_no_text_raises(text: str) -> None:
    ice.parse(text)
    ice.parse(text, Networks(["!::/0"], local=False))


@given(
    st.lists(
        st.recursive(
            st.none() | st.text(max_size=5) | st.integers(), lambda x: st.dictionaries(st.just("candidate"), x)
        )
    )
)
def test_no_message_raises(items: list[object]) -> None:
    assert all(isinstance(line, str) for line in ice.read(items))


def test_the_machines_own_addresses_are_used_and_loopback_only_in_need() -> None:
    assert ice.hosts(["192.0.2.2"], loopback=False) == ["192.0.2.2"]
    assert ice.hosts([], loopback=False) == ["127.0.0.1"]
    assert ice.hosts(["192.0.2.2"], loopback=True) == ["192.0.2.2", "127.0.0.1"]
