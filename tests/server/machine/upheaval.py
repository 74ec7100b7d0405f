"""What may happen to the machines: the store, the bus, nodes, clocks - and what the EHR changes."""

from __future__ import annotations

from signaling.events import Cancelled, Configured, Fact, LinkRevoked, Opened, Rescheduled
from signaling.policy import DAY, HOUR, MINUTE, SECOND
from signaling.room import deadline
from tests.server.machine.cast import CLIENTS, NUMBERS, START, VISITS, appointment, client, moved, policy_of, provider
from tests.server.machine.choices import Choices
from tests.server.machine.moves import a_node, a_room, move, they_come_back
from tests.server.machine.nodes import Seen
from tests.server.machine.world import World

# --- store and bus


@move(4)
def the_store_is_slow_for_a_node(world: World, choose: Choices) -> str:
    node = a_node(world, choose)
    node.reach.slow, node.reach.spell = True, 2 + choose.below(8)
    return f"{node.name} waits for the store"


@move(9)
def a_call_to_the_store_goes_on(world: World, choose: Choices) -> str:
    waiting = [node for node in world.alive if node.reach.waiting]
    if not waiting:
        return "no call waits"
    node = choose.pick(waiting)
    node.reach.let_on(choose.below(8))
    world.settle()
    return f"a call of {node.name} goes on"


@move(2)
def the_store_is_away_for_a_node(world: World, choose: Choices) -> str:
    node = a_node(world, choose)
    node.reach.away, node.reach.spell = True, 1 + choose.below(8)
    world.pass_time(choose.pick((1, SECOND)))
    return f"the store is away for {node.name}"


@move(3)
def answers_of_the_store_are_lost(world: World, choose: Choices) -> str:
    node = a_node(world, choose)
    node.reach.lost_answers, node.reach.spell = 1 + choose.below(2), 6
    return f"{node.name} does not hear of its next {node.reach.lost_answers} commits"


@move(4)
def news_come_late_to_a_node(world: World, choose: Choices) -> str:
    node = a_node(world, choose)
    node.reach.muffled, node.reach.spell = True, 3 + choose.below(12)
    return f"news come late to {node.name}"


@move(12)
def news_arrive(world: World, choose: Choices) -> str:
    """In another order, twice, without their words, or not at all."""
    behind = [node for node in world.alive if node.reach.news]
    if not behind:
        return "no news arrive"
    node = choose.pick(behind)
    which = choose.below(len(node.reach.news))
    room, events = node.reach.news[which]
    how = choose.below(10)
    if how != 0:
        del node.reach.news[which]
    if how == 1:
        node.reach.missed = True
        return f"{node.name} misses news of {room}"
    world.loop.call(node.ear.deliver, room, [(seq, None) for seq, _ in events] if how == 2 else events)
    world.settle()
    return f"news {[seq for seq, _ in events]} of {room} arrive at {node.name}" + (
        ", and will again" if how == 0 else ""
    )


@move(1)
def the_bus_owns_up(world: World, choose: Choices) -> str:
    node = a_node(world, choose)
    world.loop.call(node.ear.own_up)
    world.settle()
    return f"the bus of {node.name} may have missed something"


# --- nodes


@move(1)
def a_node_dies(world: World, choose: Choices) -> str:
    node = a_node(world, choose)
    there = [one for one in world.browsers if one.there and one.wire is not None and one.wire.node is node]
    world.kill(node)
    world.settle()
    if len(world.alive) < 2:
        world.another_node()
    they_come_back(world, choose, there)
    return f"{node.name} dies"


@move(3)
def the_dead_are_found(world: World, choose: Choices) -> str:
    """By whoever lives; more than once does no harm."""
    dead = [node for node in world.nodes if node.reach.dead]
    if not dead or not world.alive:
        return "nobody is dead"
    node, by = choose.pick(dead), a_node(world, choose)
    world.bury(node, by)
    world.settle()
    return f"{by.name} buries {node.name}"


@move(1)
def a_node_is_taken_for_dead(world: World, choose: Choices) -> str:
    """It lives, but its heartbeats did not come through."""
    node, by = a_node(world, choose), a_node(world, choose)
    there = [one for one in world.browsers if one.there and one.wire is not None and one.wire.node is node]
    if node is by or not by.reach.well:
        return "nobody is taken for dead"
    world.mute = node
    for _ in range(5):
        world.pass_time(3 * SECOND)
    world.mute = None
    world.pass_time(3 * SECOND)
    they_come_back(world, choose, there)
    return f"{by.name} takes {node.name} for dead"


