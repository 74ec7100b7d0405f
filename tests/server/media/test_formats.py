"""Payload types of one browser become those of another."""

from __future__ import annotations

from server.media.formats import Codec, Formats, payload_types
from tests.server.media.packets import CHROMIUM_VIDEO, FIREFOX_VIDEO


def test_chromiums_types_become_firefoxes_marker_and_retransmissions_included() -> None:
    table = payload_types(CHROMIUM_VIDEO, FIREFOX_VIDEO)

    assert {kind: table[kind] for kind in range(256) if table[kind]} == {
        96: 120,
        97: 124,
        96 | 0x80: 120 | 0x80,
        97 | 0x80: 124 | 0x80,
    }


def test_and_back() -> None:
    table = payload_types(FIREFOX_VIDEO, CHROMIUM_VIDEO)

    assert (table[120], table[124]) == (96, 97)


def test_a_codec_that_the_other_has_not_is_not_forwarded() -> None:
    h264 = Codec(102, "h264", 90_000, {"packetization-mode": "1", "profile-level-id": "42001f"})
    repair = Codec(103, "rtx", 90_000, {"apt": "102"})

    table = payload_types(Formats((*CHROMIUM_VIDEO.codecs, h264, repair)), FIREFOX_VIDEO)

    assert (table[102], table[103]) == (0, 0)
    assert table[96] == 120


def test_h264_matches_by_profile_and_mode_whatever_the_level() -> None:
    def h264(payload_type: int, profile: str, mode: str = "1") -> Codec:
        return Codec(payload_type, "h264", 90_000, {"packetization-mode": mode, "profile-level-id": profile})

    mine = Formats((h264(102, "42001f"), h264(106, "42e01f"), h264(108, "42e01f", mode="0")))

    table = payload_types(mine, Formats((h264(126, "42E034"), h264(98, "42001f"))))

    assert (table[102], table[106], table[108]) == (98, 126, 0)


def test_retransmissions_need_both_sides() -> None:
    table = payload_types(CHROMIUM_VIDEO, Formats((Codec(120, "vp8", 90_000),)))

    assert (table[96], table[97]) == (120, 0)
