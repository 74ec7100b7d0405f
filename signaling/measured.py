"""Browsers told how a minute of their visit was: it is kept with the visit, for the provider and the record."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.events import QualityMeasured
from signaling.lookup import provider_ids
from signaling.quality import with_minute


def quality_measured(draft: Draft, event: QualityMeasured) -> None:
    """Browsers told how a minute was. Kept for those who belong to a visit that was started."""
    visit = draft.room.visits.get(event.visit)
    if visit is None or not visit.segments:
        return
    quality = visit.quality
    for participant, minute in event.minutes.items():
        if participant in visit.seats or participant in provider_ids(visit):
            known = quality.get(participant, ())
            kept = with_minute(known, minute)
            if kept is not known:
                quality = {**quality, participant: kept}
    if quality is not visit.quality:
        draft.put_visit(replace(visit, quality=quality))
