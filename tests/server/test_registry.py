"""Practices, providers, accounts, keys and webhooks: what is kept, who is told, what goes when a practice goes."""

from __future__ import annotations

import pytest

from server.registry import room_id
from server.registry.accounts import IDLE, LONGEST
from server.registry.errors import Clash, Invalid, Missing
from server.registry.throttle import WINDOW, network
from server.registry.webhooks import check_url
from signaling.events import Configured
from signaling.policy import Policy, PracticeInfo
from tests.server.world import World, plan

PASSWORD = "correct horse battery"


async def test_a_new_practice_gets_one_key_and_later_puts_none() -> None:
    world = World()

    key = await world.practice("elm")
    again = await world.registry.practices.put(
        Policy(practice=PracticeInfo(id="elm", name="Elm & Sons")), by="operator"
    )

    found = await world.registry.keys.find(key)
    assert found is not None
    assert found.practice == "elm"
    assert "practices" not in found.scopes
    assert again is None
    assert world.trail() == [
        ("operator", "practice.created"),
        ("operator", "key.created"),
        ("operator", "practice.changed"),
    ]


async def test_neither_the_key_nor_a_name_is_in_the_trail() -> None:
    world = World()

    key = await world.practice("elm")
    await world.provider("amy")

    told = repr(world.outbox)
    assert key not in told
    assert "Dr. amy" not in told


async def test_a_creation_that_was_cut_short_is_made_whole_by_its_repeat() -> None:
    world = World()
    key = await world.practice("elm")
    await world.registry.keys.remove_all("elm")

    repeated = await world.practice("elm")

    assert await world.registry.keys.find(key) is None
    assert await world.registry.keys.find(repeated) is not None


async def test_a_practice_that_changes_tells_every_room() -> None:
    world = World()
    await world.practice("elm")
    await world.provider("amy")
    await world.provider("bob")

    await world.registry.practices.put(
        Policy(practice=PracticeInfo(id="elm", name="Elm"), rejoin_window=60_000), by="operator"
    )

    told = {room for room, fact in world.facts if isinstance(fact, Configured) and fact.policy.rejoin_window == 60_000}
    assert told == {room_id("elm", "amy"), room_id("elm", "bob")}


async def test_rooms_of_two_practices_with_the_same_provider_id_differ() -> None:
    assert room_id("elm", "amy") != room_id("oak", "amy")
    assert room_id("a", "b") == room_id("a", "b")
    assert "amy" not in room_id("elm", "amy")


async def test_a_provider_of_no_practice_cannot_be_made() -> None:
    with pytest.raises(Missing):
        await World().provider("amy", practice="nowhere")


async def test_a_right_password_says_who_and_a_wrong_one_or_an_unknown_name_nothing() -> None:
    world = World()
    await world.practice("elm")
    await world.provider("amy")
    accounts = world.registry.accounts

    assert await accounts.put("elm", "amy", "Amy.Adams", PASSWORD, by="key")

    owner = await accounts.check("AMY.adams", PASSWORD)
    assert owner is not None
    assert (owner.practice, owner.provider) == ("elm", "amy")
    assert await accounts.check("amy.adams", PASSWORD + "!") is None
    assert await accounts.check("nobody", PASSWORD) is None


async def test_an_unknown_name_costs_a_hash_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    accounts = world.registry.accounts
    verified: list[str] = []

    async def verify(hash: str, password: str) -> bool:
        verified.append(hash)
        return True

    monkeypatch.setattr(type(accounts), "_verify", staticmethod(verify))

    assert await accounts.check("nobody", PASSWORD) is None
    assert [hash[:31] for hash in verified] == ["$argon2id$v=19$m=19456,t=2,p=1$"]


async def test_a_username_belongs_to_one_provider_in_the_whole_service() -> None:
    world = World()
    for practice in ("elm", "oak"):
        await world.practice(practice)
        await world.provider("amy", practice=practice)
    accounts = world.registry.accounts
    await accounts.put("elm", "amy", "amy", PASSWORD, by="key")

    with pytest.raises(Clash):
        await accounts.put("oak", "amy", "AMY", PASSWORD, by="key")

    await accounts.put("elm", "amy", "amy.adams", PASSWORD, by="key")
    assert await accounts.put("oak", "amy", "amy", PASSWORD, by="key")
    assert await accounts.check("amy", PASSWORD) != await accounts.check("amy.adams", PASSWORD)


async def test_a_sign_in_lives_by_activity_and_never_beyond_a_day_of_work() -> None:
    world = World()
    await world.practice("elm")
    await world.provider("amy")
    await world.registry.accounts.put("elm", "amy", "amy", PASSWORD, by="key")
    begun = world.now
    token = await world.registry.sign_ins.begin("elm", "amy")

    while world.now - begun < LONGEST:
        assert await world.registry.sign_ins.find(token) is not None
        world.now += IDLE - 1
    assert await world.registry.sign_ins.find(token) is None

    idle = await world.registry.sign_ins.begin("elm", "amy")
    world.now += IDLE
    assert await world.registry.sign_ins.find(idle) is None


