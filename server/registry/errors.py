"""What a caller of the registry can do wrong; the web gives each its status and code."""

from __future__ import annotations


class Missing(Exception):
    """The named thing does not exist in this practice."""


class Clash(Exception):
    """The thing is there, but its state does not allow the change."""


class Invalid(Exception):
    """A field's value cannot be used."""

    def __init__(self, at: str, why: str) -> None:
        """`at` is a path like `$.clients[0].id`; `why` says what would be right and never repeats the value."""
        super().__init__(why)
        self.at = at
        self.why = why
