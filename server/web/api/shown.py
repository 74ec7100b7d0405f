"""Parts of answers that several operations share."""

from __future__ import annotations

from msgspec import Struct

from server.registry import room_id
from server.registry.documents import Provider
from server.web.services import Services
from signaling.policy import PracticeInfo


class ConsentShown(Struct, frozen=True):
    """The text to agree to."""

    version: str
    text: str


class PracticeShown(Struct, frozen=True, omit_defaults=True):
    """A practice, as everybody with one of its links may see it."""

    id: str
    name: str
    help: str
    consent: ConsentShown
    time_zone: str
    backup: str | None = None


class PracticeNamed(Struct, frozen=True):
    """A practice, to its own providers."""

    id: str
    name: str
    time_zone: str


class ProviderNamed(Struct, frozen=True):
    """A provider."""

    id: str
    name: str


class ProviderShown(Struct, frozen=True, omit_defaults=True):
    """A provider, and what waiting clients are told of them."""

    id: str
    name: str
    status: str
    minutes: int | None = None


def shown(info: PracticeInfo) -> PracticeShown:
    """Return what a client's page shows of the practice."""
    return PracticeShown(
        id=info.id,
        name=info.name,
        help=info.help,
        consent=ConsentShown(version=info.consent.version, text=info.consent.text),
        time_zone=info.time_zone,
        backup=info.backup,
    )


async def with_status(services: Services, practice: str, provider: Provider) -> ProviderShown:
    """Return a provider with the status of their room."""
    room = await services.rooms.present(room_id(practice, provider.id))
    if room is None:
        return ProviderShown(id=provider.id, name=provider.name, status="available")
    return ProviderShown(id=provider.id, name=provider.name, status=room.status.kind, minutes=room.status.minutes)
