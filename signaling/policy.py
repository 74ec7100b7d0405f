"""What a practice decides about its visits. A visit is judged by the copy it was opened with."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

AudioOnlyRule = Literal["allowed", "allowed_with_reason", "forbidden"]
"""DOMAIN.md, Audio-only: by payer, falling back to the practice."""


class Consent(Struct, frozen=True):
    """The text a client agrees to before waiting."""

    version: str = "1"
    text: str = ""


class PracticeInfo(Struct, frozen=True):
    """What everybody who holds a link of this practice may be shown."""

    id: str = ""
    name: str = ""
    help: str = ""
    """How to reach a person: a telephone number or an address, as the practice wrote it."""
    backup: str | None = None
    """Shown when media cannot connect: another meeting link or a telephone number."""
    time_zone: str = "UTC"
    consent: Consent = field(default_factory=Consent)


class Policy(Struct, frozen=True):
    """The rules of one practice. All spans are milliseconds."""

    practice: PracticeInfo = field(default_factory=PracticeInfo)
    media: Literal["relay", "direct"] = "relay"
    """How media go in a visit for two: through the server, or from browser to browser as long as that works."""
    audio_only: AudioOnlyRule = "allowed"
    audio_only_by_payer: dict[str, AudioOnlyRule] = {}
    rejoin_window: int = 15 * MINUTE
    """Counted anew from each End."""
    no_show_after: int = 15 * MINUTE
    """After the scheduled start, when nobody came; and what a client waits until it is the provider who is absent."""
    late_after: int = 10 * MINUTE
    """After the scheduled start: who comes later is said to have come late."""
    early_before: int = 10 * MINUTE
    """Before the end: who goes out of a group sooner is said to have left early."""
    waiting_limit: int = 4 * HOUR
    """After the scheduled start, when somebody waits and no provider comes; of a walk-in, after they came."""
    window_before: int = 5 * HOUR
    """Before the scheduled start: earlier nobody checks in."""
    window_after: int = 5 * HOUR
    """After the scheduled end: later nobody checks in, unless the no-show time lasts longer."""
    grace: int = 5 * MINUTE
    """A waiting client whose connection dropped keeps the place this long."""
    abandoned_after: int = 5 * MINUTE
    """In progress without a provider, or without a client, connected."""
    unanswered_after: int = 3 * MINUTE
    """A client is ready and no provider has acknowledged it: the practice is told."""
    away_after: int = 30 * SECOND
    """The provider's last connection is gone: waiting clients see `away`."""
    show_position: bool = False
    """Waiting clients are told how many are ahead of them."""
    names_in_group: bool = False
    """Clients of a group see each other's names."""
    retention_days: int = 6 * 365 + 2
    """45 CFR 164.316(b)(2): six years."""

    def audio_only_for(self, payer: str | None) -> AudioOnlyRule:
        """Return the rule that binds a client of `payer`."""
        return self.audio_only_by_payer.get(payer or "", self.audio_only)
