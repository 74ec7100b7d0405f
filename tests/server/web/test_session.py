"""One connection's talk: the order of requests and replies, what errors look like, and when patience ends."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from msgspec.structs import replace

from server.ports import StoreAway
from server.web.closes import Close
from signaling.errors import ConsentRequired, RateLimited, Stale
from signaling.messages import Ok, VisitStarted
from signaling.policy import Policy
from signaling.requests import CheckIn, MediaCandidates, MediaOffer, StepAway
from signaling.state import Phase, Room, Visit
from tests.server.web.stage import CLIENT, PROVIDER, ROOM, Browser, Node, World, served, settle

CHECK_IN = {
    "type": "check_in",
    "id": 1,
    "place": {"state": "CO", "kind": "home"},
    "consent": {"version": "1"},
    "privacy": True,
    "devices": {"camera": True, "microphone": True},
    "media": "video",
}


def raising(error: Exception):  # type: ignore[no-untyped-def]
    """Return an answer that is none."""

    def answer(_: object) -> Ok:
        raise error

    return answer


# --- The first message ------------------------------------------------------------------------------


async def test_anything_before_hello_ends_it(node: Node) -> None:
    browser = await node.connect()

    await browser.send(type="sync", id=1)

    assert await browser.closed() == Close.NO_HELLO


async def test_another_protocol_version_ends_it(node: Node) -> None:
    browser = await node.connect()

    await browser.send(type="hello", id=1, protocol=2, ticket=node.world.ticket(), device="d")

    assert (await browser.get("error"))["code"] == "bad_message"
    assert await browser.closed() == Close.PROTOCOL_ERROR


@pytest.mark.parametrize("both", [False, True])
async def test_hello_has_a_ticket_or_a_claim_and_not_both(node: Node, both: bool) -> None:
    browser = await node.connect()
    claim = {"connection": "c", "secret": "s", "epoch": "e", "seq": 1}

    await browser.send(type="hello", protocol=1, device="d", **({"ticket": "t", "resume": claim} if both else {}))

    assert (await browser.get("error"))["code"] == "bad_message"
    assert await browser.closed() == Close.PROTOCOL_ERROR


async def test_requests_right_behind_hello_wait_for_the_welcome(node: Node) -> None:
    browser = await node.connect()

    await browser.send(type="hello", protocol=1, ticket=node.world.ticket(), device="d")
    await browser.send(**CHECK_IN)
    await browser.send(type="ping", id=2)

    assert [(await browser.get())["type"] for _ in range(4)] == ["welcome", "view", "ok", "ok"]


async def test_a_second_hello_is_refused(node: Node) -> None:
    browser = await node.enter()

    await browser.send(type="hello", id=4, protocol=1, ticket="t", device="d")

    error = await browser.get("error")
    assert (error["code"], error["re"]) == ("refused", 4)


# --- Requests and replies ---------------------------------------------------------------------------


async def test_a_request_of_the_room_is_asked_in_the_name_of_the_ticket(node: Node) -> None:
    browser = await node.enter()
    node.world.answer = lambda _: Ok(version=4, visit="vis_1")

    await browser.send(**CHECK_IN, by="pro_1", participant="pro_1")

    assert await browser.get() == {"type": "ok", "re": 1, "version": 4, "visit": "vis_1"}
    ((by, connection, request),) = node.world.asked
    assert (by, connection) == (CLIENT, browser.welcome["connection"])
    assert isinstance(request, CheckIn)


async def test_what_is_not_the_rooms_business_is_asked_of_the_shell(node: Node) -> None:
    browser = await node.enter(PROVIDER)

    await browser.send(type="media.offer", id=1, peer="p", round=1, sdp="v=0")
    await browser.send(type="media.candidates", peer="p", round=1, candidates=[{"candidate": "x"}, None])
    await browser.send(type="chat", id=2, text="hello")
    await browser.send(type="tell_waiting", id=3, entry="e", text="soon")
    await browser.send(type="media.prepare", id=4)

    assert [(await browser.get("ok")).get("re") for _ in range(5)] == [1, None, 2, 3, 4]
    callers, requests = zip(*node.world.shell_asked, strict=True)
    assert {(c.room, c.practice, c.by, c.device) for c in callers} == {(ROOM, "p", PROVIDER, "d1")}
    assert isinstance(requests[0], MediaOffer)
    assert isinstance(requests[1], MediaCandidates)


async def test_requests_are_answered_in_order_one_at_a_time(node: Node) -> None:
    browser = await node.enter()
    under_way: list[int] = []

    async def ask(room: str, by: object, connection: str, request: StepAway) -> Ok:
        under_way.append(request.id or 0)
        assert len(under_way) == 1
        await settle(5)
        under_way.clear()
        return Ok()

    node.hub.rooms.ask = ask  # type: ignore[assignment, method-assign]
    for number in range(20):
        await browser.send(type="step_away", id=number)

    assert [(await browser.get("ok"))["re"] for _ in range(20)] == list(range(20))


async def test_a_ping_is_answered_past_a_slow_request(node: Node) -> None:
    browser = await node.enter()
    node.world.gate.clear()
    await browser.send(type="step_away", id=1)

    await browser.send(type="ping", id=2)

    assert await browser.get() == {"type": "ok", "re": 2}
    node.world.gate.set()
    assert await browser.get() == {"type": "ok", "re": 1}


async def test_many_requests_behind_a_slow_one_are_all_answered() -> None:
    """More than the inbox holds: the socket is not read meanwhile, and nothing is lost."""
    async with served(World(), inbox=4, burst=1000) as node:
        browser = await node.enter()
        node.world.gate.clear()
        (session,) = node.hub.sessions.values()

        async def send() -> None:
            for number in range(100):
                await browser.send(type="step_away", id=number, padding="x" * 50_000)

        sending = asyncio.create_task(send())
        await node.until(lambda: len(session.inbox) >= 4)
        await settle(200)
        assert len(session.inbox) < 30, "the rest waits in the network"
        node.world.now += 25_000
        node.hub.tick()  # silence that is of our making is not held against it
        node.world.gate.set()

        assert [(await browser.get("ok"))["re"] for _ in range(100)] == list(range(100))
        await sending


async def test_sync_brings_the_view_with_its_number(node: Node) -> None:
    browser = await node.enter()
    node.world.happen(PROVIDER.participant)

    await browser.send(type="sync", id=8)

    view = await browser.get("view")
    assert (view["re"], view["seq"]) == (8, 11)


async def test_a_view_is_never_older_than_what_was_told(node: Node) -> None:
    browser = await node.enter()
    present = node.hub.rooms.present
    old = node.world.rooms[ROOM]
    asked: list[int] = []

    async def behind(room: str, *, seq: int = 0):  # type: ignore[no-untyped-def]
        asked.append(seq)
        if len(asked) == 1:
            node.world.happen(CLIENT.participant)
            return old
        return await present(room, seq=seq)

    node.hub.rooms.present = behind  # type: ignore[method-assign]
    await browser.send(type="sync", id=1)

    assert (await browser.get("waiting.changed"))["seq"] == 11
    assert (await browser.get("view"))["seq"] == 11
    assert asked == [10, 11]


async def test_a_request_without_an_id_is_answered_without_one(node: Node) -> None:
    browser = await node.enter()

    await browser.send(type="step_away")

    assert await browser.get() == {"type": "ok"}


# --- Errors -----------------------------------------------------------------------------------------


async def test_a_refusal_is_a_code_and_nothing_else(node: Node) -> None:
    browser = await node.enter()
    node.world.answer = raising(ConsentRequired("text for the developer"))

    await browser.send(**CHECK_IN)

    assert await browser.get() == {"type": "error", "code": "consent_required", "temporary": False, "re": 1}


async def test_a_stale_request_gets_the_visit_as_it_is(node: Node) -> None:
    browser = await node.enter(PROVIDER)
    node.world.answer = raising(Stale("", {"id": "vis_1", "rev": 7}))

    await browser.send(type="start", id=5, appointment="a", expect=3)

    error = await browser.get("error")
    assert (error["code"], error["re"], error["visit"]) == ("stale", 5, {"id": "vis_1", "rev": 7})


async def test_a_store_that_is_away_is_a_temporary_error(node: Node) -> None:
    browser = await node.enter()
    node.world.answer = raising(StoreAway())

    await browser.send(type="step_away", id=1)

    error = await browser.get("error")
    assert (error["code"], error["temporary"]) == ("unavailable", True)
    assert error["retry_after"] > 0


async def test_who_could_not_be_told_whether_something_was_done_sees_what_became_of_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this node knew before is no answer: the request may have been saved, and its news be late."""
    browser = await node.enter()
    before, present = node.world.rooms[ROOM], node.hub.rooms.present

    async def behind(room: str, *, seq: int = 0) -> Room | None:
        return before if seq else await present(room)

    monkeypatch.setattr(node.hub.rooms, "present", behind)
    node.world.away = True
    await browser.send(type="step_away", id=1)
    assert (await browser.get("error"))["code"] == "unavailable"
    node.world.happen(PROVIDER.participant, tell=False)
    node.world.away = False

    await browser.send(type="sync", id=2)
    assert (await browser.get("view"))["seq"] == node.world.rooms[ROOM].seq


