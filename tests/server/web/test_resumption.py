"""Coming back after a drop: with nothing missed or with a view, on any node, and with each secret once."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from websockets.exceptions import ConnectionClosed

from server.web.closes import Close
from signaling.errors import Busy
from signaling.events import Connected, Disconnected, Fact
from signaling.messages import Displaced, QueueEntered, QueueLeft, VisitClosed
from signaling.state import Entry
from tests.server.web.stage import CLIENT, PROVIDER, ROOM, Browser, Node, World, served, settle


async def dropped(node: Node) -> Browser:
    """Return a browser that was welcomed and has lost its network."""
    browser = await node.enter()
    await browser.vanish()
    await node.until(lambda: not node.hub.feeds)
    return browser


async def welcomed(browser: Browser) -> Browser:
    """Take the welcome, and the view if one follows."""
    browser.welcome = await browser.get("welcome")
    browser.view = {} if browser.welcome["recovered"] else await browser.get("view")
    return browser


# --- Recovery ---------------------------------------------------------------------------------------


async def test_nothing_missed_is_recovered_without_a_view(node: Node) -> None:
    old = await dropped(node)

    new = await node.resume(old)

    welcome = await new.get("welcome")
    assert welcome["recovered"] is True
    assert welcome["connection"] != old.welcome["connection"]
    assert welcome["secret"] != old.welcome["secret"]
    assert node.world.facts[-1] == Connected(CLIENT, welcome["connection"], "d1", "n1", resumed=True)
    node.world.happen(CLIENT.participant)
    assert (await new.get())["seq"] == 11
    assert (node.hub.counts.recovered, node.hub.counts.resumed) == (1, 0)


async def test_missed_events_come_in_order_and_only_ones_own(node: Node) -> None:
    old = await dropped(node)
    node.world.happen(CLIENT.participant)
    node.world.happen(PROVIDER.participant)
    node.world.happen(CLIENT.participant, PROVIDER.participant)
    node.world.happen(CLIENT.participant, connection="con_somebody")

    new = await node.resume(old)

    assert (await new.get("welcome"))["recovered"] is True
    assert [(await new.get("waiting.changed"))["seq"] for _ in range(2)] == [11, 13]
    node.world.happen(CLIENT.participant)
    assert (await new.get())["seq"] == 15


async def test_recovered_equals_somebody_who_never_dropped(node: Node) -> None:
    """I12: whatever the bus and the drop do, both have seen the same."""
    witness = await node.enter(device="other")
    old = await dropped_one(node)
    for round in range(5):
        node.world.happen(CLIENT.participant, tell=round % 2 == 0)
        node.world.happen(PROVIDER.participant)
        node.world.happen(CLIENT.participant)

    new = await node.resume(old)
    assert (await new.get("welcome"))["recovered"] is True
    node.world.happen(CLIENT.participant)
    seen = [(await new.get())["seq"] for _ in range(11)]

    assert seen == [(await witness.get())["seq"] for _ in range(11)]
    await new.quiet()
    await witness.quiet()


async def dropped_one(node: Node) -> Browser:
    """Like `dropped`, with others in the room."""
    browser = await node.enter()
    await browser.vanish()
    await settle()
    return browser


async def test_an_event_that_was_held_back_during_the_recovery_follows(node: Node) -> None:
    witness = await node.enter(PROVIDER)
    old = await dropped_one(node)
    node.world.happen(CLIENT.participant)
    events = node.hub.store.events

    async def slow(room: str, after: int):  # type: ignore[no-untyped-def]
        found = await events(room, after)
        node.world.happen(CLIENT.participant)
        return found

    node.hub.store.events = slow  # type: ignore[method-assign]
    new = await node.resume(old)

    await new.get("welcome")
    assert [(await new.get())["seq"] for _ in range(2)] == [11, 12]
    await witness.quiet()


@pytest.mark.parametrize(("seq", "epoch"), [(10, "another"), (11, "e1"), (0, "")])
async def test_what_does_not_fit_the_room_gets_a_view(node: Node, seq: int, epoch: str) -> None:
    old = await dropped(node)

    new = await node.resume(old, seq=seq, epoch=epoch)

    assert (await new.get("welcome"))["recovered"] is False
    assert (await new.get("view"))["seq"] == 10
    assert node.hub.counts.resumed == 1


async def test_events_no_longer_kept_lead_to_a_view(node: Node) -> None:
    old = await dropped(node)
    node.world.happen(CLIENT.participant)
    node.world.happen(CLIENT.participant)
    node.world.forgotten = 11

    new = await node.resume(old)

    assert (await new.get("welcome"))["recovered"] is False
    assert (await new.get("view"))["seq"] == 12
    await new.quiet()


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_a_hole_among_the_kept_events_leads_to_a_view(node: Node, lost: int) -> None:
    old = await dropped(node)
    for _ in range(3):
        node.world.happen(CLIENT.participant)
    del node.world.stored[ROOM][lost]

    new = await node.resume(old)

    assert (await new.get("welcome"))["recovered"] is False
    assert (await new.get("view"))["seq"] == 13


async def test_whoever_missed_very_much_gets_a_view(node: Node) -> None:
    old = await dropped(node)
    for _ in range(300):
        node.world.happen(CLIENT.participant)

    new = await node.resume(old)

    assert (await new.get("welcome"))["recovered"] is False
    await new.get("view")


async def test_a_missed_end_is_told_and_then_ends_it(node: Node) -> None:
    old = await dropped(node)
    node.world.happen(CLIENT.participant, message=VisitClosed(visit="v", rev=2, outcome="attended"), close=Close.OVER)

    new = await node.resume(old)

    await new.get("welcome")
    await new.get("visit.closed")
    assert await new.closed() == Close.OVER


async def test_who_lost_their_seat_meanwhile_is_not_recovered_but_told_so(node: Node) -> None:
    old = await dropped(node)
    room = node.world.rooms[ROOM]
    node.world.rooms[ROOM] = replace(room, visits={"vis_1": replace(room.visits["vis_1"], seats={})})

    new = await welcomed(await node.resume(old))

    assert new.welcome["recovered"] is False
    assert await new.closed() == Close.OVER


@pytest.mark.parametrize("reason", ["left", "gone"])
async def test_who_left_by_another_page_meanwhile_is_shown_so(node: Node, reason: str) -> None:
    old = await dropped(node)
    node.world.happen(PROVIDER.participant, message=QueueLeft(entry="ent_1", reason=reason))

    new = await welcomed(await node.resume(old))

    assert new.welcome["recovered"] is False
    assert new.view["phase"] == "scheduled"


@pytest.mark.parametrize(("device", "recovered"), [("d1", True), ("d2", False), ("", False), (None, True)])
async def test_who_checked_in_by_another_page_meanwhile_is_shown_so(
    node: Node, device: str | None, recovered: bool
) -> None:
    """By this page, they know it; sent back to wait, all of theirs are told; gone when it was granted, nobody knows."""
    old = await dropped(node)
    entry = Entry("ent_1", CLIENT.participant, since=node.world.now, visit="vis_1", device=device)
    node.world.happen(PROVIDER.participant, message=QueueEntered(entry={"id": "ent_1"}))
    node.world.rooms[ROOM] = replace(node.world.rooms[ROOM], entries={"ent_1": entry})

    assert (await welcomed(await node.resume(old))).welcome["recovered"] is recovered


async def test_who_knew_of_their_check_in_by_another_page_is_recovered(node: Node) -> None:
    entry = Entry("ent_1", CLIENT.participant, since=node.world.now, visit="vis_1", device="d2")
    node.world.happen(PROVIDER.participant, message=QueueEntered(entry={"id": "ent_1"}))
    node.world.rooms[ROOM] = replace(node.world.rooms[ROOM], entries={"ent_1": entry})
    old = await dropped(node)

    assert (await welcomed(await node.resume(old))).welcome["recovered"] is True


async def test_who_was_admitted_meanwhile_is_recovered(node: Node) -> None:
    old = await dropped(node)
    node.world.happen(PROVIDER.participant, message=QueueLeft(entry="ent_1", reason="admitted"))

    assert (await welcomed(await node.resume(old))).welcome["recovered"] is True


async def test_an_answer_does_not_wait_for_long_until_the_old_secret_is_spent(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = asyncio.Event()

    async def confirm(connection: str, next: str) -> None:
        await answers.wait()

    monkeypatch.setattr(node.hub.claims, "confirm", confirm)
    monkeypatch.setattr("server.web.session.SPENDING", 0)
    new = await welcomed(await node.resume(await dropped(node)))

    await new.send(type="sync", id=1)

    assert (await new.get("view"))["phase"] == "scheduled"
    answers.set()


# --- Any node, any time -----------------------------------------------------------------------------


async def test_a_connection_is_resumed_on_another_node(node: Node) -> None:
    async with served(node.world, "n2") as other:
        old = await dropped(node)

        new = await other.resume(old)

        assert (await new.get("welcome"))["recovered"] is True
        assert node.world.facts[-1].node == "n2"  # type: ignore[union-attr]


async def test_the_death_of_a_node_leaves_the_claims_of_its_connections(node: Node) -> None:
    async with served(node.world, "n2") as other:
        old = await node.enter()
        for _ in range(10):
            await node.pass_time(10)  # the socket answers its pings, and the claim is renewed
            await settle()
        node.world.now += 59_000  # n1 is dead; nobody renews, nobody says goodbye

        new = await other.resume(old)

        assert (await new.get("welcome"))["recovered"] is True
        assert old.welcome["connection"] not in node.world.rooms[ROOM].connections


async def test_a_minute_after_the_drop_the_claim_has_run_out(node: Node) -> None:
    old = await dropped(node)
    node.world.now += 60_000

    new = await node.resume(old)

    assert await new.closed() == Close.EXPIRED


async def test_a_claim_outlives_an_outage_of_the_store_while_its_connection_does(node: Node) -> None:
    old = await node.enter()
    node.world.singles.clear()

    await node.pass_time(10)
    await node.pass_time(10)
    await settle()
    await old.vanish()
    await node.until(lambda: not node.hub.feeds)

    await welcomed(await node.resume(old))


async def test_the_same_device_takes_its_own_half_open_connection_over(node: Node) -> None:
    """The network changed, and the old socket does not know yet that it is dead."""
    old = await node.enter()

    new = await welcomed(await node.resume(old))

    assert await old.closed() == Close.DISPLACED
    await node.until(lambda: Disconnected(old.welcome["connection"]) in node.world.facts)
    assert list(node.world.rooms[ROOM].connections) == [new.welcome["connection"]]
    first, second = node.world.facts[-2:]
    assert isinstance(first, Connected)
    assert isinstance(second, Disconnected), "nobody sees this participant go"


async def test_the_room_sending_the_old_connection_away_takes_no_claim_with_it(node: Node) -> None:
    """The heart tells the old connection `displaced` as soon as the new one is there: before we are done."""
    old = await node.enter()
    fact, done = node.hub.rooms.fact, asyncio.Event()

    async def tell_at_once(room: str, said: Fact) -> None:
        if isinstance(said, Disconnected):
            await done.wait()
        await fact(room, said)
        if isinstance(said, Connected):
            node.world.happen(CLIENT.participant, message=Displaced(), connection=old.welcome["connection"], close=4509)
            await settle()

    node.hub.rooms.fact = tell_at_once  # type: ignore[method-assign]
    lost = await welcomed(await node.resume(old))
    assert await old.closed() == Close.DISPLACED
    done.set()
    await node.until(lambda: not node.hub.feeds[ROOM].departing)
    await lost.vanish()

    await welcomed(await node.resume(old))


async def test_a_node_that_hears_late_forgets_no_claim_that_was_resumed_elsewhere(node: Node) -> None:
    async with served(node.world, "n2") as other:
        old = await node.enter()
        new = await welcomed(await other.resume(old))
        await new.send(type="ping", id=1)
        await new.get("ok")
        await settle()
        node.world.happen(CLIENT.participant, message=Displaced(), connection=old.welcome["connection"], close=4510)
        assert await old.closed() == Close.OVER
        await node.until(lambda: ROOM not in node.hub.feeds)
        await settle()

        thief = await node.resume(old)

        assert await thief.closed() == Close.REVOKED


async def test_a_displaced_device_that_resumes_stays_out(node: Node) -> None:
    old = await dropped(node)
    node.world.refuse_connected = Busy()

    new = await node.resume(old)

    assert await new.closed() == Close.DISPLACED


async def test_nobody_is_resumed_while_the_store_is_away_but_afterwards(node: Node) -> None:
    old = await dropped(node)
    node.world.away = True
    new = await node.resume(old)
    assert await new.closed() == Close.STORE_LOST
    node.world.away = False

    await welcomed(await node.resume(old))


# --- Secrets ----------------------------------------------------------------------------------------


async def test_a_wrong_secret_is_refused_and_takes_nothing_away(node: Node) -> None:
    old = await dropped(node)
    thief = await node.connect()

    await thief.send(type="hello", protocol=1, resume={**old.claim(), "secret": "guess"}, device="d1")

    assert await thief.closed() == Close.BAD_TICKET
    await welcomed(await node.resume(old))


async def test_an_unknown_connection_is_expired(node: Node) -> None:
    browser = await node.connect()

    claim = {"connection": "con_x", "secret": "s", "epoch": "e1", "seq": 1}
    await browser.send(type="hello", protocol=1, resume=claim, device="d1")

    assert await browser.closed() == Close.EXPIRED


async def test_a_claim_keeps_its_device(node: Node) -> None:
    old = await dropped(node)
    new = await node.connect()

    await new.send(type="hello", protocol=1, resume=old.claim(), device="another")
    await new.get("welcome")

    assert node.world.facts[-1].device == "d1"  # type: ignore[union-attr]


async def test_of_two_who_resume_at_once_one_is_let_in(node: Node) -> None:
    old = await dropped(node)
    node.world.gate.clear()
    one, two = await node.resume(old), await node.resume(old)
    await settle()
    node.world.gate.set()

    outcomes = {await first_word(browser) for browser in (one, two)}

    assert outcomes == {"welcome", Close.EXPIRED}


async def first_word(browser: Browser) -> str | int:
    """Return the type of the first message, or the close code."""
    try:
        return str((await browser.get())["type"])
    except ConnectionClosed:
        return await browser.closed()


async def test_a_welcome_lost_on_its_way_does_not_lock_the_browser_out(node: Node) -> None:
    old = await dropped(node)
    lost = await welcomed(await node.resume(old))
    await lost.vanish()

    new = await welcomed(await node.resume(old))

    assert new.welcome["recovered"] is True
    stale = await node.resume(lost, epoch="e1", seq=10)
    assert await stale.closed() == Close.REVOKED, "the lost one's secret is spent"


async def test_a_spent_secret_that_comes_back_revokes_the_whole_line(node: Node) -> None:
    first = await dropped(node)
    second = await welcomed(await node.resume(first))
    await second.send(type="ping", id=1)  # shows that the welcome has come
    await second.get("ok")
    await settle()

    thief = await node.resume(first)

    assert await thief.closed() == Close.REVOKED
    assert await second.closed() == Close.REVOKED
    again = await node.resume(second, epoch="e1", seq=10)
    assert await again.closed() == Close.EXPIRED


async def test_a_secret_whose_spending_the_store_missed_is_spent_by_the_next_word(node: Node) -> None:
    old = await dropped(node)
    new = await welcomed(await node.resume(old))
    node.world.away = True
    await new.send(type="ping", id=1)
    await new.get("ok")
    await settle()
    node.world.away = False
    await new.send(type="ping", id=2)
    await new.get("ok")
    await settle()

    thief = await node.resume(old)

    assert await thief.closed() == Close.REVOKED


async def test_a_line_is_revoked_on_other_nodes_too(node: Node) -> None:
    async with served(node.world, "n2") as other:
        first = await dropped(node)
        second = await welcomed(await other.resume(first))
        await second.send(type="ping", id=1)
        await second.get("ok")
        await settle()

        thief = await node.resume(first)
        assert await thief.closed() == Close.REVOKED

        await other.pass_time(10)
        await other.pass_time(10)
        assert await second.closed() == Close.REVOKED


async def test_a_removed_client_cannot_resume() -> None:
    async with served(World()) as node:
        old = await node.enter()
        node.hub.close(ROOM, CLIENT.participant, Close.REMOVED)
        assert await old.closed() == Close.REMOVED
        await node.until(lambda: not node.hub.feeds)

        new = await node.resume(old)

        assert await new.closed() == Close.EXPIRED
