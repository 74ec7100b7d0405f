"""A room's connections on a node: who comes in, what they are told and in which order, and how they go."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from server.web.closes import Close
from server.web.feed import Feed
from signaling.errors import Busy, Forbidden, NotFound
from signaling.events import Connected, Disconnected, Fact
from signaling.messages import ChatLine, Displaced, Ok, VisitClosed
from signaling.state import Connection, Room, Stand, Who
from tests.server.web.stage import CLIENT, PROVIDER, ROOM, Node, World, served, settle

# --- Coming in --------------------------------------------------------------------------------------


async def test_a_ticket_brings_a_welcome_and_then_the_view(node: Node) -> None:
    browser = await node.enter(PROVIDER)

    welcome = dict(browser.welcome)
    assert welcome.pop("secret")
    assert welcome.pop("limits")["frame"] == 65_536
    assert welcome == {
        "type": "welcome",
        "connection": "con_n1_1",
        "resume_for": 60,
        "role": "provider",
        "heartbeat": 10,
        "recovered": False,
    }
    assert (browser.view["epoch"], browser.view["seq"]) == ("e1", 10)
    assert node.world.facts == [Connected(PROVIDER, "con_n1_1", "d1", "n1")]
    assert node.world.entered == {("n1", ROOM)}


async def test_a_ticket_is_good_once(node: Node) -> None:
    ticket = node.world.ticket()
    first, second = await node.connect(), await node.connect()

    await first.send(type="hello", protocol=1, ticket=ticket, device="d")
    await first.get("welcome")
    await second.send(type="hello", protocol=1, ticket=ticket, device="d")

    assert await second.closed() == Close.BAD_TICKET


async def test_a_ticket_whose_right_has_ended_is_expired(node: Node) -> None:
    browser = await node.connect()

    ticket = node.world.ticket(until=node.world.now)
    await browser.send(type="hello", protocol=1, ticket=ticket, device="d")

    assert await browser.closed() == Close.EXPIRED


async def test_a_right_that_ends_later_ends_the_connection_then(node: Node) -> None:
    browser = await node.connect()
    ticket = node.world.ticket(until=node.world.now + 7_000)
    await browser.send(type="hello", protocol=1, ticket=ticket, device="d")
    await browser.get("welcome")

    await node.pass_time(6)
    assert not node.hub.counts.closed
    await node.pass_time(2)

    assert await browser.closed() == Close.EXPIRED


@pytest.mark.parametrize(
    ("why", "code"),
    [(Busy, Close.DISPLACED), (NotFound, Close.OVER), (Forbidden, Close.FORBIDDEN)],
)
async def test_the_room_may_refuse_a_connection(node: Node, why: type[Exception], code: Close) -> None:
    node.world.refuse_connected = why()
    browser = await node.connect()

    await browser.send(type="hello", protocol=1, ticket=node.world.ticket(), device="second")

    assert await browser.closed() == code
    await node.until(lambda: not node.hub.feeds)
    assert node.world.facts == [], "whoever never came cannot go"


@pytest.mark.parametrize(("stand", "code"), [(Stand.REMOVED, Close.REMOVED), (None, Close.OVER)])
async def test_a_client_who_can_do_nothing_here_any_more_is_shown_so_and_sent_away(
    node: Node, stand: Stand | None, code: Close
) -> None:
    room = node.world.rooms[ROOM]
    visit = room.visits["vis_1"]
    seats = {} if stand is None else {"cli_1": replace(visit.seats["cli_1"], stand=stand)}
    node.world.rooms[ROOM] = replace(room, visits={"vis_1": replace(visit, seats=seats)})

    browser = await node.enter()

    assert await browser.closed() == code
    assert browser.welcome["recovered"] is False
    again = await node.connect()
    resume = {k: browser.welcome[k] for k in ("connection", "secret")} | {"epoch": "e1", "seq": 10}
    await again.send(type="hello", protocol=1, resume=resume, device="d1")
    assert await again.closed() == Close.EXPIRED, "nothing is kept for them"


async def test_a_takeover_is_said_to_the_room(node: Node) -> None:
    browser = await node.connect()

    await browser.send(type="hello", protocol=1, ticket=node.world.ticket(), device="d2", takeover=True)
    await browser.get("welcome")

    assert node.world.facts == [Connected(CLIENT, "con_n1_1", "d2", "n1", takeover=True)]


async def test_nobody_is_admitted_while_the_store_is_away(node: Node) -> None:
    browser = await node.connect()
    node.world.away = True

    await browser.send(type="hello", id=1, protocol=1, ticket=node.world.ticket(), device="d")

    error = await browser.get("error")
    assert (error["code"], error["temporary"], error["re"]) == ("unavailable", True, 1)
    assert await browser.closed() == Close.STORE_LOST


async def test_a_room_that_is_gone_is_over(node: Node) -> None:
    browser = await node.connect()
    ticket = node.world.ticket()
    node.hub.rooms.fact = lambda room, fact: asyncio.sleep(0)  # type: ignore[method-assign]
    node.world.rooms.clear()

    await browser.send(type="hello", protocol=1, ticket=ticket, device="d")

    assert await browser.closed() == Close.OVER


async def test_whoever_vanishes_while_being_greeted_is_reported_gone(node: Node) -> None:
    browser = await node.connect()
    ticket = node.world.ticket()
    node.world.gate.clear()
    await browser.send(type="hello", protocol=1, ticket=ticket, device="d")
    await settle()

    browser.connection.transport.abort()
    await node.until(lambda: node.hub.counts.connections == 0)
    node.world.gate.set()

    await node.until(lambda: not node.hub.feeds)
    assert node.world.rooms[ROOM].connections == {}


# --- Being told -------------------------------------------------------------------------------------


async def test_an_event_goes_to_its_audience_alone(node: Node) -> None:
    client, provider = await node.enter(CLIENT), await node.enter(PROVIDER)

    node.world.happen(PROVIDER.participant)
    node.world.happen(CLIENT.participant, PROVIDER.participant)

    assert [(await provider.get())["seq"] for _ in range(2)] == [11, 12]
    assert (await client.get())["seq"] == 12
    await client.quiet()


async def test_an_event_for_one_connection_is_told_to_no_other_of_that_person(node: Node) -> None:
    one, two = await node.enter(device="a"), await node.enter(device="b")

    node.world.happen(CLIENT.participant, message=Displaced(), connection=one.welcome["connection"], close=4509)

    assert (await one.get())["type"] == "displaced"
    assert await one.closed() == Close.DISPLACED
    await two.quiet()


async def test_the_last_check_before_the_socket_holds_an_event_back(node: Node) -> None:
    client, provider = await node.enter(CLIENT), await node.enter(PROVIDER)
    node.hub.may_see = lambda room, who, event: who == PROVIDER and room == ROOM and event["seq"] == 11

    node.world.happen(CLIENT.participant, PROVIDER.participant)

    assert (await provider.get())["seq"] == 11
    await client.quiet()


async def test_after_an_event_that_closes_the_message_comes_first(node: Node) -> None:
    client, provider = await node.enter(CLIENT), await node.enter(PROVIDER)
    closed = VisitClosed(visit="vis_1", rev=3, outcome="attended")

    node.world.happen(CLIENT.participant, message=closed, close=Close.OVER)

    assert (await client.get("visit.closed"))["outcome"] == "attended"
    assert await client.closed() == Close.OVER
    await provider.quiet()


async def test_both_subprotocols_get_the_same_event(node: Node) -> None:
    text, packed = await node.enter(device="a"), await node.enter(device="b", packed=True)

    node.world.happen(CLIENT.participant)

    assert await text.get("waiting.changed") == await packed.get("waiting.changed")


async def test_events_that_the_view_holds_are_not_told_again(node: Node) -> None:
    """The bus may be slower than a read of the room."""
    late = node.world.happen(CLIENT.participant, tell=False)
    browser = await node.enter()
    assert browser.view["seq"] == late

    node.world.publish(node.world.stored[ROOM])
    node.world.happen(CLIENT.participant)

    assert (await browser.get())["seq"] == late + 1


async def test_one_whose_view_is_ahead_of_the_bus_is_not_told_twice(node: Node) -> None:
    early = await node.enter(device="a")
    node.world.happen(CLIENT.participant, tell=False)
    ahead = await node.enter(device="b")
    assert (early.view["seq"], ahead.view["seq"]) == (10, 11)

    node.world.publish(node.world.stored[ROOM])

    assert (await early.get())["seq"] == 11
    await ahead.quiet()


async def test_what_comes_while_the_store_is_read_is_not_forgotten(node: Node) -> None:
    browser = await node.enter()
    events = node.hub.store.events

    async def slow(room: str, after: int):  # type: ignore[no-untyped-def]
        found = await events(room, after)
        if len(node.world.stored[ROOM]) < 4:
            node.world.happen(CLIENT.participant)
        return found

    node.hub.store.events = slow  # type: ignore[method-assign]
    node.world.happen(CLIENT.participant, tell=False)
    node.world.happen(CLIENT.participant)

    assert [(await browser.get())["seq"] for _ in range(4)] == [11, 12, 13, 14]


async def test_events_that_come_while_the_room_is_read_follow_the_view(node: Node) -> None:
    browser = await node.connect()
    present = node.hub.rooms.present

    async def slow(room: str, *, seq: int = 0):  # type: ignore[no-untyped-def]
        found = await present(room, seq=seq)
        if len(node.world.stored[ROOM]) < 2:
            node.world.happen(CLIENT.participant)
            node.world.happen(CLIENT.participant)
        return found

    node.hub.rooms.present = slow  # type: ignore[method-assign]
    await browser.send(type="hello", protocol=1, ticket=node.world.ticket(), device="d")

    await browser.get("welcome")
    assert [(await browser.get())["seq"] for _ in range(3)] == [10, 11, 12]


@pytest.mark.parametrize("large", [False, True])
async def test_what_the_bus_loses_or_shortens_is_read_from_the_store(node: Node, large: bool) -> None:
    browser = await node.enter()

    node.world.happen(CLIENT.participant, tell=large, large=large)
    node.world.happen(CLIENT.participant)
    node.world.happen(CLIENT.participant)

    assert [(await browser.get())["seq"] for _ in range(3)] == [11, 12, 13]
    assert node.hub.counts.gaps == 1


async def test_repeats_and_disorder_on_the_bus_are_told_once_and_in_order(node: Node) -> None:
    browser = await node.enter()
    for _ in range(4):
        node.world.happen(CLIENT.participant, tell=False)
    one, two, three, four = node.world.stored[ROOM]

    node.world.publish([one, one, three])
    node.world.publish([two, one])
    await settle()
    node.world.publish([three, four, four])

    assert [(await browser.get())["seq"] for _ in range(4)] == [11, 12, 13, 14]
    await browser.quiet()


async def test_after_a_gap_of_the_bus_every_room_is_read(node: Node) -> None:
    browser = await node.enter()
    node.world.happen(CLIENT.participant, tell=False)

    node.hub.gap()

    assert (await browser.get())["seq"] == 11


async def test_connections_outlast_a_store_that_is_away_and_then_miss_nothing(node: Node) -> None:
    browser = await node.enter()
    node.world.happen(CLIENT.participant, tell=False)
    node.world.away = True

    node.hub.gap()
    await settle(200)
    assert not node.hub.counts.closed
    node.world.away = False

    assert (await browser.get())["seq"] == 11


async def test_those_who_do_not_stay_are_sent_to_come_again_and_keep_their_claim(node: Node) -> None:
    browser, provider = await node.enter(), await node.enter(PROVIDER)
    stranger = await node.connect()

    sent = node.hub.send_away(lambda session: session.me.by == PROVIDER)

    assert sent == 1
    assert await browser.closed() == Close.STORE_LOST
    node.world.happen(PROVIDER.participant)
    assert (await provider.get())["seq"] == 11
    await stranger.send(type="hello", protocol=1, ticket=node.world.ticket(), device="d2")
    assert (await stranger.get())["type"] == "welcome", "who has not said hello yet is judged when they do"
    back = await node.resume(browser)
    assert (await back.get("welcome"))["recovered"] is True


async def test_events_that_nobody_keeps_any_more_are_made_good_by_a_view(node: Node) -> None:
    browser, provider = await node.enter(), await node.enter(PROVIDER)
    for _ in range(3):
        node.world.happen(CLIENT.participant, tell=False)
    node.world.forgotten = 12

    node.world.happen(CLIENT.participant)

    assert (await browser.get("view"))["seq"] == 14
    assert (await provider.get("view"))["seq"] == 14
    node.world.happen(CLIENT.participant)
    assert (await browser.get())["seq"] == 15


async def test_a_room_made_anew_sends_everybody_to_come_again(node: Node) -> None:
    browser = await node.enter()

    node.world.happen(CLIENT.participant, epoch="e2")

    assert await browser.closed() == Close.STATE_GAP
    await node.until(lambda: not node.hub.feeds)


async def test_a_passing_message_reaches_only_those_it_is_for(node: Node) -> None:
    client, provider = await node.enter(CLIENT), await node.enter(PROVIDER)
    second = await node.enter(PROVIDER, device="d2")

    line = ChatLine(participant="x", text="hello", at=1)
    assert node.hub.send(ROOM, [PROVIDER.participant], line) == 2
    assert node.hub.send(ROOM, [PROVIDER.participant], line, connection=second.welcome["connection"]) == 1
    assert node.hub.send("room_2", [PROVIDER.participant], line) == 0

    assert (await provider.get("chat"))["text"] == "hello"
    await provider.quiet()
    await second.get("chat")
    await second.get("chat")
    await client.quiet()


async def test_two_nodes_tell_the_same(node: Node) -> None:
    async with served(node.world, "n2") as other:
        here, there = await node.enter(CLIENT), await other.enter(PROVIDER)

        node.world.happen(CLIENT.participant, PROVIDER.participant)

        assert (await here.get()) == (await there.get())


# --- Going ------------------------------------------------------------------------------------------


async def test_a_lost_connection_is_told_to_the_room_and_the_last_one_out_turns_off_the_light(node: Node) -> None:
    one, two = await node.enter(CLIENT), await node.enter(PROVIDER)

    await one.vanish()
    await node.until(lambda: Disconnected(one.welcome["connection"]) in node.world.facts)
    assert node.world.subscribed["n1"] == {ROOM}
    await two.leave()
    await node.until(lambda: not node.hub.feeds)

    assert Disconnected(two.welcome["connection"]) in node.world.facts
    assert node.world.subscribed["n1"] == set()
    assert node.world.entered == set()


async def test_bye_is_final(node: Node) -> None:
    browser = await node.enter()

    await browser.send(type="bye", id=1)

    assert (await browser.get("ok"))["re"] == 1
    assert await browser.closed() == Close.NORMAL
    await node.until(lambda: Disconnected("con_n1_1", bye=True) in node.world.facts)
    again = await node.resume(browser)
    assert await again.closed() == Close.EXPIRED


async def test_what_was_asked_before_the_window_closed_is_done(node: Node) -> None:
    browser = await node.enter()
    node.world.gate.clear()
    await browser.send(type="come_back", id=1)
    await browser.send(type="leave", id=2)

    await browser.vanish()
    node.world.gate.set()

    await node.until(lambda: not node.hub.feeds)
    assert [type(request).__name__ for _, _, request in node.world.asked] == ["ComeBack", "Leave"]
    assert isinstance(node.world.facts[-1], Disconnected), "and only then they are gone"


async def test_what_only_they_were_to_be_told_is_not_asked_for_somebody_who_is_gone(node: Node) -> None:
    """An offer for a node that has just died takes seconds, and so long they would seem to be there."""
    browser = await node.enter()
    node.world.gate.clear()
    await browser.send(type="come_back", id=1)
    await browser.send(type="media.offer", id=2, peer="p", round=1, sdp="v=0")
    await browser.send(type="leave", id=3)

    await browser.vanish()
    node.world.gate.set()

    await node.until(lambda: not node.hub.feeds)
    assert [type(request).__name__ for _, _, request in node.world.asked] == ["ComeBack", "Leave"]
    assert node.world.shell_asked == []


async def test_nothing_is_done_that_was_asked_after_bye(node: Node) -> None:
    browser = await node.enter()
    node.world.gate.clear()
    await browser.send(type="come_back", id=1)
    await browser.send(type="bye", id=2)
    await browser.send(type="step_away", id=3)
    (session,) = node.hub.sessions.values()
    await node.until(lambda: len(session.inbox) == 2)

    node.world.gate.set()

    assert await browser.closed() == Close.NORMAL
    await node.until(lambda: not node.hub.feeds)
    assert [type(request).__name__ for _, _, request in node.world.asked] == ["ComeBack"]


async def test_who_is_sent_away_asks_for_nothing_more(node: Node) -> None:
    browser = await node.enter()
    node.world.gate.clear()
    await browser.send(type="step_away", id=1)
    await browser.send(type="come_back", id=2)
    await settle()

    assert node.hub.close(ROOM, CLIENT.participant, Close.REMOVED) == 1
    node.world.gate.set()

    assert await browser.closed() == Close.REMOVED
    await node.until(lambda: not node.hub.feeds)
    assert [type(request).__name__ for _, _, request in node.world.asked] == ["StepAway"]


async def test_a_departure_is_told_when_the_store_is_back(node: Node) -> None:
    browser = await node.enter()
    node.world.away = True
    await browser.vanish()
    await settle(200)
    assert not any(isinstance(fact, Disconnected) for fact in node.world.facts)

    node.world.away = False

    await node.until(lambda: Disconnected("con_n1_1") in node.world.facts)
    await node.until(lambda: not node.hub.feeds)


async def test_the_node_stays_noted_until_the_room_was_told_of_everybody(node: Node) -> None:
    """Who dies before, leaves others a trace of whom to clear away."""
    one, two = await node.enter(device="a"), await node.enter(device="b")
    fact, hold = node.hub.rooms.fact, asyncio.Event()

    async def slow(room: str, said: Fact) -> None:
        if said == Disconnected(one.welcome["connection"]):
            await hold.wait()
        await fact(room, said)

    node.hub.rooms.fact = slow  # type: ignore[method-assign]
    await one.vanish()
    await two.vanish()
    await node.until(lambda: Disconnected(two.welcome["connection"]) in node.world.facts)
    await settle()
    assert node.world.entered == {("n1", ROOM)}

    hold.set()
    await node.until(lambda: node.world.entered == set())


async def test_the_node_stays_noted_while_somebody_who_was_sent_away_is_still_being_answered(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the room was not told that they went: should this node die, others must find them."""
    asked, answers = asyncio.Event(), asyncio.Event()

    async def slow(room: str, by: Who, connection: str, request: object) -> Ok:
        asked.set()
        await answers.wait()
        return Ok()

    monkeypatch.setattr(node.hub.rooms, "ask", slow)
    browser = await node.enter()
    await browser.send(type="step_away", id=1)
    await asked.wait()
    node.hub.close(ROOM, CLIENT.participant, Close.REMOVED)

    node.world.refuse_connected = Busy()
    refused = await node.connect()
    await refused.send(type="hello", protocol=1, ticket=node.world.ticket(), device="d2")
    assert await refused.closed() == Close.DISPLACED
    await settle()

    assert ("n1", ROOM) in node.world.entered
    answers.set()
    await node.until(lambda: ("n1", ROOM) not in node.world.entered)
    assert isinstance(node.world.facts[-1], Disconnected)


