"""Plants faults in the shell and demands that the machine sees them: `python -m tests.server.machine.faults [--all]`.

Each fault is a small edit of `server/`, made in a copy; there the walk plays from its first seed, and must break a
promise within `STEPS`. That shows something only if the very same histories keep every promise without a fault, so they
are played in an untouched copy as well. Ends with 1 if any fault goes unseen, or if a promise is broken without one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.signaling.faults import ROOT, Fault

STEPS = 20_000
"""How long the machine may look for one: a fifth of what it plays in each run of the tests."""

FAULTS = (
    Fault(
        "a hole in what the bus brought is ignored",
        "server/web/feed.py",
        "elif event is None or (self.last is not None and seq != self.last + 1):",
        "elif event is None:",
    ),
    Fault(
        "the bus may have missed something, and nobody looks",
        "server/web/hub.py",
        "        for feed in tuple(self.feeds.values()):\n            feed.fill()",
        "        pass",
    ),
    Fault(
        "a repeat is delivered again",
        "server/web/session.py",
        "        if seq <= self.cursor:\n            return\n        self.cursor = seq",
        "        self.cursor = seq",
    ),
    Fault(
        "the audience is not looked at before the socket",
        "server/web/session.py",
        "if not event.is_for(caller.by.participant, self.id):",
        "if not event.to:",
    ),
    Fault(
        "what is for one device goes to all of somebody's",
        "server/web/stored_event.py",
        "participant in self.to and self.connection in (None, connection)",
        "participant in self.to",
    ),
    Fault(
        "what each is told apart is told to nobody",
        "server/web/stored_event.py",
        "        told = self.told(participant)\n        return",
        "        told = self.message\n        return",
    ),
    Fault(
        "whom an event sends away stays",
        "server/web/session.py",
        "            self.close(event.close)",
        "            pass",
    ),
    Fault(
        "words of a visit reach everybody in the room",
        "server/web/hub.py",
        "if session.me.by.participant in participants and connection in (None, session.id):",
        "if connection in (None, session.id):",
    ),
    Fault(
        "a node that hears a call does not look once more",
        "server/nodes/passing.py",
        "if room is not None and _may_hear(room, one, call.visit)]",
        "if room is not None]",
    ),
    Fault(
        "nobody waits until the bus listens",
        "server/web/hub.py",
        "                await self.bus.subscribe(room)",
        "                self.spawn(self.bus.subscribe(room))  # type: ignore[arg-type]",
    ),
    Fault(
        "what came before the view was sent is lost",
        "server/web/session.py",
        "for seq, event in (*missed, *(held or ())):",
        "for seq, event in missed:",
    ),
    Fault(
        "who asks for a view is shown what the node last happened to see",
        "server/web/session.py",
        "seq=0 if anew else max(self.cursor, feed.heard))",
        "seq=1)",
    ),
    Fault(
        "recovered is said, and what was missed is not replayed",
        "server/web/greeting.py",
        "    return [(seq, decode(payload)) for seq, payload in stored]",
        "    return []",
    ),
    Fault(
        "recovered is said with a hole in what is replayed",
        "server/web/greeting.py",
        "    return [(seq, decode(payload)) for seq, payload in stored]",
        "    return [(seq, decode(payload)) for seq, payload in stored[1:]]",
    ),
    Fault(
        "the resume secret is not rotated",
        "server/web/resumption.py",
        "replace(claim, spent=True, next=next)",
        "replace(claim, next=next)",
    ),
    Fault(
        "a spent secret revokes nobody",
        "server/web/resumption.py",
        "            raise Reused(await self._revoke(resume.connection, claim))",
        "            raise Expired",
    ),
    Fault(
        "any secret resumes",
        "server/web/resumption.py",
        "if not hmac.compare_digest(claim.hash, sha256(resume.secret)):",
        "if not hmac.compare_digest(claim.hash, claim.hash):",
    ),
    Fault(
        "every second device takes over unasked",
        "server/web/greeting.py",
        "        takeover=takeover,",
        "        takeover=True,",
    ),
    Fault(
        "a drop is not told to the room",
        "server/web/hub.py",
        "            if session.entered:",
        "            if session.entered and session.bye:",
    ),
    Fault(
        "the rooms of a dead node are not told",
        "server/alarms.py",
        "self._rooms.fact(room, NodeGone(node, alive_until))",
        "asyncio.sleep(0)",
    ),
    Fault(
        "no alarm rings",
        "server/alarms.py",
        "self._rooms.fact(room, DeadlinePassed())",
        "asyncio.sleep(0)",
    ),
    Fault(
        "the idempotency key is ignored",
        "server/dispatch.py",
        "        if request.key is not None:",
        '        if request.key == "":',
    ),
    Fault(
        "a key answers for another request",
        "server/dispatch.py",
        "    if stored_body != body:",
        "    if not stored_body:",
    ),
    Fault(
        "who lost the race is told that they won",
        "server/dispatch.py",
        "                    room, certain = self._learn(id, conflict.present), True\n                    continue",
        "                    room, certain = self._learn(id, conflict.present), True\n"
        "                    return step.reply\n                    continue",
    ),
    Fault(
        "the last of two writers wins, whatever they had seen",
        "server/store/memory.py",
        "        if (0 if present is None else present.version) != commit.expected:",
        "        if (0 if present is None else present.version) < commit.expected:",
    ),
    Fault(
        "an End at another node does not stop the media",
        "server/nodes/following.py",
        "            self._read_soon(room, newest)",
        "            pass",
    ),
    Fault(
        "media are let in that were too late",
        "server/nodes/carrier.py",
        "        try:\n            await self._admitted(offered)\n        except",
        "        try:\n            pass\n        except",
    ),
    Fault(
        "a visit's media are carried twice",
        "server/nodes/leases.py",
        "            self._lost(visit)",
        "            pass",
    ),
    Fault(
        "later news take the place of earlier ones for a slow reader",
        "server/web/mailbox.py",
        '            self.size -= len(self._frames.pop(key, b""))',
        '            self.size -= len(self._frames.get(key, b""))',
    ),
)
QUICK = FAULTS[::4]
"""A few of every kind."""


def broken(fault: Fault | None) -> bool:
    """Tell whether the machine breaks a promise in a copy of the service that has the fault; None: as it is."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("signaling", "server", "tests/server/machine", "tests/signaling"):
            shutil.copytree(ROOT / part, copy / part)  # with what was compiled
        for part in ("tests/__init__.py", "tests/server/__init__.py"):
            shutil.copy(ROOT / part, copy / part)
        if fault is not None:
            plant(fault, copy)
        command = (sys.executable, "-m", "tests.server.machine.walk", "--steps", str(STEPS), "--plainly")
        alone = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": folder}
        done = subprocess.run(command, cwd=copy, env=alone, capture_output=True, text=True, check=False)
        assert "every promise" in done.stdout or "a promise broken" in done.stdout, done.stdout + done.stderr
        return done.returncode == 1


def plant(fault: Fault, copy: Path) -> None:
    """Make the edit."""
    file = copy / fault.file
    text = file.read_text(encoding="utf-8")
    assert text.count(fault.right) == 1, f"{fault.file} holds {text.count(fault.right)} times: {fault.right!r}"
    file.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Print each fault and whether it was seen; return 1 if one was not, or if the machine fails without any."""
    parser = argparse.ArgumentParser(prog="python -m tests.server.machine.faults", description=__doc__)
    parser.add_argument("--all", action="store_true", help="all, and not those few that each check has time for")
    chosen = FAULTS if parser.parse_args(arguments).all else QUICK
    began, unseen = time.monotonic(), 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        without = pool.submit(broken, None)
        for fault, found in zip(chosen, pool.map(broken, chosen), strict=True):
            unseen += not found
            print(f"{fault.what:<70} {'seen' if found else 'UNSEEN'}", flush=True)
        if without.result():
            print("A promise is broken without any fault, so nothing was shown: python3 run.py prove tells which.")
            return 1
    print(
        f"{len(chosen) - unseen} of {len(chosen)} faults of the shell seen in {time.monotonic() - began:.0f} s;",
        end=" ",
    )
    print(f"without a fault the same {STEPS} steps break nothing")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
