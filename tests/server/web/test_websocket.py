"""The socket itself: the door, frames, signs of life, slow readers, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import gc
import json
import struct
from collections import Counter

import pytest
import uvloop
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from server.web.closes import Close
from server.web.headers import security_headers
from server.web.session import Session
from server.web.websocket import WebSocket
from signaling.messages import ChatLine, WaitingText
from tests.server.web.stage import CLIENT, ORIGIN, ROOM, Node, World, raw_upgrade, served, settle, small_socket

GOOD = (
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    f"Origin: {ORIGIN}",
    "Sec-WebSocket-Protocol: carelobby.v1.json",
)


async def refusal(node: Node, *lines: str, path: str = "/v1/ws") -> tuple[int, dict[str, str], dict[str, object]]:
    """Return status, headers and body of an upgrade that must be refused."""
    head, _, body = (await raw_upgrade(node.port, *lines, path=path)).partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    return int(status.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in headers)}, json.loads(body)


# --- The door ---------------------------------------------------------------------------------------


async def test_another_path_is_not_found(node: Node) -> None:
    status, _, body = await refusal(node, *GOOD, path="/v1/wss?x=1")

    assert (status, body["code"]) == (404, "not_found")


async def test_a_foreign_page_is_refused_before_the_upgrade(node: Node) -> None:
    for foreign in ("https://evil.example", "null", "https://visit.example.evil.example", "http://visit.example"):
        status, _, body = await refusal(node, *GOOD[:2], f"Origin: {foreign}", GOOD[3])

        assert (status, body["code"]) == (403, "forbidden")
    assert node.hub.counts.refused == {403: 4}


async def test_two_origins_are_foreign(node: Node) -> None:
    status, _, _ = await refusal(node, *GOOD, "Origin: https://evil.example")

    assert status == 403


async def test_a_program_has_no_origin_and_is_let_in(node: Node) -> None:
    browser = await node.connect(origin=None)

    assert browser.connection.subprotocol == "carelobby.v1.json"


async def test_without_a_subprotocol_of_ours_it_is_refused(node: Node) -> None:
    assert (await refusal(node, *GOOD[:3]))[0] == 400
    assert (await refusal(node, *GOOD[:3], "Sec-WebSocket-Protocol: chat, superchat"))[0] == 400


async def test_a_broken_handshake_is_refused_in_our_words(node: Node) -> None:
    status, _, body = await refusal(node, GOOD[1], GOOD[2], GOOD[3], "Sec-WebSocket-Key: short")
    assert (status, body["code"]) == (400, "bad_message")

    status, _, body = await refusal(node, *GOOD, "X-Long: " + "x" * 9000)
    assert (status, body["code"]) == (400, "bad_message")


async def test_a_refusal_has_the_headers_of_every_response(node: Node) -> None:
    _, headers, _ = await refusal(node, *GOOD, path="/")

    assert headers["content-type"] == "application/problem+json"
    assert dict(security_headers(https=True)).items() <= headers.items()


async def test_one_connection_too_many_is_refused_and_room_comes_back() -> None:
    async with served(World(), connections=1) as node:
        first = await node.connect()
        status, headers, body = await refusal(node, *GOOD)
        assert (status, body["code"], headers["retry-after"]) == (503, "unavailable", "5")

        await first.leave()
        await node.until(lambda: node.hub.counts.connections == 0)

        await node.connect()


async def test_a_draining_node_lets_nobody_in(node: Node) -> None:
    node.hub.draining = True

    status, _, body = await refusal(node, *GOOD)

    assert (status, body["code"]) == (503, "unavailable")


async def test_nothing_is_compressed(node: Node) -> None:
    answer = asyncio.create_task(raw_upgrade(node.port, *GOOD, "Sec-WebSocket-Extensions: permessage-deflate"))
    await node.until(lambda: bool(node.hub.sessions))
    for session in tuple(node.hub.sessions.values()):
        session.wire._abort()  # type: ignore[attr-defined]

    assert b"101 Switching Protocols" in await answer
    assert b"xtensions" not in answer.result()


# --- Frames -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
async def test_both_subprotocols_say_the_same(node: Node, packed: bool) -> None:
    browser = await node.enter(packed=packed)

    await browser.send(type="ping", id=7)

    assert await browser.get() == {"type": "ok", "re": 7}
    assert browser.welcome["role"] == "client"


async def test_the_wrong_kind_of_frame_is_a_bad_message(node: Node) -> None:
    text, packed = await node.enter(device="a"), await node.enter(device="b", packed=True)

    await text.connection.send(b'{"type":"ping","id":1}')
    await packed.connection.send('{"type":"ping","id":1}')

    for browser in (text, packed):
        error = await browser.get("error")
        assert (error["code"], error["temporary"]) == ("bad_message", False)


async def test_a_message_in_fragments_is_one_message(node: Node) -> None:
    browser = await node.enter()

    await browser.connection.send(iter(['{"type":"pi', "", 'ng","i', 'd":3}']))

    assert await browser.get() == {"type": "ok", "re": 3}


async def test_a_message_at_the_limit_is_read_and_one_byte_more_closes(node: Node) -> None:
    browser = await node.enter()
    ping = '{"type":"ping","id":1}'

    await browser.connection.send(ping + " " * (64 * 1024 - len(ping)))
    assert await browser.get() == {"type": "ok", "re": 1}

    await browser.connection.send(ping + " " * (64 * 1024 - len(ping) + 1))
    assert await browser.closed() == 1009


async def test_fragments_together_are_held_to_the_limit(node: Node) -> None:
    browser = await node.enter()

    await browser.connection.send(iter([" " * 40_000, " " * 40_000]))

    assert await browser.closed() == 1009
    assert node.hub.counts.closed[1009] == 1


async def test_a_frame_against_the_standard_closes(node: Node) -> None:
    browser = await node.enter()

    browser.connection.transport.write(b"\xf1\x80\x00\x00\x00\x00")  # reserved bits

    assert await browser.closed() == 1002


async def test_a_ping_is_answered_by_a_pong(node: Node) -> None:
    browser = await node.enter()

    pong = await browser.connection.ping(b"are you there")

    async with asyncio.timeout(5):
        await pong


async def test_a_flood_of_pings_is_no_way_around_the_rate(node: Node) -> None:
    browser = await node.enter()

    browser.connection.transport.write(Frame(Opcode.PING, b"").serialize(mask=True) * 400)

    assert await browser.closed() == Close.RATE


# --- Signs of life ----------------------------------------------------------------------------------


async def test_a_silent_connection_is_pinged_and_then_closed(node: Node) -> None:
    browser = await node.enter()
    browser.connection.transport.pause_reading()  # its pongs stay out

    await node.pass_time(19)
    assert node.hub.counts.present == 1
    await node.pass_time(2)
    assert node.hub.counts.closed == {Close.NO_HEARTBEAT: 1}

    browser.connection.transport.resume_reading()
    assert await browser.closed() == Close.NO_HEARTBEAT


async def test_a_browser_that_only_answers_pings_lives(node: Node) -> None:
    browser = await node.enter()

    for _ in range(6):
        await node.pass_time(10)
        await node.until(lambda: node.world.now - browser_heard(node) < 10_000)

    assert node.hub.counts.closed == {}
    await browser.quiet()


def browser_heard(node: Node) -> int:
    """Return when the node heard the only browser."""
    (session,) = node.hub.sessions.values()
    return session.wire.heard


async def test_whoever_says_nothing_at_first_is_closed_after_5_s(node: Node) -> None:
    browser = await node.connect()

    await node.pass_time(4)
    assert not node.hub.counts.closed
    await node.pass_time(1)

    assert await browser.closed() == Close.NO_HELLO


# --- Slow readers -----------------------------------------------------------------------------------


async def slow_reader(node: Node) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect with tiny buffers, be welcomed, and read no more."""
    reader, writer = await asyncio.open_connection(sock=small_socket(node.port), limit=1024)
    upgrade = "\r\n".join(
        ("GET /v1/ws HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket", *GOOD, "", "")
    )
    hello = json.dumps({"type": "hello", "protocol": 1, "ticket": node.world.ticket(), "device": "d"}).encode()
    writer.write(upgrade.encode())
    await reader.readuntil(b"\r\n\r\n")
    writer.write(Frame(Opcode.TEXT, hello).serialize(mask=True))
    await node.until(lambda: node.hub.counts.present == 1)
    writer.transport.pause_reading()
    return reader, writer


