"""The parent of several workers: it holds the port and the data directory, runs the embedded server, and restarts.

It serves nobody itself. Each worker binds the same port for itself, and the kernel deals new connections out among
them; of one socket for all, whoever is idle takes most. A worker that ends is started again in its own part of the data
directory, where it finds out whom it was, and has the rooms of its people looked after at once.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from server import files
from server.running import CannotStart, cannot_use, hold, stopped_by_signals
from server.settings import PREFIX, Settings
from server.store.embedded import DataDirectoryLocked, EmbeddedServer, EmbeddedServerFailed, NoServerBinary, lock
from server.telemetry import set_up_logging
from server.workers.keeper import GivenUp, Keeper, NotBegun

logger = logging.getLogger("carelobby.workers")


async def serve_many(settings: Settings, command: Sequence[str], *, print_json: bool) -> int:
    """Run `settings.workers` workers until told to stop, each by `command` and some options more.

    Return the exit code. Raise `CannotStart`.
    """
    set_up_logging(settings.log_level)
    with stopped_by_signals():
        async with AsyncExitStack() as stack:
            try:
                return await _serve(settings, command, stack, print_json=print_json)
            except (DataDirectoryLocked, NoServerBinary, files.DataDirectoryUnusable) as problem:
                raise CannotStart(str(problem)) from problem
            except OSError as problem:
                raise cannot_use(problem) from problem
            except NotBegun as problem:
                if problem.code < 0:
                    raise CannotStart(
                        f"A worker was ended by signal {-problem.code} before it was ready: look for what ends "
                        "processes here, such as a limit of memory."
                    ) from problem
                return problem.code  # it has said why
            except (GivenUp, EmbeddedServerFailed) as problem:
                logger.critical("%s", problem)
                return 1


async def _serve(settings: Settings, command: Sequence[str], stack: AsyncExitStack, *, print_json: bool) -> int:
    held = stack.enter_context(hold(settings.host, settings.port))
    data_dir, port = files.prepare_directory(settings.data_dir), held.getsockname()[1]
    stack.callback(os.close, await lock(data_dir / "lock", data_dir))
    operator_key = settings.operator_key.get_secret_value() or files.kept_secret(data_dir / "operator_key")
    own = {"--port": str(port)}
    if not settings.ledger_url:
        own["--ledger-url"] = settings.ledger()
    embedded = None if settings.redis_url else EmbeddedServer(data_dir, settings.redis_server)
    if embedded is not None:
        try:
            own["--redis-url"] = await stack.enter_async_context(embedded)
        except EmbeddedServerFailed as problem:
            raise CannotStart(str(problem)) from problem
    keeper = Keeper(
        settings.workers,
        [*command, *(part for option in own.items() for part in option)],
        data_dir=data_dir,
        environment=_environment(settings, operator_key),
    )
    ready = await stack.enter_async_context(keeper)
    url = settings.public(port)
    if not settings.production:
        # For `run.py load` beside it.
        files.keep(data_dir / "service.json", json.dumps({"url": url, "operator_key": operator_key}))
    print(json.dumps(ready.json) if print_json else ready.text, flush=True)
    logger.info("%s is ready, with %d workers", url, settings.workers)
    await keeper.run(embedded.failed if embedded is not None else None)
    raise AssertionError("workers run until something ends them")


def _environment(settings: Settings, operator_key: str) -> Mapping[str, str]:
    """Return the workers' environment: this one's, and the secrets that they share, which no option may show."""
    keyring = ",".join(f"{kid}:{base64.b64encode(key).decode()}" for kid, key in settings.keyring().items())
    return dict(os.environ) | {f"{PREFIX}SECRET_KEYS": keyring, f"{PREFIX}OPERATOR_KEY": operator_key}