@move(1)
def a_node_drains(world: World, choose: Choices) -> str:
    node = a_node(world, choose)
    there = [one for one in world.browsers if one.there and one.wire is not None and one.wire.node is node]
    world.spawn(node.hub.drain(500, 500))
    world.settle()
    world.pass_time(2 * SECOND)
    node.hub.draining = False
    they_come_back(world, choose, there)
    return f"{node.name} sends everybody elsewhere"


# --- time


@move(6)
def time_passes(world: World, choose: Choices) -> str:
    span = choose.pick((SECOND, 5 * SECOND, 25 * SECOND, 25 * SECOND, MINUTE, 6 * MINUTE, 16 * MINUTE))
    world.pass_time(span)
    return f"{span / SECOND:g} s pass"


@move(1)
def hours_pass(world: World, choose: Choices) -> str:
    span = choose.pick((2 * HOUR, 6 * HOUR))
    world.no_trouble()
    world.pass_time(span)
    return f"{span // HOUR} h pass"


@move(3)
def it_is_just_about_time(world: World, choose: Choices) -> str:
    """A moment before, at, or after what is due next in a room."""
    number = a_room(world, choose)
    due = deadline(world.watch.rooms[number].now)
    if due is None or due - world.now > DAY:
        return "nothing is due"
    world.pass_time(max(0, due + choose.pick((-1, 0, 1)) - world.now))
    return f"something is due in room {number}"


@move(6)
def an_alarm_rings(world: World, choose: Choices) -> str:
    node = a_node(world, choose)
    world.spawn(node.alarms.beat())
    world.settle()
    world.spawn(node.alarms.sweep())
    world.settle()
    return f"the alarms of {node.name} ring"


@move(2)
def a_clock_is_wrong(world: World, choose: Choices) -> str:
    node = a_node(world, choose)
    node.skew = choose.pick((-2 * SECOND, -50, 0, 50, 2 * SECOND))
    return f"the clock of {node.name} is off by {node.skew} ms"


# --- media and the EHR


@move(5)
def media_come_or_go(world: World, choose: Choices) -> str:
    nodes = [node for node in world.alive if node.media.peers]
    if not nodes:
        return "there are no media"
    node = choose.pick(nodes)
    visit, participant = choose.pick(sorted(node.media.peers))
    kinds = ("media_up", "video_up", "media_silent", "media_heard", "media_down", "video_down", "withheld", "restored")
    kind = choose.pick(kinds)
    fact = Seen(visit, participant, kind, node.clock() - choose.pick((0, 0, SECOND, HOUR)))
    world.loop.call(node.many.carrier.media_fact, fact)
    world.settle()
    return f"{kind} of {participant} in {visit} at {node.name}"


@move(4)
def the_ehr_changes_something(world: World, choose: Choices) -> str:
    number, node = a_room(world, choose), a_node(world, choose)
    plan, policy = appointment(number, choose.pick(tuple(VISITS))), policy_of(number)
    alone = (provider(number),)
    facts: tuple[Fact, ...] = (
        Cancelled(plan.id, "late_cancel"),
        Opened(plan, policy),
        Rescheduled(plan, policy),
        Rescheduled(moved(plan, start=choose.pick((START, START + HOUR))), policy),
        Rescheduled(moved(plan, seats=plan.seats[:2]), policy),
        Rescheduled(moved(plan, providers=alone), policy),
        LinkRevoked(client(number, choose.pick(CLIENTS)).participant),
        Configured(provider(number), policy),
    )
    fact = choose.pick(facts)
    if isinstance(fact, Opened | Rescheduled) and plan.visit not in world.watch.rooms[number].now.visits:
        return "the EHR says nothing"  # closed a day ago, it is its document that keeps it from opening again
    world.fact(node, number, fact)
    world.settle()
    what = fact.participant if isinstance(fact, LinkRevoked) else plan.id
    return f"the EHR, room {number}, at {node.name}: {type(fact).__name__} {what}"


@move(3)
def everything_comes_to_rest(world: World, choose: Choices) -> str:
    world.rest()
    return "everything comes to rest"


@move(1)
def it_is_busy_elsewhere(world: World, choose: Choices) -> str:
    world.busy = (choose.pick(NUMBERS), choose.pick(NUMBERS))
    return f"it is busy in rooms {world.busy}"
