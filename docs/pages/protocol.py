"""`protocol.md`: every message, field and code of the wire, written from the types that read and write it."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Meta, Struct, UnsetType
from msgspec.structs import FieldInfo, fields

from server.web.closes import Close
from signaling import errors, messages
from signaling.fields import (
    FRAME_LIMIT,
    PROTOCOL_VERSION,
    SDP_LIMIT,
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    ConsentGiven,
    Devices,
    OutcomeGiven,
    Override,
    Place,
    Resume,
)
from signaling.messages import Message, StateEvent
from signaling.permissions import ALLOWED
from signaling.requests import AnyRequest, Bye, Hello, Ping, Request, Sync
from signaling.state import Role

EVERYBODY = (Hello, Sync, Ping, Bye)
"""Asked by every role, about no visit."""
VALUES = (
    Place,
    ConsentGiven,
    Devices,
    OutcomeGiven,
    Override,
    Resume,
)

CLOSES = {
    Close.DRAINING: "this node is draining",
    Close.STORE_LOST: "the node lost its store",
    Close.STATE_GAP: "a gap in the state",
    Close.TOO_SLOW: "too slow to read",
    Close.NO_HEARTBEAT: "silence beyond the heartbeat",
    Close.RATE: "too many messages",
    Close.EXPIRED: "the sign-in or the ticket has expired",
    Close.NO_HELLO: "no `hello` in time",
    Close.BAD_TICKET: "the ticket is not good",
    Close.PROTOCOL_ERROR: "three bad messages in 10 s",
    Close.FORBIDDEN: "not allowed",
    Close.DISPLACED: "a newer device of the same participant took over",
    Close.OVER: "the visit is closed or cancelled",
    Close.REMOVED: "removed by the provider",
    Close.REVOKED: "the join link was revoked",
}


OBJECTS: Mapping[str, str] = {
    "entry": "id participant client{id? name} since verified acknowledged away media flags audio_reason? devices? "
    "place? display_name? address? phone? visit? rev? appointment?",
    "appointment, to a client": "id start end opens group",
    "appointment, to a provider": "id visit rev phase start end host{id name} group "
    "clients[{id participant name seat presence}]",
    "participant": "id role name presence reconnecting microphone camera screen mode mode_reason? network? you client?",
    "visit, in a provider's view": "id appointment rev phase segment path participants started_at "
    "connected_ms{client{video audio}} rejoin_until? agreed? mine?",
    "provider, in a client's view": "name status minutes?",
    "practice, in a client's view": "name help consent{version text} backup?",
}
"""How the objects are made that `signaling.shown` and `signaling.view` show; a test holds both together."""


def _objects() -> str:
    return "\n".join(f"| {name} | {_braces(words)} |" for name, words in OBJECTS.items())


def _braces(words: str) -> str:
    return re.sub(r"(\w\??|[\]}]) (?=\w)", r"\1, ", words)


def protocol() -> str:
    """Return the page."""
    return f"""# The WebSocket protocol

