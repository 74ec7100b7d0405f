"""Who asks too much is bounded."""

from __future__ import annotations

from server.media.limits import Bucket, Rate


def test_a_bucket_grants_what_it_has() -> None:
    bucket = Bucket(Rate(2.0, 5))

    assert [bucket.take(3, 100.0), bucket.take(3, 100.0), bucket.take(3, 100.0)] == [3, 2, 0]
    assert [bucket.take(3, 100.4), bucket.take(3, 101.0), bucket.take(9, 999.0)] == [0, 2, 5]
