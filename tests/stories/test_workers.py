"""Several processes behind one port are one service: whoever comes is dealt to one of them, and nobody notices."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from loadtests.ehr import Booked
from loadtests.participants import Participant
from tests.stories.conftest import Day, day_at
from tests.stories.media_peer import MediaPeer, until
from tests.stories.service import Service
from tests.stories.test_overload import flows, waiting
from tests.stories.test_running import children, refused, serve
from tests.stories.worlds import alive

VISITS = 16
"""Enough that by chance alone they are never all at one of two workers."""
WORKERS = ("--workers", "2")


@pytest_asyncio.fixture
async def day(tmp_path: Path) -> AsyncIterator[Day]:
    service = Service(tmp_path / "var", WORKERS)
    async with alive(service):
        async for made in day_at(service):
            yield made


async def figures(service: Service, name: str) -> dict[str, int]:
    """Return one figure of every worker, as any of them tells it."""
    async with httpx.AsyncClient(base_url=service.url) as operator:
        text = (await operator.get("/metrics")).text
    found = re.findall(rf'^carelobby_{name}{{worker="(\w+)"}} ([\d.]+)$', text, re.MULTILINE)
    return {worker: round(float(value)) for worker, value in found}


async def ready(service: Service, *, restarts: int = 0) -> None:
    """Return when all workers are there, after so many restarts."""
    async with asyncio.timeout(60):
        while (
            await figures(service, "workers_restarts_total"),
            await figures(service, "workers_ready"),
        ) != ({"parent": restarts}, {"parent": 2}):
            await asyncio.sleep(0.2)


def processes(service: Service) -> dict[str, int]:
    """Return the workers' processes, by number."""
    assert service.process is not None
    found = {}
    for child in children(service.process.pid):
        command = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        if "--as-worker" in command:
            found[command[command.index("--as-worker") + 1][0]] = child
    return found


async def session(day: Day, doctor: str) -> tuple[Booked, Participant, Participant]:
    booked, provider, client = await waiting(day, doctor)
    await provider.ask("start", appointment=booked.id)
    await client.hear("visit.started")
    return booked, provider, client


async def test_people_and_visits_spread_over_the_workers_and_every_visit_is_whole(day: Day) -> None:
    service = day.world.nodes[0]
    visits = await asyncio.gather(*(session(day, f"dr-{number}") for number in range(VISITS)))

    people, taken = await figures(service, "ws_connections"), await figures(service, "places_taken")
    assert people.keys() == taken.keys() == {"1", "2"}
    assert sum(people.values()) == 2 * VISITS
    assert sum(taken.values()) == VISITS
    assert min(*people.values(), *taken.values()) > 0

    for booked, provider, client in visits:
        await client.ask("end", visit=booked.visit)
        await provider.hear("visit.ended")
        await provider.ask("rejoin", visit=booked.visit)
        await client.hear("visit.rejoin_pending")
        await client.ask("rejoin", visit=booked.visit)
        await provider.hear("visit.resumed")
        await provider.ask("end", visit=booked.visit)
        await provider.ask("finish", visit=booked.visit)
        assert (await client.hear("visit.closed"))["outcome"] == "attended"
        assert await client.closing() == 4510
    async with asyncio.timeout(10):
        while len(await day.records()) < VISITS:
            await asyncio.sleep(0.1)
    assert sorted(r["visit"] for r in await day.records()) == sorted(booked.visit for booked, *_ in visits)


async def test_a_worker_that_is_killed_is_replaced_and_its_people_and_media_go_on_at_the_other(day: Day) -> None:
    service = day.world.nodes[0]
    booked, provider, client = await session(day, "dr-a")
    (carrier,) = [worker for worker, taken in (await figures(service, "places_taken")).items() if taken]
    async with MediaPeer(provider) as one, MediaPeer(client) as other:
        await one.connect()
        await other.connect()
        await until(flows(one, other))
        await asyncio.sleep(5.5)  # until it is sure that the other's silence would be a death
        process = service.process

        before = processes(service)[carrier]
        os.kill(before, signal.SIGKILL)
        doctor, ana = [await back(day, person, peer) for person, peer in ((provider, one), (client, other))]
    async with MediaPeer(doctor) as one, MediaPeer(ana) as other:
        await one.connect()
        await other.connect()
        await until(flows(one, other))
    assert not doctor.heard("visit.ended") and not ana.heard("visit.ended")
    await ana.ask("end", visit=booked.visit)
    await doctor.hear("visit.ended")

    await ready(service, restarts=1)
    assert service.process is process
    assert processes(service).keys() == {"1", "2"}
    assert processes(service)[carrier] != before


async def back(day: Day, person: Participant, peer: MediaPeer) -> Participant:
    """Return somebody who was told that their media are gone, on a new connection if theirs was at that worker."""
    while not person.heard("media.replace") and person.closed_with is None:
        await asyncio.sleep(0.05)
    if person.closed_with is not None:
        before, person = person, day.person("laptop" if peer.participant.welcome["role"] == "provider" else "phone")
        assert (await person.resume(before))["recovered"] is True
    told = await person.hear("media.replace")
    assert (told["peer"], told["reason"]) == (peer.name, "node_lost")
    return person


async def test_stopped_it_sends_everybody_away_and_leaves_nothing(day: Day) -> None:
    service = day.world.nodes[0]
    _, provider, client = await session(day, "dr-a")
    process, workers = service.process, processes(service)
    assert process is not None and len(workers) == 2

    process.send_signal(signal.SIGTERM)
    for person in (provider, client):
        assert (await person.hear("goaway"))["after"] <= 1000
        assert await person.closing() == 4001

    assert await asyncio.to_thread(process.wait, 20) == 0
    assert not [pid for pid in workers.values() if Path(f"/proc/{pid}").exists()]
    await service.stop()
    await service.start()
    again = day.person("phone")
    assert (await again.resume(client))["role"] == "client"


async def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    service = Service(tmp_path / "var", WORKERS)
    await service.start()
    workers = processes(service)

    await service.kill()

    async with asyncio.timeout(10):
        while [pid for pid in workers.values() if Path(f"/proc/{pid}").exists()]:
            await asyncio.sleep(0.05)
    async with alive(service):
        assert (await figures(service, "workers_ready")) == {"parent": 2}


async def test_a_worker_that_ends_again_and_again_ends_the_service(tmp_path: Path) -> None:
    service = Service(tmp_path / "var", WORKERS)
    await service.start()
    process = service.process
    assert process is not None

    async with asyncio.timeout(60):
        while process.poll() is None:
            if found := processes(service).get("2"):
                os.kill(found, signal.SIGKILL)
            await asyncio.sleep(0.1)
    await service.stop()

    assert process.returncode == 1
    assert "Worker 2 ended 5 times within a minute, at last with code -9" in service.log()
    assert "Traceback" not in service.log()


# --- What cannot start


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = serve(tmp_path, *WORKERS, "--port", str(taken.getsockname()[1]))
    assert "is in use" in told


async def test_a_port_or_a_data_directory_of_other_workers(day: Day, tmp_path: Path) -> None:
    service = day.world.nodes[0]

    for workers in ("1", "2"):
        options = ("--workers", workers, "--port", str(service.port))
        assert "is in use" in await asyncio.to_thread(serve, tmp_path / "other", *options)
        told = await asyncio.to_thread(serve, service.data_dir, "--workers", workers)
        assert "in use by a running service" in told


def test_what_keeps_a_worker_from_starting_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"no database" * 999)

    told = refused("serve", "--port", "0", *WORKERS, "--data-dir", str(tmp_path))

    assert "damaged" in told