async def test_whoever_vanishes_before_they_are_known_leaves_nothing_behind(node: Node) -> None:
    node.world.gate.clear()
    browser = await node.connect()
    await browser.send(type="hello", protocol=1, ticket=node.world.ticket(), device="d1")
    await node.until(lambda: any(session.working for session in node.hub.sessions.values()))
    browser.connection.transport.abort()
    await node.until(lambda: not node.hub.sessions)

    node.world.gate.set()

    await node.until(lambda: not node.hub._tasks)
    assert node.hub.feeds == {}


async def test_coming_while_the_room_is_given_up_takes_it_up_again(node: Node) -> None:
    one = await node.enter()
    unsubscribe, hold, asked = node.hub.bus.unsubscribe, asyncio.Event(), asyncio.Event()

    async def slow(room: str) -> None:
        asked.set()
        await hold.wait()
        await unsubscribe(room)

    node.hub.bus.unsubscribe = slow  # type: ignore[method-assign]
    await one.vanish()
    await asked.wait()
    entering = asyncio.create_task(node.enter())
    await node.until(lambda: bool(node.hub.feeds[ROOM].sessions))
    hold.set()
    two = await entering

    node.world.happen(CLIENT.participant)

    assert (await two.get())["seq"] == 11


async def test_coming_while_the_last_one_leaves_keeps_the_room_subscribed(node: Node) -> None:
    for _ in range(10):
        one = await node.enter()
        leaving = asyncio.create_task(one.leave())
        two = await node.enter()
        await leaving

        node.world.happen(CLIENT.participant)
        assert (await two.get())["seq"] == node.world.rooms[ROOM].seq
        await two.leave()


