"""Archiving: every item exactly once in effect, wherever the process dies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from server.ledger.archive import Archiver
from server.ledger.ledger import Ledger
from server.ports import StoreAway
from server.ports.outbox import Owed
from tests.server.ledger.support import (
    CANARY,
    AesSealer,
    Hook,
    MemoryOutbox,
    OneNode,
    boxed,
    fail_before,
    fresh_url,
    notice,
    record,
    streamed,
    trail,
)

HOOKS = {"north": [Hook(), Hook("notices", ("visit.started",))]}


async def hooks(practice: str) -> Sequence[Hook]:
    return HOOKS.get(practice, [])


def archiver(outbox: MemoryOutbox, ledger: Ledger, nodes: OneNode | None = None, node: str = "n1") -> Archiver:
    return Archiver(outbox, nodes or OneNode(), ledger, hooks, node, every=0.01)


async def contents(ledger: Ledger) -> dict[str, Any]:
    """Everything a reader can see, of both practices."""
    return {
        practice: (
            (await ledger.records_after(practice, 0, 1000))[0],
            [
                {key: entry[key] for key in ("seq", "action", "target", "at")}
                for entry in (await ledger.audit_after(practice, 0, 1000))[0]
            ],
            {
                hook: [(delivery["id"], delivery["type"]) for delivery in await ledger.deliveries(practice, hook, 1000)]
                for hook in ("billing", "notices")
            },
        )
        for practice in ("north", "south")
    }


def mixed() -> list[Owed]:
    return [
        item
        for number in range(4)
        for item in (trail(number), notice(number), record(number), trail(number, practice="south"))
    ]


async def test_what_was_archived_is_read_back(ledger: Ledger) -> None:
    await ledger.archive(streamed([record(1), trail(2), notice(3)]), HOOKS)

    found, cursor = await ledger.records_after("north", 0, 10)
    entries, last = await ledger.audit_after("north", 0, 10)
    assert found == [record(1).data]
    assert cursor == 1
    assert await ledger.record("north", "vis_1") == record(1).data
    assert [(entry["seq"], entry["action"], entry["target"]) for entry in entries] == [
        (1, "record.created", "vis_1"),
        (2, "visit.started", "vis_2"),
    ]
    assert last == 2


async def test_archiving_again_changes_nothing(ledger: Ledger) -> None:
    items = streamed(mixed())

    first = await ledger.archive(items, HOOKS)
    before = await contents(ledger)
    again = await ledger.archive(items + items, HOOKS)

    assert (first, again) == (4 * 3 + 2, 0)  # two entries say that a practice began
    assert await contents(ledger) == before
    assert (await ledger.verify()).sound


async def test_a_crash_before_any_step_neither_loses_nor_doubles(tmp_path: Path) -> None:
    """Dies before the first, second ... statement, commits included, until a run needs no further step."""
    items = streamed(mixed())
    expected: dict[str, Any] | None = None
    for step in range(1, 100):
        directory = tmp_path / str(step)
        directory.mkdir()
        url = await fresh_url(directory)
        outbox = boxed(items)
        dying = await Ledger.open(url, AesSealer())
        asked = fail_before(dying, step)
        died = False
        try:
            await archiver(outbox, dying).once()
        except OSError:
            died = True
            assert len(outbox.items) == len(items), "nothing is trimmed that may not be archived"
        await dying.close()

        recovered = await Ledger.open(url, AesSealer())
        while await archiver(outbox, recovered).once():
            pass
        found = await contents(recovered)
        assert (await recovered.verify()).sound
        await recovered.close()
        assert outbox.items == []
        expected = expected or found
        assert found == expected
        if not died:
            assert step > 10, f"only {len(asked)} steps were seen"
            return
    pytest.fail("archiving never came to an end")


async def test_a_crash_between_commit_and_trim_repeats_harmlessly(ledger: Ledger) -> None:
    class Untrimmable(MemoryOutbox):
        async def trim(self, done: Mapping[int, str]) -> None:
            raise StoreAway

    items = streamed(mixed())
    outbox = boxed(items)
    stuck = Untrimmable(outbox.items)
    with pytest.raises(StoreAway):
        await archiver(stuck, ledger).once()
    before = await contents(ledger)

    outbox.items.append((0, "9999-0", boxed([(0, "", record(99))]).items[0][2]))
    await archiver(outbox, ledger).once()

    after = await contents(ledger)
    assert after["north"][0] == [*before["north"][0], record(99).data]
    assert outbox.items == []


async def test_a_visit_is_billed_once_and_the_attempt_is_in_the_trail(ledger: Ledger) -> None:
    twice = [record(1), Owed("record", "north", "room_1", 5, {**record(1).data, "flags": ["other"]})]

    await ledger.archive(streamed(twice), HOOKS)

    found, _ = await ledger.records_after("north", 0, 10)
    entries, _ = await ledger.audit_after("north", 0, 10)
    assert found == [record(1).data]
    assert [entry["action"] for entry in entries] == ["record.created", "record.refused"]
    assert [row["type"] for row in await ledger.deliveries("north", "billing", 10)] == ["record.created"]


async def test_an_amendment_is_a_new_revision_and_two_at_once_are_both_kept(ledger: Ledger) -> None:
    amended = [Owed("record", "north", "r", at, {**record(1, revision=2).data, "flags": [str(at)]}) for at in (1, 2)]

    await ledger.archive(streamed([record(1), *amended]), HOOKS)

    found, cursor = await ledger.records_after("north", 0, 10)
    latest = await ledger.record("north", "vis_1")
    assert [(row["revision"], row["flags"]) for row in found] == [(1, []), (2, ["1"]), (3, ["2"])]
    assert cursor == 3
    assert latest is not None
    assert latest["revision"] == 3
    assert [row["type"] for row in await ledger.deliveries("north", "billing", 10)] == [
        "record.amended",
        "record.amended",
        "record.created",
    ]


async def test_an_endpoint_is_told_of_what_it_asked_for_and_of_nothing_else(ledger: Ledger) -> None:
    hooks = {"north": [Hook(), Hook("notices", ("visit.started",)), Hook("silent", ())], "south": [Hook("theirs")]}

    await ledger.archive(streamed([record(1), notice(2), notice(3, type="visit.ended")]), hooks)

    told = {
        (practice, hook.id): [row["type"] for row in await ledger.deliveries(practice, hook.id, 10)]
        for practice, all_of_them in hooks.items()
        for hook in all_of_them
    }
    assert told == {
        ("north", "billing"): ["visit.started", "record.created"],
        ("north", "notices"): ["visit.started"],
        ("north", "silent"): [],
        ("south", "theirs"): [],
    }


async def test_the_same_stream_id_with_another_content_is_another_item(ledger: Ledger) -> None:
    """A store that was set up anew numbers from the beginning; its items must not be taken for old ones."""
    await ledger.archive([(0, "1-0", record(1))], HOOKS)
    await ledger.archive([(0, "1-0", record(2))], HOOKS)

    found, _ = await ledger.records_after("north", 0, 10)
    assert [row["visit"] for row in found] == ["vis_1", "vis_2"]


async def test_pages_follow_one_another(ledger: Ledger) -> None:
    await ledger.archive(streamed([record(number) for number in range(25)]), HOOKS)

    seen: list[str] = []
    cursor = 0
    while True:
        page, cursor = await ledger.records_after("north", cursor, 10)
        if not page:
            break
        seen += [row["visit"] for row in page]
    assert seen == [f"vis_{number}" for number in range(25)]
    assert await ledger.records_after("north", cursor, 10) == ([], cursor)


async def test_practices_see_only_their_own(ledger: Ledger) -> None:
    await ledger.archive(streamed([record(1), record(2, practice="south"), trail(3, practice="south")]), HOOKS)

    assert [row["visit"] for row in (await ledger.records_after("south", 0, 10))[0]] == ["vis_2"]
    assert await ledger.record("south", "vis_1") is None
    assert [entry["seq"] for entry in (await ledger.audit_after("south", 0, 10))[0]] == [1, 2]


async def test_two_archivers_at_once_write_each_item_once(url: str) -> None:
    """A lease may run out in the middle of a round; the rows' locks keep order all the same."""
    one, two = await Ledger.open(url, AesSealer()), await Ledger.open(url, AesSealer())
    items = streamed(mixed())

    written = await asyncio.gather(
        *(ledger.archive(items[start : start + 6], HOOKS) for ledger in (one, two) for start in range(0, 16, 2))
    )

    assert sum(written) == 14
    assert (await one.verify()).sound
    assert len((await two.records_after("north", 0, 100))[0]) == 4
    await one.close()
    await two.close()


