"""Visits with media as load: what is sent arrives and is counted, and what does not is missed."""

from __future__ import annotations

import random
import re

import pytest

from loadtests.__main__ import talk
from loadtests.media.pace import Pacer
from loadtests.media.tally import Tally
from loadtests.media.traffic import Stream, video, voice
from loadtests.own import own_service


async def test_visits_talk_and_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    async with own_service() as own:
        assert await talk(own.url, own.operator_key, 4, 1.0) == 0

    told = capsys.readouterr().out
    assert "4 visits, 1 of them by sound alone" in told
    sent, received = (int(number) for number in re.findall(r"(\d+) packets sent, (\d+) received", told)[0])
    assert sent == received > 1000
    assert "0 lost, 0 wrong" in told
    assert re.search(r"offer → connected +8 ", told)


@pytest.mark.parametrize(("clip", "packets", "bits"), [(voice(), 50, 34_800), (video(), 138.5, 1_279_740)])
def test_a_stream_is_as_heavy_as_a_browsers(clip: object, packets: float, bits: float) -> None:
    assert isinstance(clip, type(voice()))
    stream = Stream(clip, 1, 96, 2, random.Random(1))
    begun, due = stream.begin(100.0), 0.0
    for _ in range(round(10 * packets)):
        _, due = stream.next()

    assert due - begun == pytest.approx(10.0)
    assert clip.bits == pytest.approx(bits, rel=0.001)


def test_gaps_are_losses_also_where_numbers_begin_anew() -> None:
    tally = Tally(10**9)
    stream = Stream(voice(), 7, 96, 2, random.Random(1))
    stream._number = 0xFFF0
    packets = [stream.next()[0] for _ in range(100)]

    for packet in packets[:10] + packets[12:40][::-1] + packets[40:]:
        tally.count(packet)
    tally.count(b"\x80\xc8" + bytes(26))

    assert (tally.packets, tally.lost, tally.reports) == (98, 2, 1)


async def test_streams_come_and_go_while_others_are_sent() -> None:
    pacer, got = Pacer(), list[str]()
    first, second = (Stream(voice(), ssrc, 96, 2, random.Random(1)) for ssrc in (1, 2))

    def here(packet: bytes) -> None:
        got.append("first")
        if len(got) == 3:
            pacer.add(second, there)

    def there(packet: bytes) -> None:
        got.append("second")
        pacer.drop(first)

    pacer.add(first, here)
    await pacer.run(0.4)

    assert got[:3] == ["first"] * 3
    assert "second" in got
    assert "first" not in got[got.index("second") :]
