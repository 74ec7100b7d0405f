"""Plants faults in the heart and demands that the tests see them: `python -m tests.signaling.faults [--both]`.

A test that cannot fail proves nothing. Each fault is a small edit of `signaling/`, made in a copy; the stories and
then, if need be, the state machine run there, and one of the two must fail. An edit whose text is no longer found is an
error of this list. Ends with 1 if any fault goes unseen.
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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and the edit that makes it so."""

    what: str
    file: str
    right: str
    wrong: str
    likely: str = ""
    """The test file that is asked first; empty: the one that is named like `file`."""


FAULTS = (
    Fault(
        "Start admits everyone who waits",
        "starting.py",
        "    withdraw_elsewhere(draft, visit)\n    draft.notify",
        "    for other in list(draft.room.visits.values()):\n"
        "        for seat in list(other.seats.values()):\n"
        "            if seat.stand is WAITING and other.id != visit.id:\n"
        "                draft.put_visit(_let_in(draft, draft.room.visits[other.id], [seat]))\n"
        "    withdraw_elsewhere(draft, visit)\n    draft.notify",
    ),
    Fault(
        "the segment is not stopped at End",
        "segment.py",
        "replace(running, ended_at=max(now, running.started_at), by=by, reason=reason)",
        "replace(running, by=by, reason=reason)",
        likely="test_ending.py",
    ),
    Fault(
        "rejoin is possible after the window",
        "deadlines.py",
        "return visit.rejoin_until if",
        "return visit.rejoin_until + 60_000 if",
        likely="test_rejoining.py",
    ),
    Fault("an early alarm is obeyed", "room.py", "draft.due()) > now:", "draft.due()) > now + 1:"),
    Fault("a late alarm lengthens the segment", "room.py", "        draft.at(due)\n", "        draft.at(now)\n"),
    Fault(
        "agreement outlives the End",
        "segment.py",
        "        agreed=(),\n",
        "",
        likely="test_rejoining.py",
    ),
    Fault(
        "one side's agreement is enough", "rejoining.py", "not agreed.isdisjoint(provider_ids(visit)) and not", "not"
    ),
    Fault(
        "the record is handed off twice",
        "closing.py",
        "    whole = overall(",
        "    draft.hand_off(visit, outcomes)\n    whole = overall(",
    ),
    Fault(
        "billing hears at every End",
        "ending.py",
        "    draft.close_peers(visit.id)\n    draft.notify(",
        "    from signaling.outcomes import outcome_of\n\n"
        "    found = {id: outcome_of(visit, seat, draft.now) for id, seat in visit.seats.items()}\n"
        "    draft.hand_off(visit, found)\n"
        "    draft.close_peers(visit.id)\n    draft.notify(",
        likely="test_record.py",
    ),
    Fault(
        "client.ready is told at each check-in of one arrival",
        "seats.py",
        "    _tell_changed(draft, entry, visit)\n\n\ndef demand_audio",
        "    draft.tell(watchers(draft.room, visit), ClientReady(entry=entry.id))\n\n\ndef demand_audio",
        likely="test_notices.py",
    ),
    Fault(
        "a walk-in takes the seat of somebody who waits",
        "matching.py",
        "s.stand is Stand.OUT and not s.attended and client",
        "client",
    ),
    Fault(
        "who is matched reads whose seat it is",
        "shown.py",
        "        return seat.called",
        "        return seat.name",
        likely="test_matching.py",
    ),
    Fault(
        "a walk-in is matched by the name they typed",
        "starting.py",
        "    if request.appointment is None:\n",
        "    for one in draft.room.visits.values():\n"
        "        if any(entry.name == seat.name for seat in one.seats.values()):\n"
        "            return match(draft, by, one, entry, None)\n"
        "    if request.appointment is None:\n",
        likely="test_matching.py",
    ),
    Fault(
        "a group has no limit",
        "starting.py",
        "        raise TooMany(",
        "        pass  # raise TooMany(",
        likely="test_groups.py",
    ),
    Fault(
        "who stays out is not told that it goes on",
        "rejoining.py",
        "if seat.stand is OUT and may_rejoin(seat)]\n    draft.tell(outside",
        "if not seat]\n    draft.tell(outside",
        likely="test_groups.py",
    ),
    Fault(
        "why somebody is removed is told to the others",
        "ending.py",
        "draft.tell((participant,), told, close=4511)",
        "draft.tell((participant,), told, close=4511)\n"
        "    draft.tell(roster(visit) if visit is not None else (), told)",
    ),
    Fault(
        "a client comes a day too early",
        "waiting.py",
        "    if now < opens(visit):",
        "    if now < 0:",
        likely="test_waiting.py",
    ),
    Fault(
        "a walk-in waits for ever",
        "deadlines.py",
        "    if entry.visit is None:\n        due",
        "    if entry.id is None:\n        due",
        likely="test_waiting.py",
    ),
    Fault(
        "the waiting are not told that the provider is with someone",
        "lookup.py",
        'WITH_SOMEONE if room.status.kind == "available"',
        'WITH_SOMEONE if room.status.kind == "with_someone"',
        likely="test_waiting.py",
    ),
    Fault(
        "a new co-provider is not told who waits",
        "opening.py",
        "        tell_entered(draft, new, entry",
        "        tell_entered(draft, (), entry",
        likely="test_co_providers.py",
    ),
    Fault(
        "who no longer hosts an appointment is not told",
        "opening.py",
        '    draft.tell(gone, VisitClosed(visit=visit.id, rev=visit.rev, outcome="cancelled"))\n',
        "",
        likely="test_co_providers.py",
    ),
    Fault(
        "an acknowledged notice rings again when its client checks in again",
        "seats.py",
        "media_reason=reason, away=False)",
        "media_reason=reason, away=False, acknowledged=False)",
        likely="test_notices.py",
    ),
    Fault(
        "who waited in vain and went is a no-show",
        "outcomes.py",
        "came=bool(seat.waited)",
        "came=seat.stand is Stand.WAITING",
    ),
    Fault("minutes before the start are counted as absence", "outcomes.py", "((awaited, max(", "((0, max("),
    Fault(
        "who lost the place by a dead node is said to have left",
        "presence.py",
        "            _note_fault(draft, connection.who.participant)\n",
        "",
        likely="test_outcomes.py",
    ),
    Fault(
        "who waits to the end is judged as if they had left",
        "closing.py",
        "    outcomes = {id: _outcome(visit, seat, cancelled, draft.now) for id, seat in visit.seats.items()}\n"
        '    visit = replace(forget_waiting(draft, visit, "closed"), rev=rev)\n',
        '    visit = replace(forget_waiting(draft, visit, "closed"), rev=rev)\n'
        "    outcomes = {id: _outcome(visit, seat, cancelled, draft.now) for id, seat in visit.seats.items()}\n",
        likely="test_outcomes.py",
    ),
    Fault(
        "a late cancel is held against who waited for nobody",
        "closing.py",
        'return "provider_absent" if in_vain else cancelled',
        "return cancelled",
        likely="test_outcomes.py",
    ),
    Fault("rev is not counted", "visit.py", "rev=visit.rev + 1", "rev=visit.rev", likely="test_starting.py"),
    Fault(
        "the queue is told to everybody in it",
        "seats.py",
        "    return provider_ids(visit) if visit is not None else (room.host.id,)",
        "    waiting = tuple(e.participant for e in room.entries.values())\n"
        "    return (*(provider_ids(visit) if visit is not None else (room.host.id,)), *waiting)",
    ),
    Fault(
        "a co-provider hears of the unverified lane",
        "view.py",
        "if e.visit is None) if host else ()",
        "if e.visit is None)",
    ),
    Fault(
        "a group's clients read each other's names",
        "shown.py",
        "viewer not in visit.seats or visit.policy.names_in_group",
        "viewer not in visit.seats or visit.group",
        likely="test_groups.py",
    ),
    Fault(
        "a second device is let in beside the first",
        "presence.py",
        "        displaced = others\n",
        "        displaced = {}\n",
    ),
    Fault(
        "a displaced device may still write",
        "room.py",
        "    demand_active(draft.room, by, asked.connection)\n",
        "",
        likely="test_presence.py",
    ),
    Fault("the grace is forgotten", "seats.py", "change_entry(draft, replace(entry, dropped_at=draft.now))", "pass"),
    Fault(
        "a provider rejoins while another visit is live",
        "rejoining.py",
        '        raise Busy("another visit is in progress in this room")\n    if by',
        "        live = None\n    if by",
    ),
    Fault(
        "check-in without consent", "seats.py", "if request.consent is None or", "if request.consent is not None and"
    ),
    Fault(
        "who was sent back to wait rejoins by themselves",
        "lookup.py",
        " and not seat.sent_back",
        "",
        likely="test_groups.py",
    ),
    Fault(
        "media go on after the End",
        "ending.py",
        "    draft.close_peers(visit.id)\n    draft.notify(",
        "    draft.notify(",
    ),
    Fault(
        "before admission the participants are shown",
        "view.py",
        "if situation is Situation.IN_PROGRESS:",
        "if visit.phase is Phase.IN_PROGRESS:",
    ),
    Fault(
        "a stale click shows a client the appointment",
        "visit.py",
        "    if hosts(visit, by):\n",
        "    if visit.seats:\n",
        likely="test_starting.py",
    ),
    Fault(
        "a provider who starts another visit still agrees to rejoin",
        "starting.py",
        "    withdraw_elsewhere(draft, visit)\n    draft.notify",
        "    draft.notify",
        likely="test_rejoining.py",
    ),
    Fault(
        "a late fact opens a closed visit again",
        "opening.py",
        " or appointment.visit in draft.room.closed",
        "",
        likely="test_closing.py",
    ),
    Fault(
        "the table lets a client start",
        "permissions.py",
        "    CheckIn: frozenset({S.SCHEDULED, S.WAITING}),\n",
        "    CheckIn: frozenset({S.SCHEDULED, S.WAITING}),\n    Start: frozenset({S.SCHEDULED}),\n",
    ),
    Fault(
        "a node that has lost a visit still tells of its media",
        "modality.py",
        " or event.fence < visit.media_fence:",
        ":",
        likely="test_media_moved.py",
    ),
    Fault(
        "an older take-over undoes a newer one",
        "modality.py",
        " or event.fence <= visit.media_fence:",
        ":",
        likely="test_media_moved.py",
    ),
    Fault(
        "media go on when their node was dead already",
        "modality.py",
        "_cut(visit, min(event.alive_until, draft.now))",
        "_cut(visit, draft.now)",
        likely="test_media_moved.py",
    ),
    Fault("an outage is not heard of", "outages.py", "    return [Interval(", "    return () and [Interval("),
    Fault(
        "an outage that turns out longer is counted again",
        "outages.py",
        "Interval(max(one.start, heard), one.end)",
        "Interval(one.start, one.end)",
    ),
    Fault(
        "a second device takes over without a click",
        "presence.py",
        '            raise Busy("another device of this participant is active")\n',
        "            pass\n",
    ),
    Fault(
        "the media of a displaced device go on",
        "presence.py",
        "        _stop_media(draft, by.participant)\n",
        "        pass\n",
    ),
    Fault("a walk-in takes the seat of somebody who took part", "matching.py", " and not s.attended", ""),
    Fault("of several free seats one is guessed", "matching.py", "    if len(free) != 1:", "    if not free:"),
    Fault(
        "who was taken for another and is sent away keeps the seat",
        "matching.py",
        "    if owner is None or seat.called is None:",
        "    if owner is not None or seat.called is None:",
    ),
    Fault(
        "who waits for a visit that goes on waits for ever",
        "deadlines.py",
        "    return max(awaited_since(visit), seat.waited[-1].start) + visit.policy.waiting_limit",
        "    return NEVER",
        likely="test_waiting.py",
    ),
    Fault(
        "what is told of a visit is how it was when that was read",
        "opening.py",
        '("appointment", shown_appointment, (',
        '("appointment", lambda there, _: shown_appointment(there, draft.room.visits[visit.id]), (',
        likely="test_effects.py",
    ),
    Fault(
        "who goes is gone in all that was told before",
        "index.py",
        "        self.connected = self.connected.copy()\n",
        "",
        likely="test_effects.py",
    ),
    Fault(
        "a visit ends because somebody waits too long for it",
        "room.py",
        "visit.phase is Phase.IN_PROGRESS and kept_waiting_too_long(draft, visit):",
        "visit.phase is Phase.CLOSED and kept_waiting_too_long(draft, visit):",
        likely="test_waiting.py",
    ),
    Fault(
        "pictures that were withheld count as video",
        "minutes.py",
        "return without(spans(log.video, now), spans(log.withheld, now))",
        "return spans(log.video, now)",
        likely="test_modality.py",
    ),
    Fault(
        "nobody is shown that a network is weak",
        "modality.py",
        "    if (log.lost, log.weak) != (before.lost, before.weak):",
        "    if log.lost != before.lost:",
    ),
    Fault(
        "pictures are withheld beyond the end",
        "segment.py",
        ", withheld=ended(log.withheld, at))",
        ")",
        likely="test_modality.py",
    ),
    Fault(
        "the record does not say that the server held pictures back",
        "record.py",
        "sorted([*said, *seen], key",
        "sorted(said, key",
        likely="test_modality.py",
    ),
)

