"""Candidates are looked at only where the operator lets them be."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from server.media.networks import Networks
from server.settings import Settings

DEFAULT = Settings.model_fields["candidate_networks"].default


def admits(networks: Networks, address: str) -> bool:
    return networks.admits(ip_address(address))


@pytest.mark.parametrize(
    "address", ["9.9.9.9", "2620:fe::fe", "10.1.2.3", "172.16.9.9", "192.168.1.7", "100.64.3.3", "fd12::1"]
)
def test_in_production_the_internet_and_private_networks_are_open(address: str) -> None:
    assert admits(Networks(DEFAULT, local=False), address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "169.254.169.254",
            "fe80::1",
            "100.100.100.200",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
        ),
        *("224.0.0.251", "ff02::fb", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1"),
    ],
)
def test_in_production_no_setting_opens_this_machine_the_link_or_a_clouds_secrets(address: str) -> None:
    for entries in (DEFAULT, ["127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10", "fe80::/10", "fc00::/7", "::1"]):
        assert not admits(Networks(entries, local=False), address)


def test_the_narrowest_network_decides() -> None:
    networks = Networks(["10.0.0.0/8", "!10.1.0.0/16", "10.1.7.0/24", "!9.9.9.9"], local=False)

    assert [admits(networks, one) for one in ("10.2.0.1", "10.1.0.1", "10.1.7.1")] == [True, False, True]
    assert [admits(networks, one) for one in ("9.9.9.9", "9.9.9.8", "192.168.0.1")] == [False, True, False]


def test_in_development_all_may_be_on_one_machine_but_for_what_is_closed() -> None:
    networks = Networks(["!10.1.0.0/16"], local=True)

    assert [admits(networks, one) for one in ("127.0.0.1", "fe80::1", "192.0.2.7", "10.2.0.1")] == [True] * 4
    assert [admits(networks, one) for one in ("10.1.0.1", "0.0.0.0", "224.0.0.1")] == [False] * 3
