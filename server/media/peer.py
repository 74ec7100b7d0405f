"""One peer: a browser's connection to this node, its lines, and what arrives on them."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiortc import RTCDtlsTransport, RTCIceServer, RTCSessionDescription
from pylibsrtp import Error as SrtpError

from server.media import feedback, ice, offer, rtp, seam
from server.media.alive import KNOCK
from server.media.beginning import LONGEST, MOST
from server.media.congestion import Congestion
from server.media.guard import Guard
from server.media.heard import Heard
from server.media.lane import Lane
from server.media.networks import Networks
from server.media.reception import Meter
from server.media.relay import Path, Sink, Source
from server.media.rtp import TRANSPORT_WIDE, Malformed
from server.media.srtp import InPlace
from server.media.streams import Streams
from server.media.wire import Wire, Wires
from signaling.errors import StaleRound

logger = logging.getLogger(__name__)

MOST_EARLY: Final = 64
"""How many packets are kept that come before aiortc has finished the handshake: a browser's first picture is there."""
CLOSE_WITHIN: Final = 10.0
"""Seconds; it takes milliseconds."""

State = Literal["new", "connected", "closed"]


@dataclass(slots=True)
class Line:
    """One line of a peer, both ways."""

    mid: str
    kind: str
    source: Source
    sink: Sink
    offered: bool = False
    """Whether it is a part of the last offer, and not stopped."""
    sends: bool = False
    """Whether the peer may send on it."""
    receives: bool = False
    """Whether the peer wants to get something on it."""