ELSEWHERE = ("--ignore=tests/signaling/test_machine.py", "--ignore=tests/signaling/test_documents.py")
STORIES = ("-m", "pytest", "-x", "-q", "-p", "no:hypothesispytest", *ELSEWHERE, "tests/signaling")
MACHINE = ("-m", "pytest", "-x", "-q", "tests/signaling/test_machine.py")


def seen(fault: Fault, tests: tuple[str, ...]) -> bool:
    """Tell whether `tests` fail in a copy of the heart that has the fault."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("signaling", "tests/signaling"):
            shutil.copytree(ROOT / part, copy / part)  # with what was compiled: most of the time is spent on that
        for part in ("pyproject.toml", "tests/__init__.py"):
            shutil.copy(ROOT / part, copy / part)
        file = copy / "signaling" / fault.file
        text = file.read_text(encoding="utf-8")
        assert text.count(fault.right) == 1, f"{fault.file} holds {text.count(fault.right)} times: {fault.right!r}"
        file.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")
        quick = {**os.environ, "CARELOBBY_TEST_QUICK": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": folder}
        quick.pop("CARELOBBY_TEST_EXAMPLES", None)
        command = (sys.executable, *tests, "-p", "no:cacheprovider")
        done = subprocess.run(command, cwd=copy, env=quick, capture_output=True, text=True, check=False)
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        return done.returncode == 1


def look(fault: Fault, *, both: bool) -> tuple[str, str]:
    """Return who sees a fault. What the stories see, the machine is asked about only if `both` are to be known."""
    own = f"tests/signaling/{fault.likely or f'test_{fault.file}'}"  # quick to ask
    stories = ((ROOT / own).exists() and seen(fault, (*STORIES[:-1], own))) or seen(fault, STORIES)
    machine = seen(fault, MACHINE) if both or not stories else None
    return _word(stories), _word(machine)


def _word(found: bool | None) -> str:
    return "" if found is None else "seen" if found else "UNSEEN"


def main(arguments: list[str]) -> int:
    """Print a table of faults and who saw them; return 1 if one went unseen."""
    parser = argparse.ArgumentParser(prog="python -m tests.signaling.faults", description=__doc__)
    parser.add_argument("--both", action="store_true", help="ask the state machine even where a story sees the fault")
    both = parser.parse_args(arguments).both
    began, unseen = time.monotonic(), 0
    print(f"{'fault':<60} stories  machine")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for fault, found in zip(FAULTS, pool.map(lambda one: look(one, both=both), FAULTS), strict=True):
            unseen += "seen" not in found
            print(f"{fault.what:<60} {found[0]:<8} {found[1]}", flush=True)
    print(f"{len(FAULTS) - unseen} of {len(FAULTS)} faults seen in {time.monotonic() - began:.0f} s")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
