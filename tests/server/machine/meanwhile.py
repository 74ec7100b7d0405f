"""What may happen meanwhile: while one call to the store takes long, a line is down, or a node is silent.

Chance alone seldom brings two things together within the few milliseconds in which they matter. These moves do: they
hold back one call, whichever, let somebody else act, and look whether all came right.
"""

from __future__ import annotations

from signaling.policy import SECOND
from signaling.requests import End, Leave, Remove, Request, ReturnToWaiting
from tests.server.machine.browser import Browser
from tests.server.machine.cast import NUMBERS, everybody
from tests.server.machine.choices import Choices
from tests.server.machine.moves import (
    a_node,
    a_room,
    an_offer,
    keyed,
    move,
    offered,
    somebody_does_what_is_offered,
)
from tests.server.machine.nodes import Node
from tests.server.machine.world import World


@move(8)
def somebody_comes_while_others_act(world: World, choose: Choices) -> str:
    """Whatever others do between any two steps of a `hello`, the newcomer sees it, in the view or after it."""
    node = a_node(world, choose)
    number = _a_room_only_elsewhere(world, node, choose)
    others = [b for b in world.browsers if b.there and b.room == number and b.wire and b.wire.node is not node]
    if not others or not node.reach.well:
        return "nobody comes while others act"
    gone = [b for b in world.browsers if b.room == number and b.line and b.wire and b.wire.over in (1006, 4001, 4002)]
    node.reach.held = choose.below(10)
    if gone and choose.chance(35):
        browser = choose.pick(gone)
        browser.resume(node, browser.line[-1])
    else:
        there = {one.who for one in world.browsers if one.there and one.room == number}
        who = choose.pick([who for who in everybody(number) if who not in there] or everybody(number))
        browser = world.arrive(number, who, node, device=world.key(), takeover=False, packed=choose.chance(30))
    world.settle()
    said = [_acts(world, choose, choose.pick(others)) for _ in range(1 + choose.below(2))]
    node.reach.let_all_on()
    world.settle()
    world.watch.all_arrived(node)
    return f"{browser.who.participant} comes to room {number} at {node.name}, meanwhile: {' / '.join(said)}"


def _a_room_only_elsewhere(world: World, node: Node, choose: Choices) -> int:
    """Mostly a room of which this node has nobody yet, and must begin to listen."""
    there = {one.room for one in world.browsers if one.there and one.wire and one.wire.node is not node}
    here = {one.room for one in world.browsers if one.there and one.wire and one.wire.node is node}
    rooms = [number for number in NUMBERS if number in there - here]
    return choose.pick(rooms) if rooms and choose.chance(60) else a_room(world, choose)


def _acts(world: World, choose: Choices, browser: Browser) -> str:
    if not browser.there:
        return "nobody"
    request = keyed(world, choose, offered(browser, world, choose))
    browser.ask(request)
    world.settle()
    return f"{browser.who.participant}: {request}"


@move(4)
def an_offer_meets_an_end(world: World, choose: Choices) -> str:
    """An offer is on its way while whoever made it, or everybody, is sent out of the visit."""
    inside = [(one, visit) for one in world.browsers if one.there and (visit := _visit_of(one)) is not None]
    if not inside:
        return "no offer meets an end"
    browser, visit = choose.pick(inside)
    for node in world.alive:
        node.reach.held = choose.below(6) if choose.chance(70) else None
    browser.ask(an_offer(choose))
    world.settle()
    other, _ = choose.pick([one for one in inside if one[0].room == browser.room])
    me = browser.who.participant
    ways: tuple[Request, ...] = (End(visit=visit), End(visit=visit), Leave())
    if other.provides:
        ways = (End(visit=visit), Remove(participant=me), ReturnToWaiting(participant=me))
    request = keyed(world, choose, choose.pick(ways))
    other.ask(request)
    world.settle()
    for node in world.alive:
        node.reach.held = None
        if not node.reach.slow:
            node.reach.let_all_on()
    world.settle()
    if len(world.alive) == len(world.nodes) and all(node.reach.knows for node in world.nodes):
        world.pass_time(SECOND)  # whatever was to be tried again
        world.watch.media()
    return f"{me} of room {browser.room} offers, meanwhile {other.who.participant}: {request}"


def _visit_of(browser: Browser) -> str | None:
    """Return the visit that somebody is in, as their page shows it."""
    state = browser.state or {}
    if not browser.provides:
        return state.get("visit") if browser.phase == "in_progress" else None
    live = [id for id, visit in state.get("visits", {}).items() if visit["phase"] == "in_progress"]
    return live[0] if live else None


@move(3)
def a_line_to_the_bus_breaks(world: World, choose: Choices) -> str:
    """What was on it is lost, and the bus says so at once. No later news tell of the hole."""
    node = a_node(world, choose)
    if not node.reach.well:
        return "no line breaks"
    node.reach.muffled = True
    said = somebody_does_what_is_offered(world, choose)
    lost = len(node.reach.news)
    node.reach.news, node.reach.calls, node.reach.muffled = [], [], False
    world.loop.call(node.ear.own_up)
    world.settle()
    world.watch.all_arrived(node)
    return f"{node.name} misses {lost} news while {said}"


@move(2)
def a_node_falls_silent(world: World, choose: Choices) -> str:
    """It lives, but reaches no store, and others take the visits that it carries."""
    carriers = [node for node in world.alive if node.media.peers and node.reach.well]
    if not carriers:
        return "no node falls silent"
    node = choose.pick(carriers)
    node.reach.away, node.reach.spell = True, 1 + choose.below(4)
    for _ in range(3 + choose.below(4)):
        world.pass_time(SECOND)
    return f"{node.name} falls silent"
