"""The class given to uvicorn as `ws=`: one WebSocket's transport, on websockets' protocol without I/O.

uvicorn makes one for each upgrade, calls `connection_made` and `data_received` with the request it has read, and
only then makes it the transport's protocol. No ASGI, no task, no queue and no timer stand between the
socket and its `Session`: that is where the speed and the small memory come from.

Nothing here may leave a reference cycle behind, because the node runs with the garbage collector held back:
`connection_lost` cuts every tie, and a test counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Any, ClassVar, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from server.web.closes import Close
from server.web.frames import Packet
from server.web.hub import Hub
from server.web.mailbox import Full, Mailbox
from server.web.session import Session
from server.web.upgrade import SUBPROTOCOLS, Gate, Refusal
from signaling.fields import SUBPROTOCOL_MSGPACK

# Never below WARNING: websockets writes whole frames into its debug log, and frames hold what people said.
_quiet = logging.getLogger("carelobby.websockets")
_quiet.setLevel(logging.WARNING)


def make_protocol(hub: Hub, *, origins: Collection[str], https: bool) -> type[asyncio.Protocol]:
    """Return the class for `uvicorn.Config(ws=...)`.

    `origins` are the pages that may connect (scheme, host, and port if unusual); `https`: reached by https.
    """

    class CarelobbyWebSocket(WebSocket):
        __slots__ = ()
        _hub = hub
        _gate = Gate(origins=origins, https=https)

    return CarelobbyWebSocket


class WebSocket(asyncio.Protocol):
    """One socket, from its upgrade to its end."""

    __slots__ = (
        "_closing",
        "_conn",
        "_connections",
        "_full",
        "_mailbox",
        "_parts",
        "_parts_packed",
        "_pong",
        "_session",
        "_timer",
        "_transport",
        "heard",
        "packed",
    )

    _hub: ClassVar[Hub]
    _gate: ClassVar[Gate]

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """uvicorn's contract. Its configuration is not ours: the hub has the limits."""
        self._connections: set[Any] = server_state.connections
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._conn = ServerProtocol(subprotocols=SUBPROTOCOLS, max_size=self._hub.limits.frame, logger=_quiet)
        self._mailbox: Mailbox | None = None
        """Made when the reader is slow for the first time."""
        self._full = False
        """The transport's buffer is."""
        self._pong: bytes | None = None
        """The latest that a full transport keeps back."""
        self._parts: bytearray | None = None
        """A fragmented message, as far as it has come."""
        self._parts_packed = False
        self._closing: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.heard = self._hub.steady()
        self.packed = False

    # --- The transport's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._hub.limits.write_buffer)
        http = self._transport.get_protocol()
        if getattr(http, "parser", None) is not None:
            # uvicorn's HTTP side, which has done its work: it and its parser hold each other, and the transport.
            http.parser = None  # type: ignore[attr-defined]
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Read what came: any frame is a sign of life."""
        self.heard = self._hub.steady()
        conn = self._conn
        conn.receive_data(data)
        if conn.handshake_exc is not None:
            self._refuse(Refusal(400, "bad_message"))
            return
        for event in conn.events_received():
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Request):
                self._upgrade(event)
        self._flush()
        if conn.parser_exc is not None and self._session is not None:
            code = Close.ABNORMAL if conn.close_sent is None else int(conn.close_sent.code)
            self._closing = self._closing or code
            self._session.lost(code)

    def eof_received(self) -> None:
        """Let the transport close itself: nobody who has stopped sending is served."""

    def pause_writing(self) -> None:
        """Keep back what follows: the reader is slow."""
        self._full = True

    def resume_writing(self) -> None:
        """Write what was kept back."""
        self._full = False
        if self._pong is not None:
            pong, self._pong = self._pong, None
            self._write(pong)
        while self._mailbox and not self._full:
            self._write(self._mailbox.take())
        if self._closing is not None and not self._mailbox:
            self._say_close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and cut every tie."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._connections.discard(self)
        session, self._session = self._session, None
        received = self._conn.close_rcvd
        self._conn.parser = None  # type: ignore[assignment]  # a generator holds its frame, and that the connection
        self._conn.parser_exc = None  # a traceback holds frames, too
        self._transport = None
        if session is not None:
            self._hub.closed()
            session.lost(int(received.code) if received is not None else Close.ABNORMAL)

    def shutdown(self) -> None:
        """uvicorn stops."""
        if self._session is not None:
            self._session.close(Close.DRAINING)
        elif self._transport is not None:
            self._transport.close()

    # --- The upgrade --------------------------------------------------------------------------------

    def _upgrade(self, request: Request) -> None:
        hub = self._hub
        refusal = self._gate.judge(request, full=hub.full, draining=hub.draining)
        if refusal is not None:
            self._refuse(refusal)
            return
        response = self._conn.accept(request)
        if response.status_code != 101:
            # The error knows its frames, and they the request and the error.
            request._exception = None
            self._refuse(Refusal(response.status_code, "bad_message", {"Upgrade": "websocket"}))
            return
        self._conn.send_response(response)
        self.packed = self._conn.subprotocol == SUBPROTOCOL_MSGPACK
        self._session = hub.open(self)

    def _refuse(self, refusal: Refusal) -> None:
        self._hub.counts.refused[refusal.status] += 1
        self._conn.handshake_exc = None
        self._conn.data_to_send()  # whatever websockets would have said
        if self._transport is not None:
            self._transport.write(self._gate.response(refusal).serialize())
            self._transport.close()

    # --- Frames from the browser --------------------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        session = self._session
        if session is None:
            return
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY:
                packed = frame.opcode is Opcode.BINARY
                if frame.fin:
                    session.received(cast(bytes, frame.data), packed=packed)
                else:
                    self._parts, self._parts_packed = bytearray(frame.data), packed
            case Opcode.CONT if self._parts is not None:
                self._parts += frame.data
                if frame.fin:
                    parts, self._parts = self._parts, None
                    session.received(parts, packed=self._parts_packed)
            case Opcode.PING:
                session.pinged_by_peer()
            case Opcode.PONG:
                session.ponged()
            case _:
                pass  # a close was answered by `ServerProtocol`

    def _flush(self) -> None:
        """Write what websockets has to say: pongs, its part of a closing handshake, the end after an error."""
        ended = False
        for data in self._conn.data_to_send():
            if not data:
                ended = True
            elif self._full and self._conn.state is OPEN:
                # "MAY elect to send a Pong frame for only the most recently processed Ping frame" (RFC 6455, 5.5.3)
                self._pong = data
            else:
                self._write(data)
        if not ended or self._transport is None:
            return
        if self._conn.close_rcvd is not None:
            self._transport.close()
            return
        # Closing now, with bytes unread, would be a reset, and the reset would overtake the close frame.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._limit_closing()

    # --- The session's side -------------------------------------------------------------------------

    def send(self, packet: Packet) -> None:
        """Write, or keep for a slow reader, who is closed with 4008 when it becomes too much."""
        if self._closing is not None or self._transport is None:
            return
        if not self._full and not self._mailbox:
            self._write(packet.frame(packed=self.packed))
            return
        if self._mailbox is None:
            limits = self._hub.limits
            self._mailbox = Mailbox(max_bytes=limits.mailbox_bytes, max_count=limits.mailbox_count)
        try:
            self._mailbox.put(packet, packed=self.packed)
        except Full:
            self._mailbox.clear()
            if self._session is not None:
                self._session.close(Close.TOO_SLOW)

    def ping(self) -> None:
        """Ask for a sign of life; not of a reader who has our earlier words still to take."""
        if not self._full and self._conn.state is OPEN:
            self._conn.send_ping(b"")
            self._flush()

    def close(self, code: int) -> None:
        """Close after everything sent so far."""
        if self._closing is not None or self._transport is None:
            return
        self._closing = code
        self._transport.resume_reading()  # the answer to our close frame is to be heard
        self._limit_closing()
        if not self._mailbox:
            self._say_close()

    def pause(self) -> None:
        """Read nothing more for now."""
        if self._transport is not None and self._closing is None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and self._closing is None:
            self._transport.resume_reading()

    def _say_close(self) -> None:
        if self._conn.state is OPEN and self._closing is not None:
            self._conn.send_close(self._closing)
            self._flush()

    def _limit_closing(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._hub.limits.close_within / 1000, self._abort)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
