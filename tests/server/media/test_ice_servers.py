"""Participants get our own ICE servers, with credentials that a TURN server can check and that run out."""

from __future__ import annotations

import base64
import hashlib
import hmac

from server.media.ice_servers import LIFETIME, IceServers

NOW = 1_790_000_000_000


def test_without_servers_there_are_none() -> None:
    assert IceServers((), clock=lambda: NOW)() == ()


def test_a_stun_server_needs_no_credentials() -> None:
    assert IceServers([(["stun:turn.example:3478"], "")], clock=lambda: NOW)() == (
        {"urls": ["stun:turn.example:3478"]},
    )


def test_the_password_proves_the_name_and_the_name_says_until_when() -> None:
    (server,) = IceServers([(["turn:turn.example:3478"], "shared")], clock=lambda: NOW)()

    expected = hmac.new(b"shared", server["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(server["credential"]) == expected
    assert int(server["username"].partition(":")[0]) == NOW // 1000 + LIFETIME


def test_two_participants_cannot_be_told_to_be_of_one_visit() -> None:
    make = IceServers([(["turn:turn.example:3478"], "shared")], clock=lambda: NOW)

    assert make()[0]["username"] != make()[0]["username"]
