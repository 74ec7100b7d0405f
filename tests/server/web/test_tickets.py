"""How pages get tickets: by link, by knock, by sign-in; and that bad links cannot be told apart."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from server.ports.door import Ticket
from server.registry import room_id
from server.registry.names import digest
from signaling.events import Asked, Connected, Fact, Opened
from signaling.fields import ConsentGiven
from signaling.requests import Start
from signaling.room import handle
from signaling.state import Role, Who
from tests.server.world import NOW, URL, World, bearer, plan
from tests.signaling.people import CHECK_IN

ROOM = room_id("elm", "amy")
PASSWORD = "correct horse battery"


@pytest.fixture
async def world() -> World:
    world = World()
    await world.practice("elm")
    await world.provider("amy")
    await world.provider("bob")
    await world.registry.accounts.put("elm", "amy", "amy", PASSWORD, by="key")
    return world


async def link(world: World, *clients: str) -> str:
    """Make an appointment and return its first client's secret."""
    found, _ = await world.registry.appointments.put("elm", "a1", plan(*clients), by="key")
    return found.appointment.clients[0].token


async def join(world: World, token: str, client: str = "203.0.113.7") -> httpx.Response:
    return await world.asked("POST", "/v1/join", json={"token": token}, client=client)


async def redeem(world: World, token: str) -> Ticket | None:
    """Take a ticket as the WebSocket side does."""
    found = await world.registry.tickets.secrets.take("ticket", digest(token))
    return None if found is None else msgspec.msgpack.decode(found, type=Ticket)


async def redeemed(world: World, answer: httpx.Response) -> Ticket:
    ticket = await redeem(world, answer.json()["ticket"])
    assert ticket is not None
    return ticket


async def test_a_good_link_gives_a_ticket_and_what_the_page_shows(world: World) -> None:
    answer = await join(world, await link(world, "ann"))

    assert answer.status_code == 200
    shown = answer.json()
    assert set(shown) == {"ticket", "practice", "provider", "appointment"}
    assert shown["practice"] == {
        "id": "elm",
        "name": "Practice elm",
        "help": "Call 1",
        "time_zone": "UTC",
        "consent": {"version": "1", "text": ""},
    }
    assert shown["provider"] == {"id": "amy", "name": "Dr. amy", "status": "available"}
    assert shown["appointment"] == {"id": "a1", "start": NOW, "end": NOW + 50 * 60_000, "group": False}
    found = await world.registry.appointments.get("elm", "a1")
    assert found is not None
    ticket = await redeemed(world, answer)
    assert (ticket.room, ticket.practice, ticket.by.role) == (ROOM, "elm", Role.CLIENT)
    assert (ticket.by.visit, ticket.by.name) == (found.appointment.visit, "Client ann")
    assert ticket.by.participant == found.appointment.clients[0].participant


async def test_a_ticket_works_once_and_for_a_minute(world: World) -> None:
    token = await link(world)
    once, late = (await join(world, token)).json()["ticket"], (await join(world, token)).json()["ticket"]

    assert await redeem(world, once) is not None
    assert await redeem(world, once) is None
    world.now += 60_000
    assert await redeem(world, late) is None


async def test_a_scanner_that_posts_a_link_joins_nothing_and_harms_nothing(world: World) -> None:
    token = await link(world)
    before, trail = world.rooms[ROOM], world.trail()

    for _ in range(50):
        assert (await join(world, token)).status_code == 200

    assert world.rooms[ROOM] == before
    assert world.trail() == trail


async def test_a_client_of_a_group_learns_nothing_of_the_others(world: World) -> None:
    answer = await join(world, await link(world, "ann", "ben"))

    assert "ben" not in answer.text
    assert "names" not in answer.json()["appointment"], "the others will not see theirs"
    policy = await world.registry.practices.get("elm")
    assert policy is not None
    await world.registry.practices.put(replace(policy, names_in_group=True), by="operator")
    assert (await join(world, await link(world, "ann", "ben"))).json()["appointment"]["names"] is True


