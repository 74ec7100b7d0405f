"""What an operator may set: by options, else by `CARELOBBY_*` variables, else in the TOML file they name."""

from __future__ import annotations

import argparse
import base64
import binascii
import difflib
import os
import re
import secrets
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

PREFIX: Final = "CARELOBBY_"
KEY_BYTES: Final = 32
KEY_FILE: Final = "secret_keys"
REDIS_SCHEMES: Final = (
    *("redis", "rediss", "unix"),
    *("redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"),
)
LEDGER_SCHEMES: Final = ("sqlite", "postgresql")

Keyring = Mapping[str, bytes]
"""Key id to 32 bytes. The first seals what is written; the others only open what was sealed before."""


class BadSettings(Exception):
    """The service cannot start like this. `problems` is a sentence for each thing to mend, without values."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class IceServer(BaseModel):
    """A STUN or TURN server that participants are told of after admission."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: tuple[str, ...] = Field(min_length=1)
    secret: SecretStr = SecretStr("")
    """Shared with the TURN server (`use-auth-secret`); participants get credentials made of it, not it."""

    @model_validator(mode="after")
    def _turn_needs_a_secret(self) -> Self:
        for url in self.urls:
            if not re.fullmatch(r"(stun|stuns|turn|turns):\S+", url):
                raise ValueError("each address must begin with stun:, stuns:, turn: or turns:")
            if url.startswith("turn") and not self.secret.get_secret_value():
                raise ValueError("a TURN server needs the secret that it shares with this service")
        return self


