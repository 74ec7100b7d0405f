"""The one door into a room: of two that collide one wins, what was saved once is saved once, effects come after."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from server import dispatch
from server.dispatch import Begun
from server.ports import StoreAway
from server.ports.rooms import Commit
from signaling.effects import ClosePeers
from signaling.errors import KeyReused, NotFound, NotReady, Overloaded, Refused, Stale, Unavailable
from signaling.events import Configured, DeadlinePassed, Disconnected, MediaChanged, Opened
from signaling.policy import MINUTE
from signaling.requests import End, Finish, Rejoin, SetStatus, Start
from signaling.state import Phase
from tests.server.rooms import ROOM, START, House
from tests.signaling.people import ANN, ANNS, BOB, CHECK_IN, HOST, POLICY, person
from tests.signaling.play import comes, connection_of

END = End(visit="vis_ann")
LATE = SetStatus(status="late", minutes=5)


@pytest.fixture
async def house() -> House:
    house = House()
    await house.everybody_comes()
    return house


# --- Two at once


async def test_of_two_clicks_on_start_at_one_node_one_wins(house: House) -> None:
    answers = await asyncio.gather(house.node.ask(HOST, START), house.node.ask(HOST, START), return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["Ok", "Stale"]
    assert await started(house) == 1


async def test_of_two_clicks_on_start_at_two_nodes_one_wins(house: House) -> None:
    other = house.another("b")
    await other.door.present(ROOM)
    house.before_commits(lambda: other.ask(HOST, START))

    with pytest.raises(Stale) as stale:
        await house.node.ask(HOST, START)

    assert stale.value.present["rev"] == 2
    assert await started(house) == 1
    assert house.node.door.counts.conflicts == 1


async def test_what_would_be_refused_by_an_old_state_is_decided_on_the_present_one(house: House) -> None:
    behind = house.another("b")
    await behind.door.present(ROOM)
    await house.node.ask(HOST, START)

    ok = await behind.ask(HOST, END)

    assert ok.visit == "vis_ann"
    assert (await house.saved()).visits["vis_ann"].phase is Phase.ENDED


async def test_what_would_change_nothing_by_an_old_state_is_decided_on_the_present_one(house: House) -> None:
    behind = house.another("b")
    await behind.door.present(ROOM)
    await house.node.ask(HOST, LATE)

    await behind.ask(HOST, SetStatus(status="available"))

    assert (await house.saved()).status.kind == "available"


async def test_whoever_is_always_overtaken_is_told_to_come_again(house: House) -> None:
    other = house.another("b")
    minutes = iter(range(1, 100))
    house.before_commits(
        *[
            lambda: _unhindered(house, lambda: other.ask(HOST, SetStatus(status="late", minutes=next(minutes))))
            for _ in range(dispatch.ATTEMPTS)
        ]
    )

    with pytest.raises(Unavailable) as refusal:
        await house.node.ask(HOST, SetStatus(status="away"))

    assert refusal.value.temporary


async def test_a_fact_is_not_given_up_for_being_overtaken(house: House) -> None:
    other = house.another("b")
    minutes = iter(range(1, 100))
    house.before_commits(
        *[
            lambda: _unhindered(house, lambda: other.ask(HOST, SetStatus(status="late", minutes=next(minutes))))
            for _ in range(3 * dispatch.ATTEMPTS)
        ]
    )

    await house.node.door.fact(ROOM, Disconnected(connection_of(ANN)))

    assert connection_of(ANN) not in (await house.saved()).connections
    assert house.node.door.counts.conflicts == 3 * dispatch.ATTEMPTS


async def test_decisions_of_one_node_about_one_room_take_turns(house: House) -> None:
    requests = [SetStatus(status="late", minutes=minutes) for minutes in range(1, 60)]

    await asyncio.gather(*(house.node.ask(HOST, request) for request in requests))

    assert house.node.door.counts.conflicts == 0
    assert (await house.saved()).status.minutes == 59


async def test_a_room_does_not_wait_for_another(house: House) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(room: str, commit: Commit) -> None:
        if room == ROOM:
            entered.set()
            await go_on.wait()

    house.store.rooms.failpoint = slow
    waiting = asyncio.create_task(house.node.ask(HOST, LATE))
    await entered.wait()

    await house.node.door.fact("room_2", Configured(person(HOST), POLICY))

    assert not waiting.done()
    go_on.set()
    await waiting


# --- A place for its media


async def test_a_start_asks_for_a_place_and_tells_whose_it_is_once_it_is_saved(house: House) -> None:
    happened: list[tuple[object, ...]] = []

    async def place(room: str) -> Begun:
        happened.append(("asked", room, (await house.saved()).visits["vis_ann"].phase))
        return lambda *begun: happened.append(begun)

    house.node.door._place = place
    await house.node.ask(HOST, LATE)
    with pytest.raises(Stale):
        await house.node.ask(HOST, Start(appointment="apt_ann", expect=7))
    del happened[:]

    await house.node.ask(HOST, START)

    assert happened == [("asked", ROOM, Phase.SCHEDULED), ("vis_ann", 0)]


async def test_without_a_place_nothing_starts_and_what_has_started_is_told_again(house: House) -> None:
    async def full(room: str) -> Begun:
        raise Overloaded

    keyed = replace(START, key="k1")
    anywhere, house.node.door._place = house.node.door._place, full
    with pytest.raises(Overloaded):
        await house.node.ask(HOST, keyed)
    assert await started(house) == 0
    house.node.door._place = anywhere
    ok = await house.node.ask(HOST, keyed)
    house.node.door._place = full

    assert await house.node.ask(HOST, keyed) == ok
    assert (await house.node.ask(HOST, END)).visit == "vis_ann"


# --- Once


async def test_the_same_key_gets_the_stored_reply(house: House) -> None:
    once = await house.node.ask(HOST, replace(START, key="k"))

    again = await house.node.ask(HOST, replace(START, key="k", id=7))

    assert again == once
    assert await started(house) == 1


async def test_the_same_key_gets_the_stored_reply_at_another_node_and_much_later(house: House) -> None:
    once = await house.node.ask(HOST, replace(START, key="k"))
    await house.node.ask(HOST, END)
    house.now += 9 * MINUTE

    assert await house.another("b").ask(HOST, replace(START, key="k")) == once


async def test_a_repeat_that_travels_with_its_request_gets_its_reply(house: House) -> None:
    other = house.another("b")
    await other.door.present(ROOM)
    keyed = replace(START, key="k")
    house.before_commits(lambda: other.ask(HOST, keyed))

    ok = await house.node.ask(HOST, keyed)

    assert (ok.visit, ok.rev) == ("vis_ann", 2)
    assert house.node.door.counts.repeats == 1


async def test_another_body_under_a_used_key_is_refused_whatever_would_become_of_it(house: House) -> None:
    await house.node.ask(HOST, replace(LATE, key="k"))

    granted, void, refused = SetStatus(status="away"), SetStatus(status="late", minutes=5, id=1), END
    assert await house.node.ask(HOST, replace(void, key="k"))
    for other in (granted, START, refused):
        with pytest.raises(KeyReused):
            await house.node.ask(HOST, replace(other, key="k"))

    assert (await house.saved()).status.kind == "late"


async def test_a_key_is_the_participants_own(house: House) -> None:
    await house.node.door.fact(ROOM, comes(BOB))
    await house.node.ask(ANN, replace(CHECK_IN, key="k"))

    await house.node.ask(BOB, replace(CHECK_IN, key="k"))

    assert {entry.participant for entry in (await house.saved()).entries.values()} == {"par_ann", "par_bob"}


async def test_a_refusal_is_not_stored(house: House) -> None:
    keyed = Start(appointment="apt_bob", key="k")
    with pytest.raises(NotReady):
        await house.node.ask(HOST, keyed)
    await house.node.door.fact(ROOM, comes(BOB))
    await house.node.ask(BOB, CHECK_IN)

    assert (await house.node.ask(HOST, keyed)).visit == "vis_bob"


async def test_a_keyed_request_that_changed_nothing_has_no_effect_later(house: House) -> None:
    available = SetStatus(status="available", key="k")
    once = await house.node.ask(HOST, available)
    await house.node.ask(HOST, LATE)

    again = await house.node.ask(HOST, available)

    assert again == once
    assert (await house.saved()).status.kind == "late"


async def test_an_answer_lost_after_saving_is_told_when_asked_again(house: House) -> None:
    house.lose(saved=True)
    keyed = replace(START, key="k")
    with pytest.raises(StoreAway):
        await house.node.ask(HOST, keyed)

    ok = await house.node.ask(HOST, keyed)

    assert (ok.visit, ok.rev) == ("vis_ann", 2)
    assert await started(house) == 1


async def test_what_was_not_saved_is_saved_when_asked_again(house: House) -> None:
    house.lose(saved=False)
    keyed = replace(START, key="k")
    with pytest.raises(StoreAway):
        await house.node.ask(HOST, keyed)

    await house.node.ask(HOST, keyed)

    assert await started(house) == 1


@pytest.mark.parametrize("saved", [True, False])
async def test_a_fact_is_tried_until_it_is_saved_and_is_saved_once(house: House, saved: bool) -> None:
    await house.node.ask(HOST, START)
    house.lose(saved=saved)

    await house.node.door.fact(ROOM, MediaChanged("vis_ann", "par_ann", "media_up", house.now))

    assert len((await house.saved()).visits["vis_ann"].media["par_ann"].up) == 1
    assert house.node.door.counts.away == 1


async def test_who_tells_a_fact_is_told_in_the_end_that_the_store_is_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "FACT_PATIENCE", 0.01)
    house.lose(saved=False, times=10)

    with pytest.raises(StoreAway):
        await house.node.door.fact(ROOM, Disconnected(connection_of(ANN)))


# --- Rooms that are not there


async def test_a_room_that_does_not_exist_is_found_by_nobody() -> None:
    house = House()

    with pytest.raises(NotFound):
        await house.node.ask(HOST, LATE)
    with pytest.raises(NotFound):
        await house.node.door.fact(ROOM, comes(HOST))
    with pytest.raises(NotFound):
        await house.node.door.fact(ROOM, DeadlinePassed())
    assert await house.node.door.present(ROOM) is None


async def test_a_provider_and_an_appointment_bring_a_room_into_being() -> None:
    first, second = House(), House()

    await first.node.door.fact(ROOM, Configured(person(HOST), POLICY))
    await second.node.door.fact(ROOM, Opened(ANNS, POLICY))

    assert ((await first.saved()).version, (await first.saved()).host) == (1, person(HOST))
    assert set((await second.saved()).visits) == {"vis_ann"}


async def test_two_nodes_that_make_a_room_at_once_make_one() -> None:
    house = House()
    other = house.another("b")
    house.before_commits(lambda: other.door.fact(ROOM, Opened(ANNS, POLICY)))

    await house.node.door.fact(ROOM, Configured(person(HOST), POLICY))

    assert set((await house.saved()).visits) == {"vis_ann"}
    assert (await house.saved()).epoch.startswith("ep_b")


async def test_a_room_that_was_deleted_under_us_is_not_found(house: House) -> None:
    await house.store.rooms.delete(ROOM)

    with pytest.raises(NotFound):
        await house.node.ask(HOST, LATE)
    assert house.node.door.known(ROOM) is None


async def test_a_forgotten_room_is_read_again(house: House) -> None:
    house.node.door.forget(ROOM)

    assert house.node.door.known(ROOM) is None
    assert (await house.node.door.present(ROOM, seq=1)) is not None


# --- What a commit holds, and what follows it


async def test_entries_become_events_owed_items_and_documents(house: House) -> None:
    await house.node.ask(HOST, START)
    await house.node.ask(HOST, END)
    await house.node.ask(HOST, Finish(visit="vis_ann"))

    told, room = await house.told(), await house.saved()
    assert [event["seq"] for event in told] == list(range(1, room.seq + 1))
    assert {event["epoch"] for event in told} == {room.epoch}
    assert [seq for seq, _ in house.published] == list(range(1, room.seq + 1))
    owed = await house.owed()
    assert [item.data["type"] for item in owed if item.kind == "notify"] == [
        "client.ready",
        "visit.started",
        "visit.ended",
        "visit.closed",
    ]
    assert [item.data["visit"] for item in owed if item.kind == "record"] == ["vis_ann"]
    assert {"check_in", "start", "end", "close"} <= {item.data["action"] for item in owed if item.kind == "audit"}
    assert {(item.room, item.practice) for item in owed} == {(ROOM, "pr_1")}
    assert await house.store.documents.get(ROOM, "closed", "apt_ann") is not None
    assert await house.store.documents.get(ROOM, "closed", "apt_bob") is None


async def test_the_commit_says_when_the_room_wants_to_be_woken(house: House) -> None:
    await house.node.ask(HOST, START)
    await house.node.ask(HOST, END)

    assert await house.store.rooms.due(house.now + POLICY.rejoin_window - 1) == []
    assert await house.store.rooms.due(house.now + POLICY.rejoin_window) == [ROOM]


async def test_effects_are_performed_after_the_commit_and_once(house: House) -> None:
    await house.node.ask(HOST, START)
    versions: list[int] = []

    async def look(room: str, commit: Commit) -> None:
        versions.append(len(house.node.effects))

    house.store.rooms.failpoint = look
    await house.node.ask(HOST, END)

    assert versions == [0]
    assert house.node.effects == [ClosePeers("vis_ann")]
    assert house.node.seen_while_saved == [(await house.saved()).version]


async def test_effects_of_what_was_not_saved_are_not_performed(house: House) -> None:
    await house.node.ask(HOST, START)
    house.lose(saved=False)
    with pytest.raises(StoreAway):
        await house.node.ask(HOST, END)
    with pytest.raises(Refused):
        await house.node.ask(HOST, Rejoin(visit="vis_ann"))

    assert house.node.effects == []


async def test_whoever_lost_the_answer_to_a_commit_learns_what_became_of_it(house: House) -> None:
    await house.node.ask(HOST, START)
    house.lose(saved=True)
    with pytest.raises(StoreAway):
        await house.node.ask(HOST, END)
    house.node.learned.clear()

    await house.node.door.recheck()
    await house.node.door.recheck()

    assert [room.visits["vis_ann"].phase for room in house.node.learned] == [Phase.ENDED]


async def test_a_caller_who_gives_up_leaves_no_doubt_behind(house: House) -> None:
    await house.node.ask(HOST, START)
    held, go_on = asyncio.Event(), asyncio.Event()

    async def hold(room: str, commit: Commit) -> None:
        held.set()
        await go_on.wait()

    house.store.rooms.failpoint = hold
    asking = asyncio.create_task(house.node.ask(HOST, END))
    await held.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    house.node.learned.clear()

    await house.node.door.recheck()

    assert len(house.node.learned) == 1


async def test_while_the_store_is_away_a_room_stays_known_as_it_was(house: House) -> None:
    before = house.node.door.known(ROOM)
    house.lose(saved=False)
    with pytest.raises(StoreAway):
        await house.node.ask(HOST, START)

    assert before is not None
    assert house.node.door.known(ROOM) is before
    assert await house.node.door.present(ROOM, seq=before.seq) is before


async def test_the_present_room_is_no_older_than_what_was_told_of_it(house: House) -> None:
    behind = house.another("b")
    old = await behind.door.present(ROOM)
    assert old is not None
    await house.node.ask(HOST, START)
    seq = (await house.saved()).seq

    assert await behind.door.present(ROOM, seq=old.seq) is old
    newer = await behind.door.present(ROOM, seq=seq)
    assert newer is not None
    assert newer.seq == seq


async def test_who_asks_for_no_event_in_particular_gets_the_room_as_it_is_now(house: House) -> None:
    behind = house.another("b")
    await behind.door.present(ROOM)
    await house.node.ask(HOST, START)

    now = await behind.door.present(ROOM)

    assert now is not None
    assert now.visits["vis_ann"].phase is Phase.IN_PROGRESS


async def test_the_bell_rings_when_something_is_owed_and_only_then(house: House) -> None:
    rings = house.node.rings

    await house.node.ask(HOST, LATE)
    assert house.node.rings == rings
    await house.node.ask(HOST, START)

    assert house.node.rings == rings + 1


async def test_the_memory_of_rooms_is_bounded_and_forgets_the_oldest(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "KNOWN_LIMIT", 3)
    for number in range(5):
        await house.node.door.fact(f"other_{number}", Configured(person(HOST), POLICY))

    assert [house.node.door.known(f"other_{number}") is not None for number in range(5)] == [False, False] + [True] * 3
    assert house.node.door.known(ROOM) is None
    await house.node.ask(HOST, LATE)


async def started(house: House) -> int:
    """How often Ann's visit began."""
    told = [event for event in await house.told() if event["type"] == "visit.started"]
    assert len({event["segment"] for event in told}) == len((await house.saved()).visits["vis_ann"].segments)
    return len((await house.saved()).visits["vis_ann"].segments)


async def _unhindered(house: House, work: object) -> None:
    """Do it without failpoints of its own."""
    failpoint, house.store.rooms.failpoint = house.store.rooms.failpoint, None
    try:
        await work()  # type: ignore[operator]
    finally:
        house.store.rooms.failpoint = failpoint