async def test_all_bad_links_are_answered_with_the_same_bytes(world: World) -> None:
    answers = [await join(world, "x" * 43), await join(world, "")]
    token = await link(world)
    await world.registry.appointments.new_link("elm", "a1", "ann", by="key")
    answers.append(await join(world, token))
    found = await world.registry.appointments.cancel("elm", "a1", by="key")
    answers.append(await join(world, found.appointment.clients[0].token))

    told = {(one.status_code, one.content, tuple(sorted(one.headers.items()))) for one in answers}

    assert len(told) == 1
    assert answers[0].json() == {"type": "about:blank", "title": "Not Found", "status": 404, "code": "bad_link"}
    assert answers[0].headers["content-type"] == "application/problem+json"


async def test_guessing_is_throttled_by_network_and_good_links_are_not(world: World) -> None:
    token = await link(world)

    guesses = [await join(world, f"guess {n}") for n in range(12)]

    assert [one.status_code for one in guesses] == [404] * 10 + [429] * 2
    assert guesses[-1].json()["code"] == "rate"
    assert 0 < int(guesses[-1].headers["retry-after"]) <= 1800
    assert (await join(world, token)).status_code == 200
    assert (await join(world, "guess", client="203.0.113.8")).status_code == 404


async def test_a_link_of_next_week_opens_its_visit_when_it_is_used(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan(start=NOW + 7 * 24 * 3_600_000), by="key")

    answer = await join(world, found.appointment.clients[0].token)

    opened: list[Fact] = [fact for _, fact in world.facts if isinstance(fact, Opened)]
    assert answer.status_code == 200
    assert len(opened) == 1


async def test_somebody_without_a_link_knocks_under_a_name_of_their_own(world: World) -> None:
    knock = {"practice": "elm", "provider": "amy", "display_name": " Ann "}

    answer = await world.asked("POST", "/v1/knock", json=knock)

    assert answer.status_code == 200
    assert set(answer.json()) == {"ticket", "practice", "provider"}
    ticket = await redeemed(world, answer)
    assert (ticket.room, ticket.by.visit, ticket.by.name) == (ROOM, None, "Ann")
    assert ticket.by.participant.startswith("par_")


async def test_a_knock_says_the_same_whether_there_is_an_appointment_or_not(world: World) -> None:
    knock = {"practice": "elm", "provider": "amy", "display_name": "Client ann"}
    without = (await world.asked("POST", "/v1/knock", json=knock)).json()
    await link(world, "ann")
    with_one = (await world.asked("POST", "/v1/knock", json=knock)).json()

    assert without | {"ticket": ""} == with_one | {"ticket": ""}


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"provider": "zoe"}, 404), ({"practice": "oak"}, 404), ({"display_name": ""}, 422), ({"display_name": " "}, 422)],
)
async def test_a_knock_at_no_door_or_without_a_name_is_refused(
    world: World, changed: dict[str, str], status: int
) -> None:
    knock = {"practice": "elm", "provider": "amy", "display_name": "Ann"} | changed

    assert (await world.asked("POST", "/v1/knock", json=knock)).status_code == status


async def test_knocks_of_one_network_are_limited(world: World) -> None:
    knock = {"practice": "elm", "provider": "amy", "display_name": "Ann"}

    statuses = [(await world.asked("POST", "/v1/knock", json=knock)).status_code for _ in range(61)]

    assert statuses == [200] * 60 + [429]


async def test_the_lobby_names_the_providers_and_nothing_else(world: World) -> None:
    answer = await world.asked("GET", "/v1/practices/elm/lobby")

    assert answer.json()["providers"] == [{"id": "amy", "name": "Dr. amy"}, {"id": "bob", "name": "Dr. bob"}]
    assert answer.json()["practice"]["name"] == "Practice elm"
    assert (await world.asked("GET", "/v1/practices/oak/lobby")).json()["code"] == "not_found"


async def signed_in(world: World) -> dict[str, str]:
    answer = await world.asked("POST", "/v1/sign-in", json={"username": "amy", "password": PASSWORD})
    assert answer.status_code == 200
    return dict(answer.cookies)


async def test_a_provider_who_signed_in_gets_a_ticket_to_their_own_room(world: World) -> None:
    cookies = await signed_in(world)

    answer = await world.asked("POST", "/v1/tickets", json={}, cookies=cookies)

    assert answer.status_code == 201
    assert answer.json() | {"ticket": ""} == {
        "ticket": "",
        "provider": {"id": "amy", "name": "Dr. amy"},
        "practice": {"id": "elm", "name": "Practice elm", "time_zone": "UTC"},
        "rooms": [],
    }
    ticket = await redeemed(world, answer)
    assert (ticket.room, ticket.by.role, ticket.by.participant) == (ROOM, Role.PROVIDER, "amy")
    assert ("signin", ticket.sign_in) in world.secrets


