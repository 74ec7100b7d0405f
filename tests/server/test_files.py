"""The node's own files: whole or not at all, for their owner's eyes alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from server.files import DataDirectoryUnusable, exchange, keep, kept_secret, prepare_directory


def test_a_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    made = prepare_directory(tmp_path / "a" / "var")

    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert prepare_directory(made) == made
    assert list(made.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DataDirectoryUnusable, match="CARELOBBY_DATA_DIR"):
        prepare_directory(tmp_path / "file" / "var")


@pytest.mark.parametrize(("content", "held"), [("text — ü", "text — ü".encode()), (b"\x00\xff", b"\x00\xff")])
def test_a_file_is_replaced_whole(tmp_path: Path, content: str | bytes, held: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)

    keep(path, content)

    assert path.read_bytes() == held
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    keep(path, "before")
    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(OSError, match="No space"):
        keep(path, "after")

    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    first = kept_secret(tmp_path / "key")

    assert len(first) >= 43
    assert kept_secret(tmp_path / "key") == first
    assert kept_secret(tmp_path / "other") != first


def test_an_exchange_tells_what_was_there(tmp_path: Path) -> None:
    assert exchange(tmp_path / "node", "one") is None
    assert exchange(tmp_path / "node", "two") == "one"
    assert exchange(tmp_path / "node", "three") == "two"