async def test_signing_out_ends_what_was_opened_by_it(node: Node) -> None:
    mine, other = await node.connect(), await node.enter(PROVIDER)
    await mine.send(type="hello", protocol=1, ticket=node.world.ticket(PROVIDER, sign_in="abc"), device="d")
    await mine.get("welcome")

    assert node.hub.close_sign_in("abc", Close.REVOKED) == 1

    await mine.get("view")
    assert await mine.closed() == Close.REVOKED
    await other.quiet()


async def test_draining_says_so_and_then_closes_what_is_left(node: Node) -> None:
    client, provider = await node.enter(CLIENT), await node.enter(PROVIDER)

    await node.hub.drain(5_000, 2_000)

    for browser in (client, provider):
        assert await browser.get() == {"type": "goaway", "after": 5_000, "jitter": 2_000}
        assert await browser.closed() == Close.DRAINING
    assert node.hub.draining


async def test_a_stopping_node_says_goodbye_to_the_room() -> None:
    world = World()
    async with served(world) as node:
        browser = await node.enter()

        await node.hub.__aexit__(None, None, None)

        assert await browser.closed() == Close.DRAINING
        assert Disconnected("con_n1_1") in world.facts


async def test_the_clockwork_runs_by_itself_while_the_hub_does() -> None:
    async with served(World()) as node:
        await node.connect()
        node.world.now += 60_000

        await node.hub.__aenter__()

        await node.until(lambda: node.hub.counts.closed == {Close.NO_HELLO: 1})


