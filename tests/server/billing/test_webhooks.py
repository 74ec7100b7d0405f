"""What makes an endpoint usable."""

from __future__ import annotations

import base64

import msgspec
import pytest

from server.billing.webhooks import BadEndpoint, Endpoint, check, new_secret
from tests.server.billing.support import hook


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ehr.example/hooks",
        "http://ehr.example/hooks",
        "ftp://ehr.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_SET",
        "https://",
        "https:///hooks",
        "https://user:word@ehr.example/",
        "https://ehr.example/#part",
        "https://ehr.example:99999/",
        "https://ehr .example/",
        "https://ehr.example\n/",
        "javascript:alert(1)",
    ],
)
def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(BadEndpoint, match="url"):
        check(hook(url=url))


def test_plain_http_is_for_private_networks() -> None:
    check(hook(url="http://127.0.0.1:9000/hooks"), allow_private=True)


@pytest.mark.parametrize(
    "secrets",
    [
        (),
        ("",),
        ("whsec_",),
        ("whsec_????",),
        ("whsec_" + base64.b64encode(bytes(23)).decode(),),
        ("whsec_" + base64.b64encode(bytes(65)).decode(),),
        (base64.b64encode(bytes(32)).decode(),),
        (new_secret(), new_secret(), new_secret()),
    ],
)
def test_secrets_that_cannot_be_used(secrets: tuple[str, ...]) -> None:
    endpoint = Endpoint(id="billing", url="https://ehr.example/", secrets=secrets)

    with pytest.raises(BadEndpoint, match="secret"):
        check(endpoint)


def test_unknown_events_are_refused() -> None:
    with pytest.raises(BadEndpoint, match="events"):
        check(msgspec.structs.replace(hook(), events=("record.created", "record.deleted")))


def test_an_endpoint_is_kept_as_a_document() -> None:
    endpoint = hook()

    check(endpoint)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(endpoint), type=Endpoint) == endpoint
