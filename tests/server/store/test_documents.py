"""Registry documents and the agenda."""

from __future__ import annotations

import asyncio

import pytest

from server.ports.documents import Changed, Document
from server.store.memory import MemoryStore
from server.store.redis import RedisStore

Store = MemoryStore | RedisStore


async def test_a_document_comes_back_with_its_version(store: Store) -> None:
    assert await store.documents.get("p1", "provider", "dr-a") is None
    assert await store.documents.put("p1", "provider", "dr-a", b"one") == 1
    assert await store.documents.put("p1", "provider", "dr-a", b"two") == 2

    assert await store.documents.get("p1", "provider", "dr-a") == Document(2, b"two")


async def test_places_kinds_and_ids_keep_documents_apart(store: Store) -> None:
    for place, kind, id in (("p1", "a", "x"), ("p2", "a", "x"), ("p1", "b", "x"), ("p1", "a", "y")):
        await store.documents.put(place, kind, id, f"{place} {kind} {id}".encode())

    assert await store.documents.get("p2", "a", "x") == Document(1, b"p2 a x")
    assert await store.documents.all("p1", "a") == {"x": Document(1, b"p1 a x"), "y": Document(1, b"p1 a y")}
    assert await store.documents.all("p3", "a") == {}


async def test_ids_may_be_any_text(store: Store) -> None:
    ids = ["Ärztin:1/2", "a b", "{p00}", "*", "x" * 500]
    for id in ids:
        await store.documents.put("p1", "a", id, id.encode())

    assert {id: document.value for id, document in (await store.documents.all("p1", "a")).items()} == {
        id: id.encode() for id in ids
    }


async def test_a_document_is_changed_only_over_the_expected_version(store: Store) -> None:
    assert await store.documents.put("p1", "a", "x", b"one", expected=0) == 1
    assert await store.documents.put("p1", "a", "x", b"two", expected=1) == 2

    for wrong in (0, 1, 3):
        with pytest.raises(Changed):
            await store.documents.put("p1", "a", "x", b"three", expected=wrong, outbox=[b"owed"])
    with pytest.raises(Changed):
        await store.documents.put("p1", "a", "none", b"one", expected=1, outbox=[b"owed"])

    assert await store.documents.get("p1", "a", "x") == Document(2, b"two")
    assert await store.outbox.read() == []


async def test_of_two_who_make_the_same_document_one_does(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.documents.put("p1", "a", "x", value, expected=0) for value in (b"one", b"two")), return_exceptions=True
    )

    assert sorted(map(repr, outcomes)) == ["1", "Changed()"]


async def test_writers_without_expectations_all_count(store: Store) -> None:
    versions = await asyncio.gather(*(store.documents.put("p1", "a", "x", b"%d" % n) for n in range(5)))

    assert sorted(versions) == [1, 2, 3, 4, 5]


async def test_deleting_tells_whether_there_was_anything(store: Store) -> None:
    await store.documents.put("p1", "a", "x", b"one")

    assert await store.documents.delete("p1", "a", "x", outbox=[b"deleted"])
    assert not await store.documents.delete("p1", "a", "x", outbox=[b"deleted again"])

    assert await store.documents.get("p1", "a", "x") is None
    assert await store.documents.all("p1", "a") == {}
    assert [item for _, _, item in await store.outbox.read()] == [b"deleted"]


async def test_what_is_owed_for_a_change_is_written_with_it_in_order(store: Store) -> None:
    await store.documents.put("p1", "a", "x", b"one", outbox=[b"first", b"second"])
    await store.documents.put("p1", "a", "x", b"two", outbox=[b"third"])

    assert [item for _, _, item in await store.outbox.read()] == [b"first", b"second", b"third"]


async def test_the_agenda_gives_what_is_due_the_earliest_first(store: Store) -> None:
    for number, at in enumerate((300, 100, 200, 900)):
        await store.documents.schedule(f"place {number}", f"open {number}", at)

    assert await store.documents.scheduled(99) == []
    assert await store.documents.scheduled(300) == ["open 1", "open 2", "open 0"]
    assert await store.documents.scheduled(1000, limit=2) == ["open 1", "open 2"]


async def test_what_is_scheduled_can_be_moved_and_taken_off(store: Store) -> None:
    await store.documents.schedule("p1", "open", 100)
    await store.documents.schedule("p1", "open", 500)
    assert await store.documents.scheduled(499) == []
    assert await store.documents.scheduled(500) == ["open"]

    await store.documents.schedule("p1", "open", None)
    await store.documents.schedule("p1", "never there", None)
    assert await store.documents.scheduled(10**9) == []
