"""Starting and stopping: what is wrong is said in one sentence with its remedy, and an end loses and leaves nothing."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.stories.conftest import Day
from tests.stories.service import ROOT, Service
from tests.stories.test_end_and_rejoin import in_session

SENTENCE = re.compile(r"[A-Z][^\n]*[.?]\n")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the service to its end."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CARELOBBY_")} | environment
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(*arguments: str, **environment: str) -> str:
    """Return the one sentence that a command which cannot be done ends with."""
    done = run(*arguments, **environment)
    assert done.returncode != 0
    assert done.stdout == ""
    assert SENTENCE.fullmatch(done.stderr), done.stderr
    return done.stderr


def serve(data_dir: Path, *options: str, **environment: str) -> str:
    return refused("serve", "--port", "0", "--data-dir", str(data_dir), *options, **environment)


def keyring() -> str:
    return f"k1:{base64.b64encode(os.urandom(32)).decode()}"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a service that ran and was stopped."""

    async def once() -> Path:
        service = Service(tmp_path_factory.mktemp("stopped") / "var")
        await service.start()
        await service.stop()
        return service.data_dir

    return asyncio.run(once())


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Service]:
    service = Service(tmp_path / "var")
    yield service
    await service.stop()
    assert "Traceback" not in service.log()


# --- What cannot start says why


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = serve(tmp_path, "--port", str(port))

    assert f"Port {port} is in use" in told
    assert "--port" in told


async def test_a_data_directory_in_use(own: Service) -> None:
    await own.start()

    told = await asyncio.to_thread(serve, own.data_dir)

    assert "in use by a running service" in told
    assert "CARELOBBY_DATA_DIR" in told


async def test_two_nodes_of_one_redis_share_no_data_directory(own: Service, tmp_path: Path) -> None:
    await own.start()
    endpoint = (own.data_dir / "redis" / "endpoint").read_text()
    node = Service(
        tmp_path / "node",
        environment={
            "CARELOBBY_REDIS_URL": f"unix://{endpoint}",
            "CARELOBBY_SECRET_KEYS": (own.data_dir / "secret_keys").read_text().strip(),
            "CARELOBBY_LEDGER_URL": f"sqlite:///{own.data_dir / 'ledger.sqlite3'}",
        },
    )
    await node.start()
    try:
        told = await asyncio.to_thread(serve, node.data_dir, **node.environment)
    finally:
        await node.stop()

    assert "in use by a running service" in told


async def test_two_nodes_of_one_redis_do_not_write_two_ledgers(own: Service, tmp_path: Path) -> None:
    await own.start()
    endpoint = (own.data_dir / "redis" / "endpoint").read_text()
    keys = (own.data_dir / "secret_keys").read_text().strip()
    settings = {"CARELOBBY_REDIS_URL": f"unix://{endpoint}", "CARELOBBY_SECRET_KEYS": keys}

    told = await asyncio.to_thread(serve, tmp_path / "node", **settings)

    assert "write another ledger" in told
    assert "CARELOBBY_LEDGER_URL" in told


def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    told = serve(tmp_path / "file" / "var")

    assert "cannot be written (Not a directory)" in told
    assert "CARELOBBY_DATA_DIR" in told


def test_a_redis_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: whoever connects is refused
        url = f"redis://:secret-word@127.0.0.1:{unused.getsockname()[1]}/0"
        told = serve(tmp_path, CARELOBBY_REDIS_URL=url)

    assert "Redis does not answer" in told
    assert "CARELOBBY_REDIS_URL" in told
    assert "secret-word" not in told


def test_a_redis_url_that_is_none(tmp_path: Path) -> None:
    assert "CARELOBBY_REDIS_URL" in serve(tmp_path, CARELOBBY_REDIS_URL="redis+cluster://a,b")
    assert "CARELOBBY_REDIS_URL" in serve(tmp_path, CARELOBBY_REDIS_URL="unix://")
    assert "CARELOBBY_REDIS_URL" in serve(tmp_path, CARELOBBY_REDIS_URL="http://a")


def test_a_redis_server_that_is_not_there(tmp_path: Path) -> None:
    assert "CARELOBBY_REDIS_SERVER" in serve(tmp_path, CARELOBBY_REDIS_SERVER=str(tmp_path / "none"))


def test_another_keyring_than_the_store_was_sealed_with(stopped: Path) -> None:
    other = keyring()

    told = serve(stopped, CARELOBBY_SECRET_KEYS=other)

    assert "CARELOBBY_SECRET_KEYS" in told
    assert other.split(":")[1] not in told


