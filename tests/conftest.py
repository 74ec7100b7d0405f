"""What tests of every folder share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the Chromium that `run.py test` found, for Playwright's `executable_path`."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert found, "python3 run.py test installs Chromium, or says how"
    return found


@pytest.fixture(scope="session")
def firefox() -> str:
    """Path of the Firefox that `run.py test` found, for Playwright's `executable_path`."""
    found = os.environ.get("FIREFOX") or shutil.which("firefox-esr")
    assert found, "python3 run.py test installs Firefox, or says how"
    return found
