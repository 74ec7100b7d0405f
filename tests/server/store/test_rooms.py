"""Rooms: a change is saved whole, once, and only over the version it was decided on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.ports.rooms import Commit, Conflict, Repeated, Stored
from server.store.memory import MemoryStore
from server.store.redis import RedisStore
from tests.server.store.fixtures import Live

Store = MemoryStore | RedisStore


def change(expected: int, request: str | None = None, **more: Any) -> Commit:
    """A commit over version `expected`, with one event that has its version's number."""
    version = expected + 1
    return Commit(
        **{
            "request": request or f"request {version}",
            "body": "a hash",
            "keep": 60_000,
            "expected": expected,
            "snapshot": b"room %d" % version,
            "events": ((version, b"event %d" % version),),
            "reply": b"reply %d" % version,
            **more,
        }
    )


async def changes(store: Store, room: str, *, upto: int) -> None:
    for version in range(upto):
        await store.rooms.commit(room, change(version))


async def test_a_room_that_was_never_saved_is_none(store: Store) -> None:
    assert await store.rooms.load("r1") is None
    assert await store.rooms.events("r1", 0) == []
    assert await store.rooms.reply("r1", "request 1") is None


async def test_a_commit_is_there_whole(store: Store) -> None:
    await store.rooms.commit("r1", change(0, outbox=(b"owed",), deadline=500, documents={("closed", "a"): b"document"}))

    assert await store.rooms.load("r1") == Stored(1, b"room 1")
    assert await store.rooms.events("r1", 0) == [(1, b"event 1")]
    assert await store.rooms.reply("r1", "request 1") == (b"reply 1", "a hash")
    assert await store.rooms.due(500) == ["r1"]
    assert [item for _, _, item in await store.outbox.read()] == [b"owed"]
    document = await store.documents.get("r1", "closed", "a")
    assert document is not None
    assert (document.version, document.value) == (1, b"document")


async def test_a_commit_over_another_version_changes_nothing_and_shows_the_present(store: Store) -> None:
    await changes(store, "r1", upto=2)

    with pytest.raises(Conflict) as conflict:
        await store.rooms.commit(
            "r1", change(1, "late", outbox=(b"owed",), deadline=5, documents={("closed", "a"): b"document"})
        )

    assert conflict.value.present == Stored(2, b"room 2")
    assert await store.rooms.events("r1", 0) == [(1, b"event 1"), (2, b"event 2")]
    assert await store.rooms.reply("r1", "late") is None
    assert await store.rooms.due(10**9) == []
    assert await store.outbox.read() == []
    assert await store.documents.get("r1", "closed", "a") is None


async def test_a_commit_over_a_room_that_is_gone_finds_nothing(store: Store) -> None:
    with pytest.raises(Conflict) as conflict:
        await store.rooms.commit("r1", change(3))

    assert conflict.value.present is None


async def test_a_room_that_exists_is_not_made_again(store: Store) -> None:
    await store.rooms.commit("r1", change(0))

    with pytest.raises(Conflict):
        await store.rooms.commit("r1", change(0, "another"))


async def test_a_repeat_gets_the_first_reply_even_where_it_would_conflict(store: Store) -> None:
    await store.rooms.commit("r1", change(0, "the same", reply=b"first", body="body"))
    await store.rooms.commit("r1", change(1))

    for expected in (0, 1, 2, 7):
        with pytest.raises(Repeated) as repeated:
            await store.rooms.commit("r1", change(expected, "the same", reply=b"second", body="another body"))
        assert (repeated.value.reply, repeated.value.body) == (b"first", "body")

    assert await store.rooms.load("r1") == Stored(2, b"room 2")


async def test_requests_of_two_rooms_are_strangers(store: Store) -> None:
    await store.rooms.commit("r1", change(0, "the same"))
    await store.rooms.commit("r2", change(0, "the same"))

    assert await store.rooms.load("r2") == Stored(1, b"room 1")


async def test_a_reply_is_forgotten_after_its_time_and_not_before(live: Live) -> None:
    await live.store.rooms.commit("r1", change(0, keep=60_000))

    live.pass_time(50_000)
    assert await live.store.rooms.reply("r1", "request 1") is not None
    live.pass_time(10_001)
    assert await live.store.rooms.reply("r1", "request 1") is None

    with pytest.raises(Conflict):
        await live.store.rooms.commit("r1", change(0, "request 1"))


async def test_of_two_racing_commits_one_wins(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.rooms.commit("r1", change(0, name, snapshot=name.encode())) for name in ("one", "two")),
        return_exceptions=True,
    )

    (conflict,) = [outcome for outcome in outcomes if outcome is not None]
    assert isinstance(conflict, Conflict)
    assert conflict.present == await store.rooms.load("r1")
    assert await store.rooms.events("r1", 0) == [(1, b"event 1")]


async def test_of_many_racing_repeats_one_is_saved_and_all_others_hear_its_reply(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.rooms.commit("r1", change(0, "click", reply=b"reply %d" % n)) for n in range(20)),
        return_exceptions=True,
    )

    saved = [n for n, outcome in enumerate(outcomes) if outcome is None]
    assert len(saved) == 1
    assert {outcome.reply for outcome in outcomes if isinstance(outcome, Repeated)} == {b"reply %d" % saved[0]}


