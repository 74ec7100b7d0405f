"""RTCP between two peers who do not know each other's numbers: reports and requests are translated and passed on.

Senders' reports go down (NTP time untouched, so that lip sync and end-to-end round trips stay true), receivers' go up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from server.media import rtcp
from server.media.budget import shares
from server.media.congestion import Congestion
from server.media.relay import Path, Sink, Source
from server.media.rtcp import Block, Part

MAX_RATE = 1 << 40


def receive(
    compound: bytes,
    sources: Mapping[int, Source],
    sinks: Mapping[int, Sink],
    now: float,
    *,
    congestion: Congestion,
    speaks: bool = True,
) -> None:
    """Pass on what one peer says about the streams it sends (`sources`) and gets (`sinks`, both by SSRC).

    `congestion`: its own part in congestion control.
    `speaks`: this peer is its participant's newest; the estimates of an older one, soon to be closed, hold nobody back.
    """
    for part in rtcp.parts(compound):
        if part.format == rtcp.ARRIVALS and part.kind == rtcp.TRANSPORT_FEEDBACK:  # as nine of ten are
            congestion.told(part, now)
            continue
        match part.kind, part.format:
            case rtcp.SR, _:
                _sender_report(part, sources, now)
                _receiver_reports(part, sinks, now)
            case rtcp.RR, _:
                _receiver_reports(part, sinks, now)
            case rtcp.TRANSPORT_FEEDBACK, rtcp.NACK:
                _nack(part, sinks, now)
            case rtcp.PAYLOAD_FEEDBACK, rtcp.PLI:
                _keyframe([rtcp.media_ssrc(part)], sinks, now)
            case rtcp.PAYLOAD_FEEDBACK, rtcp.FIR:
                _keyframe(rtcp.fir_ssrcs(part), sinks, now)
            case rtcp.PAYLOAD_FEEDBACK, rtcp.APPLICATION if speaks and congestion.path.shift is None:
                _remb(part, sinks, now)
            case _:
                pass


def _sender_report(part: Part, sources: Mapping[int, Source], now: float) -> None:
    info = rtcp.sender_info(part)
    source = sources.get(info.ssrc) if info else None
    if info is None or source is None or source.ssrc != info.ssrc:
        return
    for sink in source.live:
        if sink.started:
            moved = (info.rtp + sink.timestamp_shift) & 0xFFFFFFFF
            report = rtcp.write_sr(info._replace(ssrc=sink.ssrc, rtp=moved))
            sink.path.reception.passed(sink.ssrc, info.ntp, now)
            sink.path.rtcp(report + rtcp.write_cname(sink.ssrc, sink.cname))


def _receiver_reports(part: Part, sinks: Mapping[int, Sink], now: float) -> None:
    upstream: dict[Path, tuple[int, list[Block]]] = {}
    for block in rtcp.blocks(part):
        sink = sinks.get(block.ssrc)
        source = _listening(sink)
        if sink is None or source is None:
            continue
        if block.ssrc == sink.ssrc and source.ssrc is not None:
            ssrc, shift = source.ssrc, sink.shift
            sink.path.reception.reported(block, source, now)
        elif block.ssrc == sink.rtx_ssrc and source.rtx_ssrc is not None:
            ssrc, shift = source.rtx_ssrc, sink.repair_shift
        else:
            continue
        moved = block._replace(ssrc=ssrc, highest=(block.highest - shift) & 0xFFFFFFFF)
        upstream.setdefault(source.path, (source.reporter, []))[1].append(moved)
    for path, (reporter, reports) in upstream.items():
        path.rtcp(rtcp.write_rr(reporter, reports))


def _nack(part: Part, sinks: Mapping[int, Sink], now: float) -> None:
    ssrc = rtcp.media_ssrc(part)
    sink = sinks.get(ssrc) if ssrc is not None else None
    source = _listening(sink)
    if sink is not None and source is not None and source.ssrc is not None and ssrc == sink.ssrc:
        numbers = [(number - sink.shift) & 0xFFFF for number in rtcp.lost(part)]
        # Each number is a packet that the sender sends again: one who asks for everything at all times asks in vain.
        del numbers[sink.path.repeats.take(len(numbers), now) :]
        if numbers:
            source.feedback(rtcp.write_nack(source.reporter, source.ssrc, numbers))


def _keyframe(ssrcs: Iterable[int | None], sinks: Mapping[int, Sink], now: float) -> None:
    for ssrc in ssrcs:
        sink = sinks.get(ssrc) if ssrc is not None else None
        if sink is not None and sink.source is not None and sink in sink.source.live:
            sink.source.ask_keyframe(now)


def _remb(part: Part, sinks: Mapping[int, Sink], now: float) -> None:
    """Share a receiver's estimate among the videos it gets; each sender hears of its slowest receivers."""
    estimate = rtcp.remb(part)
    if estimate is None:
        return
    rate, ssrcs = estimate
    videos: dict[Source, Sink] = {}
    for ssrc in ssrcs:
        sink = sinks.get(ssrc)
        if sink is not None and sink.source is not None and sink.source.kind == "video" and sink in sink.source.live:
            videos[sink.source] = sink
    if not videos:
        return
    next(iter(videos.values())).path.reception.estimated(rate, now)
    given = shares(min(rate, MAX_RATE), [source.cap for source in videos])
    upstream: dict[Path, list[tuple[Source, int]]] = {}
    for share, (source, sink) in zip(given, videos.items(), strict=True):
        upstream.setdefault(source.path, []).append((source, source.estimate(sink, share, now)))
    for senders in upstream.values():
        limit([source for source, _ in senders], sum(rate for _, rate in senders))


def limit(sources: Sequence[Source], rate: int) -> None:
    """Tell the sender of `sources`, one peer's, how many bits a second they may take together."""
    for source in sources:
        source.limited = True
    streams = [ssrc for source in sources for ssrc in (source.ssrc, source.rtx_ssrc) if ssrc is not None]
    sources[0].feedback(rtcp.write_remb(sources[0].reporter, rate, streams))


def _listening(sink: Sink | None) -> Source | None:
    """Return the source that the sink's numbers can be translated for, if there is one."""
    if sink is None or sink.source is None or not sink.started or sink not in sink.source.live:
        return None
    return sink.source
