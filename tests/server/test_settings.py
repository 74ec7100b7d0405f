"""What an operator sets: who wins, what is refused, and that nothing secret is told."""

from __future__ import annotations

import argparse
import base64
import os
import stat
from pathlib import Path

import pytest

from server.settings import KEY_BYTES, VARIABLES, BadSettings, IceServer, add_options, load, parse_keyring

KEY = base64.b64encode(bytes(range(KEY_BYTES))).decode()
SECRET = "hunter2-never-shown"
SAFE = {
    "PROFILE": "production",
    "REDIS_URL": "rediss://redis.example.org",
    "PUBLIC_URL": "https://visit.example.org",
    "SECRET_KEYS": f"2026a:{KEY}",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("CARELOBBY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Set `CARELOBBY_<NAME>` for each of `values`."""
    for name, value in values.items():
        monkeypatch.setenv(f"CARELOBBY_{name}", value)


def problems() -> tuple[str, ...]:
    """What `load` complains of."""
    with pytest.raises(BadSettings) as refusal:
        load()
    return refusal.value.problems


def test_with_nothing_set_it_serves_this_machine_alone(tmp_path: Path) -> None:
    settings = load()

    assert (settings.profile, settings.host, settings.port) == ("development", "127.0.0.1", 8000)
    assert settings.data_dir == tmp_path / "var"
    assert settings.ledger() == f"sqlite:///{tmp_path}/var/ledger.sqlite3"
    assert not settings.redis_url
    assert not settings.demo


def test_options_win_over_the_environment_and_the_environment_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('port = 1\nhost = "::1"\nworkers = 3\ntrusted_proxies = ["10.0.0.1"]\n')
    environment(monkeypatch, CONFIG=str(file), PORT="2", HOST="127.0.0.2")

    settings = load({"port": "4"})

    assert (settings.port, settings.host, settings.workers) == (4, "127.0.0.2", 3)
    assert settings.trusted_proxies == ("10.0.0.1",)


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, PORT="", SECRET_KEYS="")

    assert load().port == 8000


def test_a_slip_of_the_pen_is_told_not_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("wrokers = 3\n")
    environment(monkeypatch, CONFIG=str(file), PUBLIC_ULR="https://visit.example.org", SOMETHING="x")

    assert problems() == (
        "CARELOBBY_PUBLIC_ULR is no setting; did you mean CARELOBBY_PUBLIC_URL?",
        "CARELOBBY_SOMETHING is no setting.",
        "wrokers is no setting; did you mean workers?",
    )


@pytest.mark.parametrize(("content", "complaint"), [(None, "is not there"), ("port: 1", "is not TOML")])
def test_a_file_that_cannot_be_read_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, complaint: str
) -> None:
    file = tmp_path / "settings.toml"
    if content is not None:
        file.write_text(content)
    environment(monkeypatch, CONFIG=str(file))

    (problem,) = problems()

    assert problem.startswith("CARELOBBY_CONFIG names a file that")
    assert complaint in problem


def test_everything_wrong_is_told_at_once_a_sentence_each(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, PORT="70000", WORKERS="0", PROFILE="prod", REDIS_URL="http://x", LOG_LEVEL="loud")

    told = problems()

    assert [sentence.split()[0] for sentence in told] == [
        f"CARELOBBY_{name}" for name in ("PROFILE", "PORT", "REDIS_URL", "WORKERS", "LOG_LEVEL")
    ]
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in told)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEYS", f"a:{SECRET}"),
        ("SECRET_KEYS", f"a:{KEY},b:{SECRET}"),
        ("REDIS_URL", f"http://user:{SECRET}@redis"),
        ("LEDGER_URL", f"mysql://user:{SECRET}@db"),
        ("ICE_SERVERS", f'[{{"urls": ["turn:t"], "secret": "{SECRET}"'),
        ("ICE_SERVERS", f'[{{"urls": ["http:t"], "secret": "{SECRET}"}}]'),
        ("PUBLIC_URL", f"https://user:{SECRET}@visit.example.org"),
    ],
)
def test_a_refusal_holds_no_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment(monkeypatch, **{name: value})

    with pytest.raises(BadSettings, match=f"CARELOBBY_{name}") as refusal:
        load()

    assert SECRET not in f"{refusal.value!r} {refusal.value.problems}"
    assert refusal.value.__cause__ is None


