"""A browser's session description, read without trust, and the answer made to fit it.

Only what was understood and checked here is handed on to aiortc, written anew. Lines that cannot be used — data
channels, unknown codecs, stopped ones — are kept from it and refused in the answer with port 0 (RFC 3264 section 6).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from server.media.formats import Codec, Formats
from server.media.rtp import TRANSPORT_WIDE
from signaling.errors import BadSdp

LARGEST: Final = 32 * 1024
"""Bytes; of a group's offer `EACH` for every line, if that is more."""
EACH: Final = 2 * 1024
"""Bytes that one line may take: 24 of them, for a group of twelve, are more than `LARGEST` in most programs."""
MOST_LINES: Final = 32

_TRANSPORT: Final = ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:")
DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")
EXTENSIONS: Final = frozenset(
    {
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        TRANSPORT_WIDE,
    }
)
PREFERENCE: Final = ("opus", "vp8", "h264")
"""The codecs that are forwarded, in the order of the answer: all senders then choose one that all receivers have."""

_M_LINE: Final = re.compile(r"([a-z]{1,20}) ([0-9]{1,5}) ([A-Z/]{1,40}) (.{1,400})", re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,16}", re.ASCII)
_ICE: Final = re.compile(r"[A-Za-z0-9+/]{4,256}", re.ASCII)
_FINGERPRINT: Final = re.compile(r"sha-(?:256|384|512) (?:[0-9A-F]{2}:){31,63}[0-9A-F]{2}", re.IGNORECASE | re.ASCII)
_RTPMAP: Final = re.compile(r"([0-9]{1,3}) ([A-Za-z0-9-]{1,20})/([0-9]{1,6})(?:/[0-9]{1,2})?", re.ASCII)
_EXTMAP: Final = re.compile(r"([0-9]{1,3})(?:/[a-z]{1,8})? ([!-~]{1,200})(?: .*)?", re.ASCII)
_PARAMETER: Final = re.compile(r"[A-Za-z0-9-]{1,40}=[A-Za-z0-9]{1,40}", re.ASCII)
_SSRC: Final = re.compile(r"([0-9]{1,10})(?: cname:([!-~]{1,255}))?(?: .*)?", re.ASCII)
_FORMATS: Final = re.compile(r"[A-Za-z0-9-]{1,30}(?: [A-Za-z0-9-]{1,30}){0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Transport:
    """What all lines of a bundle share: who the peer is, and how it proves that it is."""

    fragment: str
    password: str
    fingerprints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One `m=` section."""

    kind: str
    protocol: str
    raw_formats: str
    mid: str = ""
    direction: str = "sendrecv"
    formats: Formats = field(default_factory=Formats)
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    cname: str = ""
    usable: bool = True
    """Whether it is audio or video that can be forwarded here, in the bundle, and not stopped."""

    @property
    def sends(self) -> bool:
        """Whether whoever wrote this sends on it."""
        return self.usable and self.direction in {"sendrecv", "sendonly"}

    @property
    def receives(self) -> bool:
        """Whether whoever wrote this receives on it."""
        return self.usable and self.direction in {"sendrecv", "recvonly"}


@dataclass(frozen=True, slots=True)
class Offer:
    """A browser's offer."""

    lines: tuple[Line, ...]
    transport: Transport
    candidates: tuple[str, ...]
    bundled: bool

    @property
    def usable(self) -> tuple[Line, ...]:
        """The lines that are accepted."""
        return tuple(line for line in self.lines if line.usable)


def _attributes(section: Iterable[str]) -> dict[str, list[str]]:
    """Gather a section's `a=` lines by name."""
    found: dict[str, list[str]] = {}
    for text in section:
        if text.startswith("a="):
            name, _, value = text[2:].partition(":")
            found.setdefault(name, []).append(value)
    return found


def _sections(sdp: str) -> tuple[list[str], list[list[str]]]:
    """Split into the session's lines and each `m=` section's."""
    session: list[str] = []
    media: list[list[str]] = []
    for raw in sdp.split("\n"):
        text = raw.rstrip("\r")
        if text.startswith("m="):
            media.append([text])
        else:
            (media[-1] if media else session).append(text)
    return session, media


def read(sdp: str) -> Offer:
    """Read an offer. Raise `BadSdp` if nothing can be made of it."""
    largest = max(LARGEST, EACH * min(sdp.count("\nm="), MOST_LINES)) if isinstance(sdp, str) else 0
    if not isinstance(sdp, str) or len(sdp) > largest or len(sdp.encode(errors="replace")) > largest:
        raise BadSdp("longer than 32 KiB, and than 2 KiB for each line")
    session, media = _sections(sdp)
    if session[:1] != ["v=0"] or not media:
        raise BadSdp("not a session description")
    if len(media) > MOST_LINES:
        raise BadSdp("too many lines")
    common = _attributes(session)
    groups = [group.split() for group in common.get("group", [])]
    bundle = next((group[1:] for group in groups if group[:1] == ["BUNDLE"]), None)
    lines = tuple(_line(section, bundle) for section in media)
    usable = [(line, _attributes(section)) for line, section in zip(lines, media, strict=True) if line.usable]
    if not usable:
        raise BadSdp("no line that could be forwarded")
    mids = [line.mid for line, _ in usable]
    if len(set(mids)) != len(mids):
        raise BadSdp("two lines of one name")
    if bundle is None and len(usable) > 1:
        raise BadSdp("the lines are not bundled")
    candidates = tuple(text for _, found in usable for text in found.get("candidate", []))
    # The first of the bundle speaks for all (RFC 8843 section 7.1.3): bundle-only lines have no transport of their own.
    order = {mid: place for place, mid in enumerate(bundle or [])}
    tagged = min(usable, key=lambda item: order.get(item[0].mid, 0))[1]
    return Offer(lines, _transport(common, tagged), candidates, bundled=bundle is not None)


def _transport(session: Mapping[str, list[str]], media: Mapping[str, list[str]]) -> Transport:
    def values(name: str) -> list[str]:
        return media.get(name) or session.get(name) or []

    fragments, passwords = values("ice-ufrag"), values("ice-pwd")
    if not fragments or not _ICE.fullmatch(fragments[0]):
        raise BadSdp("no ICE user name")
    if not passwords or not _ICE.fullmatch(passwords[0]) or len(passwords[0]) < 22:
        raise BadSdp("no ICE password")
    fingerprints = tuple(text for text in values("fingerprint")[:8] if _FINGERPRINT.fullmatch(text))
    if not fingerprints:
        raise BadSdp("no fingerprint of a known kind")
    # "... the offerer ... MUST use the 'actpass' role" (RFC 9429 section 5.2.1); an answer has another.
    if values("setup")[:1] != ["actpass"]:
        raise BadSdp("not an offer")
    return Transport(fragments[0], passwords[0], fingerprints)


def _line(section: list[str], bundle: list[str] | None) -> Line:
    found = _M_LINE.fullmatch(section[0][2:])
    if found is None or not _FORMATS.fullmatch(found[4]):
        raise BadSdp("a line of an unknown form")
    kind, port, protocol, raw_formats = found.groups()
    attributes = _attributes(section)
    mid = attributes.get("mid", [""])[0]
    if mid and not _TOKEN.fullmatch(mid):
        raise BadSdp("a line of an unknown name")
    formats = Formats(_codecs(kind, raw_formats, attributes), _extensions(kind, attributes))
    stopped = int(port) == 0 and "bundle-only" not in attributes
    usable = (
        kind in {"audio", "video"}
        and bool(mid)
        and not stopped
        and bool(formats.codecs)
        and protocol == "UDP/TLS/RTP/SAVPF"
        and "rtcp-mux" in attributes
        and (bundle is None or mid in bundle)
    )
    direction = next((name for name in DIRECTIONS if name in attributes), "sendrecv")
    ssrc, rtx_ssrc, cname = _streams(attributes)
    return Line(kind, protocol, raw_formats, mid, direction, formats, ssrc, rtx_ssrc, cname, usable)


def _codecs(kind: str, raw_formats: str, attributes: Mapping[str, list[str]]) -> tuple[Codec, ...]:
    """Return the codecs that are forwarded here, each before its retransmissions, in our order of preference."""
    offered = set(raw_formats.split())
    parameters: dict[str, dict[str, str]] = {}
    for text in attributes.get("fmtp", []):
        payload_type, _, rest = text.partition(" ")
        pairs = (pair.strip() for pair in rest.split(";"))
        parameters[payload_type] = dict(pair.split("=", 1) for pair in pairs if _PARAMETER.fullmatch(pair))
    found: dict[int, Codec] = {}
    for text in attributes.get("rtpmap", []):
        match = _RTPMAP.fullmatch(text)
        # aiortc answers other payload types than the dynamic ones with its own.
        if match and match[1] in offered and 96 <= int(match[1]) <= 127:
            codec = Codec(int(match[1]), match[2].lower(), int(match[3]), parameters.get(match[1], {}))
            found.setdefault(codec.payload_type, codec)
    ordered: list[Codec] = []
    for name in PREFERENCE:
        if (name == "opus") != (kind == "audio"):
            continue
        for codec in found.values():
            if codec.name != name or codec.rate != (48_000 if name == "opus" else 90_000):
                continue
            ordered.append(codec)
            repair = next((c for c in found.values() if c.repairs == codec.payload_type and c.rate == codec.rate), None)
            if repair:
                ordered.append(repair)
    return tuple(ordered)


def _extensions(kind: str, attributes: Mapping[str, list[str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in attributes.get("extmap", []):
        match = _EXTMAP.fullmatch(text)
        if match and match[2] in EXTENSIONS and 0 < int(match[1]) < 15 and int(match[1]) not in found.values():
            found.setdefault(match[2], int(match[1]))
    # Of pictures alone: a voice takes what it takes. Whoever counts without being told anything sends next to nothing.
    if kind != "video" or not any(text.endswith(" transport-cc") for text in attributes.get("rtcp-fb", [])):
        found.pop(TRANSPORT_WIDE, None)
    return found


def _streams(attributes: Mapping[str, list[str]]) -> tuple[int | None, int | None, str]:
    """Return (SSRC, SSRC of retransmissions, CNAME) as far as they are announced."""
    matches = [match for text in attributes.get("ssrc", []) if (match := _SSRC.fullmatch(text))]
    ssrcs = [int(match[1]) for match in matches if int(match[1]) < 2**32]
    cname = next((match[2] for match in matches if match[2]), "")
    for text in attributes.get("ssrc-group", []):
        words = text.split()
        if len(words) == 3 and words[0] == "FID" and all(w.isdecimal() and int(w) in ssrcs for w in words[1:]):
            return int(words[1]), int(words[2]), cname
    return (ssrcs[0] if ssrcs else None), None, cname


class Book:
    """The lines of one peer as aiortc knows them: they are only ever added, and a stopped one lies idle.

    A browser may stop a line or take its place for another; aiortc can neither.
    """

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._transport: Transport | None = None

    def write(self, offer: Offer) -> str:
        """Return the offer as aiortc may have it. Raise `BadSdp` if it is for another peer than the earlier ones."""
        if self._transport not in (None, offer.transport):
            raise BadSdp("another ICE generation or certificate needs a new peer")
        lines = {mid: replace(line, direction="inactive") for mid, line in self._lines.items()}
        for line in offer.usable:
            if line.mid in lines and lines[line.mid].kind != line.kind:
                raise BadSdp("a line changed its kind")
            lines[line.mid] = line
        if len(lines) > MOST_LINES:
            raise BadSdp("too many lines")
        self._lines, self._transport = lines, offer.transport
        head = [
            "v=0",
            "o=- 1 1 IN IP4 0.0.0.0",
            "s=-",
            "t=0 0",
            f"a=group:BUNDLE {' '.join(lines)}",
            "a=msid-semantic:WMS *",
        ]
        body = [text for line in lines.values() for text in _section(line, offer.transport)]
        return "\r\n".join([*head, *body, ""])


def _section(line: Line, transport: Transport) -> list[str]:
    codecs = line.formats.codecs
    texts = [
        f"m={line.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(str(codec.payload_type) for codec in codecs)}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{line.mid}",
        f"a={line.direction}",
        "a=rtcp-mux",
        f"a=ice-ufrag:{transport.fragment}",
        f"a=ice-pwd:{transport.password}",
        *(f"a=fingerprint:{text}" for text in transport.fingerprints),
        "a=setup:actpass",
        *(f"a=extmap:{number} {uri}" for uri, number in line.formats.extensions.items() if uri != TRANSPORT_WIDE),
    ]
    for codec in codecs:
        number = codec.payload_type
        texts.append(f"a=rtpmap:{number} {codec.name.upper() if codec.name != 'opus' else 'opus'}/{codec.rate}")
        if codec.name == "opus":
            texts[-1] += "/2"
        elif codec.repairs is not None:
            texts.append(f"a=fmtp:{number} apt={codec.repairs}")
        else:
            texts += [f"a=rtcp-fb:{number} {kind}" for kind in ("nack", "nack pli", "goog-remb")]
            wanted = ("packetization-mode", "profile-level-id", "level-asymmetry-allowed")
            known = [f"{name}={codec.parameters[name]}" for name in wanted if name in codec.parameters]
            if known:
                texts.append(f"a=fmtp:{number} {';'.join(known)}")
    return texts


def finish(answer: str, offer: Offer) -> str:
    """Return aiortc's answer with a section for each line of the offer, in its order, refused ones at port 0."""
    session, media = _sections(answer)
    sections = {_attributes(section)["mid"][0]: section for section in media}
    accepted = [line.mid for line in offer.usable]
    texts = [text for text in session if text and not text.startswith("a=group:")]
    if offer.bundled:
        texts.append(f"a=group:BUNDLE {' '.join(accepted)}")
    transport = [text for text in next(iter(sections.values())) if text.startswith(_TRANSPORT)]
    for line in offer.lines:
        if not line.usable:
            texts += [f"m={line.kind} 0 {line.protocol} {line.raw_formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
            texts += [f"a=mid:{line.mid}"] if line.mid else []
            texts += transport  # means nothing at port 0, but some readers look for it in every section
            continue
        counted = line.formats.extensions.get(TRANSPORT_WIDE)
        for text in sections[line.mid]:
            texts += [text] if text else []
            if counted is not None and text.endswith(" goog-remb"):
                texts.append(text.replace("goog-remb", "transport-cc"))
            found = re.fullmatch(r"a=rtpmap:([0-9]+) opus/48000/2", text)
            if (
                found
            ):  # what repairs a lost packet may come with the next one, and silence need not (RFC 7587 section 6.1)
                texts.append(f"a=fmtp:{found[1]} minptime=10;useinbandfec=1;usedtx=1")
        if counted is not None:
            texts.append(f"a=extmap:{counted} {TRANSPORT_WIDE}")
    return "\r\n".join([*texts, ""])


def settled(agreed: Line, asked: Line | None) -> Formats:
    """Return what a line has negotiated: what aiortc agreed to, and what `finish` adds to it."""
    if asked is None or TRANSPORT_WIDE not in asked.formats.extensions:
        return agreed.formats
    number = asked.formats.extensions[TRANSPORT_WIDE]
    return replace(agreed.formats, extensions={**agreed.formats.extensions, TRANSPORT_WIDE: number})


def agreed(answer: str) -> dict[str, Line]:
    """Read the lines of aiortc's own answer by their mids: what has been negotiated."""
    _, media = _sections(answer)
    return {line.mid: line for section in media for line in [_line(section, None)]}