async def test_an_unreadable_item_is_put_aside_and_stops_nobody(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    long = Owed("record", "north", "r", 1, {**record(7).data, "visit": "v" * 101})
    outbox = boxed([(0, "1-0", trail(1)), (0, "3-0", long), (0, "4-0", record(4))])
    outbox.items.insert(1, (0, "2-0", CANARY.encode()))

    await archiver(outbox, ledger).once()

    assert outbox.items == []
    assert [row["visit"] for row in (await ledger.records_after("north", 0, 10))[0]] == ["vis_4"]
    assert caplog.text.count("put aside") == 2
    assert CANARY not in caplog.text


async def test_only_the_holder_of_the_lease_reads_the_outbox(ledger: Ledger) -> None:
    nodes = OneNode()
    nodes.holders["archiver"] = "another"
    outbox = boxed(streamed([record(1)]))
    asked = asyncio.Event()

    class Watching(OneNode):
        async def lease(self, name: str, node: str, ttl: int) -> bool:
            asked.set()
            return await nodes.lease(name, node, ttl)

    async with archiver(outbox, ledger, Watching()):
        await asked.wait()

    assert len(outbox.items) == 1


async def test_the_loop_outlives_a_store_that_is_away(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    trimmed = asyncio.Event()

    class Shaky(MemoryOutbox):
        problems: ClassVar[list[Exception]] = [StoreAway(), OSError(), ValueError(CANARY)]

        async def read(self, limit: int = 500) -> Sequence[tuple[int, str, bytes]]:
            if self.problems:
                raise self.problems.pop()
            return await super().read(limit)

        async def trim(self, done: Mapping[int, str]) -> None:
            await super().trim(done)
            trimmed.set()

    outbox = Shaky(boxed(streamed([record(1)])).items)
    async with archiver(outbox, ledger) as running:
        running.wake()
        await asyncio.wait_for(trimmed.wait(), 10)

    assert [row["visit"] for row in (await ledger.records_after("north", 0, 10))[0]] == ["vis_1"]
    assert caplog.text.count("waiting") == 2
    assert "ValueError" in caplog.text
    assert CANARY not in caplog.text


async def test_waking_makes_it_look_at_once(ledger: Ledger) -> None:
    trimmed = asyncio.Event()
    waiting = asyncio.Event()

    class Watched(MemoryOutbox):
        async def read(self, limit: int = 500) -> Sequence[tuple[int, str, bytes]]:
            waiting.set()
            return await super().read(limit)

        async def trim(self, done: Mapping[int, str]) -> None:
            await super().trim(done)
            trimmed.set()

    outbox = Watched()
    async with Archiver(outbox, OneNode(), ledger, hooks, "n1", every=3600) as running:
        await waiting.wait()
        outbox.items = boxed(streamed([record(1)])).items
        running.wake()
        await asyncio.wait_for(trimmed.wait(), 10)

    assert outbox.items == []
