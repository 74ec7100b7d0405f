"""End while the store is away: decided on what is known, kept on disk, saved once with its own time."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from server import dispatch, offline
from server.crypto import Sealer, fresh_key
from server.offline import EndsAnyway
from server.ports import StoreAway
from server.ports.rooms import Commit, Stored
from signaling.effects import ClosePeers
from signaling.errors import Forbidden, NotFound, Refused, Stale
from signaling.events import DeadlinePassed, Disconnected, MediaChanged, Opened
from signaling.messages import ClientView, Message, Ok, VisitEnded
from signaling.policy import MINUTE
from signaling.requests import End, Rejoin, RoomRequest, SetStatus, Start
from signaling.state import Phase, Segment, Who
from signaling.view import view
from tests.server.rooms import ROOM, START, House
from tests.signaling.people import ANN, BOB, CHECK_IN, GIA, GROUP, HOST, POLICY
from tests.signaling.play import comes, connection_of

END = End(visit="vis_ann", key="end-1")
KEYS = fresh_key()


class Scene:
    """A house whose store can be away, and `EndsAnyway` before its door."""

    def __init__(self, house: House, directory: Path, *, keys: str = KEYS, left: Sequence[Path] = ()) -> None:
        self.house = house
        self.path = directory / "ended"
        self.told: list[tuple[tuple[str, ...], Message]] = []
        self.order: list[str] = []
        self.ends = EndsAnyway(
            house.node.door,
            path=self.path,
            sealer=Sealer(keys),
            clock=lambda: house.now,
            perform=house.node._perform,
            tell=self._tell,
            media_told=self._media_told,
            left=left,
        )
        self._load, self._commit = house.store.rooms.load, house.store.rooms.commit

    def _tell(self, room: str, who: Collection[str], message: Message, connection: str | None) -> None:
        self.told.append((tuple(who), message))

    async def _media_told(self, room: str) -> None:
        self.order.append("media told")

    def away(self, *, silent: bool = False) -> None:
        """The store refuses everything, or says nothing at all."""

        async def load(room: str) -> Stored | None:
            await (asyncio.Event().wait() if silent else asyncio.sleep(0))
            raise StoreAway

        async def commit(room: str, commit: Commit) -> None:
            await (asyncio.Event().wait() if silent else asyncio.sleep(0))
            raise StoreAway

        self.house.store.rooms.load, self.house.store.rooms.commit = load, commit  # type: ignore[method-assign]

    def back(self) -> None:
        self.house.store.rooms.load, self.house.store.rooms.commit = self._load, self._commit  # type: ignore[method-assign]

    async def ask(self, who: Who, request: RoomRequest) -> Ok:
        return await self.ends.ask(ROOM, who, connection_of(who), request)

    async def saved(self) -> None:
        while self.ends.waiting:
            await asyncio.sleep(0.01)

    async def segments(self) -> tuple[Segment, ...]:
        return (await self.house.saved()).visits["vis_ann"].segments


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "PATIENCE", 0.05)
    monkeypatch.setattr(offline, "AGAIN", 0.01)


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    house = House()
    await house.started()
    return Scene(house, tmp_path)


# --- While the store is there


async def test_an_end_that_can_be_saved_is_an_end_like_any_other(scene: Scene) -> None:
    ok = await scene.ask(ANN, END)

    assert (ok.visit, ok.rev) == ("vis_ann", 3)
    assert scene.told == []
    assert not scene.path.exists()
    assert scene.house.node.effects == [ClosePeers("vis_ann")]


async def test_a_refusal_is_a_refusal(scene: Scene) -> None:
    with pytest.raises(Stale):
        await scene.ask(ANN, End(visit="vis_ann", expect=1))
    with pytest.raises(NotFound):
        await scene.ask(ANN, End(visit="vis_none"))

    assert scene.ends.waiting == 0


# --- While it is away


@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("who", [ANN, HOST])
async def test_media_stops_and_both_are_told_at_once(scene: Scene, who: Who, silent: bool) -> None:
    scene.away(silent=silent)

    ok = await scene.ask(who, END)

    assert ok.visit == "vis_ann"
    assert scene.house.node.effects == [ClosePeers("vis_ann")]
    assert {participant for to, _ in scene.told for participant in to} == {"par_ann", "dr_host"}
    for _, message in scene.told:
        assert isinstance(message, VisitEnded)
        assert (message.pending, message.by, message.reason) == (True, who.role.value, "ended")
        assert (message.epoch, message.seq, message.version) == ("", 0, 0)
        assert (message.at, message.rejoin_until) == (scene.house.now, scene.house.now + POLICY.rejoin_window)


async def test_the_file_holds_ids_and_a_time_sealed(scene: Scene) -> None:
    scene.away()
    await scene.ask(ANN, END)

    content = scene.path.read_bytes()
    plain = Sealer(KEYS).open(0, "ended", 0, content)
    assert stat.S_IMODE(scene.path.stat().st_mode) == 0o600
    assert b"vis_ann" not in content
    assert b"vis_ann" in plain
    assert b"Canary" not in plain


async def test_it_is_saved_with_the_time_at_which_it_was_asked_for(scene: Scene) -> None:
    at = scene.house.now
    async with scene.ends:
        scene.away()
        await scene.ask(ANN, END)
        scene.house.now += 3 * MINUTE
        scene.back()
        await scene.saved()

    assert await scene.segments() == (Segment(at, at, "client", "ended"),)
    assert scene.order[-1] == "media told"
    assert not scene.path.exists()
    ended = [event for event in await scene.house.told() if event["type"] == "visit.ended"]
    assert ended
    assert all("pending" not in event for event in ended)


async def test_a_restart_saves_what_was_kept(scene: Scene) -> None:
    at = scene.house.now
    scene.away()
    await scene.ask(HOST, END)
    scene.back()
    scene.house.now += 2 * MINUTE
    reborn = Scene(scene.house, scene.path.parent)

    async with reborn.ends:
        assert reborn.ends.waiting == 0

    assert await scene.segments() == (Segment(at, at, "provider", "ended"),)


async def test_a_restart_while_the_store_is_still_away_keeps_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.dispatch.FACT_PATIENCE", 0.0)
    scene.away()
    await scene.ask(HOST, END)
    reborn = Scene(scene.house, scene.path.parent)

    async with reborn.ends:
        assert reborn.ends.waiting == 1
        scene.back()
        await reborn.saved()

    assert len(await scene.segments()) == 1


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that does not wait for the store to come back."""
    monkeypatch.setattr(dispatch, "FACT_PATIENCE", 0.0)


