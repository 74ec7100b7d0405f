"""The demo: what it holds, what it prints, and what a restart keeps."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec

from server import demo
from server.registry import room_id
from server.registry.keys import SCOPES
from signaling.state import Phase
from tests.server.world import OPERATOR_KEY, URL, World

ALL = {"url", "api_key", "operator_key", "practice", "providers", "appointments"}


async def prepared(world: World, data_dir: Path) -> demo.Demo:
    return await demo.prepare(world.registry, data_dir, operator_key=OPERATOR_KEY)


async def test_the_demo_is_what_protocol_md_promises(tmp_path: Path) -> None:
    world = World()

    told = (await prepared(world, tmp_path)).as_json(URL)

    assert set(told) == ALL
    assert (told["url"], told["operator_key"], told["practice"]) == (URL, OPERATOR_KEY, "demo")
    assert [set(one) for one in told["providers"]] == [{"id", "name", "sign_in"}] * 2
    assert [set(one) for one in told["appointments"]] == [{"id", "provider", "clients", "group"}] * 5
    for provider in told["providers"]:
        alone = [one for one in told["appointments"] if one["provider"] == provider["id"] and not one["group"]]
        assert [len(one["clients"]) for one in alone] == [1, 1]
    [group] = [one for one in told["appointments"] if one["group"]]
    assert len(group["clients"]) == 3
    policy = await world.registry.practices.get("demo")
    assert policy is not None
    assert policy.practice.consent.version == "1"
    assert len(policy.practice.consent.text) > 200
    assert policy.no_show_after == 12 * 3_600_000
    assert all("CO" in one.licences for one in await world.registry.providers.all("demo"))


async def test_everything_it_prints_works(tmp_path: Path) -> None:
    world = World()
    told = (await prepared(world, tmp_path)).as_json(URL)

    for provider in told["providers"]:
        assert (await world.asked("POST", "/v1/sign-in", json=provider["sign_in"])).status_code == 200
    for appointment in told["appointments"]:
        for client in appointment["clients"]:
            page, _, secret = client["join_url"].partition("#")
            answer = await world.asked("POST", "/v1/join", json={"token": secret})
            assert page == f"{URL}/join"
            assert answer.json()["appointment"]["id"] == appointment["id"]
            assert answer.json()["provider"]["id"] == appointment["provider"]
    headers = {"Authorization": f"Bearer {told['api_key']}"}
    assert (await world.asked("GET", "/v1/providers/avery/room", headers=headers)).status_code == 200


async def test_a_person_reads_the_same(tmp_path: Path) -> None:
    made = await prepared(World(), tmp_path)

    text, told = made.as_text(URL), made.as_json(URL)

    assert f"{URL}/provider" in text
    assert f"{URL}/p/demo/telehealth" in text
    assert told["api_key"] in text
    for provider in told["providers"]:
        assert provider["sign_in"]["username"] in text
        assert provider["sign_in"]["password"] in text
    for appointment in told["appointments"]:
        for client in appointment["clients"]:
            assert client["join_url"] in text


async def test_a_restart_shows_the_same_and_signs_nobody_out(tmp_path: Path) -> None:
    world = World()
    before = (await prepared(world, tmp_path)).as_json(URL)
    sign_in = await world.registry.sign_ins.begin("demo", "avery")
    world.now += 10 * 60_000

    after = (await prepared(world, tmp_path)).as_json(URL)

    assert before == after
    assert await world.registry.sign_ins.find(sign_in) is not None


async def test_a_demo_of_before_may_do_what_is_new(tmp_path: Path) -> None:
    world = World()
    key = (await prepared(world, tmp_path)).as_json(URL)["api_key"]
    await world.registry.keys.add("demo", by="demo", scopes=("read",), token=key)

    await prepared(world, tmp_path)

    found = await world.registry.keys.find(key)
    assert found is not None
    assert found.scopes == SCOPES


async def test_secrets_outlive_an_empty_store_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    before = (await prepared(World(), tmp_path)).as_json(URL)

    after = (await prepared(World(), tmp_path)).as_json(URL)

    assert after["api_key"] == before["api_key"]
    assert after["providers"] == before["providers"]
    assert stat.S_IMODE((tmp_path / demo.FILE).stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [demo.FILE]


async def test_a_second_node_with_a_data_directory_of_its_own_shows_the_same(tmp_path: Path) -> None:
    world = World()

    one = (await prepared(world, tmp_path / "one")).as_json(URL)
    two = (await prepared(world, tmp_path / "two")).as_json(URL)

    assert one == two


async def test_a_spoiled_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / demo.FILE).write_text('{"api_key": 1')

    assert (await prepared(World(), tmp_path)).as_json(URL)["api_key"]


async def test_only_a_closed_or_past_appointment_is_replaced(tmp_path: Path) -> None:
    world = World()
    before = [one["id"] for one in (await prepared(world, tmp_path)).as_json(URL)["appointments"]]
    await world.registry.appointments.cancel("demo", before[0], by="key")

    after = [one["id"] for one in (await prepared(world, tmp_path)).as_json(URL)["appointments"]]

    assert after[0] != before[0]
    assert after[1:] == before[1:]


async def test_a_past_appointment_that_is_live_is_kept_and_the_others_make_room(tmp_path: Path) -> None:
    world = World()
    before = [one["id"] for one in (await prepared(world, tmp_path)).as_json(URL)["appointments"]]
    found = await world.registry.appointments.get("demo", before[0])
    assert found is not None
    room = world.rooms[room_id("demo", "avery")]
    live = msgspec.structs.replace(room.visits[found.appointment.visit], phase=Phase.ENDED, rejoin_until=2**52)
    world.rooms[room.id] = msgspec.structs.replace(room, visits=room.visits | {live.id: live})
    world.now += demo.LASTS

    after = [one["id"] for one in (await prepared(world, tmp_path)).as_json(URL)["appointments"]]

    assert after[0] == before[0]
    assert set(after[1:]).isdisjoint(before)
    shown = {visit.appointment for room in world.rooms.values() for visit in room.visits.values()}
    assert shown == set(after)