Version {PROTOCOL_VERSION}. Subprotocol `{SUBPROTOCOL_JSON}` (text frames) or `{SUBPROTOCOL_MSGPACK}` (binary frames);
the messages are the same. One message a frame, at most {FRAME_LIMIT // 1024} KiB; a session description at most
{SDP_LIMIT // 1024} KiB, or 2 KiB for each of its lines, if that is more. A message is a flat object with a `type`.
Fields that are unknown are overlooked; fields at their default may be left out. Times are milliseconds, UTC.

A request may carry `id`, which its reply repeats as `re`, and `key` (an idempotency key): the same key again gets the
stored reply and has no second effect. The first message is `hello`.

A *state event* carries `epoch`, `seq`, `at` and `version`; it is stored and replayed after a drop. All other messages
from the server are passing: told once, never stored.

## From a browser

{_sections(get_args(AnyRequest), base=Request)}

## From the server

{_sections(_told(), base=Message)}

## Objects

What events and views hold. A field with `?` may be missing.

| object | fields |
|---|---|
{_objects()}

## Values

{_sections(VALUES, base=Struct)}

## Error codes

An `error` has one of these codes and never a sentence. *Temporary*: the same request may be granted later.

| code | | temporary |
|---|---|---|
{_errors()}

## Close codes

4000 to 4499 come back, 4500 to 4999 do not.

| code | | comes back |
|---|---|---|
{_closes()}
"""


def _told() -> list[type[Message]]:
    """Return the messages a server sends, in the order they are written down in."""
    found = [one for _, one in inspect.getmembers(messages, inspect.isclass) if issubclass(one, Message)]
    sent = [one for one in found if one not in (Message, StateEvent)]
    return sorted(sent, key=lambda one: inspect.getsourcelines(one)[1])


def _sections(kinds: Iterable[type[Struct]], *, base: type[Struct]) -> str:
    return "\n\n".join(_section(kind, base) for kind in kinds)


def _section(kind: type[Struct], base: type[Struct]) -> str:
    tag = kind.__struct_config__.tag
    lines = [f"### {f'`{tag}`' if tag else kind.__name__}", "", inspect.getdoc(kind) or ""]
    if issubclass(kind, Request):
        lines[-1] += f" *{_who(kind)}*"
    elif issubclass(kind, StateEvent):
        lines[-1] += " *State event.*"
    inherited = (
        {f.name for f in fields(StateEvent if issubclass(kind, StateEvent) else base)} if base is not Struct else set()
    )
    own = [field for field in fields(kind) if field.name not in inherited]
    if own:
        hints = get_type_hints(kind, include_extras=True)
        notes = _notes(kind)
        lines += ["", "| field | type | |", "|---|---|---|"]
        lines += [_row(field, hints[field.name], notes.get(field.name, "")) for field in own]
    return "\n".join(lines)


def _who(kind: type[Request]) -> str:
    if kind in EVERYBODY:
        return "Everybody."
    roles = [role.value.replace("_", "-") for role in Role if kind in ALLOWED[role]]
    return f"{', '.join(roles).capitalize()}."


def _row(field: FieldInfo, hint: Any, note: str) -> str:
    required = field.default is NODEFAULT and field.default_factory is NODEFAULT
    needed = "required" if required else _default(field)
    return f"| `{field.encode_name}` | {_type(hint)} | {'; '.join(part for part in (needed, note) if part)} |"


def _default(field: FieldInfo) -> str:
    if field.default in (None, NODEFAULT, (), "") or isinstance(field.default, UnsetType):
        return "optional"
    return f"default `{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _notes(kind: type) -> dict[str, str]:
    """Return the words that stand beneath fields in the source."""
    found = re.findall(r'^    (\w+): .*\n    """(.+?)"""', inspect.getsource(kind), flags=re.MULTILINE)
    return {name: note.rstrip(".") for name, note in found}


def _type(hint: Any) -> str:
    """Return a type as a reader of JSON knows it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{_type(inner[0])}{_limits(one for one in inner[1:] if isinstance(one, Meta))}"
    if origin is Literal:
        return " \\| ".join(f"`{one}`" for one in inner)
    if origin in (Union, types.UnionType):
        return " \\| ".join(_type(one) for one in inner if one not in (type(None), UnsetType))
    if origin is tuple:
        return (
            "list of objects" if inner[0] is not str and get_origin(inner[0]) is dict else f"list of {_type(inner[0])}"
        )
    if origin is dict:
        return "object"
    if isinstance(hint, type) and issubclass(hint, Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return {str: "string", int: "integer", float: "number", bool: "boolean", Any: "anything"}.get(hint, str(hint))


def _limits(metas: Iterable[Meta]) -> str:
    return "".join(f", {limit}" for meta in metas for limit in _limits_of(meta))


def _limits_of(meta: Meta) -> Iterator[str]:
    low, high = meta.min_length or 0, meta.max_length
    if high is not None:
        yield f"{low} to {high}" if low else f"at most {high}"
    elif low:
        yield f"at least {low}"
    if meta.ge is not None or meta.le is not None:
        most = "2^53" if meta.le == 2**53 else meta.le
        yield f"{meta.ge} to {most}" if meta.le is not None else f"at least {meta.ge}"


def _errors() -> str:
    kinds = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.SignalingError)]
    kinds.sort(key=lambda one: inspect.getsourcelines(one)[1])
    told = [one for one in kinds if one is not errors.SignalingError]
    rows = [f"| `{one.code}` | {inspect.getdoc(one)} | {'yes' if one.temporary else ''} |" for one in told]
    internal = f"| `{errors.SignalingError.code}` | A mistake of ours; nothing more is told. | |"
    return "\n".join([*rows, internal])


def _closes() -> str:
    ours = [code for code in Close if code >= Close.DRAINING]
    assert set(ours) == set(CLOSES), "each close code of ours has its words"
    return "\n".join(
        f"| `{code.value}` | {CLOSES[code]} | {'yes' if code < Close.BAD_TICKET else ''} |" for code in ours
    )