async def test_a_ticket_needs_no_body(world: World) -> None:
    assert (await world.asked("POST", "/v1/tickets", cookies=await signed_in(world))).status_code == 201


async def test_nobody_else_gets_a_providers_ticket(world: World) -> None:
    answer = await world.asked("POST", "/v1/tickets", json={}, cookies={"carelobby": "guess"})

    assert answer.status_code == 401
    assert answer.json()["code"] == "bad_credentials"


async def test_a_co_provider_gets_into_the_hosts_room_for_what_they_share_alone(world: World) -> None:
    cookies = await signed_in(world)
    hosted = plan("ann", provider="bob")
    await world.registry.appointments.put("elm", "b1", hosted, by="key")
    theirs: dict[str, Any] = {"json": {"room": room_id("elm", "bob")}, "cookies": cookies}

    assert (await world.asked("POST", "/v1/tickets", **theirs)).status_code == 404

    shared = type(hosted)(("bob", "amy"), hosted.clients, hosted.start, hosted.end)
    await world.registry.appointments.put("elm", "b2", shared, by="key")
    answer = await world.asked("POST", "/v1/tickets", **theirs)
    assert answer.status_code == 201
    ticket = await redeemed(world, answer)
    assert (ticket.room, ticket.by.role, ticket.by.participant) == (room_id("elm", "bob"), Role.CO_PROVIDER, "amy")
    assert answer.json()["rooms"] == []
    assert answer.json()["provider"] == {"id": "amy", "name": "Dr. amy"}


async def test_a_room_may_be_named_by_the_provider_whose_it_is(world: World) -> None:
    cookies = await signed_in(world)
    shared = replace(plan("ann", provider="bob"), providers=("bob", "amy"))
    await world.registry.appointments.put("elm", "b1", shared, by="key")

    theirs = await redeemed(world, await world.asked("POST", "/v1/tickets", json={"room": "bob"}, cookies=cookies))
    own = await redeemed(world, await world.asked("POST", "/v1/tickets", json={"room": "amy"}, cookies=cookies))

    assert (theirs.room, theirs.by.role) == (room_id("elm", "bob"), Role.CO_PROVIDER)
    assert (own.room, own.by.role) == (ROOM, Role.PROVIDER)
    for nobody, status in (("zoe", 404), ("a b", 422)):
        asked = await world.asked("POST", "/v1/tickets", json={"room": nobody}, cookies=cookies)
        assert asked.status_code == status


async def test_a_provider_is_told_the_rooms_of_others_that_they_may_enter(world: World) -> None:
    cookies = await signed_in(world)
    shared = replace(plan("ann", provider="bob"), providers=("bob", "amy"))
    await world.registry.appointments.put("elm", "b1", plan("ben", provider="bob"), by="key")
    await world.registry.appointments.put("elm", "b2", shared, by="key")
    await world.registry.appointments.put("elm", "b3", shared, by="key")

    answer = await world.asked("POST", "/v1/tickets", cookies=cookies)

    assert answer.json()["rooms"] == [{"room": room_id("elm", "bob"), "provider": {"id": "bob", "name": "Dr. bob"}}]


async def test_an_ehr_gets_a_co_providers_ticket_and_the_trail_says_to_which_room(world: World) -> None:
    act = await world.registry.keys.add("elm", by="operator", scopes=("act",))
    shared = replace(plan("ann", provider="bob"), providers=("bob", "amy"))
    await world.registry.appointments.put("elm", "b1", shared, by="key")
    theirs = room_id("elm", "bob")

    answer = await world.asked("POST", "/v1/providers/amy/tickets", json={"room": theirs}, headers=bearer(act))

    assert (await redeemed(world, answer)).by.role is Role.CO_PROVIDER
    assert (world.outbox[-1].data["target"], world.outbox[-1].data["detail"]) == ("amy", theirs)


