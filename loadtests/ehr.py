"""What an EHR's back end does: make a practice with its people and appointments through the API, and remove it."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import httpx

_WORKER: Final = re.compile(r'\{worker="\w+"\}$')


@dataclass(frozen=True, slots=True)
class Booked:
    """An appointment, and the join token of each of its clients, by client id."""

    id: str
    visit: str
    provider: str
    tokens: dict[str, str]


class Ehr:
    """A practice of its own on a running service. Use as `async with`; leaving removes the practice."""

    def __init__(
        self,
        url: str,
        operator_key: str,
        practice: str | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`url` is the service's public one; `transport` is another way there than a connection to it."""
        self.url = url
        self.practice = practice or f"load-{secrets.token_hex(4)}"
        self._operator = {"Authorization": f"Bearer {operator_key}"}
        self._http = httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False, transport=transport)
        self._key: dict[str, str] = {}

    async def __aenter__(self) -> Ehr:
        made = await self._http.put(f"/v1/practices/{self.practice}", headers=self._operator, json=_PRACTICE)
        made.raise_for_status()
        self._key = {"Authorization": f"Bearer {made.json()['api_key']}"}
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.delete()
        finally:
            await self._http.aclose()

    async def delete(self) -> None:
        """Remove the practice; doing it again is the same."""
        removed = await self._http.delete(f"/v1/practices/{self.practice}", headers=self._operator)
        if removed.status_code != 404:
            removed.raise_for_status()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API with the practice's key; return the answer. Raise `httpx.HTTPStatusError`."""
        content = None if body is None else json.dumps(body)
        headers = self._key | {"Content-Type": "application/json"}
        answer = await self._http.request(method, path, headers=headers, content=content)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def provider(self, id: str, name: str = "Dr. Load") -> str:
        """Make a provider; return the id."""
        await self.call("PUT", f"/v1/providers/{id}", {"name": name, "licenses": ["CO"]})
        return id

    async def book(self, id: str, provider: str, clients: list[str], *, group: bool = False, **changes: Any) -> Booked:
        """Make an appointment that starts now."""
        wanted = {
            "providers": [provider],
            "clients": [{"id": client, "name": f"Client {client}"} for client in clients],
            "start": int(time.time() * 1000),
            "duration_minutes": 50,
            "group": group,
        } | changes
        made = await self.call("PUT", f"/v1/appointments/{id}", wanted)
        tokens = {client["id"]: client["join_url"].rpartition("#")[2] for client in made["clients"]}
        return Booked(id, made["visit"], provider, tokens)

    async def join(self, token: str) -> httpx.Response:
        """Send a join token, as the client's page does."""
        return await self._http.post("/v1/join", json={"token": token}, headers={"Origin": self.url})

    async def client_ticket(self, token: str) -> str:
        """Exchange a join token for a WebSocket ticket."""
        joined = await self.join(token)
        joined.raise_for_status()
        return str(joined.json()["ticket"])

    async def knock(self, provider: str, name: str) -> str:
        """Get a WebSocket ticket as somebody without a link, as the practice's page does."""
        body = {"practice": self.practice, "provider": provider, "display_name": name}
        knocked = await self._http.post("/v1/knock", json=body, headers={"Origin": self.url})
        knocked.raise_for_status()
        return str(knocked.json()["ticket"])

    async def provider_ticket(self, provider: str) -> str:
        """Get a WebSocket ticket as a provider."""
        return str((await self.call("POST", f"/v1/providers/{provider}/tickets", {}))["ticket"])

    async def metrics(self) -> dict[str, float]:
        """Return the service's own figures by name (without labels)."""
        answer = await self._http.get("/metrics", headers=self._operator)
        answer.raise_for_status()
        return figures(answer.text)


def figures(text: str) -> dict[str, float]:
    """Return Prometheus' text as figures by name: of several workers their sum, and none with other labels."""
    found: dict[str, float] = defaultdict(float)
    for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")):
        plain = _WORKER.sub("", name)
        if "{" not in plain:
            found[plain] += float(value)
    return dict(found)


_PRACTICE = {
    "name": "Load",
    "time_zone": "UTC",
    "help": "nobody",
    "consent": {"version": "1", "text": "A load test."},
}