async def test_counts_add_up(node: Node) -> None:
    browser = await node.enter()
    await browser.send(type="ping", id=1)
    await browser.get("ok")
    counts = node.hub.counts
    assert (counts.connections, counts.present, counts.received, counts.sent) == (1, 1, 2, 3)

    await browser.leave()
    await node.until(lambda: counts.connections == 0)

    assert (counts.present, counts.closed) == (0, {1000: 1})


# --- Being overtaken --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "there", "code"),
    [
        (CLIENT, {"con_newer": Connection(CLIENT, "d2", "n2", 0)}, Close.DISPLACED),
        (PROVIDER, {"con_newer": Connection(PROVIDER, "d1", "n2", 0)}, Close.DISPLACED),
        (PROVIDER, {"con_other": Connection(PROVIDER, "d2", "n2", 0)}, Close.STORE_LOST),
        (CLIENT, {}, Close.STORE_LOST),
    ],
)
async def test_whom_the_room_let_go_before_the_welcome_is_not_welcomed(
    node: Node, monkeypatch: pytest.MonkeyPatch, who: Who, there: dict[str, Connection], code: Close
) -> None:
    """A newer device took over, or the node was taken for dead, while the store's answer was on its way."""
    come = node.hub.rooms.fact

    async def overtaken(room: str, fact: Fact) -> None:
        await come(room, fact)
        if isinstance(fact, Connected):
            node.world.rooms[room] = replace(node.world.rooms[room], connections=there)

    monkeypatch.setattr(node.hub.rooms, "fact", overtaken)
    browser = await node.connect()
    await browser.send(type="hello", protocol=1, ticket=node.world.ticket(who), device="d1")

    assert await browser.closed() == code
    assert node.hub.counts.present == 0


