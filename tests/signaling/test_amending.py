"""An amended record: another word on who came, and everything that was measured as it was."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from signaling.amending import Change, amend
from signaling.fields import Outcome
from signaling.proposals import NO_FEE
from signaling.state import Visit
from tests.signaling.test_record import closed, seat, visit


def written(of: Visit, **outcomes: Outcome) -> dict[str, Any]:
    """The record as the ledger gives it back."""
    record: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(closed(of, **outcomes)))
    return record


def test_an_amendment_of_nothing_says_the_same_again() -> None:
    first = written(visit(seat("ann"), seat("bob", attended=()), group=True))

    assert amend(first, {}, 2) == first | {"revision": 2}


def test_another_outcome_changes_the_proposal_and_no_minute() -> None:
    first = written(visit())

    second = amend(first, {"ann": Change("no_show")}, 2)

    (before,), (after,) = first["facts"]["clients"], second["facts"]["clients"]
    assert after == before | {"outcome": "no_show"}
    assert (first["proposals"]["clients"][0]["service"]["code"], second["proposals"]["clients"][0]["service"]) == (
        "90837",
        None,
    )
    assert (first["facts"]["group_size"], second["facts"]["group_size"]) == (1, 0)
    assert (first["revision"], first["facts"]["clients"][0]["outcome"]) == (1, "attended")


def test_an_amended_record_is_judged_as_if_it_had_been_so_from_the_beginning() -> None:
    charged = visit(seat("ann"), seat("bob"), group=True)
    free = replace(charged, seats=charged.seats | {"bob": seat("bob", service_code=NO_FEE)})

    amended = amend(written(charged), {"bob": Change("left_early", NO_FEE)}, 1)

    assert amended == written(free, bob="left_early")
    assert amended["facts"]["clients"][1]["service_code"] is None
    assert amended["flags"] == ["no_fee"]


def test_a_code_that_is_not_named_stays() -> None:
    second = amend(written(visit()), {"ann": Change("late_arrival")}, 2)
    third = amend(second, {"ann": Change("late_arrival", "90834")}, 3)

    assert [one["facts"]["clients"][0]["service_code"] for one in (second, third)] == ["90837", "90834"]