class Peer:
    """A connection and its lines. Created by the first offer of a peer id; later rounds change it."""

    def __init__(
        self,
        number: int,
        *,
        monotonic: Callable[[], float],
        ice_servers: Sequence[RTCIceServer] = (),
        loopback: bool = False,
        networks: Networks = ice.ANYWHERE,
        wires: Wires,
        chance: random.Random,
    ) -> None:
        """`number` is for the log: the peer's id is its client's choice."""
        self.changed: Callable[[Peer], None] = lambda this: None
        """Told when `state` has changed; whoever has the peer sets it."""
        self.name = name = f"peer {number}"
        self._number = number
        self.state: State = "new"
        self.round = -1
        """The newest round that was asked for."""
        self.lock = asyncio.Lock()
        self.lines: dict[str, Line] = {}
        """By mid, in the order of their appearance."""
        self.held = False
        """Whether it waits: it was answered, but nothing that it sends is heard, and nothing is sent to it."""
        self.let_in_at = math.inf
        """Since when whoever has a waiting peer is in a visit, by this node's clock; it is said when the peer is."""
        self.newest = True
        """Whether no newer peer of the same participant is connected."""
        self.since = monotonic()
        self.heard = Heard(monotonic())
        self.excess = 0
        """Datagrams beyond its budget."""
        self.guard = Guard(name)
        self.path = Path(name)
        self.congestion = Congestion(self.path)
        self.now = monotonic
        self._chance, self._loopback, self._networks, self._wires = chance, loopback, networks, wires
        self._candidates: set[tuple[str, int]] = set()
        self._book = offer.Book()
        self._agreed = ""
        """The last offer that was answered, as aiortc had it."""
        self._connection = seam.connection(ice_servers)
        self._dtls: RTCDtlsTransport | None = None
        self._streams = Streams(monotonic)
        self._way: seam.Way | None = None
        self._wire: Wire | None = None
        self._opener: InPlace | None = None
        """Unprotects a packet where it lies, as `_unprotect` does."""
        self._unprotect: Callable[[bytes], bytes] | None = None
        self._unprotect_rtcp: Callable[[bytes], bytes] | None = None
        self._early: list[bytes] = []
        self._overtook: deque[tuple[float, bytes]] = deque(maxlen=MOST)
        """What a waiting peer sent last, and when."""
        self._broken = False

    # --- Negotiation

    def expect(self, number: int) -> None:
        """Note that an offer of that round has come. Raise `StaleRound` if it is not newer than all before."""
        if number <= self.round:
            raise StaleRound
        self.round = number

    @property
    def gone(self) -> bool:
        """Whether the peer is closed, or closing."""
        return self.state == "closed"

    def insist(self, number: int) -> None:
        """Raise `StaleRound` if a newer offer has come meanwhile, or the peer is gone."""
        if number != self.round or self.gone:
            raise StaleRound

    async def answer(self, offered: offer.Offer, *, hold: bool = False) -> str:
        """Take an offer and return the answer's text. Raise `BadSdp`. One at a time (`lock`).

        `hold`: all is agreed on as ever, but no line carries anything until the next answer.
        """
        text = self._book.write(offered)
        if text == self._agreed:
            # What waited is let in: the lines are agreed on already, and aiortc takes milliseconds to say so again.
            for candidate in offered.candidates:
                await self.add(candidate)
            return self._said(offered, hold=hold)
        await self._connection.setRemoteDescription(RTCSessionDescription(text, "offer"))
        if self.gone:
            raise StaleRound
        counts = {"audio": 0, "video": 0}
        for transceiver in self._connection.getTransceivers():
            seam.silence(transceiver)
            # The nth microphone and the nth camera are of one participant: played in step.
            seam.name_stream(transceiver, f"{self._number}-{counts[transceiver.kind]}")
            counts[transceiver.kind] += 1
        if self._dtls is None:
            self._stand_guard()
        for candidate in offered.candidates:
            await self.add(candidate)
        await self._connection.setLocalDescription()
        if self.gone:
            raise StaleRound
        self._agreed = text
        return self._said(offered, hold=hold)

    def _said(self, offered: offer.Offer, *, hold: bool) -> str:
        local = self._connection.localDescription.sdp
        waited, self.held = self.held, hold
        self._settle(offered, offer.agreed(local))
        if waited and not hold:
            self._catch_up()
        return offer.finish(local, offered)

    def _catch_up(self) -> None:
        """Hear what overtook the offer by which a waiting peer was let in, and nothing from before `let_in_at`."""
        overtook, self._overtook = self._overtook, deque(maxlen=MOST)
        for at, packet in overtook:
            route = self._streams.route(packet)
            if route is not None and at >= max(self.let_in_at, self.now() - LONGEST):
                route(packet, at)

    def _stand_guard(self) -> None:
        dtls = self._dtls = seam.transport(self._connection)
        # A reference to self from the transport's handlers goes when aiortc forgets them at close.
        self._connection.on("connectionstatechange", self._connection_changed)

        def before(protocol: Any, hand_on: seam.Received) -> seam.Received:
            return self.guard.before(
                hand_on,
                media=self._media,
                is_live=lambda address: seam.is_live(dtls, protocol, address),
                stun=self._stun,
            )

        seam.stand_guard(dtls, lambda found: ice.hosts(found, loopback=self._loopback), before)

    def _settle(self, offered: offer.Offer, agreed: Mapping[str, offer.Line]) -> None:
        """Bring the lines in accordance with what has just been negotiated."""
        wanted = {line.mid: line for line in offered.usable}
        for transceiver in self._connection.getTransceivers():
            mid = transceiver.mid or ""
            ssrc, rtx_ssrc = seam.streams(transceiver)
            line = self.lines.get(mid) or self._new_line(mid, transceiver.kind, ssrc, rtx_ssrc)
            asked, given = wanted.get(mid), agreed[mid]
            line.source.formats = line.sink.formats = offer.settled(given, asked)
            line.sink.cname = given.cname
            line.offered = asked is not None
            line.sends = asked is not None and asked.sends and not self.held
            line.receives = asked is not None and asked.receives and not self.held
            if asked is not None and line.sends:
                self._streams.announce(line.source, asked.ssrc, asked.rtx_ssrc)

    def _new_line(self, mid: str, kind: str, ssrc: int, rtx_ssrc: int) -> Line:
        first, timestamp = self._chance.randrange(1, 1 << 15), self._chance.randrange(1 << 32)
        sink = Sink(self.path, mid, ssrc=ssrc, rtx_ssrc=rtx_ssrc, first=first, timestamp=timestamp)
        line = self.lines[mid] = Line(mid, kind, Source(self.path, kind, ssrc), sink)
        self._streams.expect(sink)
        return line

    def _sending(self) -> Iterator[tuple[str, Source]]:
        """Yield the lines that the peer may send on: their mids, and what comes on them."""
        return ((line.mid, line.source) for line in self.lines.values() if line.sends)

    def numbered(self) -> list[Source]:
        """Return what this peer sends with transport-wide numbers."""
        return [source for _, source in self._sending() if TRANSPORT_WIDE in source.formats.extensions]

    async def add(self, text: str) -> bool:
        """Add a candidate of the browser, if it is worth it; return False if there are too many already."""
        found = ice.parse(text, self._networks)
        if found is None or self._dtls is None or (found.ip, found.port) in self._candidates:
            return True
        if len(self._candidates) >= ice.LIMIT:
            return False
        self._candidates.add((found.ip, found.port))
        await self._dtls.transport.addRemoteCandidate(found)
        return True

    # --- State

    def _connection_changed(self) -> None:
        reached = self._connection.connectionState
        if reached == "connected" and self.state == "new" and self._dtls is not None:
            self._unprotect, self._unprotect_rtcp = seam.openers(self._dtls)
            self._opener, closer = seam.in_place(self._dtls)
            self.path.close_with(closer)
            self.path.protect, self.path.protect_rtcp = seam.closers(self._dtls)
            self.state = "connected"
            self.heard.since = self.heard.at = self.now()
            self.find_way()
            self.changed(self)
            early, self._early = self._early, []
            for data in early:
                self._media(data)
        elif reached in {"failed", "closed"} and self.state != "closed":
            self.halt()
            self.changed(self)

    def find_way(self) -> None:
        """Follow ICE to the pair that it uses now."""
        way = seam.nominated(self._dtls) if self._dtls is not None and self.state == "connected" else None
        if way is not None and way != self._way:
            self._go(way)
        self.path.open = way is not None

    def _go(self, way: seam.Way) -> None:
        """Send and hear by this way from now on."""
        self._cut()
        self._way = way
        opener = self._opener if way.is_direct else None
        wire = self._wires.lay(way.socket, way.address) if opener is not None else None
        if wire is None or opener is None:
            sendto, address = way.socket.sendto, way.address
            self.path.send = lambda data: sendto(bytes(data), address)
            return
        self._wire, self.path.send = wire, wire.send
        wire.begin(Lane(self, self._streams.lanes, opener, wire.receive_into, way.received).ready, way.received)

    def _cut(self) -> None:
        self._way = None
        if self._wire is not None:
            self._wire.cut()
            self._wire = None

    def look_after(self, now: float) -> None:
        """Do what is to be done by and by: follow ICE, let the peer send more, ask for a sign if there was none."""
        self.find_way()
        self.heard.move(now)
        if self._dtls is not None and self.path.open and now - self.heard.at >= KNOCK:
            seam.knock(self._dtls)

    def halt(self) -> None:
        """From now on, nothing of this peer is forwarded and nothing is sent to it."""
        self.state = "closed"
        self.path.close()
        self._cut()
        self._unprotect = self._unprotect_rtcp = self._opener = None
        self._streams.close()
        self._early.clear()
        self._overtook.clear()
        self.congestion.close()
        for line in self.lines.values():
            line.sends = line.receives = False
            line.source.live = ()
            line.source.meter = Meter()  # the old one knows its source, and would keep it
            line.sink.bind(None)

    async def close(self) -> None:
        """Halt, say goodbye, and free what the peer holds."""
        self.halt()
        async with asyncio.timeout(CLOSE_WITHIN):
            await seam.close(self._connection)

    # --- Arrivals

    def _stun(self, address: tuple[str, int]) -> None:
        self.find_way()
        if self.path.open and self._way is not None and address == self._way.address:
            self.heard.sign(self.now())

    def _media(self, data: bytes) -> None:
        """Take one SRTP or SRTCP datagram."""
        unprotect, unprotect_rtcp = self._unprotect, self._unprotect_rtcp
        if unprotect is None or unprotect_rtcp is None or len(data) < rtp.FIXED_LENGTH:
            if self.state == "new" and len(self._early) < MOST_EARLY:
                self._early.append(data)
            else:
                self.guard.dropped += 1
            return
        heard = self.heard
        try:
            if rtp.is_rtcp(data):
                if heard.reports >= heard.most_reports:
                    self._exceed()
                    return
                packet, now = unprotect_rtcp(data), self.now()
                heard.sign(now)
                heard.reports += 1
                self.reported(packet, now)
            else:
                if heard.packets >= heard.most_packets or heard.octets >= heard.most_octets:
                    self._exceed()
                    return
                packet, now = unprotect(data), self.now()
                heard.sign(now)
                heard.packets += 1
                heard.octets += len(data)
                route = self._streams.route(packet) or self._streams.learn(packet, self._sending())
                if route is not None:
                    route(packet, now)
                elif self.held:
                    self._overtook.append((now, packet))
        except (SrtpError, Malformed):  # not from this peer, replayed, or not what it says
            self.guard.dropped += 1
        except Exception:  # noqa: BLE001 - an error in forwarding must not close the socket
            self.complain()

    def reported(self, compound: bytes, now: float) -> None:
        """Take what the peer says about the streams that it sends and gets."""
        streams = self._streams
        feedback.receive(compound, streams.sources, streams.sinks, now, congestion=self.congestion, speaks=self.newest)

    def complain(self) -> None:
        """Log the exception that is being handled, once for each peer."""
        if not self._broken:
            self._broken = True
            logger.exception("media of %s could not be handled", self.name)

    def _exceed(self) -> None:
        """Count a datagram that nobody looks into: it may be anybody's, so it is no sign of life."""
        if not self.excess:
            logger.warning("%s sends more than it may", self.name)
        self.excess += 1
        self.guard.dropped += 1