async def test_what_a_node_left_that_is_no_more_is_kept_and_saved_by_another(scene: Scene, hurried: None) -> None:
    scene.away()
    await scene.ask(HOST, END)
    (scene.path.parent / "heir").mkdir()
    heir = Scene(scene.house, scene.path.parent / "heir", left=[scene.path, scene.path.parent / "none" / "ended"])
    heir.away()

    async with heir.ends:
        assert heir.ends.waiting == 1
        assert heir.path.exists() and not scene.path.exists()
        scene.back()
        await heir.saved()

    assert len(await scene.segments()) == 1


async def test_what_cannot_be_written_anew_stays_where_another_left_it(
    scene: Scene, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.away()
    await scene.ask(HOST, END)
    (scene.path.parent / "heir").mkdir()
    heir = Scene(scene.house, scene.path.parent / "heir", left=[scene.path])
    heir.away()

    def full(path: Path, content: bytes | None) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(offline, "_replace", full)
    async with heir.ends:
        assert heir.ends.waiting == 1

    assert scene.path.exists()


async def test_a_file_that_cannot_be_read_is_put_aside(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.away()
    await scene.ask(HOST, END)
    scene.back()
    other = Scene(scene.house, scene.path.parent, keys=fresh_key())

    async with other.ends:
        assert other.ends.waiting == 0

    assert "put aside" in caplog.text
    assert scene.path.with_suffix(".unreadable").exists()
    assert not scene.path.exists()


async def test_a_full_disk_keeps_nobody_in_a_visit(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("server.files.keep", full)
    async with scene.ends:
        scene.away()
        await scene.ask(HOST, END)
        assert scene.told
        scene.back()
        await scene.saved()

    assert len(await scene.segments()) == 1


async def test_an_end_that_was_saved_though_its_answer_was_lost_is_one_end(scene: Scene) -> None:
    at = scene.house.now
    async with scene.ends:
        scene.house.lose(saved=True)
        await scene.ask(ANN, END)
        scene.house.now += MINUTE
        await scene.saved()

    assert await scene.segments() == (Segment(at, at, "client", "ended"),)
    assert scene.house.node.effects.count(ClosePeers("vis_ann")) == 1


async def test_asked_for_again_it_has_ended(scene: Scene) -> None:
    scene.away()
    await scene.ask(ANN, END)

    assert (await scene.ask(ANN, END)).visit == (await scene.ask(HOST, END)).visit == "vis_ann"
    assert len(scene.house.node.effects) == 1
    assert scene.ends.waiting == 1
    with pytest.raises(NotFound):
        await scene.ask(BOB, END)


async def test_only_who_is_in_the_visit_ends_it(scene: Scene) -> None:
    await scene.house.node.door.fact(ROOM, comes(BOB))
    await scene.house.node.ask(BOB, CHECK_IN)
    scene.away()

    for who, request in ((BOB, END), (ANN, End(visit="vis_ann", expect=1)), (HOST, End(visit="vis_bob"))):
        with pytest.raises(StoreAway):
            await scene.ask(who, request)

    assert (scene.told, scene.house.node.effects, scene.ends.waiting) == ([], [], 0)


async def test_a_node_that_does_not_know_the_room_ends_nothing(scene: Scene, tmp_path: Path) -> None:
    stranger = House()
    stranger.store = scene.house.store
    stranger.node = scene.house.another("b")
    other = Scene(stranger, tmp_path / "b")
    scene.away()

    with pytest.raises(StoreAway):
        await other.ask(ANN, END)

    assert other.told == []


async def test_all_else_fails_closed(scene: Scene) -> None:
    scene.away()

    for who, request in ((HOST, START), (HOST, SetStatus(status="away")), (ANN, CHECK_IN)):
        with pytest.raises(StoreAway):
            await scene.ask(who, request)

    assert scene.house.node.effects == []


# --- What follows the End


async def test_nothing_comes_between_an_end_and_its_saving(scene: Scene) -> None:
    scene.away(silent=True)
    await scene.ask(ANN, END)

    with pytest.raises(StoreAway):
        await scene.ask(ANN, Rejoin(visit="vis_ann"))
    scene.back()
    await scene.ask(ANN, Rejoin(visit="vis_ann"))

    assert (await scene.house.saved()).visits["vis_ann"].phase is Phase.REJOIN_PENDING
    assert scene.ends.waiting == 0


async def test_the_room_is_shown_with_the_visit_ended_and_no_event_counted(scene: Scene) -> None:
    before = scene.house.node.door.known(ROOM)
    assert before is not None
    scene.away()
    await scene.ask(ANN, END)

    room = await scene.ends.present(ROOM, seq=before.seq)

    assert room is not None
    assert (room.version, room.seq) == (before.version, before.seq)
    seen = view(room, ANN)
    assert isinstance(seen, ClientView)
    assert (seen.phase, seen.visit) == ("ended", "vis_ann")


async def test_other_facts_of_the_room_follow_the_end_and_minutes_come_before_it(scene: Scene) -> None:
    at = scene.house.now
    await scene.ends.fact(ROOM, MediaChanged("vis_ann", "par_ann", "media_up", at))
    scene.house.now += MINUTE
    scene.away()
    await scene.ask(ANN, END)
    scene.back()
    scene.house.now += POLICY.abandoned_after

    await scene.ends.fact(ROOM, MediaChanged("vis_ann", "par_ann", "media_down", at + 1000))
    await scene.ends.fact(ROOM, Disconnected(connection_of(HOST)))
    await scene.ends.fact(ROOM, DeadlinePassed())

    visit = (await scene.house.saved()).visits["vis_ann"]
    assert visit.segments == (Segment(at, at + MINUTE, "client", "ended"),)
    assert [(span.start, span.end) for span in visit.media["par_ann"].up] == [(at, at + 1000)]


async def test_a_room_that_is_gone_has_nothing_to_end(scene: Scene) -> None:
    async with scene.ends:
        scene.away()
        await scene.ask(ANN, END)
        scene.back()
        await scene.house.store.rooms.delete(ROOM)
        await scene.saved()

    assert not scene.path.exists()


async def test_of_a_group_the_client_does_not_end_it(scene: Scene) -> None:
    await scene.ask(ANN, END)
    await scene.house.node.door.fact(ROOM, Opened(GROUP, POLICY))
    await scene.house.node.door.fact(ROOM, comes(GIA))
    await scene.house.node.ask(GIA, CHECK_IN)
    await scene.house.node.ask(HOST, Start(appointment="apt_group"))
    with pytest.raises(Forbidden):
        await scene.ask(GIA, End(visit="vis_group"))
    with pytest.raises(Refused):
        await scene.ask(HOST, END)
    scene.away()

    with pytest.raises(StoreAway):
        await scene.ask(GIA, End(visit="vis_group"))
    assert (await scene.ask(HOST, End(visit="vis_group"))).visit == "vis_group"
