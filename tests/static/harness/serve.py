"""A stand-in for the service, so that the pages can be walked through and looked at without it.

It serves `static/` with the real Content-Security-Policy, keeps one room in memory and answers media offers
by sending each participant's own tracks back. It checks nothing: never use it for anything else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
from itertools import count
from pathlib import Path
from typing import Any

import uvicorn
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

STATIC = Path(__file__).resolve().parents[3] / "static"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CONSENT = (
    "You agree to receive care by video or audio. Your session is private: it is not recorded, and nobody "
    "joins without your knowledge.\n\nTelehealth has limits. The connection may fail, and your provider may "
    "suggest a visit in person. You may stop at any time.\n\nIn an emergency, call 911 or go to the nearest "
    "emergency department."
)
PRACTICE = {
    "id": "demo",
    "name": "Juniper Street Counseling",
    "time_zone": "America/Denver",
    "help": {"phone": "+1 303 555 0142", "email": "frontdesk@juniper.example"},
    "backup": "+1 303 555 0199",
    "consent": {"version": "1", "text": CONSENT},
}
PROVIDER = {"id": "prv", "name": "Dr. Maya Rivera"}
NAMES = {"ana": "Ana Lopez", "ben": "Benjamin Okafor-Whitfield"}
SECONDS = 1000


def now() -> int:
    """Return ms, UTC."""
    return time.time_ns() // 1_000_000


class Room:
    """One provider's room, as far as a page can tell."""

    def __init__(self) -> None:
        self.seq = 0
        self.ids = count(1)
        self.status: dict[str, Any] = {"status": "available"}
        self.entries: dict[str, dict[str, Any]] = {}
        self.visits: dict[str, dict[str, Any]] = {}
        self.sockets: dict[str, WebSocket] = {}
        self.devices: dict[str, str] = {}
        self.tickets: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.names = dict(NAMES)
        self.peers: dict[str, RTCPeerConnection] = {}
        self.relay = MediaRelay()
        self.signed_in = False
        self.refuse_media = False
        start = now() - now() % (1800 * SECONDS) + 1800 * SECONDS
        self.appointments = {
            who: {
                "id": f"apt_{who}",
                "rev": 0,
                "phase": "scheduled",
                "start": start + n * 3_600_000,
                "end": start + n * 3_600_000 + 3_000_000,
                "group": False,
                "clients": [{"id": who, "name": name, "seat": "out"}],
            }
            for n, (who, name) in enumerate(NAMES.items())
        }

    def new(self, kind: str) -> str:
        """Return an id."""
        return f"{kind}_{next(self.ids)}"

    def visit_of(self, who: str) -> dict[str, Any] | None:
        """Return the visit a client takes part in, or the provider's live one."""
        for visit in self.visits.values():
            if visit["phase"] != "closed" and (
                who == visit["client"] or (who == "prv" and visit["phase"] == "in_progress")
            ):
                return visit
        return None

    def participants(self, visit: dict[str, Any], who: str) -> list[dict[str, Any]]:
        """Return the participants as `who` sees them."""
        return [{**one, "you": one["id"] == who} for one in visit["participants"].values()]

    def view(self, who: str) -> dict[str, Any]:
        """Return the whole state as `who` may see it."""
        if who == "prv":
            return {
                "type": "view",
                "version": 1,
                **self.status,
                "waiting": [e for e in self.entries.values() if e["verified"]],
                "unverified": [e for e in self.entries.values() if not e["verified"]],
                "appointments": list(self.appointments.values()),
                "visits": [
                    {**v, "participants": self.participants(v, who)}
                    for v in self.visits.values()
                    if v["phase"] != "closed"
                ],
            }
        visit = self.visit_of(who)
        waiting = any(e["client"].get("id") == who or e["id"] == f"ent_{who}" for e in self.entries.values())
        phase = visit["phase"] if visit else "waiting" if waiting else "scheduled"
        appointment = self.appointments.get(who)
        return {
            "type": "view",
            "version": 1,
            "phase": phase,
            "rev": 1,
            "provider": {**PROVIDER, **self.status},
            "practice": PRACTICE,
            "appointment": {k: appointment[k] for k in ("id", "start", "end", "group")} if appointment else None,
            "checked_in": waiting or visit is not None,
            **(
                {"visit": visit["id"], "rejoin_until": visit.get("rejoin_until"), "agreed": visit["agreed"]}
                if visit
                else {}
            ),
            **(
                {
                    "participants": self.participants(visit, who),
                    "ice_servers": [],
                    "segment": visit["segment"],
                }
                if visit and phase == "in_progress"
                else {}
            ),
        }

    async def send(self, who: str, message: dict[str, Any]) -> None:
        """Send one message, if `who` is there."""
        if socket := self.sockets.get(who):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.send_text(json.dumps(message))

    async def tell(self, *who: str, **event: Any) -> None:
        """Send a state event."""
        self.seq += 1
        for one in who:
            own = dict(event)
            if "visit" in event and event["type"] in ("visit.started", "visit.resumed"):
                own["participants"] = self.participants(self.visits[event["visit"]], one)
            await self.send(one, {**own, "epoch": "e1", "seq": self.seq, "at": now()})

    async def handle(self, who: str, message: dict[str, Any]) -> dict[str, Any]:
        """Do what `who` asks and return the fields of the `ok`."""
        kind = message["type"].replace(".", "_")
        handler = getattr(self, f"on_{kind}", None)
        if handler is None:
            return {}
        return await handler(who, message) or {}

    async def on_sync(self, who: str, message: dict[str, Any]) -> dict[str, Any]:
        return {**self.view(who), "_view": True}

    async def on_check_in(self, who: str, message: dict[str, Any]) -> None:
        appointment = self.appointments.get(who)
        entry = {
            "id": f"ent_{who}",
            "client": {"id": who, "name": message.get("display_name") or self.names[who]},
            "since": now(),
            "verified": appointment is not None,
            "acknowledged": False,
            "away": False,
            "devices": message["devices"],
            "media": message["media"],
            "place": message["place"],
            "flags": [] if message["privacy"] else ["no_privacy"],
        }
        if appointment:
            appointment.update(phase="waiting", rev=1)
            entry.update(appointment=appointment["id"], rev=1)
        self.entries[entry["id"]] = entry
        await self.tell("prv", type="queue.entered", entry=entry)
        await self.tell("prv", type="client.ready", entry=entry["id"])
        await self.tell(who, type="waiting.changed", **self.status)

    async def change(self, entry: str, **fields: Any) -> None:
        """Change an entry and tell the provider."""
        if entry in self.entries:
            self.entries[entry].update(fields)
            await self.tell("prv", type="queue.changed", entry=self.entries[entry])

    async def on_step_away(self, who: str, message: dict[str, Any]) -> None:
        await self.change(f"ent_{who}", away=True)

    async def on_come_back(self, who: str, message: dict[str, Any]) -> None:
        await self.change(f"ent_{who}", away=False)

    async def on_leave(self, who: str, message: dict[str, Any]) -> None:
        self.entries.pop(f"ent_{who}", None)
        await self.tell("prv", type="queue.left", entry=f"ent_{who}", reason="left")

    async def on_acknowledge(self, who: str, message: dict[str, Any]) -> None:
        await self.change(message["entry"], acknowledged=True)

    async def on_tell_waiting(self, who: str, message: dict[str, Any]) -> None:
        client = message["entry"].removeprefix("ent_")
        await self.send(client, {"type": "waiting.changed", **self.status, "text": message["text"]})

    async def on_set_status(self, who: str, message: dict[str, Any]) -> None:
        self.status = {k: message[k] for k in ("status", "minutes") if k in message}
        for entry in self.entries:
            await self.tell(entry.removeprefix("ent_"), type="waiting.changed", **self.status)

    async def on_remove(self, who: str, message: dict[str, Any]) -> None:
        self.entries.pop(message["entry"], None)
        await self.tell("prv", type="queue.left", entry=message["entry"], reason="removed")
        if socket := self.sockets.pop(message["entry"].removeprefix("ent_"), None):
            await socket.close(4511)

    async def on_start(self, who: str, message: dict[str, Any]) -> dict[str, Any]:
        client = (message.get("entry") or message["appointment"]).split("_", 1)[1]
        entry = self.entries.pop(f"ent_{client}", None)
        if entry is None:
            return {"_error": "not_ready"}
        person = {"presence": "connected", "microphone": True, "camera": True, "screen": False}
        visit = {
            "id": self.new("vis"),
            "appointment": f"apt_{client}",
            "client": client,
            "rev": 2,
            "phase": "in_progress",
            "segment": 1,
            "started_at": now(),
            "agreed": [],
            "participants": {
                "prv": {"id": "prv", "role": "provider", "name": PROVIDER["name"], "mode": "video", **person},
                client: {
                    "id": client,
                    "role": "client",
                    "name": entry["client"]["name"],
                    "mode": entry["media"],
                    **person,
                },
            },
        }
        self.visits[visit["id"]] = visit
        if client in self.appointments:
            self.appointments[client]["phase"] = "in_progress"
        await self.tell("prv", type="queue.left", entry=entry["id"], reason="started")
        await self.tell(
            "prv",
            client,
            type="visit.started",
            visit=visit["id"],
            appointment=visit["appointment"],
            segment=1,
            rev=2,
            ice_servers=[],
        )
        return {"visit": visit["id"], "rev": 2}

    async def on_end(self, who: str, message: dict[str, Any]) -> None:
        visit = self.visits[message["visit"]]
        visit.update(phase="ended", rejoin_until=now() + 300 * SECONDS, agreed=[])
        by = "provider" if who == "prv" else "client"
        await self.tell(
            "prv",
            visit["client"],
            type="visit.ended",
            visit=visit["id"],
            by=by,
            reason="ended",
            rev=3,
            rejoin_until=visit["rejoin_until"],
        )

    async def on_rejoin(self, who: str, message: dict[str, Any]) -> None:
        visit = self.visits[message["visit"]]
        visit["agreed"] = sorted({*visit["agreed"], "provider" if who == "prv" else "client"})
        if len(visit["agreed"]) == 2:
            visit.update(phase="in_progress", segment=visit["segment"] + 1, agreed=[])
            await self.tell(
                "prv",
                visit["client"],
                type="visit.resumed",
                visit=visit["id"],
                segment=visit["segment"],
                ice_servers=[],
            )
            return
        visit["phase"] = "rejoin_pending"
        await self.pending(visit)

    async def pending(self, visit: dict[str, Any]) -> None:
        """Tell both sides who chose to rejoin."""
        await self.tell(
            "prv",
            visit["client"],
            type="visit.rejoin_pending",
            visit=visit["id"],
            agreed=visit["agreed"],
            rejoin_until=visit["rejoin_until"],
        )

    async def on_withdraw(self, who: str, message: dict[str, Any]) -> None:
        visit = self.visits[message["visit"]]
        visit["agreed"] = [role for role in visit["agreed"] if role != ("provider" if who == "prv" else "client")]
        await self.pending(visit)

    async def on_finish(self, who: str, message: dict[str, Any]) -> None:
        visit = self.visits[message["visit"]]
        visit["phase"] = "closed"
        if visit["client"] in self.appointments:
            self.appointments[visit["client"]]["phase"] = "closed"
        await self.tell("prv", visit["client"], type="visit.closed", visit=visit["id"], outcome="attended")
        if socket := self.sockets.pop(visit["client"], None):
            await socket.close(4510)

    async def on_media_prepare(self, who: str, message: dict[str, Any]) -> dict[str, Any]:
        return {"ice_servers": []}

    async def on_media_state(self, who: str, message: dict[str, Any]) -> None:
        await self.participant(who, {k: message[k] for k in ("microphone", "camera", "screen")})

    async def on_media_mode(self, who: str, message: dict[str, Any]) -> None:
        await self.participant(who, {"mode": message["mode"]})

    async def participant(self, who: str, change: dict[str, Any]) -> None:
        """Change a participant and tell the other."""
        if visit := self.visit_of(who):
            visit["participants"][who].update(change)
            for one in ("prv", visit["client"]):
                person = {**visit["participants"][who], "you": one == who}
                await self.tell(one, type="participant.changed", visit=visit["id"], participant=person)

    async def on_media_offer(self, who: str, message: dict[str, Any]) -> dict[str, Any]:
        if self.refuse_media:
            return {"_error": "unavailable"}
        key = f"{who}/{message['peer']}"
        peer = self.peers.get(key)
        if peer is None:
            peer = self.peers[key] = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            peer.on("track", lambda track: peer.addTrack(self.relay.subscribe(track)))
        await peer.setRemoteDescription(RTCSessionDescription(message["sdp"], "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        other = next((p for p in (self.visit_of(who) or {"participants": {}})["participants"] if p != who), "")
        tracks = [
            {"mid": t.mid, "participant": other, "kind": t.kind, "source": "camera"} for t in peer.getTransceivers()
        ]
        answer = {
            "type": "media.answer",
            "peer": message["peer"],
            "round": message["round"],
            "tracks": tracks,
        }
        await self.send(who, {**answer, "sdp": peer.localDescription.sdp})
        return {}


room = Room()


async def serve_socket(socket: WebSocket) -> None:
    """Serve one page's WebSocket."""
    await socket.accept(subprotocol="carelobby.v1.json")
    hello = json.loads(await socket.receive_text())
    who = room.tickets.pop(hello.get("ticket", ""), None) or room.secrets.pop(
        hello.get("resume", {}).get("secret", ""), None
    )
    if who is None:
        await socket.close(4500)
        return
    other = room.sockets.get(who)
    if other and room.devices.get(who) != hello["device"]:
        if not hello.get("takeover"):
            await socket.close(4509)
            return
        await room.send(who, {"type": "displaced"})
        await other.close(4509)
    room.sockets[who], room.devices[who] = socket, hello["device"]
    secret = room.new("secret")
    room.secrets[secret] = who
    role = "provider" if who == "prv" else "client"
    welcome = {
        "type": "welcome",
        "connection": room.new("con"),
        "secret": secret,
        "resume_for": 60,
        "role": role,
    }
    await socket.send_text(json.dumps({**welcome, "heartbeat": 10, "limits": {}, "recovered": False, "at": now()}))
    await socket.send_text(json.dumps(room.view(who)))
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        while True:
            message = json.loads(await socket.receive_text())
            answer = await room.handle(who, message)
            if "id" in message:
                kind = "view" if answer.pop("_view", False) else "error" if "_error" in answer else "ok"
                code = {"code": answer.pop("_error"), "temporary": False} if kind == "error" else {}
                await socket.send_text(json.dumps({**answer, **code, "type": kind, "re": message["id"]}))
    if room.sockets.get(who) is socket:
        del room.sockets[who]


def ticket(who: str) -> str:
    """Return a fresh ticket."""
    made = room.new("ticket")
    room.tickets[made] = who
    return made


async def join(request: Request) -> Response:
    """Answer `POST /v1/join`."""
    who = (await request.json())["token"].removesuffix("-token")
    if who not in NAMES:
        return JSONResponse({"code": "bad_link"}, 404)
    appointment = {k: room.appointments[who][k] for k in ("id", "start", "end", "group")}
    told = {"practice": PRACTICE, "provider": {**PROVIDER, **room.status}, "appointment": appointment}
    return JSONResponse({"ticket": ticket(who), **told})


async def lobby(request: Request) -> Response:
    """Answer `GET /v1/practices/{id}/lobby`."""
    return JSONResponse({"practice": PRACTICE, "providers": [PROVIDER, {"id": "prv2", "name": "Sam Chen, LCSW"}]})


async def knock(request: Request) -> Response:
    """Answer `POST /v1/knock`."""
    who = room.new("knock")
    room.names[who] = (await request.json())["display_name"]
    return JSONResponse({"ticket": ticket(who), "practice": PRACTICE, "provider": PROVIDER})


async def sign_in(request: Request) -> Response:
    """Answer `POST /v1/sign-in`."""
    if (await request.json())["password"] != "right":
        return JSONResponse({"code": "bad_credentials"}, 401)
    room.signed_in = True
    return JSONResponse({"provider": PROVIDER, "practice": PRACTICE})


async def sign_out(request: Request) -> Response:
    """Answer `POST /v1/sign-out`."""
    room.signed_in = False
    return JSONResponse({})


async def tickets(request: Request) -> Response:
    """Answer `POST /v1/tickets`."""
    if not room.signed_in:
        return JSONResponse({"code": "bad_credentials"}, 401)
    return JSONResponse({"ticket": ticket("prv"), "provider": PROVIDER, "practice": PRACTICE}, 201)


async def script(request: Request) -> Response:
    """Do what a walk asks: `reset`, `drop` a socket, `send` a message, `refuse_media`, change a person."""
    global room  # noqa: PLW0603 - one stand-in, one room
    asked = await request.json()
    if asked.get("reset"):
        await asyncio.gather(*(peer.close() for peer in room.peers.values()))
        for socket in list(room.sockets.values()):
            with contextlib.suppress(RuntimeError):
                await socket.close(4510)
        room = Room()
    if (who := asked.get("drop")) and (socket := room.sockets.pop(who, None)):
        await socket.close(asked["code"])
    if who := asked.get("send"):
        await room.send(who, asked["message"])
    if who := asked.get("participant"):
        await room.participant(who, asked["change"])
    room.refuse_media = asked.get("refuse_media", room.refuse_media)
    return JSONResponse({})


def page(name: str) -> Any:
    """Return a handler that serves a page."""

    async def handler(request: Request) -> Response:
        return Response((STATIC / f"{name}.html").read_bytes(), media_type="text/html")

    return handler


class Headers:
    """The headers that bind a page, on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = {
                    "content-security-policy": CSP,
                    "referrer-policy": "no-referrer",
                    "x-content-type-options": "nosniff",
                    "cache-control": "no-store",
                }
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in more.items()),
                ]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


app = Starlette(
    routes=[
        Route("/", page("index")),
        Route("/join", page("client")),
        Route("/p/{practice}/telehealth", page("client")),
        Route("/provider", page("provider")),
        Route("/v1/join", join, methods=["POST"]),
        Route("/v1/practices/{id}/lobby", lobby),
        Route("/v1/knock", knock, methods=["POST"]),
        Route("/v1/sign-in", sign_in, methods=["POST"]),
        Route("/v1/sign-out", sign_out, methods=["POST"]),
        Route("/v1/tickets", tickets, methods=["POST"]),
        Route("/_script", script, methods=["POST"]),
        WebSocketRoute("/v1/ws", serve_socket),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
)

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=8765)
    uvicorn.run(Headers(app), host="127.0.0.1", port=options.parse_args().port, log_level="warning")
