"""The node's own files: secrets only their owner reads, written whole or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path


class DataDirectoryUnusable(Exception):
    """The data directory cannot be made or written; the text says what to do."""


def prepare_directory(path: Path) -> Path:
    """Return the data directory, made if it was missing. Raise `DataDirectoryUnusable`."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise DataDirectoryUnusable(
            f"The data directory {path} cannot be written ({error.strerror}): "
            "give this user the right to, or set CARELOBBY_DATA_DIR to another one."
        ) from error
    return path


def keep(path: Path, content: str | bytes) -> None:
    """Replace a file with one that only its owner can read; when this returns, it outlives a power cut."""
    handle, name = tempfile.mkstemp(dir=path.parent)  # 0600 by itself
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def kept_secret(path: Path) -> str:
    """Return the secret in a file; made of 256 random bits if there is none."""
    if not path.exists():
        keep(path, secrets.token_urlsafe(32) + "\n")
    return path.read_text(encoding="utf-8").strip()


def exchange(path: Path, text: str) -> str | None:
    """Replace a file's text and return what it held before; None: nothing."""
    before = path.read_text(encoding="utf-8").strip() if path.exists() else None
    keep(path, text + "\n")
    return before
