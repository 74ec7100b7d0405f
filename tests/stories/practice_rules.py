"""Gives a story's practice other rules than the usual ones."""

from __future__ import annotations

import httpx

from tests.stories.conftest import Day


async def rules(day: Day, **policies: object) -> None:
    """Set policies, for appointments that are made from now on."""
    node = day.world.nodes[0]
    body = {"name": "By the book", "consent": {"version": "1", "text": "A story."}, "policies": policies}
    async with httpx.AsyncClient(base_url=node.url) as operator:
        headers = {"Authorization": f"Bearer {day.world.operator_key}"}
        changed = await operator.put(f"/v1/practices/{day.ehr.practice}", headers=headers, json=body)
    changed.raise_for_status()
