"""The Lua scripts beside this file."""

from __future__ import annotations

from pathlib import Path


def source(name: str) -> bytes:
    """Return the text of `name`.lua."""
    return (Path(__file__).parent / f"{name}.lua").read_bytes()
