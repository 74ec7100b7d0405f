"""One peer: a browser's connection to this node, its lines, and what arrives on them."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiortc import RTCDtlsTransport, RTCIceServer, RTCSessionDescription
from pylibsrtp import Error as SrtpError

from server.media import feedback, ice, lane, offer, rtp, seam
from server.media.alive import KNOCK, PATIENCE
from server.media.beginning import LONGEST, MOST
from server.media.congestion import Congestion
from server.media.guard import Guard
from server.media.limits import Budget
from server.media.networks import Networks
from server.media.reception import Meter
from server.media.relay import Path, Sink, Source, is_whole
from server.media.rtp import MID, TRANSPORT_WIDE, Malformed
from server.media.srtp import InPlace
from signaling.errors import StaleRound

logger = logging.getLogger(__name__)

MOST_STREAMS: Final = 64
"""How many SSRCs of one peer are told apart; more are not looked at."""

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
        self.heard_since: float | None = None
        """When the present run of signs of life began; None: never connected."""
        self.heard_at = 0.0
        self.packets = self.octets = self.reports = 0
        """Packets of RTP, that were its own and not beyond its budget, their octets, and packets of RTCP."""
        self.excess = 0
        """Datagrams beyond its budget."""
        self.budget = Budget(monotonic())
        self.guard = Guard(name)
        self.path = Path(name)
        self.congestion = Congestion(self.path)
        self.now = monotonic
        self._chance, self._loopback, self._networks = chance, loopback, networks
        self._candidates: set[tuple[str, int]] = set()
        self._book = offer.Book()
        self._agreed = ""
        """The last offer that was answered, as aiortc had it."""
        self._connection = seam.connection(ice_servers)
        self._dtls: RTCDtlsTransport | None = None
        self._sources: dict[int, Source] = {}
        self._sinks: dict[int, Sink] = {}
        self._routes: dict[int, Callable[[bytes, float], None]] = {}
        self._lanes: dict[bytes, Source] = {}
        """By SSRC, as it stands in a packet."""
        self.opener: InPlace | None = None
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
            route = self._routes.get(int.from_bytes(packet[8:12]))
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
                self._announce(line.source, asked.ssrc, asked.rtx_ssrc)

    def _new_line(self, mid: str, kind: str, ssrc: int, rtx_ssrc: int) -> Line:
        first, timestamp = self._chance.randrange(1, 1 << 15), self._chance.randrange(1 << 32)
        sink = Sink(self.path, mid, ssrc=ssrc, rtx_ssrc=rtx_ssrc, first=first, timestamp=timestamp)
        line = self.lines[mid] = Line(mid, kind, Source(self.path, kind, ssrc), sink)
        self._sinks[ssrc] = self._sinks[rtx_ssrc] = sink
        return line

    def numbered(self) -> list[Source]:
        """Return what this peer sends with transport-wide numbers."""
        sent = [line.source for line in self.lines.values() if line.sends]
        return [source for source in sent if TRANSPORT_WIDE in source.formats.extensions]

    def _announce(self, source: Source, ssrc: int | None, rtx_ssrc: int | None) -> None:
        """Expect a line's streams under the numbers that the description gives."""
        if ssrc is not None and ssrc not in self._routes and len(self._routes) < MOST_STREAMS:
            self._adopt(source, ssrc)
        if rtx_ssrc is not None and rtx_ssrc not in self._routes and len(self._routes) < MOST_STREAMS:
            self._adopt_repair(source, rtx_ssrc)

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
            self.opener, self.path.closer = seam.in_place(self._dtls)
            self.path.protect, self.path.protect_rtcp = seam.closers(self._dtls)
            self.state = "connected"
            self.heard_since = self.heard_at = self.now()
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
        if way is not None:
            self.path.sendto, self.path.address = way
        self.path.open = way is not None

    def look_after(self, now: float) -> None:
        """Do what is to be done by and by: follow ICE, let the peer send more, ask for a sign if there was none."""
        self.find_way()
        self.budget.move(now, packets=self.packets, octets=self.octets, reports=self.reports)
        if self._dtls is not None and self.path.open and now - self.heard_at >= KNOCK:
            seam.knock(self._dtls)

    def halt(self) -> None:
        """From now on, nothing of this peer is forwarded and nothing is sent to it."""
        self.state = "closed"
        self.path.close()
        self._unprotect = self._unprotect_rtcp = self.opener = None
        self._routes.clear()
        self._lanes.clear()
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

    def _hear(self) -> float:
        """Note a sign of life, and return the time."""
        now = self.now()
        if now - self.heard_at >= PATIENCE:
            self.heard_since = now
        self.heard_at = now
        return now

    def _stun(self, address: tuple[str, int]) -> None:
        self.find_way()
        if self.path.open and address == self.path.address:
            self._hear()

    def _media(self, data: bytes) -> None:
        """Take one SRTP or SRTCP datagram."""
        unprotect, unprotect_rtcp = self._unprotect, self._unprotect_rtcp
        if unprotect is None or unprotect_rtcp is None or len(data) < rtp.FIXED_LENGTH:
            if self.state == "new" and len(self._early) < MOST_EARLY:
                self._early.append(data)
            else:
                self.guard.dropped += 1
            return
        budget = self.budget
        try:
            source = self._lanes.get(data[8:12])
            if source is not None and lane.forward(self, source, data):
                return
            if rtp.is_rtcp(data):
                if self.reports >= budget.reports:
                    self._exceed()
                    return
                packet = unprotect_rtcp(data)
                self.reports += 1
                now = self._hear()
                feedback.receive(
                    packet, self._sources, self._sinks, now, congestion=self.congestion, speaks=self.newest
                )
            else:
                if self.packets >= budget.packets or self.octets >= budget.octets:
                    self._exceed()
                    return
                packet = unprotect(data)
                now = self._hear()
                self.packets += 1
                self.octets += len(data)
                route = self._routes.get(int.from_bytes(packet[8:12])) or self._learn(packet)
                if route is not None:
                    route(packet, now)
                elif self.held:
                    self._overtook.append((now, packet))
        except (SrtpError, Malformed):  # not from this peer, replayed, or not what it says
            self.guard.dropped += 1
        except Exception:  # an error in forwarding must not close the socket
            if not self._broken:
                self._broken = True
                logger.exception("media of %s could not be handled", self.name)

    def _exceed(self) -> None:
        """Count a datagram that nobody looks into: it may be anybody's, so it is no sign of life."""
        if not self.excess:
            logger.warning("%s sends more than it may", self.name)
        self.excess += 1
        self.guard.dropped += 1

    def _learn(self, packet: bytes) -> Callable[[bytes, float], None] | None:
        """Find which line an unknown stream belongs to (RFC 8843 section 9.2): by its MID, else by its payload type."""
        if len(self._routes) >= MOST_STREAMS or not is_whole(packet):
            return None
        kind = packet[1] & 0x7F
        lines = [line for line in self.lines.values() if line.sends and _has(line, kind)]
        for line in lines:
            if rtp.mid_of(packet, line.source.formats.extensions.get(MID, 0)) == line.mid:
                lines = [line]
                break
        if len(lines) != 1:
            return None
        source, ssrc = lines[0].source, int.from_bytes(packet[8:12])
        adopt = self._adopt_repair if source.formats.is_repair(kind) else self._adopt
        return adopt(source, ssrc)

    def _adopt(self, source: Source, ssrc: int) -> Callable[[bytes, float], None]:
        if source.ssrc is not None:
            self._routes.pop(source.ssrc, None)
            self._sources.pop(source.ssrc, None)
            self._lanes.pop(source.ssrc.to_bytes(4), None)
        source.adopt(ssrc)
        self._sources[ssrc] = self._lanes[ssrc.to_bytes(4)] = source
        self._routes[ssrc] = source.forward
        if source.wanted:
            source.ask_keyframe(self.now())
        return source.forward

    def _adopt_repair(self, source: Source, ssrc: int) -> Callable[[bytes, float], None]:
        if source.rtx_ssrc is not None:
            self._routes.pop(source.rtx_ssrc, None)
        source.rtx_ssrc = ssrc
        self._lanes.pop(ssrc.to_bytes(4), None)
        self._routes[ssrc] = source.forward_repair
        return source.forward_repair


def _has(line: Line, payload_type: int) -> bool:
    return any(codec.payload_type == payload_type for codec in line.source.formats.codecs)
