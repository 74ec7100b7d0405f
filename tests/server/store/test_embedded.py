"""The embedded server, with the real binary: it starts, comes back, keeps what it answered, and lets go."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.store import embedded
from server.store.embedded import (
    DataDirectoryLocked,
    EmbeddedServer,
    EmbeddedServerFailed,
    NoServerBinary,
    Restarts,
    find_binary,
    packaged_binary,
)

IMPATIENT = Restarts(first_pause=0.01, longest_pause=0.02)


async def ask(url: str, command: str) -> str:
    """Send one inline command and return the last line of its reply: the value, or `+OK`, or an error."""
    reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix://"))
    writer.write(f"{command}\r\nQUIT\r\n".encode())
    *_, answer, farewell, _ = (await asyncio.wait_for(reader.read(), 5)).decode().split("\r\n")
    writer.close()
    await writer.wait_closed()
    assert farewell == "+OK"
    return answer


async def ask_until_it_answers(url: str, command: str) -> str:
    """As `ask`, through a restart."""
    async with asyncio.timeout(10):
        while True:
            try:
                answer = await ask(url, command)
            except OSError:
                answer = ""
            except ValueError:  # cut off between two lines
                answer = ""
            if answer and not answer.startswith("-LOADING"):
                return answer
            await asyncio.sleep(0.01)


def runs(pid: int | str) -> bool:
    """Whether a process has this id and is not just waiting for its parent to take note of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until_gone(pid: int) -> None:
    """Wait until no process has this id."""
    async with asyncio.timeout(10):
        while runs(pid):
            await asyncio.sleep(0.01)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path, restarts=IMPATIENT)
    await server.start()
    yield server
    await server.stop()


def test_the_package_holds_a_binary_for_this_system() -> None:
    binary = packaged_binary()

    assert binary is not None
    assert os.access(binary, os.X_OK)
    assert find_binary(None) == binary


def test_without_the_package_a_server_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = find_binary(None)
    old = tmp_path / "valkey-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=0'\n")
    old.chmod(0o755)
    (tmp_path / "redis-server").symlink_to(packaged)
    monkeypatch.setattr(embedded, "packaged_binary", lambda: None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert find_binary(None) == tmp_path / "redis-server"


def test_without_any_server_one_message_names_the_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "packaged_binary", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoServerBinary, match=r"CARELOBBY_REDIS_SERVER.*CARELOBBY_REDIS_URL"):
        find_binary(None)


def test_a_chosen_program_that_is_no_server_is_refused_and_not_replaced(tmp_path: Path) -> None:
    for choice in (tmp_path / "absent", Path("/bin/true")):
        with pytest.raises(NoServerBinary, match="CARELOBBY_REDIS_SERVER"):
            find_binary(choice)


async def test_it_is_configured_to_lose_nothing_and_to_be_private(server: EmbeddedServer) -> None:
    socket = Path(server.url.removeprefix("unix://"))
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700
    assert len(os.fsencode(socket)) <= embedded.SOCKET_PATH_MAX
    for name, value in {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
    }.items():
        assert (name, await ask(server.url, f"CONFIG GET {name}")) == (name, value)


async def test_a_killed_server_comes_back_at_the_same_address_with_what_it_answered(
    server: EmbeddedServer,
) -> None:
    url, killed = server.url, server.pid
    assert killed is not None
    assert await ask(url, "SET greeting hello") == "+OK"

    os.kill(killed, signal.SIGKILL)

    await until_gone(killed)
    assert await ask_until_it_answers(url, "GET greeting") == "hello"
    assert server.url == url
    assert server.pid not in (None, killed)


async def test_a_server_that_crashes_again_and_again_is_given_up_with_its_last_words(
    server: EmbeddedServer,
) -> None:
    given_up = asyncio.create_task(server.failed())
    for _ in range(IMPATIENT.crashes):
        await ask_until_it_answers(server.url, "PING")
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until_gone(pid)

    async with asyncio.timeout(10):
        with pytest.raises(EmbeddedServerFailed, match="crashed 5 times"):
            await given_up
    assert len(server.log) > 0


def test_restarts_wait_longer_each_time_up_to_a_limit() -> None:
    assert [round(Restarts().pause(n), 1) for n in range(1, 6)] == [0.1, 0.4, 1.6, 5.0, 5.0]


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    server.directory.mkdir()
    (server.directory / "appendonlydir").write_text("a file where a directory must be")

    with pytest.raises(EmbeddedServerFailed, match=r"did not start \(exit code 1\)") as failure:
        await server.start()

    assert "appendonlydir" in str(failure.value)
    assert server.pid is None


async def test_stopping_frees_everything_and_may_be_done_twice(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    url = await server.start()
    pid, socket = server.pid, Path(url.removeprefix("unix://"))
    await ask(url, "SET greeting hello")

    await server.stop()
    await server.stop()

    assert pid is not None
    assert not runs(pid)
    assert not socket.parent.exists()
    async with EmbeddedServer(tmp_path) as again:
        assert await ask(again, "GET greeting") == "hello"


async def test_a_second_service_on_the_same_directory_is_told_what_to_do(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOCK_WAIT", 0.1)

    with pytest.raises(DataDirectoryLocked, match=r"stop that one, or choose another.*CARELOBBY_DATA_DIR"):
        await EmbeddedServer(tmp_path).start()

    assert await ask(server.url, "PING") == "+PONG"


async def test_a_service_killed_at_once_takes_its_server_along_and_a_new_one_finds_all(
    tmp_path: Path,
) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from pathlib import Path
        from server.store.embedded import EmbeddedServer

        async def main():
            server = EmbeddedServer(Path(sys.argv[1]))
            print(await server.start(), server.pid, flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
        """
    )
    service = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    url, pid = (await asyncio.to_thread(service.stdout.readline)).split()
    await ask(url, "SET greeting hello")

    service.kill()
    async with EmbeddedServer(tmp_path) as again:
        survivors = runs(pid)
        answer = await ask(again, "GET greeting")
        left_behind = Path(url.removeprefix("unix://")).parent.exists()
    service.wait()
    service.stdout.close()

    assert answer == "hello"
    assert not survivors
    assert not left_behind