@pytest.mark.parametrize(
    "keys",
    ["k1:short", "K1:" + keyring()[3:], f"{keyring()},{keyring()}"],
    ids=["too short", "a bad name", "one name twice"],
)
def test_a_keyring_that_is_none(tmp_path: Path, keys: str) -> None:
    told = serve(tmp_path, CARELOBBY_SECRET_KEYS=keys)

    assert "CARELOBBY_SECRET_KEYS" in told
    assert keys.split(":")[1] not in told


def test_a_setting_that_does_not_exist(tmp_path: Path) -> None:
    assert "did you mean CARELOBBY_PORT?" in serve(tmp_path, CARELOBBY_PROT="8000")


def test_a_ledger_that_is_damaged(stopped: Path, tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(os.urandom(4096))

    told = serve(stopped, CARELOBBY_LEDGER_URL=f"sqlite:///{tmp_path / 'ledger.sqlite3'}")

    assert "damaged" in told
    assert "backup" in told


def test_help_tells_all_options_and_nothing_else() -> None:
    done = run("serve", "--help")

    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--host", "--port", "--data-dir", "--redis-url", "--redis-server", "--ledger-url", "--public-url"):
        assert option in done.stdout
    for option in ("--demo", "--no-demo", "--print-json", "--profile", "--log-level", "--trusted-proxies", "--config"):
        assert option in done.stdout
    assert "secret" not in done.stdout.lower()


# --- The trail of a stopped service


def test_the_trail_of_a_stopped_service_is_verified(stopped: Path) -> None:
    done = run("audit", "verify", "--data-dir", str(stopped))

    assert (done.returncode, done.stderr) == (0, "")
    assert "The trail is sound." in done.stdout


def test_a_trail_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert "CARELOBBY_DATA_DIR" in refused("audit", "verify", "--data-dir", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


# --- Starting again, and ending


async def test_a_second_start_is_quick(stopped: Path) -> None:
    service = Service(stopped)
    begun = time.monotonic()
    await service.start()
    seconds = time.monotonic() - begun
    await service.stop()

    print(f"second start: {seconds:.2f} s")
    assert seconds < 10


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_service_and_leaves_nothing_behind(own: Service, how: signal.Signals) -> None:
    await own.start()
    process = own.process
    assert process is not None
    endpoint = Path((own.data_dir / "redis" / "endpoint").read_text())
    (child,) = children(process.pid)

    process.send_signal(how)
    code = await asyncio.to_thread(process.wait, 10)

    assert code == 0
    assert not endpoint.parent.exists()
    assert not Path(f"/proc/{child}").exists()


async def test_a_signal_before_it_is_up_ends_it_as_well(own: Service, tmp_path: Path) -> None:
    starting = asyncio.create_task(own.start())
    while not (own.data_dir / "redis" / "endpoint").exists():
        await asyncio.sleep(0.01)
    process = own.process
    assert process is not None

    process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(process.wait, 15)
    with pytest.raises(AssertionError):
        await starting

    assert code == 0


# --- What an operator sees


async def test_the_figures_count_and_name_nobody(day: Day) -> None:
    booked, provider, client = await in_session(day)
    before = await figures(day)
    await client.ask("end", visit=booked.visit)
    await provider.ask("finish", visit=booked.visit)
    assert await client.closing() == 4510
    after = await figures(day)

    assert before["carelobby_ws_connections"] - after["carelobby_ws_connections"] == 1
    assert after['carelobby_ws_closed_total{code="4510"}'] >= 1
    assert after["carelobby_rooms_commits_total"] >= before["carelobby_rooms_commits_total"] + 2
    assert after["carelobby_rooms_commit_seconds_total"] > before["carelobby_rooms_commit_seconds_total"]
    assert after["process_cpu_seconds_total"] > 0
    assert after["process_resident_memory_bytes"] > 10**6
    for name in (
        *("ws_present", "ws_recovered_total", "ws_resumed_total", "ws_gaps_total", "ws_overflows_total"),
        *("rooms_conflicts_total", "rooms_repeats_total", "rooms_away_total"),
        *("media_visits", "media_peers", "media_packets_forwarded_total"),
        *("owed_outbox", "owed_deliveries", "owed_ends", "loop_lag_seconds"),
    ):
        assert f"carelobby_{name}" in after


async def figures(day: Day) -> dict[str, float]:
    """Return the figures of all nodes, added up."""
    total: defaultdict[str, float] = defaultdict(float)
    for node in day.world.nodes:
        async with httpx.AsyncClient(base_url=node.url) as operator:
            text = (await operator.get("/metrics")).text
        for name in ("ana", "rivera", day.ehr.practice):
            assert not re.search(rf"\b{name}\b", text, re.IGNORECASE)
        for name, _, value in (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")):
            total[name] += float(value)
    return total


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
