"""Sound and picture that a decoder can make something of: encoded once, before anything is measured."""

from __future__ import annotations

import fractions
from typing import Final

import av
from aiortc.codecs.opus import OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder

from loadtests.media.traffic import FRAMES_A_SECOND, Clip, Moment

WIDTH, HEIGHT = 1280, 720
RATE: Final = 1_280_000
SECONDS: Final = 2
SAMPLES: Final = 960


def camera() -> Clip:
    """Return two seconds of a moving picture in VP8, which begin with a keyframe."""
    encoder = Vp8Encoder()
    encoder.target_bitrate = RATE
    moments: list[Moment] = []
    for number in range(SECONDS * FRAMES_A_SECOND):
        frame = _picture(number)
        payloads, _ = encoder.encode(frame, force_keyframe=number == 0)
        step = 1 / FRAMES_A_SECOND / len(payloads)
        for place, payload in enumerate(payloads):
            last = place == len(payloads) - 1
            moments.append(Moment(number / FRAMES_A_SECOND + place * step, 3000 * number, last, payload))
    return Clip("video", float(SECONDS), 90_000 * SECONDS, moments, marked=False)


def microphone() -> Clip:
    """Return two seconds of a tone in Opus."""
    encoder = OpusEncoder()
    moments: list[Moment] = []
    for number in range(SECONDS * 50):
        frame = av.AudioFrame(format="s16", layout="stereo", samples=SAMPLES)
        wave = bytes((sample * 7 + number) % 251 for sample in range(4 * SAMPLES))
        frame.planes[0].update(wave)
        frame.sample_rate, frame.pts, frame.time_base = 48_000, SAMPLES * number, fractions.Fraction(1, 48_000)
        payloads, _ = encoder.encode(frame)
        moments += [Moment(number / 50, SAMPLES * number, False, payload) for payload in payloads]
    return Clip("audio", float(SECONDS), 48_000 * SECONDS, moments, marked=False)


def _picture(number: int) -> av.VideoFrame:
    """Return broad stripes that move, with as much detail as fills the rate."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for plane in frame.planes:
        line = bytes((x // 3 + number * 2 + x * x // 4000) % 256 for x in range(plane.line_size))
        plane.update(b"".join(line[y // 4 :] + line[: y // 4] for y in range(plane.height)))
    frame.pts, frame.time_base = 3000 * number, fractions.Fraction(1, 90_000)
    return frame
