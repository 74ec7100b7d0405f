"""The outbox: nothing is lost, nothing is out of order, no partition waits for a busy one."""

from __future__ import annotations

from server.redis_link.keys import partition_of
from server.store.memory import MemoryStore
from server.store.redis import RedisStore
from tests.server.store.test_rooms import change

Store = MemoryStore | RedisStore


async def test_items_of_rooms_and_documents_come_in_order_within_their_partition(store: Store) -> None:
    await store.rooms.commit("r1", change(0, outbox=(b"one", b"two")))
    await store.documents.put("r1", "a", "x", b"", outbox=[b"three"])
    await store.rooms.commit("r1", change(1, outbox=(b"four",)))

    items = await store.outbox.read()

    assert {partition for partition, _, _ in items} == {partition_of("r1")}
    assert [item for _, _, item in items] == [b"one", b"two", b"three", b"four"]
    assert len({id for _, id, _ in items}) == 4


async def test_reading_takes_nothing_away(store: Store) -> None:
    await store.rooms.commit("r1", change(0, outbox=(b"one",)))

    assert await store.outbox.read() == await store.outbox.read() != []


async def test_trimming_forgets_what_was_archived_and_nothing_else(store: Store) -> None:
    await store.rooms.commit("r1", change(0, outbox=(b"one", b"two", b"three")))
    await store.rooms.commit("r2", change(0, outbox=(b"other",)))
    items = [item for item in await store.outbox.read() if item[0] == partition_of("r1")]

    await store.outbox.trim({partition_of("r1"): items[1][1]})
    await store.outbox.trim({})

    assert {item for _, _, item in await store.outbox.read()} == {b"three", b"other"}


async def test_its_length_counts_what_waits_in_all_partitions(store: Store) -> None:
    assert await store.outbox.length() == 0
    await store.rooms.commit("r1", change(0, outbox=(b"one", b"two")))
    await store.rooms.commit("r2", change(0, outbox=(b"other",)))

    assert await store.outbox.length() == 3


async def test_items_after_a_trim_have_new_ids(store: Store) -> None:
    await store.rooms.commit("r1", change(0, outbox=(b"one",)))
    ((partition, id, _),) = await store.outbox.read()
    await store.outbox.trim({partition: id})

    await store.rooms.commit("r1", change(1, outbox=(b"two",)))

    ((_, later, item),) = await store.outbox.read()
    assert item == b"two"
    assert later != id


async def test_a_busy_partition_does_not_keep_the_others_waiting(store: Store) -> None:
    assert partition_of("r1") != partition_of("r2")
    await store.rooms.commit("r1", change(0, outbox=tuple(b"busy %d" % n for n in range(50))))
    await store.rooms.commit("r2", change(0, outbox=(b"calm",)))

    items = [item for _, _, item in await store.outbox.read(limit=10)]

    assert b"calm" in items
    assert items.count(b"calm") == 1
    assert [item for item in items if item != b"calm"] == [b"busy %d" % n for n in range(5)]