async def test_a_slow_reader_is_closed_and_its_memory_is_bounded() -> None:
    async with served(World(), mailbox_bytes=50_000, close_within=200) as node:
        _, writer = await slow_reader(node)
        (session,) = node.hub.sessions.values()
        wire = session.wire
        line = ChatLine(participant="x", text="y" * 2000, at=0)
        most = 0

        for _ in range(5000):
            if not node.hub.send(ROOM, [CLIENT.participant], line):
                break
            most = max(most, wire._transport.get_write_buffer_size() + (wire._mailbox.size if wire._mailbox else 0))  # type: ignore[attr-defined]

        assert session.over == Close.TOO_SLOW
        assert node.hub.counts.overflows == 1
        assert most < node.hub.limits.write_buffer + 50_000 + 4096
        # It does not take the close frame either, and is cut off.
        await node.until(lambda: node.hub.counts.connections == 0)
        writer.close()


async def test_what_a_slow_reader_was_sent_comes_before_the_close() -> None:
    async with served(World(), close_within=500) as node:
        reader, writer = await slow_reader(node)
        (session,) = node.hub.sessions.values()
        while not session.wire._full:  # type: ignore[attr-defined]
            node.hub.send(ROOM, [CLIENT.participant], ChatLine(participant="x", text="y" * 2000, at=0))
        node.hub.send(ROOM, [CLIENT.participant], WaitingText(text="the last word", status="late"))

        node.hub.close(ROOM, CLIENT.participant, Close.REMOVED)
        writer.transport.resume_reading()

        close = b"\x88\x02" + struct.pack("!H", Close.REMOVED)
        async with asyncio.timeout(5):
            everything = await _read_to_the_end(reader)
        assert everything.endswith(close)
        assert everything.index(b"the last word") < everything.index(close)
        writer.close()


