"""Whom a webhook may reach: no address that is not open to everybody, however it is written."""

# ruff: noqa: SIM905 - the table reads better as text

from __future__ import annotations

from collections.abc import Sequence

import pytest

from server.billing.addresses import Unreachable, checked, resolve
from tests.server.test_addresses import CLOSED

WRITTEN_ODDLY = """
127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 0x7f.0x0.0x0.0x1 0 00.0.0.0 0x0
167772161 0xa000001 10.1 012.1 2852039166 0xa9fea9fe 0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376 169.16689662
3232235777 0xc0a80101 192.168.257 ::1 0:0:0:0:0:0:0:1 ::ffff:7f00:1 0:0:0:0:0:ffff:127.0.0.1 localhost
""".split()


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