async def test_an_ehr_acts_as_a_provider_with_the_scope_and_leaves_a_trail(world: World) -> None:
    act = await world.registry.keys.add("elm", by="operator", scopes=("act",))
    read = await world.registry.keys.add("elm", by="operator", scopes=("read",))

    answer = await world.asked("POST", "/v1/providers/amy/tickets", headers=bearer(act))

    assert answer.status_code == 201
    assert (await redeemed(world, answer)).by.participant == "amy"
    assert world.trail()[-1][1] == "provider.acted_as"
    assert (await world.asked("POST", "/v1/providers/amy/tickets", headers=bearer(read))).status_code == 403
    assert (await world.asked("POST", "/v1/providers/zoe/tickets", headers=bearer(act))).status_code == 404


@pytest.mark.parametrize("path", ["/v1/join", "/v1/knock", "/v1/tickets", "/v1/sign-in", "/v1/sign-out"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Origin": URL + ".evil.example.org"},
        {"Origin": URL.replace("8000", "8001")},
        {"Origin": URL.upper()},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_pages_of_other_origins_get_nothing(world: World, path: str, headers: dict[str, str]) -> None:
    answer = await world.asked("POST", path, json={}, headers=headers, cookies=await signed_in(world))

    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"


async def test_our_own_pages_are_served(world: World) -> None:
    headers = {"Origin": URL, "Sec-Fetch-Site": "same-origin"}
    answer = await world.asked("POST", "/v1/tickets", json={}, headers=headers, cookies=await signed_in(world))

    assert answer.status_code == 201


# --- Known again


KNOCK = {"practice": "elm", "provider": "amy", "display_name": "Walt"}
COOKIE = "carelobby-knock"
CONSENTING = replace(CHECK_IN, consent=ConsentGiven("1"))


async def knocked(world: World, cookie: str = "", **changes: str) -> tuple[Ticket, str]:
    """Knock from a browser with that cookie; return the ticket, and the cookie that the browser has then."""
    cookies = {COOKIE: cookie} if cookie else {}
    answer = await world.asked("POST", "/v1/knock", json=KNOCK | changes, cookies=cookies)
    assert answer.status_code == 200
    return await redeemed(world, answer), answer.cookies.get(COOKIE, cookie)


async def waits(world: World, ticket: Ticket) -> None:
    """The one with that ticket checks in."""
    room = world.rooms[ROOM]
    for event in (Connected(ticket.by, "con_1", "phone", "node_1"), Asked(ticket.by, "con_1", CONSENTING, "1")):
        room = handle(room, event, now=world.now).room
    world.rooms[ROOM] = room


async def test_a_walk_in_who_knocks_again_from_the_same_browser_is_who_they_were(world: World) -> None:
    first, cookie = await knocked(world)
    await waits(world, first)

    again, kept = await knocked(world, cookie)

    assert again.by.participant == first.by.participant
    assert kept == cookie


@pytest.mark.parametrize(
    "changes", [{"display_name": "Wilma"}, {"provider": "bob"}, {"cookie": "another"}, {"cookie": ""}]
)
async def test_another_name_door_or_browser_is_somebody_else(world: World, changes: dict[str, str]) -> None:
    first, cookie = await knocked(world)
    await waits(world, first)

    other, _ = await knocked(world, **{"cookie": cookie} | changes)

    assert other.by.participant != first.by.participant


async def test_who_does_not_wait_any_more_begins_anew(world: World) -> None:
    first, cookie = await knocked(world)

    other, _ = await knocked(world, cookie)

    assert other.by.participant != first.by.participant


async def test_no_script_and_no_other_site_reads_the_knock_cookie(world: World) -> None:
    answer = await world.asked("POST", "/v1/knock", json=KNOCK)

    set_cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in set_cookie
    assert "samesite=strict" in set_cookie
    assert "max-age" not in set_cookie
    assert "expires" not in set_cookie


async def test_the_link_of_a_seat_that_was_given_away_leads_to_whoever_sits_there(world: World) -> None:
    token = await link(world, "ann")
    walt, _ = await knocked(world)
    await waits(world, walt)
    room = world.rooms[ROOM]
    [entry] = room.entries
    amy = Who(Role.PROVIDER, "amy")
    world.rooms[ROOM] = handle(room, Asked(amy, "con_2", Start(entry=entry, appointment="a1"), "2"), now=NOW).room

    ticket = await redeemed(world, await join(world, token))

    found = await world.registry.appointments.get("elm", "a1")
    assert found is not None
    assert (ticket.by.participant, ticket.by.visit) == (walt.by.participant, found.appointment.visit)
