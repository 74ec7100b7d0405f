"""Browsers' reports: providers see at once how a connection is, and each minute is kept once."""

from __future__ import annotations

from typing import Any

import pytest

from server.bus.memory import Air
from server.ports import StoreAway
from server.quality import MOST_PENDING, TOLD_AGAIN
from signaling.messages import MediaQuality
from signaling.policy import MINUTE, SECOND
from signaling.requests import End, Leave, MediaStats
from signaling.state import Minute
from tests.server.nodes.stage import Place, settled
from tests.server.rooms import ROOM, House
from tests.signaling.people import ANN, BOB, CHECK_IN, HOST
from tests.signaling.play import comes, connection_of

GOOD = MediaStats(rtt_ms=40, loss=0.0, jitter_ms=4, kbps=900, freezes=0)
POOR = MediaStats(rtt_ms=1200, loss=0.2, jitter_ms=80, kbps=60, freezes=1)


@pytest.fixture
async def place() -> Place:
    """A node at which Ann's visit is in progress; her minute has just begun."""
    house = House()
    await house.started()
    house.now += MINUTE - house.now % MINUTE
    return Place(house, Air(), "node_1", node=house.node)


async def report(place: Place, who: Any, stats: MediaStats, *, times: int = 1) -> None:
    for _ in range(times):
        place.house.now += 5 * SECOND
        await place.handle(who, stats)


async def kept(place: Place) -> dict[str, tuple[Minute, ...]]:
    return (await place.house.saved()).visits["vis_ann"].quality


async def test_a_providers_page_is_told_how_a_clients_connection_is_and_the_client_is_not(place: Place) -> None:
    await report(place, ANN, GOOD)

    ((to, told, _),) = place.told
    assert to == ("dr_host",)
    assert told == MediaQuality(participant="par_ann", level="good", rtt_ms=40, loss=0.0, freezes=0)


async def test_what_is_as_it_was_is_told_again_only_now_and_then(place: Place) -> None:
    await report(place, ANN, GOOD, times=TOLD_AGAIN // (5 * SECOND))
    assert len(place.messages(MediaQuality)) == 1

    await report(place, ANN, GOOD)

    assert len(place.messages(MediaQuality)) == 2


async def test_a_connection_that_becomes_poor_is_told_with_the_next_report(place: Place) -> None:
    await report(place, ANN, GOOD, times=3)
    await report(place, ANN, POOR, times=2)

    assert [told.level for told in place.messages(MediaQuality)][-1] == "poor"


async def test_a_minute_is_saved_once_when_it_is_over(place: Place) -> None:
    minute = place.house.now // MINUTE
    await report(place, ANN, GOOD, times=11)
    await place.reports.look()
    assert await kept(place) == {}

    await report(place, ANN, POOR, times=2)
    for _ in range(2):
        await place.reports.look()

    assert await kept(place) == {"par_ann": (Minute(minute, rtt=40, lost=0, jitter=4, reports=11),)}
    assert place.reports.counts.minutes == {"good": 1}


async def test_the_last_minute_of_a_visit_is_saved_at_its_end(place: Place) -> None:
    await report(place, ANN, GOOD, times=2)
    await report(place, HOST, GOOD)

    await place.node.ask(HOST, End(visit="vis_ann"))
    await settled()

    assert {id: sum(minute.reports for minute in minutes) for id, minutes in (await kept(place)).items()} == {
        "par_ann": 2,
        "dr_host": 1,
    }


async def test_a_report_that_comes_after_the_end_is_nobodys(place: Place) -> None:
    await place.node.ask(HOST, End(visit="vis_ann"))

    await report(place, ANN, GOOD)
    place.house.now += 2 * MINUTE
    await place.reports.look()

    assert await kept(place) == {}
    assert place.told == []


async def test_somebody_who_waits_reports_into_no_visit(place: Place) -> None:
    await place.node.door.fact(ROOM, comes(BOB))
    await place.node.ask(BOB, CHECK_IN)

    await report(place, BOB, GOOD)
    place.house.now += 2 * MINUTE
    await place.reports.look()

    assert await kept(place) == {}
    assert "vis_bob" not in place.reports._visits


async def test_minutes_wait_while_the_store_is_away_and_are_bounded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(room: str, fact: Any) -> None:
        raise StoreAway

    with monkeypatch.context() as blind:
        blind.setattr(place.node.door, "fact", away)
        for _ in range(MOST_PENDING + 2):
            await report(place, ANN, GOOD)
            place.house.now += MINUTE
            await place.reports.look()
    assert await kept(place) == {}

    await place.reports.look()

    assert len((await kept(place))["par_ann"]) == MOST_PENDING


async def test_nothing_is_held_of_who_reports_no_more(place: Place) -> None:
    await report(place, ANN, GOOD)

    for _ in range(3):
        place.house.now += MINUTE
        await place.reports.look()

    assert place.reports._visits == {}


async def test_minutes_of_a_room_that_is_gone_are_dropped(place: Place) -> None:
    await report(place, ANN, GOOD)
    await place.house.store.rooms.delete(ROOM)
    place.node.door.forget(ROOM)

    await place.reports.close()
    await settled()

    assert place.reports._visits == {}


async def test_a_client_who_leaves_ends_the_visit_and_with_it_the_minute(place: Place) -> None:
    await report(place, ANN, GOOD)

    await place.node.door.ask(ROOM, ANN, connection_of(ANN), Leave())
    await settled()

    assert len((await kept(place))["par_ann"]) == 1
