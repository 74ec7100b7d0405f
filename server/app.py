"""Where the parts are put together: the only file that imports everything, and the order they start and stop in."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from server import demo
from server.alarms import Alarms
from server.billing.courier import Courier
from server.billing.webhooks import Endpoint
from server.bus.redis import RedisBus
from server.clock import StoreClock
from server.crypto import Sealer
from server.dispatch import Dispatcher
from server.ledger.archive import Archiver
from server.ledger.command import verify_command
from server.ledger.database import LedgerError
from server.ledger.ledger import Ledger
from server.media.check import Unsupported
from server.media.check import check as check_media
from server.media.node import MediaNode
from server.perform import Performer
from server.ports import StoreAway
from server.registry import Registry
from server.registry.names import new_id, new_token
from server.settings import Settings
from server.store.embedded import DataDirectoryLocked, EmbeddedServer, EmbeddedServerFailed, NoServerBinary, locked
from server.store.redis import RedisStore, connect
from server.telemetry import Telemetry, set_up_logging, tune_collector
from server.web.headers import SecurityHeaders
from server.web.hub import Hub
from server.web.problems import HANDLERS
from server.web.routes import routes
from server.web.services import Services
from server.web.websocket import make_protocol
from signaling.view import may_see, view

logger = logging.getLogger("carelobby.app")

STATIC = Path(__file__).resolve().parent.parent / "static"


class CannotStart(Exception):
    """The service cannot start; the text is one sentence that says why and what to do."""