async def test_a_room_that_is_known_only_as_it_was_before_somebody_came_is_read_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, present = node.world.rooms[ROOM], node.hub.rooms.present

    async def behind(room: str, *, seq: int = 0) -> Room | None:
        return before if seq else await present(room)

    monkeypatch.setattr(node.hub.rooms, "present", behind)
    node.hub.feeds[ROOM] = feed = Feed(node.hub, ROOM)
    feed.start(before)

    browser = await node.enter()

    assert list(node.world.rooms[ROOM].connections) == [browser.welcome["connection"]]


@pytest.mark.parametrize("asks", [True, False])
async def test_who_is_shown_a_room_where_a_newer_device_stands_for_them_is_sent_away(node: Node, asks: bool) -> None:
    """The event that says so is part of what the view stands for, and is not told any more."""
    browser, other = await node.enter(), await node.enter(PROVIDER)
    newer = Connection(CLIENT, "d2", "n2", 0)
    there = {"con_newer": newer, other.welcome["connection"]: Connection(PROVIDER, "d1", "n1", 0)}
    mine = browser.welcome["connection"]
    node.world.happen(CLIENT.participant, message=Displaced(), connection=mine, close=Close.DISPLACED, tell=False)
    node.world.rooms[ROOM] = replace(node.world.rooms[ROOM], connections=there)

    if asks:
        await browser.send(type="sync", id=7)
    else:
        node.world.forgotten = node.world.rooms[ROOM].seq
        node.hub.gap()

    assert (await browser.get("view")).get("re") == (7 if asks else None)
    assert await browser.closed() == Close.DISPLACED
    if not asks:
        await other.get("view")
    await other.quiet()