class Settings(BaseSettings):
    """Everything an operator may set, checked. Made by `load`; never changes afterwards."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    profile: Literal["development", "production"] = Field(
        "development",
        description="`production` refuses unsafe settings: embedded server, http public URL, demo accounts, "
        "missing keys.",
    )
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; `0` takes a free one.")
    public_url: str = Field(
        "",
        description="Origin that links are made from; decides the Origin allow-list and cookie flags.",
        json_schema_extra={"shown": "`http://localhost:<port in use>`"},
    )
    redis_url: str = Field(
        "",
        repr=False,
        description="Redis or Valkey: `redis://[user:password@]host[:port][/db]`, `unix:///path`, "
        "`redis+sentinel://[user:password@]host:port,host:port/service[/db]` or "
        "`redis+cluster://[user:password@]host:port,host:port`; `rediss` for `redis`: by TLS.",
        json_schema_extra={"shown": "an embedded server in the data directory"},
    )
    redis_server: Path | None = Field(
        None,
        description="Server binary for the embedded server.",
        json_schema_extra={"shown": "the one installed with the service, else `valkey-server` or `redis-server` ≥ 7"},
    )
    ledger_url: str = Field(
        "",
        repr=False,
        description="Billing records and audit trail: `sqlite:///path` or, for more than one host, `postgresql://...`.",
        json_schema_extra={"shown": "SQLite in the data directory"},
    )
    data_dir: Path = Field(
        Path("var"),
        description="Directory of this node's own files; never shared by two nodes.",
        json_schema_extra={"shown": "`./var`"},
    )
    secret_keys: SecretStr = Field(
        SecretStr(""),
        description="Keyring `kid:base64,...` of 32-byte keys: first seals, all open. Production needs it.",
        json_schema_extra={"shown": "made and kept in the data directory"},
    )
    operator_key: SecretStr = Field(
        SecretStr(""),
        description="Key of scope `practices` that makes and removes practices; at least 256 random bits.",
        json_schema_extra={"shown": "made and kept in the data directory"},
    )
    workers: int = Field(
        1, ge=1, le=64, description="Processes at one port, each a node with its own part of the data directory."
    )
    media_capacity: int = Field(
        100,
        ge=0,
        description="Most visits whose media one process takes; `0`: none but those that have no other place. A "
        "process that has no time to spare takes none before that.",
    )
    demo: bool = Field(
        False,
        description="Set up the practice `demo` with providers, appointments, accounts and an API key.",
        json_schema_extra={"shown": "off; on for plain `python3 run.py`"},
    )
    ice_servers: tuple[IceServer, ...] = Field(
        (),
        repr=False,
        description='STUN and TURN servers as JSON: `[{"urls": ["turn:..."], "secret": "..."}]`.',
        json_schema_extra={"shown": "none"},
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or networks, by commas, of reverse proxies whose `X-Forwarded-*` is believed.",
        json_schema_extra={"shown": "none"},
    )
    candidate_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
        description="Networks, by commas, in which browsers' and TURN servers' media addresses are accepted beside the "
        "open Internet; with a `!` before it, one that is closed. The narrowest decides. Browsers elsewhere are still "
        "found by the packets they send. In production never loopback, link-local or clouds' metadata.",
        json_schema_extra={"shown": "the private ones; in development all"},
    )
    allow_private_webhooks: bool | None = Field(
        None,
        description="Deliver webhooks to addresses of private networks and of this machine too, and by http.",
        json_schema_extra={"shown": "on in development, off in production"},
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")
    config: Path | None = Field(
        None,
        description="TOML file with settings, named as here in lower case and without the prefix.",
        json_schema_extra={"shown": "none"},
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options, then the environment, then the file that either of them names."""
        named = init_settings().get("config") or env_settings().get("config")
        if named is None:
            return init_settings, env_settings
        if not Path(named).is_file():
            raise BadSettings(f"{PREFIX}CONFIG names a file that is not there.")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=Path(named))

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        return _origin(value) if value else ""

    @field_validator("redis_url", "ledger_url")
    @classmethod
    def _has_a_known_scheme(cls, value: str, info: object) -> str:
        schemes = REDIS_SCHEMES if getattr(info, "field_name", "") == "redis_url" else LEDGER_SCHEMES
        if value and not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError("must begin with " + " or ".join(f"{scheme}://" for scheme in schemes))
        return value

    @field_validator("data_dir", "redis_server", "config")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().absolute()

    @field_validator("secret_keys")
    @classmethod
    def _is_a_keyring(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            parse_keyring(value.get_secret_value())
        return value

    @field_validator("trusted_proxies", "candidate_networks", mode="before")
    @classmethod
    def _are_networks(cls, value: object, info: ValidationInfo) -> object:
        names = [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
        for name in names if isinstance(names, list | tuple) else ():
            try:
                ip_network(str(name).removeprefix("!" if info.field_name == "candidate_networks" else ""))
            except ValueError:
                raise ValueError("must hold addresses or networks, such as 10.0.0.0/8") from None
        return names

    @property
    def production(self) -> bool:
        """Whether unsafe settings are refused."""
        return self.profile == "production"

    @property
    def private_webhooks(self) -> bool:
        """Whether webhooks may go to private addresses: as set, else in development alone."""
        return not self.production if self.allow_private_webhooks is None else self.allow_private_webhooks

    def public(self, port: int) -> str:
        """The origin that links are made from when the service listens on `port`; no slash at its end."""
        return self.public_url or f"http://localhost:{port}"

    def origins(self, port: int) -> frozenset[str]:
        """The values of `Origin` that are let in: the public one and, in development, this machine's."""
        own = () if self.production else (f"http://127.0.0.1:{port}", f"http://localhost:{port}")
        return frozenset((self.public(port), *own))

    def ledger(self) -> str:
        """The ledger's URL, with the default filled in."""
        return self.ledger_url or f"sqlite:///{self.data_dir / 'ledger.sqlite3'}"

    def keyring(self) -> Keyring:
        """The keys that were set, else the data directory's own, made at first use (never in production)."""
        given = self.secret_keys.get_secret_value()
        if given:
            return parse_keyring(given)
        assert not self.production, "load() refuses production without keys"
        path = self.data_dir / KEY_FILE
        try:
            if not path.exists():
                _keep(path, f"dev:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n")
            return parse_keyring(path.read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise BadSettings(f"The keys in the data directory ({path}) cannot be read or made.") from error


VARIABLES: Final = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}


def load(options: Mapping[str, object] | None = None) -> Settings:
    """Return the settings; `options` win over the environment. Raise BadSettings with all that is wrong."""
    problems = _unknown_variables()
    settings = None
    try:
        settings = Settings(**dict(options or {}))  # type: ignore[arg-type]  # checked by pydantic, field by field
    except ValidationError as error:
        problems += [_sentence(part["loc"], part["msg"]) for part in error.errors(include_input=False)]
    except BadSettings as error:
        problems += error.problems
    except tomllib.TOMLDecodeError:
        problems.append(f"{PREFIX}CONFIG names a file that is not TOML.")
    except SettingsError as error:
        # It names the field and keeps the value for its cause, which must not be shown.
        named = re.search(r'field "(\w+)"', str(error))
        problems.append(f"{PREFIX}{named[1].upper() if named else ''} is not JSON.")
    if settings is not None and settings.production:
        problems += _unsafe(settings)
    if problems or settings is None:
        raise BadSettings(*problems)
    return settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give `parser` an option for each setting but the keys, which would show in a list of processes."""
    for name, field in Settings.model_fields.items():
        option, text = f"--{name.replace('_', '-')}", (field.description or "").replace("%", "%%")
        if field.annotation in (bool, bool | None):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
        elif name not in ("secret_keys", "operator_key", "ice_servers"):
            parser.add_argument(option, default=argparse.SUPPRESS, help=text, metavar="VALUE")


def parse_keyring(text: str) -> Keyring:
    """Read `kid:base64,...`. Raise ValueError, without the text, if it is not of that form."""
    keys: dict[str, bytes] = {}
    for part in text.split(","):
        kid, _, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,16}", kid) or len(key) != KEY_BYTES:
            raise ValueError("must be kid:base64 pairs of 32-byte keys, separated by commas")
        if kid in keys:
            raise ValueError("holds the same key id twice")
        keys[kid] = key
    return keys


def _origin(url: str) -> str:
    """Return `url` as a browser writes an Origin. Raise ValueError if it is more, or less, than one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL with a numeric port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and name a host")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must end after the host and port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if usual else f":{port}")


def _unsafe(settings: Settings) -> list[str]:
    """What the production profile refuses, a sentence each."""
    refused = {
        "REDIS_URL must be set in production: the embedded server will not do.": not settings.redis_url,
        "PUBLIC_URL must be set in production and begin with https://.": settings.public_url[:6] != "https:",
        "SECRET_KEYS must be set in production.": not settings.secret_keys.get_secret_value(),
        "DEMO must be off in production: its sign-ins and keys are printed at start.": settings.demo,
    }
    return [PREFIX + sentence for sentence, refuse in refused.items() if refuse]


def _unknown_variables() -> list[str]:
    """A sentence for each variable with our prefix that sets nothing: most often a slip of the pen."""
    ours = (name for name in sorted(os.environ) if name.upper().startswith(PREFIX))
    return [_no_setting(name, PREFIX) for name in ours if name.upper() not in VARIABLES]


def _no_setting(name: str, prefix: str = "") -> str:
    near = difflib.get_close_matches(name[len(prefix) :].lower(), Settings.model_fields, n=1)
    meant = f"{prefix}{near[0].upper() if prefix else near[0]}" if near else ""
    return f"{name} is no setting" + (f"; did you mean {meant}?" if meant else ".")


def _sentence(where: tuple[int | str, ...], message: str) -> str:
    """A pydantic complaint as one of our sentences; its messages hold no value where input is hidden."""
    name, inner = str(where[0]), where[1:]
    if name not in Settings.model_fields:
        return _no_setting(name)
    place = f" (at {'.'.join(map(str, inner))}):" if inner else ""
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return f"{PREFIX}{name.upper()}{place} {message[:1].lower()}{message[1:].rstrip('.')}."


def _keep(path: Path, text: str) -> None:
    """Write a file only its owner can read, whole or not at all; one made by another process stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent)  # 0600 by itself
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
