"""Whom a webhook may reach: a table of addresses that it may not, however they are written."""

# ruff: noqa: SIM905 - the tables read better as text

from __future__ import annotations

from collections.abc import Sequence

import pytest

from server.billing.addresses import Unreachable, checked, is_public, resolve

CLOSED = """
0.0.0.0 0.0.0.1 0.255.255.255
10.0.0.0 10.0.0.1 10.1.2.3 10.255.255.255
100.64.0.0 100.64.0.1 100.100.100.200 100.127.255.255
127.0.0.0 127.0.0.1 127.0.1.1 127.1.2.3 127.255.255.255
169.254.0.0 169.254.0.1 169.254.169.254 169.254.170.2 169.254.255.255
172.16.0.0 172.16.0.1 172.17.0.1 172.20.10.1 172.31.255.255
192.0.0.0 192.0.0.1 192.0.0.8 192.0.0.170 192.0.0.192 192.0.0.255
192.0.2.0 192.0.2.1 192.0.2.255
192.31.196.1 192.52.193.1 192.88.99.0 192.88.99.1 192.175.48.1
192.168.0.0 192.168.0.1 192.168.1.1 192.168.255.255
198.18.0.0 198.18.0.1 198.19.255.255 198.51.100.0 198.51.100.7 203.0.113.0 203.0.113.255
224.0.0.0 224.0.0.1 224.0.0.251 239.255.255.250 239.255.255.255
240.0.0.0 240.0.0.1 255.0.0.0 255.255.255.254 255.255.255.255
:: ::1 ::2 ::127.0.0.1 ::8.8.8.8 ::ffff:0:127.0.0.1
::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:7f00:1 ::ffff:192.168.1.1 ::ffff:8.8.8.8
64:ff9b::1 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b::8.8.8.8 64:ff9b:1::1 64:ff9b:1::a00:1
100::1 100::ffff
2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:1ff:ffff::1
2001:db8:: 2001:db8::1 2001:db8:ffff::1 3fff::1 3fff:fff::1
2002::1 2002:7f00:1:: 2002:a00:1:: 2002:c0a8:101:: 2002:a9fe:a9fe:: 2620:4f:8000::1
4000::1 5f00::1 8000::1
fc00:: fc00::1 fd00::1 fd00:ec2::254 fd12:3456:789a::1 fdff:ffff::1
fe80:: fe80::1 fe80::1%eth0 fe80::a9fe:a9fe febf::1 fec0::1 fec0:0:0:ffff::1
ff00::1 ff01::1 ff02::1 ff02::fb ff05::2 ff0e::1
""".split()

OPEN = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1
169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0
198.17.255.255 198.20.0.0 203.0.112.255 203.0.114.0 223.255.255.255
2001:200::1 2001:4860:4860::8888 2600::1 2606:4700:4700::1111 2a00:1450:4001::1 2003::1
""".split()

WRITTEN_ODDLY = """
127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 0x7f.0x0.0x0.0x1 0 00.0.0.0 0x0
167772161 0xa000001 10.1 012.1 2852039166 0xa9fea9fe 0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376 169.16689662
3232235777 0xc0a80101 192.168.257 ::1 0:0:0:0:0:0:0:1 ::ffff:7f00:1 0:0:0:0:0:ffff:127.0.0.1 localhost
""".split()


@pytest.mark.parametrize("address", CLOSED)
def test_a_closed_address(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OPEN)
def test_an_open_address(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["", "ehr.example", "127.1", "8.8.8.8/32", "[::1]", "8.8.8.8 "])
def test_what_is_no_address_is_not_open(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("host", WRITTEN_ODDLY)
async def test_the_systems_resolver_opens_no_way_in(host: str) -> None:
    with pytest.raises(Unreachable, match="address"):
        await checked(host, 443, resolve, allow_private=False)


def test_the_tables_are_long_enough() -> None:
    assert len(set(CLOSED) | set(WRITTEN_ODDLY)) >= 140


async def test_a_name_nobody_knows() -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        return []

    async def fails(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    for resolver in (nowhere, fails):
        with pytest.raises(Unreachable, match="name"):
            await checked("ehr.example", 443, resolver, allow_private=False)


async def test_private_networks_can_be_allowed() -> None:
    assert await checked("127.0.0.1", 443, resolve, allow_private=True) == ["127.0.0.1"]
