"""Sealing: what was sealed for one place opens there, whole, and nowhere else."""

from __future__ import annotations

import base64

import pytest

from server.crypto import BadKeyring, Names, SealBroken, Sealer, fresh_key

OLD = fresh_key("k1")
NEW = fresh_key("k2")
PLAIN = b"Ms Example waits"


def broken(sealer: Sealer, partition: int, name: str, version: int, sealed: bytes) -> bool:
    try:
        sealer.open(partition, name, version, sealed)
    except SealBroken:
        return True
    return False


def test_what_was_sealed_opens_again() -> None:
    sealer = Sealer(OLD)

    for plain in (PLAIN, b"", bytes(range(256)) * 300):
        assert sealer.open(7, "room:r1", 3, sealer.seal(7, "room:r1", 3, plain)) == plain


def test_it_opens_at_no_other_place() -> None:
    sealer = Sealer(OLD)
    sealed = sealer.seal(7, "room:r1", 3, PLAIN)

    assert broken(sealer, 8, "room:r1", 3, sealed)
    assert broken(sealer, 7, "room:r2", 3, sealed)
    assert broken(sealer, 7, "room:r1", 4, sealed)
    assert broken(Sealer(NEW), 7, "room:r1", 3, sealed)
    assert broken(Sealer(fresh_key("k1")), 7, "room:r1", 3, sealed)


def test_a_flip_of_any_bit_is_found() -> None:
    sealer = Sealer(OLD)
    sealed = sealer.seal(7, "room:r1", 3, PLAIN)

    for at in range(len(sealed)):
        for bit in range(8):
            flipped = bytearray(sealed)
            flipped[at] ^= 1 << bit
            assert broken(sealer, 7, "room:r1", 3, bytes(flipped)), f"byte {at} bit {bit}"


def test_a_cut_or_longer_value_is_found() -> None:
    sealer = Sealer(OLD)
    sealed = sealer.seal(7, "room:r1", 3, PLAIN)

    for length in range(len(sealed)):
        assert broken(sealer, 7, "room:r1", 3, sealed[:length])
    assert broken(sealer, 7, "room:r1", 3, sealed + b"\0")


def test_the_same_value_never_looks_the_same_twice_and_shows_nothing() -> None:
    sealer = Sealer(OLD)
    many = {sealer.seal(7, "room:r1", 3, PLAIN) for _ in range(100)}

    assert len(many) == 100
    assert not any(b"Example" in sealed for sealed in many)


def test_after_a_rotation_old_values_open_and_new_ones_use_the_new_key() -> None:
    before, after = Sealer(OLD), Sealer(f"{NEW}, {OLD}")
    old = before.seal(7, "room:r1", 3, PLAIN)
    new = after.seal(7, "room:r1", 4, PLAIN)

    assert after.open(7, "room:r1", 3, old) == PLAIN
    assert (after.is_current(old), after.is_current(new)) == (False, True)
    assert Sealer(NEW).open(7, "room:r1", 4, new) == PLAIN
    assert broken(before, 7, "room:r1", 4, new)
    assert broken(Sealer(NEW), 7, "room:r1", 3, old)


def test_a_key_told_to_all_before_it_is_used_cuts_nobody_off() -> None:
    told = Sealer(f"{OLD},{NEW}")
    using = Sealer(f"{NEW},{OLD}")

    assert told.open(7, "room:r1", 3, using.seal(7, "room:r1", 3, PLAIN)) == PLAIN
    assert using.open(7, "room:r1", 3, told.seal(7, "room:r1", 3, PLAIN)) == PLAIN


@pytest.mark.parametrize(
    "keyring",
    [
        "",
        "k1",
        ":" + base64.b64encode(bytes(32)).decode(),
        "K 1:" + base64.b64encode(bytes(32)).decode(),
        "k1:" + base64.b64encode(b"secretsecretsecret").decode(),
        "k1:not base64 at all, secret",
        f"{OLD},{OLD}",
        f"{OLD},",
    ],
    ids=["none", "no colon", "no name", "a bad name", "too short", "no base64", "twice", "a comma too many"],
)
def test_a_bad_keyring_is_refused_without_telling_it(keyring: str) -> None:
    with pytest.raises(BadKeyring) as refusal:
        Sealer(keyring)

    assert "secret" not in str(refusal.value)
    assert base64.b64encode(b"secret").decode() not in str(refusal.value)


def test_a_broken_seal_tells_nothing_of_the_value() -> None:
    with pytest.raises(SealBroken) as refusal:
        Sealer(OLD).open(7, "room:r1", 3, b"Example")

    assert "Example" not in str(refusal.value)
    assert "r1" not in str(refusal.value)


def test_purposes_have_keys_of_their_own() -> None:
    sealer = Sealer(OLD)

    assert sealer.derive("cookies") == Sealer(OLD).derive("cookies")
    assert len({sealer.derive("cookies"), sealer.derive("ledger"), Sealer(NEW).derive("cookies")}) == 3
    assert len(sealer.derive("cookies")) == 32


def test_nodes_with_the_same_first_key_have_the_same_fingerprint() -> None:
    assert Sealer(OLD).fingerprint() == Sealer(f"{OLD},{NEW}").fingerprint()
    assert Sealer(OLD).fingerprint() != Sealer(f"{NEW},{OLD}").fingerprint()


def test_hidden_names_are_found_again_and_shown_only_in_their_place() -> None:
    names = Names(bytes(range(64)))
    hidden = names.hide("place", "MRN-4711")

    assert hidden == Names(bytes(range(64))).hide("place", "MRN-4711")
    assert names.show("place", hidden) == "MRN-4711"
    assert b"4711" not in hidden
    assert hidden != names.hide("elsewhere", "MRN-4711")
    with pytest.raises(SealBroken):
        names.show("elsewhere", hidden)
    with pytest.raises(SealBroken):
        names.show("place", b"short")


def test_marks_tell_names_and_their_kinds_apart_and_depend_on_the_secret() -> None:
    names = Names(bytes(64))

    assert names.mark("place", "a") == Names(bytes(64)).mark("place", "a")
    others = {names.mark("place", "b"), names.mark("request", "a"), Names(bytes(range(64))).mark("place", "a")}
    assert len(others | {names.mark("place", "a")}) == 4