def test_settings_that_are_shown_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(
        monkeypatch,
        SECRET_KEYS=f"a:{KEY}",
        REDIS_URL=f"redis://:{SECRET}@redis",
        LEDGER_URL=f"postgresql://user:{SECRET}@db/ledger",
        ICE_SERVERS=f'[{{"urls": ["turn:turn.example.org"], "secret": "{SECRET}"}}]',
    )

    settings = load()

    assert SECRET not in repr(settings)
    assert KEY not in repr(settings)
    assert SECRET not in repr(settings.ice_servers)
    assert settings.ice_servers[0].secret.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        (
            {"REDIS_URL": ""},
            "CARELOBBY_REDIS_URL must be set in production: the embedded server will not do.",
        ),
        ({"PUBLIC_URL": ""}, "CARELOBBY_PUBLIC_URL must be set in production and begin with https://."),
        (
            {"PUBLIC_URL": "http://localhost"},
            "CARELOBBY_PUBLIC_URL must be set in production and begin with https://.",
        ),
        ({"SECRET_KEYS": ""}, "CARELOBBY_SECRET_KEYS must be set in production."),
        (
            {"DEMO": "1"},
            "CARELOBBY_DEMO must be off in production: its sign-ins and keys are printed at start.",
        ),
    ],
)
def test_production_refuses_what_is_unsafe(
    monkeypatch: pytest.MonkeyPatch, missing: dict[str, str], sentence: str
) -> None:
    environment(monkeypatch, **(SAFE | missing))

    assert problems() == (sentence,)


def test_production_starts_when_all_is_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, **SAFE)

    settings = load()

    assert settings.production
    assert settings.origins(8000) == {"https://visit.example.org"}
    assert dict(settings.keyring()) == {"2026a": bytes(range(KEY_BYTES))}


def test_links_and_origins_follow_the_port_in_use() -> None:
    settings = load({"port": 0})

    assert settings.public(43210) == "http://localhost:43210"
    assert settings.origins(43210) == {"http://localhost:43210", "http://127.0.0.1:43210"}


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://Visit.Example.org/", "https://visit.example.org"),
        ("https://visit.example.org:443", "https://visit.example.org"),
        ("http://visit.example.org:8080", "http://visit.example.org:8080"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_public_url_is_written_as_browsers_write_an_origin(given: str, origin: str) -> None:
    assert load({"public_url": given}).public(1) == origin


@pytest.mark.parametrize(
    "given",
    [
        "visit.example.org",
        "ftp://a",
        "https://",
        "https://a/path",
        "https://a?q",
        "https://a#f",
        "https://a:b",
    ],
)
def test_a_public_url_that_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(BadSettings, match="CARELOBBY_PUBLIC_URL must"):
        load({"public_url": given})


def test_the_first_key_seals_and_the_order_is_kept() -> None:
    other = base64.b64encode(bytes(KEY_BYTES)).decode()

    assert list(parse_keyring(f"new:{KEY}, old:{other}")) == ["new", "old"]


@pytest.mark.parametrize(
    "text", ["", "a", "a:", f":{KEY}", f"a:{KEY[:-4]}", f"a b:{KEY}", f"a:{KEY},a:{KEY}", f"a:{KEY},"]
)
def test_a_keyring_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be kid:base64|twice"):
        parse_keyring(text)


def test_in_development_keys_are_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    first, again = load().keyring(), load().keyring()

    assert first == again
    assert [len(key) for key in first.values()] == [KEY_BYTES]
    assert stat.S_IMODE((tmp_path / "var" / "secret_keys").stat().st_mode) == 0o600
    assert load({"data_dir": "elsewhere"}).keyring() != first


def test_keys_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "secret_keys").write_text("torn")

    with pytest.raises(BadSettings, match="keys in the data directory"):
        load().keyring()


def test_a_turn_server_needs_its_secret_and_a_stun_server_none() -> None:
    assert IceServer(urls=("stun:stun.example.org",)).secret.get_secret_value() == ""
    with pytest.raises(BadSettings, match="CARELOBBY_ICE_SERVERS"):
        load({"ice_servers": [{"urls": ["turn:turn.example.org"]}]})


@pytest.mark.parametrize(("given", "kept"), [("10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")), ("", ())])
def test_trusted_proxies_are_addresses_or_networks(given: str, kept: tuple[str, ...]) -> None:
    assert load({"trusted_proxies": given}).trusted_proxies == kept


def test_a_name_is_no_trusted_proxy() -> None:
    with pytest.raises(BadSettings, match="CARELOBBY_TRUSTED_PROXIES must hold addresses"):
        load({"trusted_proxies": "proxy.example.org"})


def test_each_setting_but_secrets_has_an_option_and_only_given_ones_count() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)

    given = vars(parser.parse_args(["--port", "0", "--demo", "--data-dir", "here"]))

    assert given == {"port": "0", "demo": True, "data_dir": "here"}
    assert load(given).demo
    assert set(VARIABLES.values()) - {action.dest for action in parser._actions} == {
        "secret_keys",
        "operator_key",
        "ice_servers",
    }