async def test_a_commit_may_have_several_events_or_none(store: Store) -> None:
    await store.rooms.commit("r1", change(0, events=()))
    await store.rooms.commit("r1", change(1, events=((1, b"one"), (2, b""), (3, b"three"))))

    assert await store.rooms.events("r1", 0) == [(1, b"one"), (2, b""), (3, b"three")]
    assert await store.rooms.events("r1", 2) == [(3, b"three")]
    assert await store.rooms.events("r1", 3) == []


async def test_values_of_any_bytes_and_size_come_back_as_they_were(store: Store) -> None:
    every_byte = bytes(range(256)) * 400
    await store.rooms.commit("r1", change(0, snapshot=every_byte, events=((1, every_byte),), reply=every_byte))

    assert await store.rooms.load("r1") == Stored(1, every_byte)
    assert await store.rooms.events("r1", 0) == [(1, every_byte)]
    assert await store.rooms.reply("r1", "request 1") == (every_byte, "a hash")


async def test_old_events_go_and_whoever_needs_them_is_told(store: Store) -> None:
    many = tuple((seq, b"event %d" % seq) for seq in range(1, 1501))
    await store.rooms.commit("r1", change(0, events=many))

    assert await store.rooms.events("r1", 0) is None
    assert await store.rooms.events("r1", 300) is None
    assert await store.rooms.events("r1", 600) == list(many[600:])
    assert await store.rooms.events("r1", 1500) == []


async def test_due_rooms_come_the_longest_overdue_first_and_no_more_than_asked_for(store: Store) -> None:
    for number, at in enumerate((300, 100, 200, 900)):
        await store.rooms.commit(f"r{number}", change(0, deadline=at))

    assert await store.rooms.due(99) == []
    assert await store.rooms.due(300) == ["r1", "r2", "r0"]
    assert await store.rooms.due(1000, limit=2) == ["r1", "r2"]


async def test_each_commit_replaces_the_deadline(store: Store) -> None:
    await store.rooms.commit("r1", change(0, deadline=100))
    await store.rooms.commit("r1", change(1, deadline=200))
    assert await store.rooms.due(199) == []
    assert await store.rooms.due(200) == ["r1"]

    await store.rooms.commit("r1", change(2, deadline=None))
    assert await store.rooms.due(10**9) == []


async def test_postponing_moves_a_deadline_later_only_and_makes_none(store: Store) -> None:
    await store.rooms.commit("r1", change(0, deadline=100))
    await store.rooms.commit("r2", change(0))

    await store.rooms.postpone("r1", 500)
    await store.rooms.postpone("r1", 300)
    await store.rooms.postpone("r2", 300)

    assert await store.rooms.due(499) == []
    assert await store.rooms.due(500) == ["r1"]


async def test_a_deleted_room_leaves_nothing_but_what_is_owed(store: Store) -> None:
    await store.rooms.commit("r1", change(0, outbox=(b"owed",), deadline=100))
    await store.rooms.commit("r10", change(0, deadline=100))

    await store.rooms.delete("r1")

    assert await store.rooms.load("r1") is None
    assert await store.rooms.events("r1", 0) == []
    assert await store.rooms.reply("r1", "request 1") is None
    assert await store.rooms.due(100) == ["r10"]
    assert [item for _, _, item in await store.outbox.read()] == [b"owed"]
    assert await store.rooms.reply("r10", "request 1") is not None
    await store.rooms.commit("r1", change(0))
    assert await store.rooms.load("r1") == Stored(1, b"room 1")


async def test_documents_of_commits_count_their_versions_on(store: Store) -> None:
    await store.documents.put("r1", "closed", "a", b"before")
    await store.rooms.commit("r1", change(0, documents={("closed", "a"): b"after", ("closed", "b"): b"new"}))

    documents = await store.documents.all("r1", "closed")

    assert {id: (document.version, document.value) for id, document in documents.items()} == {
        "a": (2, b"after"),
        "b": (1, b"new"),
    }


async def test_a_document_that_changes_beside_a_commit_loses_neither_change(store: Store) -> None:
    _, version = await asyncio.gather(
        store.rooms.commit("r1", change(0, documents={("closed", "a"): b"by the commit"})),
        store.documents.put("r1", "closed", "a", b"by hand"),
    )

    document = await store.documents.get("r1", "closed", "a")
    assert document is not None
    assert document.version == 2
    assert document.value == (b"by hand" if version == 2 else b"by the commit")


async def test_a_reply_that_need_not_be_kept_is_no_error(store: Store) -> None:
    await store.rooms.commit("r1", change(0, keep=0))

    assert await store.rooms.load("r1") == Stored(1, b"room 1")


async def test_time_is_in_milliseconds_and_does_not_go_back(store: Store) -> None:
    before, after = await store.rooms.time(), await store.rooms.time()

    assert 0 <= after - before < 60_000
    assert isinstance(after, int)


async def test_a_test_may_let_another_commit_overtake() -> None:
    store = MemoryStore(lambda: 0)

    async def overtake(room: str, commit: Commit) -> None:
        store.rooms.failpoint = None
        await store.rooms.commit(room, change(0, "faster"))

    store.rooms.failpoint = overtake
    with pytest.raises(Conflict):
        await store.rooms.commit("r1", change(0, "slower"))

    assert await store.rooms.reply("r1", "faster") is not None