async def test_who_asks_for_the_view_of_a_visit_that_is_over_is_sent_away_with_it(node: Node) -> None:
    browser = await node.enter()
    node.world.rooms[ROOM] = replace(node.world.rooms[ROOM], visits={})

    await browser.send(type="sync", id=7)

    assert (await browser.get("view"))["re"] == 7
    assert await browser.closed() == Close.OVER


# --- Being lost by the room -------------------------------------------------------------------------


def lose(node: Node) -> None:
    """Let the room forget all connections, as when another node took this one for dead."""
    node.world.rooms[ROOM] = replace(node.world.rooms[ROOM], connections={})


async def test_whom_the_room_lost_is_brought_back_with_the_next_renewal(node: Node) -> None:
    browser = await node.enter()
    lose(node)

    await node.pass_time(10)
    await node.pass_time(10)

    await node.until(lambda: list(node.world.rooms[ROOM].connections) == [browser.welcome["connection"]])
    assert node.world.facts[-1] == Connected(CLIENT, browser.welcome["connection"], "d1", "n1", resumed=True)


async def test_whom_an_event_on_its_way_sends_away_is_not_brought_back(node: Node) -> None:
    browser = await node.enter()
    lose(node)
    node.world.happen(CLIENT.participant, message=Displaced(), close=Close.REVOKED, tell=False)

    await node.pass_time(10)
    await node.pass_time(11)
    node.world.publish(node.world.stored[ROOM])

    await browser.get("displaced")
    assert await browser.closed() == Close.REVOKED
    assert not any(isinstance(fact, Connected) and fact.resumed for fact in node.world.facts)


async def test_who_goes_while_the_room_takes_them_back_does_not_stay_in_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That they come again is saved after that they went."""
    browser, tell, answers = await node.enter(), node.hub.rooms.fact, asyncio.Event()

    async def late(room: str, fact: Fact) -> None:
        if isinstance(fact, Connected):
            await answers.wait()
        await tell(room, fact)

    monkeypatch.setattr(node.hub.rooms, "fact", late)
    lose(node)
    await node.pass_time(20)
    await browser.vanish()
    await node.until(lambda: isinstance(node.world.facts[-1], Disconnected))

    answers.set()

    await node.until(lambda: not node.hub._tasks)
    assert [type(fact) for fact in node.world.facts[-3:]] == [Disconnected, Connected, Disconnected]
    assert node.world.rooms[ROOM].connections == {}


async def test_whom_the_room_does_not_take_back_is_closed(node: Node) -> None:
    browser = await node.enter()
    lose(node)
    node.world.refuse_connected = Busy()

    await node.pass_time(10)
    await node.pass_time(11)

    assert await browser.closed() == Close.DISPLACED