async def test_a_new_password_ends_the_sign_ins_from_before_it() -> None:
    world = World()
    await world.practice("elm")
    await world.provider("amy")
    await world.registry.accounts.put("elm", "amy", "amy", PASSWORD, by="key")
    token = await world.registry.sign_ins.begin("elm", "amy")
    world.now += 1

    await world.registry.accounts.put("elm", "amy", "amy", PASSWORD + "2", by="key")

    assert await world.registry.sign_ins.find(token) is None


async def test_deleting_a_practice_takes_links_keys_rooms_and_accounts_and_nothing_of_another() -> None:
    world = World()
    keys = {practice: await world.practice(practice) for practice in ("elm", "oak")}
    links = {}
    for practice in keys:
        await world.provider("amy", practice=practice)
        await world.registry.accounts.put(practice, "amy", f"amy@{practice}", PASSWORD, by="key")
        found, _ = await world.registry.appointments.put(practice, "a1", plan("ann"), by="key")
        links[practice] = found.appointment.clients[0].token
        await world.registry.webhooks.put(practice, "w", "https://ehr.example.org/", (), by="key")
    sign_in = await world.registry.sign_ins.begin("elm", "amy")

    assert await world.registry.practices.delete("elm", by="operator")

    assert await world.registry.links.invited(links["elm"]) is None
    assert await world.registry.keys.find(keys["elm"]) is None
    assert await world.registry.accounts.check("amy@elm", PASSWORD) is None
    assert await world.registry.sign_ins.find(sign_in) is None
    assert world.closed_rooms == [room_id("elm", "amy")]
    assert list(world.rooms) == [room_id("oak", "amy")]
    assert not [what for what in world.agenda if ":elm:" in what]
    left = {place for (place, _), shelf in world.documents.items() if shelf}
    assert left == {"oak", room_id("oak", "amy"), "~usernames"}
    assert world.trail()[-1] == ("operator", "practice.deleted")
    assert await world.registry.links.invited(links["oak"]) is not None
    assert await world.registry.keys.find(keys["oak"]) is not None
    assert await world.registry.accounts.check("amy@oak", PASSWORD) is not None
    assert not await world.registry.practices.delete("elm", by="operator")


async def test_a_webhook_shows_its_secret_when_it_is_made_and_keeps_two_alive() -> None:
    world = World()
    webhooks = world.registry.webhooks
    url = "https://ehr.example.org/hook"

    first = await webhooks.put("elm", "w", url, ("visit.closed",), by="key")
    same = await webhooks.put("elm", "w", url, ("visit.closed",), by="key")
    second = await webhooks.put("elm", "w", url, ("visit.closed",), rotate=True, by="key")
    third = await webhooks.put("elm", "w", url, ("visit.closed",), rotate=True, by="key")

    assert first is not None
    assert first.startswith("whsec_")
    assert same is None
    kept = await webhooks.get("elm", "w")
    assert kept is not None
    assert kept.secrets == (third, second)


async def test_a_webhook_that_is_gone_rests_until_it_is_put_anew() -> None:
    world = World()
    webhooks = world.registry.webhooks
    await webhooks.put("elm", "w", "https://ehr.example.org/", (), by="key")

    await webhooks.gone("elm", "w")
    resting = await webhooks.of("elm")
    await webhooks.put("elm", "w", "https://ehr.example.org/", (), by="key")

    assert [one.active for one in resting] == [False]
    assert [one.active for one in await webhooks.of("elm")] == [True]


@pytest.mark.parametrize(
    "url",
    [
        "http://ehr.example.org/",
        "ftp://ehr.example.org/",
        "//ehr.example.org/",
        "https://",
        "https://user:word@ehr.example.org/",
        "https://ehr.example.org/#part",
        "https://ehr.example.org:0/",
        "https://ehr.example.org:99999/",
        "https://ehr.example.org/a b",
        "https://localhost/",
        "https://localhost./",
        "https://ehr/",
        "https://printer.local/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://10.1.2.3/",
        "https://169.254.169.254/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://[fe80::1%25eth0]/",
    ],
)
def test_a_webhook_must_lead_to_the_public_internet(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_url(url, private=False)

    assert url not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://ehr.example.org/", "https://ehr.example.org:8443/a?b=c", "https://1.1.1.1/", "https://a.xn--p1ai/"]
)
def test_a_public_webhook_is_taken(url: str) -> None:
    check_url(url, private=False)


def test_private_webhooks_are_taken_where_they_are_allowed() -> None:
    check_url("http://127.0.0.1:9000/hook", private=True)


async def test_the_eleventh_failure_of_a_network_has_to_wait_until_the_window_is_over() -> None:
    world = World()
    throttle = world.registry.throttle

    waits = [await throttle.failed("join", "203.0.113.7") for _ in range(11)]

    assert waits == [None] * 10 + [WINDOW // 1000]
    assert await throttle.blocked("join", "203.0.113.7") == WINDOW // 1000
    assert await throttle.blocked("join", "203.0.113.8") is None
    assert await throttle.blocked("sign-in", "203.0.113.7") is None
    world.now += WINDOW
    assert await throttle.blocked("join", "203.0.113.7") is None
    assert await throttle.failed("join", "203.0.113.7") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::1", True),
        ("", "somewhere", True),
    ],
)
def test_an_ipv6_network_counts_as_one_and_an_ipv4_address_too(one: str, other: str, same: bool) -> None:
    assert (network(one) == network(other)) is same
