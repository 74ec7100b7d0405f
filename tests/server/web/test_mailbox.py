"""The mailbox of a slow reader: in order, bounded, and free of what is no longer true."""

from __future__ import annotations

import json

import pytest

from server.web.frames import Packet
from server.web.mailbox import Full, Mailbox
from server.web.stored_event import decode, encode
from signaling.effects import Told
from signaling.messages import (
    ParticipantChanged,
    QueueChanged,
    QueueLeft,
    StateEvent,
    VisitEnded,
    WaitingChanged,
    WaitingText,
)


def event(message: StateEvent) -> Packet:
    """Return an event as the hub sends it."""
    return decode(encode(Told(("c",), message))).packet


def contents(mailbox: Mailbox) -> list[dict[str, object]]:
    """Take everything out."""
    found = []
    while mailbox:
        frame = mailbox.take()
        found.append(json.loads(frame[frame.index(b"{") :]))
    assert mailbox.size == 0
    return found


def test_only_the_latest_of_what_replaces_itself_is_kept_in_its_own_place() -> None:
    mailbox = Mailbox(max_bytes=10_000, max_count=100)

    mailbox.put(event(WaitingChanged(seq=1, status="late", minutes=10)), packed=False)
    mailbox.put(event(QueueChanged(seq=2, entry={"id": "a"})), packed=False)
    mailbox.put(event(QueueChanged(seq=3, entry={"id": "b"})), packed=False)
    mailbox.put(event(WaitingChanged(seq=4, status="late", minutes=5)), packed=False)
    mailbox.put(event(QueueChanged(seq=5, entry={"id": "a"})), packed=False)
    mailbox.put(event(QueueLeft(seq=6, entry="a", reason="left")), packed=False)

    assert [message["seq"] for message in contents(mailbox)] == [3, 4, 5, 6]


def test_presence_is_replaced_for_each_participant_of_each_visit() -> None:
    mailbox = Mailbox(max_bytes=10_000, max_count=100)

    for seq, (visit, who) in enumerate([("v", "a"), ("v", "b"), ("w", "a"), ("v", "a")], 1):
        mailbox.put(event(ParticipantChanged(seq=seq, visit=visit, participant={"id": who})), packed=False)

    assert [message["seq"] for message in contents(mailbox)] == [2, 3, 4]


def test_what_happened_and_what_was_said_is_never_replaced() -> None:
    mailbox = Mailbox(max_bytes=10_000, max_count=100)
    ended = VisitEnded(visit="v", rev=1, reason="ended", rejoin_until=0)

    for _ in range(2):
        mailbox.put(event(ended), packed=False)
        mailbox.put(Packet(WaitingText(text="soon", status="late")), packed=False)
        mailbox.put(event(WaitingChanged(status="late")), packed=False)

    assert len(contents(mailbox)) == 5


def test_it_is_full_by_bytes_and_by_number() -> None:
    packet = Packet(WaitingText(text="x" * 1000, status="late"))
    size = len(packet.frame(packed=False))

    by_bytes = Mailbox(max_bytes=2 * size, max_count=100)
    by_count = Mailbox(max_bytes=1_000_000, max_count=2)

    for mailbox in (by_bytes, by_count):
        mailbox.put(packet, packed=False)
        mailbox.put(packet, packed=False)
        with pytest.raises(Full):
            mailbox.put(packet, packed=False)
        assert mailbox.size == 2 * size


def test_a_full_mailbox_takes_what_replaces_its_own() -> None:
    mailbox = Mailbox(max_bytes=10_000, max_count=1)

    for minutes in range(5):
        mailbox.put(event(WaitingChanged(status="late", minutes=minutes)), packed=False)

    assert [message["minutes"] for message in contents(mailbox)] == [4]
