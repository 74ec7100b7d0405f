"""What may happen: people who do what their page offers, people who do anything, the network, nodes, time, the EHR.

A move takes the world and its choices, and does one thing. What it says is kept for whoever reads a failed history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from server.web.closes import Close
from server.web.mailbox import Mailbox
from signaling.fields import OutcomeGiven
from signaling.policy import SECOND
from signaling.requests import (
    Acknowledge,
    Admit,
    Bye,
    Chat,
    ComeBack,
    End,
    Finish,
    Hello,
    Leave,
    MediaAnswered,
    MediaCandidates,
    MediaFlow,
    MediaMode,
    MediaOffer,
    MediaPrepare,
    MediaRelay,
    MediaState,
    MediaStats,
    Ping,
    Rejoin,
    Remove,
    Request,
    ReturnToWaiting,
    RoomRequest,
    SetStatus,
    Start,
    StepAway,
    Sync,
    TellWaiting,
    Withdraw,
)
from signaling.state import Role
from tests.server.machine.browser import Browser
from tests.server.machine.cast import (
    CLIENTS,
    NUMBERS,
    VISITS,
    check_in,
    everybody,
)
from tests.server.machine.choices import Choices
from tests.server.machine.nodes import Node
from tests.server.machine.world import World

Move = Callable[[World, Choices], str]
MOVES: list[tuple[int, Move]] = []
"""How often, of all weights, and what."""


def move(weight: int) -> Callable[[Move], Move]:
    def known(one: Move) -> Move:
        MOVES.append((weight, one))
        return one

    return known


# --- choosing


def a_room(world: World, choose: Choices) -> int:
    """Mostly one where something happens already."""
    return choose.pick(world.busy) if choose.chance(85) else choose.pick(NUMBERS)


def a_node(world: World, choose: Choices) -> Node:
    alive = world.alive
    return choose.pick(alive) if alive else world.another_node()


def somebody_there(world: World, choose: Choices) -> Browser | None:
    """A provider as often as a client: much hangs on the few."""
    there = [one for one in world.browsers if one.there]
    few = [one for one in there if one.provides]
    if few and choose.chance(40):
        return choose.pick(few)
    return choose.pick(there) if there else None


def they_come_back(world: World, choose: Choices, gone: list[Browser]) -> None:
    """Pages whose node is gone try another by themselves; some of them do, and in any order."""
    for browser in gone:
        if browser.line and choose.chance(70):
            browser.resume(a_node(world, choose), browser.line[-1])
            world.settle()


def a_moment(world: World, choose: Choices) -> None:
    world.pass_time(choose.pick((1, 20, 300, SECOND)))


# --- people come and go


def people_come(world: World, choose: Choices) -> None:
    """Begin on a busy day: in two rooms hosts are there, and some of their clients wait."""
    world.busy = (choose.pick(NUMBERS), choose.pick(NUMBERS))
    for number in sorted(set(world.busy)):
        for who in everybody(number):
            if who.role is Role.PROVIDER or choose.chance(50):
                node = choose.pick(world.alive)
                browser = world.arrive(number, who, node, device=world.key(), takeover=False, packed=choose.chance(30))
                world.settle()
                if who.role is Role.CLIENT and choose.chance(70):
                    browser.ask(check_in(number, who.participant[6:]))
                    world.settle()


@move(26)
def somebody_arrives(world: World, choose: Choices) -> str:
    number = a_room(world, choose)
    there = {one.who for one in world.browsers if one.there and one.room == number}
    missing = [who for who in everybody(number) if who not in there]
    who = choose.pick(missing) if missing and choose.chance(80) else choose.pick(everybody(number))
    node = a_node(world, choose)
    well, device = node.reach.well, ""
    tabs = [one for one in world.browsers if one.who == who and one.room == number and one.line]
    if tabs and choose.chance(30):
        before = choose.pick(tabs)  # reloaded: the page that was is gone for good, its socket perhaps not yet
        device, before.line = before.device, []
        if before.wire is not None and choose.chance(50):
            before.wire.drop()
        elif before.wire is not None:
            before.wire.deaf, before.wire.mailbox = True, None
    browser = world.arrive(
        number, who, node, device=device or world.key(), takeover=choose.chance(25), packed=choose.chance(30)
    )
    assert browser.wire is not None
    elsewhere = [one for one in world.watch.rooms[number].now.connections.values() if one.who == who]
    a_moment(world, choose)
    if well and browser.provides:
        assert browser.wire.welcomed, "I15: a provider gets in"
    if well and not browser.provides and not browser.takeover:
        others = [one for one in elsewhere if one.device != browser.device]
        assert not others or browser.wire.over == Close.DISPLACED, "I6: a second device waits for a click"
    return f"{who.participant} ({who.role.value}) arrives in room {number} at {node.name}, device {browser.device}"


@move(7)
def somebody_drops(world: World, choose: Choices) -> str:
    browser = somebody_there(world, choose)
    if browser is None or browser.wire is None:
        return "nobody drops"
    browser.wire.drop()
    world.settle()
    return f"{browser.who.participant} of room {browser.room} drops"


@move(3)
def a_socket_goes_dead(world: World, choose: Choices) -> str:
    browser = somebody_there(world, choose)
    if browser is None or browser.wire is None:
        return "no socket goes dead"
    browser.wire.deaf, browser.wire.mailbox = True, None
    return f"{browser.who.participant} of room {browser.room} is gone, and {browser.wire.node.name} does not know"


@move(2)
def somebody_says_bye(world: World, choose: Choices) -> str:
    browser = somebody_there(world, choose)
    if browser is None:
        return "nobody says bye"
    browser.ask(Bye())
    browser.unlawful = True  # should they come back, before or after it is heard
    a_moment(world, choose)
    return f"{browser.who.participant} of room {browser.room} says bye"


@move(13)
def somebody_comes_back(world: World, choose: Choices) -> str:
    """By the secret of the last welcome; now and then by an older one, or by a wrong one."""
    gone = [b for b in world.browsers if b.line and (b.wire is None or b.wire.deaf or b.wire.over is not None)]
    if not gone:
        return "nobody comes back"
    browser, node = choose.pick(gone[-8:]), a_node(world, choose)
    if browser.wire is not None and browser.wire.over is not None and browser.wire.over >= Close.BAD_TICKET:
        if choose.chance(80):
            return "whoever was sent away for good stays away"
        browser.unlawful = True
    old, wrong = choose.chance(12), choose.chance(5)
    claim = choose.pick(browser.line) if old else browser.line[-1]
    browser.resume(node, claim, secret="guessed" if wrong else None)
    a_moment(world, choose)
    assert not wrong or browser.wire is None or not browser.wire.welcomed, "I12: a wrong secret opens nothing"
    how = "a wrong secret" if wrong else f"the secret of welcome {browser.line.index(claim) + 1} of {len(browser.line)}"
    return f"{browser.who.participant} of room {browser.room} comes back at {node.name} by {how}"


@move(2)
def a_spent_secret_comes_back(world: World, choose: Choices) -> str:
    """Somebody stole it: neither they nor whoever came after are let in by it."""
    lines = [b for b in world.browsers if b.there and len(b.line) > 1 and b.wire is not None and b.wire.resumes]
    lines = [b for b in lines if b.wire is not None and b.wire.node.reach.well]
    node = a_node(world, choose)
    if not lines or not node.reach.well:
        return "no spent secret comes back"
    browser = choose.pick(lines)
    world.pass_time(10 * SECOND)  # so that it may speak, however much it said
    if not browser.there:
        return "no spent secret comes back: its owner went"
    browser.ask(Ping())
    world.settle()
    thief = Browser(browser.room, browser.who, "thief", False, world.watch, cursor=browser.cursor, epoch=browser.epoch)
    world.browsers.append(thief)
    thief.resume(node, browser.line[-2])
    a_moment(world, choose)
    assert thief.wire is not None
    assert not thief.wire.welcomed, f"I12: a spent secret opens nothing, {thief.who.participant}"
    # Later the store may have forgotten it altogether, and at once the claim of somebody who was sent away.
    if world.now - browser.line[-1].at < 50 * SECOND and not browser.unlawful:
        assert thief.wire.over == Close.REVOKED, f"I12: a spent secret is known for what it is, not {thief.wire.over}"
        world.no_trouble()
        for _ in range(2):
            world.pass_time(21 * SECOND)
        assert browser.wire is None or browser.wire.over is not None, "I12: who came after goes with the thief"
    return f"the spent secret of {browser.who.participant} of room {browser.room} comes back at {node.name}"


@move(2)
def a_reader_is_slow(world: World, choose: Choices) -> str:
    browser = somebody_there(world, choose)
    if browser is None or browser.wire is None:
        return "no reader is slow"
    if browser.wire.mailbox is None:
        browser.wire.mailbox = Mailbox(max_bytes=60_000, max_count=choose.pick((4, 60)))
        return f"{browser.who.participant} of room {browser.room} reads slowly"
    browser.wire.catch_up()
    return f"{browser.who.participant} of room {browser.room} has read everything"


# --- people ask


def offered(browser: Browser, world: World, choose: Choices) -> Request:
    """Return what somebody may do next, as their page shows it."""
    return _provider_may(browser, world, choose) if browser.provides else _client_may(browser, choose)


def _client_may(browser: Browser, choose: Choices) -> Request:
    n, name = browser.room, browser.who.participant[6:]
    visit = (browser.state or {}).get("visit") or f"vis_{n}_none"
    match browser.phase:
        case "scheduled":
            return check_in(n, name, choose.pick(("video", "video", "audio")))
        case "waiting":
            choices = (StepAway(), ComeBack(), check_in(n, name), MediaMode(mode="audio"), Leave(), Sync())
            return choose.pick((*choices, an_offer_alone(choose), an_offer_alone(choose)))
        case "in_progress":
            rev = (browser.state or {}).get("rev")
            choices = (
                MediaPrepare(),
                an_offer(choose),
                directly(browser, choose),
                MediaState(camera=choose.chance(50)),
                MediaMode(mode=choose.pick(("audio", "video")), reason="bandwidth"),
                Chat(text=f"by {browser.who.participant}"),
                Leave() if choose.chance(50) else Ping(),
                End(visit=visit, expect=rev if choose.chance(50) else None),
            )
            return choose.pick(choices)
        case "ended" | "rejoin_pending":
            rejoin = Rejoin(visit=visit)
            return choose.pick((rejoin, rejoin, Withdraw(visit=visit), Sync(), an_offer_alone(choose)))
        case _:
            return Sync()


def _provider_may(browser: Browser, world: World, choose: Choices) -> Request:
    state = browser.state or {"waiting": {}, "unverified": {}, "visits": {}, "appointments": {}}
    waiting, lane = list(state["waiting"].values()), list(state["unverified"].values())
    visits = list(state["visits"].values())
    live = [visit for visit in visits if visit["phase"] == "in_progress"]
    over = [visit for visit in visits if visit["phase"] != "in_progress"]
    choices: list[Request] = [SetStatus(status=choose.pick(("available", "away", "late")), minutes=5)]
    if waiting or lane:
        entry = choose.pick([*waiting, *lane])
        named = entry.get("appointment")
        rev = state["appointments"].get(named, {}).get("rev")
        text = f"for {entry['participant']}"
        choices += [
            an_offer_alone(choose),
            Acknowledge(entry=entry["id"]),
            TellWaiting(entry=entry["id"], text=text),
            Start(appointment=named, expect=rev) if named and choose.chance(70) else Start(entry=entry["id"]),
            Start(appointment=named, expect=rev) if named else _match(state, entry, choose),
            Admit(entry=entry["id"]),
        ]
        if not live and not choose.chance(40):
            return choices[-3 if choose.chance(50) else -2]
        if choose.chance(20):
            choices.append(Remove(entry=entry["id"], reason=text))
    for visit in live[:1]:
        clients = [one for one in visit["participants"].values() if one["role"] == "client"]
        participant = choose.pick(clients)["id"] if clients else "par_none"
        rev = state["appointments"].get(visit.get("appointment"), {}).get("rev")
        choices += [
            an_offer(choose),
            MediaPrepare(),
            directly(browser, choose),
            Chat(text=f"by {browser.who.participant}"),
            MediaMode(mode=choose.pick(("audio", "video")), reason="declined"),
            End(visit=visit["id"], expect=rev),
            ReturnToWaiting(participant=participant, reason=f"to {participant}"),
            Remove(participant=participant, reason=f"to {participant}") if choose.chance(30) else Ping(),
        ]
    for visit in over[:1]:
        given = OutcomeGiven(client=f"par_{browser.room}_ann", outcome="attended")
        choices += [Rejoin(visit=visit["id"]), Rejoin(visit=visit["id"]), Withdraw(visit=visit["id"])]
        choices.append(Finish(visit=visit["id"], outcomes=(given,) if choose.chance(30) else ()))
    return choose.pick(choices)


def _match(state: Any, entry: Any, choose: Choices) -> Request:
    scheduled = [one for one in state["appointments"].values() if one["phase"] == "scheduled" and one["clients"]]
    if not scheduled:
        return Start(entry=entry["id"])
    one = choose.pick(scheduled)
    return Start(entry=entry["id"], appointment=one["id"], client=choose.pick(one["clients"])["id"])


def an_offer(choose: Choices) -> MediaOffer:
    round = choose.below(3)
    return MediaOffer(peer=choose.pick(("a", "b")), round=round, sdp="v=0", audio_only=choose.chance(30))


def an_offer_alone(choose: Choices) -> MediaOffer:
    """Return an offer of a peer with the server alone, for somebody who may have one or not."""
    purpose = choose.pick(("warm", "warm", "check"))
    return MediaOffer(peer=choose.pick(("a", "b")), round=choose.below(3), sdp="v=0", purpose=purpose)


def directly(browser: Browser, choose: Choices) -> Request:
    """What a browser says to the other one, or of how they are connected; with or without a server between them."""
    peer, round, sdp = choose.pick(("a", "b")), choose.below(3), f"by {browser.who.participant}"
    return choose.pick(
        (
            MediaOffer(peer=peer, round=round, sdp=sdp, direct=True),
            MediaAnswered(peer=peer, round=round, sdp=sdp),
            MediaCandidates(peer=peer, candidates=({"candidate": sdp},), direct=True),
            MediaFlow(up=choose.chance(70), video=choose.chance(50)),
            MediaFlow(up=True, video=choose.chance(50)),
            MediaRelay(reason="failed") if choose.chance(40) else Ping(),
        )
    )


def keyed(world: World, choose: Choices, request: Request) -> Request:
    """Give what changes a room a key, as pages do."""
    return replace(request, key=world.key()) if isinstance(request, RoomRequest) and choose.chance(85) else request


@move(60)
def somebody_does_what_is_offered(world: World, choose: Choices) -> str:
    browser = somebody_there(world, choose)
    if browser is None:
        return "nobody is there"
    request = keyed(world, choose, offered(browser, world, choose))
    browser.ask(request)
    a_moment(world, choose)
    return f"{browser.who.participant} of room {browser.room}: {request}"


@move(8)
def two_click_at_once(world: World, choose: Choices) -> str:
    """At two nodes, if possible, and both decide on what they knew before."""
    number = a_room(world, choose)
    there = [one for one in world.browsers if one.there and one.room == number]
    if len(there) < 2:
        return "nobody clicks at once"
    first, nodes = choose.pick(there), world.alive
    others = [b for b in there if b.wire is not None and first.wire is not None and b.wire.node is not first.wire.node]
    second = choose.pick(others or there)
    for node in nodes:
        node.reach.slow = True
    said = []
    for browser in (first, second):
        request = keyed(world, choose, offered(browser, world, choose))
        browser.ask(request)
        world.settle()
        said.append(f"{browser.who.participant}: {request}")
    for node in nodes:
        node.reach.slow = False
    waiting = [node for node in nodes if node.reach.waiting]
    while waiting:
        choose.pick(waiting).reach.let_on(choose.below(4))
        world.settle()
        waiting = [node for node in nodes if node.reach.waiting]
    return f"at once in room {number}: {' / '.join(said)}"


@move(14)
def somebody_asks_for_anything(world: World, choose: Choices) -> str:
    """With ids of their own room or of another; by whatever role."""
    browser = somebody_there(world, choose)
    if browser is None:
        return "nobody asks for anything"
    request = keyed(world, choose, anything(browser, world, choose))
    browser.ask(request)
    a_moment(world, choose)
    return f"{browser.who.participant} of room {browser.room}: {request}"


def anything(browser: Browser, world: World, choose: Choices) -> Request:
    number = browser.room if choose.chance(60) else choose.pick(NUMBERS)
    room = world.watch.rooms[number].now
    visit = choose.pick([*room.visits, f"vis_{number}_ann", "vis_none"])
    entry = choose.pick([*room.entries, "ent_none"])
    named = room.visits[visit].appointment if visit in room.visits else f"apt_{number}_{choose.pick(tuple(VISITS))}"
    participant = f"par_{number}_{choose.pick(CLIENTS)}"
    rev = choose.pick((None, 0, 1, 2))
    choices: tuple[Request, ...] = (
        check_in(browser.room, browser.who.participant[6:] or "host"),
        replace(check_in(browser.room, "x"), consent=None),
        StepAway(),
        ComeBack(),
        Leave(),
        SetStatus(status="late", minutes=choose.below(60)),
        Acknowledge(entry=entry),
        TellWaiting(entry=entry, text=f"for {room.entries[entry].participant}" if entry in room.entries else "nobody"),
        Start(appointment=named, expect=rev),
        Start(entry=entry, expect=rev),
        Start(entry=entry, appointment=named, client=choose.pick((None, f"mrn_{number}_gus"))),
        Admit(entry=entry),
        Admit(entry=entry, appointment=named),
        ReturnToWaiting(participant=participant, reason=f"to {participant}"),
        Remove(participant=participant, reason=f"to {participant}"),
        Remove(entry=entry),
        End(visit=visit, expect=rev),
        Rejoin(visit=visit),
        Withdraw(visit=visit),
        Finish(visit=visit),
        MediaPrepare(purpose=choose.pick(("visit", "check", "warm"))),
        an_offer(choose),
        directly(browser, choose),
        MediaCandidates(peer="a", candidates=({"candidate": f"of vis_{browser.room}_ann"},)),
        MediaState(microphone=choose.chance(50)),
        MediaMode(mode=choose.pick(("audio", "video")), reason="declined"),
        MediaStats(rtt_ms=20.0),
        Chat(text=f"by {browser.who.participant}"),
        Hello(protocol=1, device="other", ticket="none"),
        Sync(),
        Ping(),
    )
    return choose.pick(choices)


@move(7)
def something_is_asked_again(world: World, choose: Choices) -> str:
    """With the key of a request that was answered, or was not; now and then it is another request."""
    there = [one for one in world.browsers if one.there and one.asked]
    if not there:
        return "nothing is asked again"
    browser = choose.pick(there)
    request = choose.pick(browser.asked)
    if choose.chance(15):
        request = replace(offered(browser, world, choose), key=request.key)
    same = [one for one in world.browsers if one.there and (one.room, one.who) == (browser.room, browser.who)]
    other = choose.pick(same)
    other.ask(request, again=True)
    a_moment(world, choose)
    return f"{browser.who.participant} of room {browser.room} again: {request}"


@move(2)
def something_comes_that_is_no_message(world: World, choose: Choices) -> str:
    browser = somebody_there(world, choose)
    if browser is None or browser.wire is None:
        return "nothing comes"
    data = choose.pick(
        (b"", b"{", b'{"type":"admit"}', b'{"type":"nothing","id":7}', b"\xc1", b'{"type":"end","id":-1}')
    )
    browser.wire.send_raw(data, packed=browser.packed)
    world.settle()
    return f"{browser.who.participant} of room {browser.room} sends {data!r}"
