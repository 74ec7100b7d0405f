"""Janus, where it is installed, under the same load: a process of its own, driven over its WebSocket.

Its echo test sends each peer what it sent: unprotected, rewritten, protected, as between two, but to one and the same.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from loadtests.media.caller import Caller
from loadtests.media.plain import HOST, PROFILES
from loadtests.media.process import Host, Missing
from loadtests.media.scenes import Scene, until
from loadtests.media.traffic import Clip

PATIENCE: Final = 20.0
PLUGIN: Final = "janus.plugin.echotest"
CONFIGURATION: Final = """
general: {{ configs_folder = "{here}", debug_level = 2, admin_secret = "{secret}", session_timeout = 0 }}
media: {{ ipv6 = false }}
"""
SOCKET: Final = """
general: {{ ws = true, ws_port = {port}, ws_ip = "{host}", wss = false }}
admin: {{ admin_ws = false }}
"""


class Janus:
    """One connection to it, one session, a handle for each peer."""

    def __init__(self, socket: ClientConnection) -> None:
        """`socket` speaks `janus-protocol`."""
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read(), name="janus")
        self._session = 0

    async def begin(self) -> None:
        """Make the session."""
        self._session = (await self._ask({"janus": "create"}))["data"]["id"]

    async def echo(self, sdp: str) -> str:
        """Return the answer to an offer, of a new handle whose media come back."""
        handle = (await self._ask({"janus": "attach", "plugin": PLUGIN}))["data"]["id"]
        message = {"janus": "message", "handle_id": handle, "body": {"audio": True, "video": True}}
        said = await self._ask(message | {"jsep": {"type": "offer", "sdp": sdp, "trickle": False}})
        return str(said["jsep"]["sdp"])

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        name = str(next(self._numbers))
        self._waiting[name] = future = asyncio.get_running_loop().create_future()
        session = {"session_id": self._session} if self._session else {}
        await self._socket.send(json.dumps(request | session | {"transaction": name}))
        said: dict[str, Any] = await asyncio.wait_for(future, PATIENCE)
        if said["janus"] == "error":
            raise Missing(f"it answers {said['error']['reason']}")
        return said

    async def _read(self) -> None:
        async for frame in self._socket:
            said = json.loads(frame)
            future = self._waiting.get(said.get("transaction", ""))
            # Of a message it first says that it has it; what it makes of it comes later.
            if future is not None and not future.done() and said["janus"] != "ack":
                future.set_result(said)

    async def close(self) -> None:
        """Let everything go."""
        await self._socket.close()
        await asyncio.gather(self._reading, return_exceptions=True)


async def scene(
    stack: AsyncExitStack,
    visits: int,
    lines: Sequence[tuple[str, str]],
    clips: Sequence[Clip],
    profile: str,
) -> Scene:
    """Return as many peers as so many visits have, each with its echo. Raise `Missing`."""
    program = shutil.which("janus")
    if program is None:
        raise Missing("janus is not installed")
    here = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="janus")))
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    said = {"here": here, "port": port, "host": HOST, "secret": os.urandom(8).hex()}
    (here / "janus.jcfg").write_text(CONFIGURATION.format(**said))
    (here / "janus.transport.websockets.jcfg").write_text(SOCKET.format(**said))
    log = stack.enter_context((here / "log").open("wb"))
    command = (program, "--config", str(here / "janus.jcfg"), "--configs-folder", str(here))
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, cwd=here, stdout=log, stderr=log, stdin=nothing)

    async def end() -> None:
        if process.returncode is None:
            process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    janus = Janus(await _reached(port, process))
    stack.push_async_callback(janus.close)
    await janus.begin()

    async def usage() -> dict[str, float]:
        return {"cpu": _cpu(process.pid)}

    scene = Scene(cast(Host, None), usage)
    for _ in range(2 * visits):
        # It takes no part in ICE on 127.0.0.1.
        caller = Caller(lines, profile=PROFILES[profile].openssl, loopback=False)
        stack.push_async_callback(caller.close)
        await caller.accept(await janus.echo(await caller.offer()))
        await until(lambda caller=caller: caller.connected, "connected to Janus")  # type: ignore[misc]
        scene.send(caller, clips)
    return scene


def _cpu(pid: int) -> float:
    """Return the seconds that another process has used, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _reached(port: int, process: asyncio.subprocess.Process) -> ClientConnection:
    for _ in range(300):
        if process.returncode is not None:
            raise Missing(f"it ended with {process.returncode}")
        try:
            return await connect(f"ws://{HOST}:{port}", subprotocols=[Subprotocol("janus-protocol")], proxy=None)
        except (OSError, WebSocketException):
            await asyncio.sleep(0.1)
    raise Missing("it does not listen")