async def test_patience_with_a_request_ends() -> None:
    async with served(World(), patience=0.05) as node:
        browser = await node.enter()
        node.world.gate.clear()

        await browser.send(type="step_away", id=1)

        assert (await browser.get("error"))["code"] == "unavailable"


async def test_a_mistake_of_ours_is_internal_and_logged_without_anybodys_words(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    browser = await node.enter()
    node.world.answer = raising(KeyError("Ada Lovelace"))

    with caplog.at_level(logging.ERROR):
        await browser.send(type="step_away", id=1)
        assert await browser.get() == {"type": "error", "code": "internal", "temporary": False, "re": 1}

    assert "StepAway failed: KeyError" in caplog.text
    assert "raise error" in caplog.text, "the trace is there"
    assert "Ada" not in caplog.text
    await browser.quiet()


@pytest.mark.parametrize(
    ("text", "code", "re"),
    [
        ('{"type":"dance","id":3}', "unknown_type", 3),
        ('{"type":"start","id":"x"}', "bad_message", None),
        ('{"type":"end","id":4}', "bad_message", 4),
        ('{"id":5}', "bad_message", 5),
        ('{"type":"check_in","id":6,"place":{"state":"CO","kind":"moon"}}', "bad_message", 6),
        ('{"type":"ping","id":-1}', "bad_message", None),
        ('{"type":["ping"],"id":7}', "bad_message", 7),
        ("[]", "bad_message", None),
        ("not json", "bad_message", None),
        ("[" * 60_000, "bad_message", None),
        ('{"x":' * 10_000, "bad_message", None),
        ("", "bad_message", None),
    ],
)
async def test_what_cannot_be_read_is_told_with_its_number_if_that_could_be(
    node: Node, text: str, code: str, re: int | None
) -> None:
    browser = await node.enter()

    await browser.connection.send(text)

    error = await browser.get("error")
    assert (error["code"], error.get("re"), error["temporary"]) == (code, re, False)
    await browser.quiet()


async def test_three_bad_messages_in_ten_seconds_end_it(node: Node) -> None:
    browser = await node.enter()

    for _ in range(3):
        await browser.connection.send("?")

    for _ in range(3):
        assert (await browser.get("error"))["code"] == "bad_message"
    assert await browser.closed() == Close.PROTOCOL_ERROR


async def test_bad_messages_far_apart_do_not_add_up(node: Node) -> None:
    browser = await node.enter()

    for _ in range(6):
        await browser.connection.send("?")
        await browser.get("error")
        node.world.now += 5_001

    await browser.quiet()


# --- Rate -------------------------------------------------------------------------------------------


async def test_too_many_requests_are_refused_with_the_time_to_wait() -> None:
    async with served(World(), burst=5, rate=2) as node:
        browser = await node.enter()  # hello took one

        for number in range(5):
            await browser.send(type="step_away", id=number)

        replies = [await browser.get() for _ in range(5)]
        refused = [reply for reply in replies if reply["type"] == "error"]
        assert refused == [{"type": "error", "code": "rate", "temporary": True, "re": 4, "retry_after": 0.5}]
        node.world.now += 500
        await browser.send(type="step_away", id=9)
        assert await browser.get() == {"type": "ok", "re": 9}


async def test_candidates_come_in_showers_and_cost_little() -> None:
    async with served(World(), burst=11, rate=1) as node:
        browser = await node.enter()

        for number in range(50):
            await browser.send(type="media.candidates", id=number, peer="p", candidates=[])

        assert [(await browser.get())["type"] for _ in range(50)] == ["ok"] * 50


async def test_whoever_goes_on_and_on_is_closed() -> None:
    async with served(World(), burst=2, rate=1, refusals=5) as node:
        browser = await node.enter()

        for number in range(10):
            await browser.send(type="step_away", id=number)

        assert await browser.closed() == Close.RATE


async def test_a_rate_of_the_rooms_own_says_when_to_come_again(node: Node) -> None:
    browser = await node.enter()
    error = RateLimited()
    error.retry_after = 3.0  # type: ignore[attr-defined]
    node.world.shell_answer = raising(error)

    await browser.send(type="chat", id=1, text="x")

    assert (await browser.get("error"))["retry_after"] == 3.0


async def test_stats_in_excess_are_dropped(node: Node) -> None:
    browser = await node.enter()

    for kbps in (1, 2, 3):
        await browser.send(type="media.stats", kbps=kbps)
    await browser.get("ok")
    await browser.quiet()
    node.world.now += 5_000
    await browser.send(type="media.stats", kbps=4)
    await browser.get("ok")

    assert [request.kbps for _, request in node.world.shell_asked] == [1, 4]  # type: ignore[union-attr]


async def test_dropped_stats_that_ask_for_a_reply_get_one(node: Node) -> None:
    browser = await node.enter()

    await browser.connection.send(json.dumps({"type": "media.stats", "id": 1}))
    await browser.connection.send(json.dumps({"type": "media.stats", "id": 2}))

    async with asyncio.timeout(5):
        assert sorted([(await browser.get("ok"))["re"], (await browser.get("ok"))["re"]]) == [1, 2]
    assert len(node.world.shell_asked) == 1


# --- A provider's sign-in ---------------------------------------------------------------------------


async def signed_in(node: Node) -> Browser:
    node.world.singles["signin", "s1"] = (b"", node.world.now + 15 * 60_000)
    browser = await node.connect()
    await browser.send(type="hello", protocol=1, ticket=node.world.ticket(PROVIDER, sign_in="s1"), device="d1")
    await browser.get("welcome")
    await browser.get("view")
    return browser


async def test_a_sign_in_lives_while_the_providers_page_is_connected(node: Node) -> None:
    await signed_in(node)

    await node.pass_time(60)
    await settle()

    assert node.world.singles["signin", "s1"][1] == pytest.approx(node.world.now + 15 * 60_000, abs=20_000)


async def test_a_sign_in_that_ended_elsewhere_ends_the_connection(node: Node) -> None:
    browser = await signed_in(node)
    del node.world.singles["signin", "s1"]

    await node.pass_time(20)
    await settle()

    assert await browser.closed() == Close.EXPIRED


async def test_nobody_is_signed_off_in_the_middle_of_a_visit(node: Node) -> None:
    browser = await signed_in(node)
    room = node.world.rooms[ROOM]
    live = Visit(id="vis_1", policy=Policy(), providers=(room.host,), seats={}, phase=Phase.IN_PROGRESS)
    node.world.rooms[ROOM] = replace(room, visits={"vis_1": live})
    del node.world.singles["signin", "s1"]

    await node.pass_time(60)
    await settle()

    await browser.send(type="ping", id=7)
    assert (await browser.get("ok"))["re"] == 7


async def test_credentials_are_made_when_an_event_is_told_and_not_when_it_is_stored(node: Node) -> None:
    made = iter(range(10))
    node.hub._ice_servers = lambda: ({"urls": ["turn:t"], "username": str(next(made))},)
    one, other = await node.enter(), await node.enter(PROVIDER, device="d2")
    started = VisitStarted(visit="vis_1", segment=1, rev=2, participants=(), ice_servers=())

    node.world.happen("cli_1", "pro_1", message=started)

    told = [(await browser.get("visit.started"))["ice_servers"] for browser in (one, other)]
    assert [server["username"] for (server,) in told] == ["0", "1"]