async def _read_to_the_end(reader: asyncio.StreamReader) -> bytes:
    everything = b""
    try:
        while data := await reader.read(65536):
            everything += data
    except ConnectionResetError:
        pass  # cut off, because it does not answer the close frame
    return everything


# --- The end ----------------------------------------------------------------------------------------


async def test_whoever_does_not_answer_the_close_is_cut_off() -> None:
    async with served(World(), close_within=100) as node:
        browser = await node.enter()
        browser.connection.transport.pause_reading()

        node.hub.close(ROOM, CLIENT.participant, Close.REMOVED)

        await node.until(lambda: node.hub.counts.connections == 0)


async def test_uvicorn_stopping_sends_everybody_elsewhere(node: Node) -> None:
    browser, stranger = await node.enter(), await node.connect()

    for connection in tuple(next(iter(node.hub.sessions.values())).wire._connections):  # type: ignore[attr-defined]
        connection.shutdown()

    assert await browser.closed() == Close.DRAINING
    assert await stranger.closed() == Close.DRAINING


def test_closing_two_thousand_connections_leaves_no_garbage() -> None:
    """What a node with a held-back collector depends on: whatever a connection used is freed when it is gone.

    On uvloop, as in production: each transport of asyncio's own loop holds itself by a bound method.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        left, closed = runner.run(_garbage_of_two_thousand_connections())

    assert closed.keys() >= {1000, 1006, 1009}
    assert left == {}


async def _garbage_of_two_thousand_connections() -> tuple[Counter[str], Counter[int]]:
    hello = b'{"type":"hello","protocol":1,"ticket":"%s","device":"d"}'
    farewells = (
        Frame(Opcode.CLOSE, struct.pack("!H", 1000)).serialize(mask=True),
        Frame(Opcode.TEXT, b'{"type":"bye"}').serialize(mask=True),
        Frame(Opcode.TEXT, b" " * 70_000).serialize(mask=True),  # 1009
        b"",  # just gone
    )

    async def come_and_go(node: Node, farewell: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        upgrade = ("GET /v1/ws HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket", *GOOD, "", "")
        writer.write("\r\n".join(upgrade).encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(Frame(Opcode.TEXT, hello % node.world.ticket().encode()).serialize(mask=True))
        await reader.readuntil(b'"view"')
        writer.write(farewell)
        writer.write_eof()
        await _read_to_the_end(reader)
        writer.close()

    async with served(World()) as node:
        await come_and_go(node, b"")
        await settle()
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                await asyncio.gather(*(come_and_go(node, farewell) for farewell in farewells * 10))
            await node.until(lambda: node.hub.counts.connections == 0 and not node.hub._tasks)
            await settle()
            # A suspended generator dies quietly in the collector's hands, so those it holds are looked for before.
            held = [thing for thing in gc.get_objects() if isinstance(thing, ServerProtocol | WebSocket | Session)]
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = Counter(f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in (*held, *gc.garbage))
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        return left, node.hub.counts.closed
