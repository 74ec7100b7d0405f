"""The names of things: opaque strings, each kind with a type of its own."""

from __future__ import annotations

from typing import NewType

PracticeId = NewType("PracticeId", str)
"""A practice, by the operator's own id."""
ProviderId = NewType("ProviderId", str)
"""A provider, by the practice's own id. It is also the provider's participant id in every room."""
ClientId = NewType("ClientId", str)
"""A client, by the practice's own id. Only providers and records see it."""
AppointmentId = NewType("AppointmentId", str)
"""An appointment, by the practice's own id, unique within its practice."""
RoomId = NewType("RoomId", str)
"""A provider's room; the same for ever for one practice and provider."""
VisitId = NewType("VisitId", str)
EntryId = NewType("EntryId", str)
ParticipantId = NewType("ParticipantId", str)
"""A person in a room: a provider's id, or the random id of one client's seat in one visit."""
ConnectionId = NewType("ConnectionId", str)
NodeId = NewType("NodeId", str)
RecordId = NewType("RecordId", str)
