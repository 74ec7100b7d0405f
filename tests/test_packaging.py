"""What is shipped: locked lists, the container's recipe, the script of continuous integration, no trace of a machine.

No container engine is needed. The recipe's own commands run here where they can: the service's start from exactly the
files that are copied, and the health check against a real answer. What only an engine can run is checked by its form:
`useradd`, the set-up into a fresh image, and the base image itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import run

FLOORS = {"starlette": (1, 0, 1), "redis": (5, 2), "aiortc": (1, 15)}
"""Never below these, whatever is pinned: older ones have known holes."""
LISTS = ("uv", "node", "run", "test")
SKIPPED = {".hypothesis", ".git", ".venv", "node_modules", "var", "__pycache__"}


def pins(file: Path) -> dict[str, str]:
    """Name to version of each requirement in a list, names in lower case and without extras."""
    lines = file.read_text().splitlines()
    found = (re.match(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?==([^\s;\\]+)", line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


@pytest.mark.parametrize("name", LISTS)
def test_a_locked_list_pins_and_hashes_all_and_names_no_index(project: Path, name: str) -> None:
    text = (project / "requirements" / f"{name}.txt").read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())

    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", text, re.MULTILINE)
    assert all(re.match(r"\S+==\S+", block) for block in blocks)
    assert all(block.count("--hash=sha256:") >= 1 for block in blocks)


@pytest.mark.parametrize("name", LISTS)
def test_a_locked_list_agrees_with_what_was_asked_for(project: Path, name: str) -> None:
    asked, locked = (pins(project / "requirements" / f"{name}.{kind}") for kind in ("in", "txt"))

    assert asked.items() <= locked.items()
    assert len(asked) > 0


def test_tests_run_with_the_very_versions_of_the_service(project: Path) -> None:
    assert pins(project / "requirements" / "run.txt").items() <= pins(project / "requirements" / "test.txt").items()


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_no_pin_falls_below_its_floor(project: Path, name: str, floor: tuple[int, ...]) -> None:
    assert version(pins(project / "requirements" / "run.txt")[name]) >= floor


def test_the_checker_of_the_browsers_code_is_locked_without_an_index(project: Path) -> None:
    text = (project / "tests" / "static" / "package-lock.json").read_text()
    packages = [package for name, package in json.loads(text)["packages"].items() if name]

    assert '"resolved"' not in text
    assert "://" not in text
    assert all(package["integrity"].startswith("sha512-") for package in packages)


def written_files(project: Path) -> Iterator[Path]:
    """Every file of the project that a person, or one of its tasks, wrote to be kept."""
    for folder, folders, names in os.walk(project):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.endswith("_cache")]
        yield from (path for path in (Path(folder) / name for name in names) if not path.is_symlink())


def test_no_file_tells_of_the_machine_it_was_written_on(project: Path) -> None:
    traces = [f"{place}/".encode() for place in (project, Path.home()) if place != Path("/")]

    telling = [path for path in written_files(project) if any(trace in path.read_bytes() for trace in traces)]

    assert traces != []
    assert telling == []


def recipe(project: Path) -> list[tuple[str, str]]:
    """The Dockerfile's instructions, in order."""
    text = (project / "Dockerfile").read_text().replace("\\\n", " ")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def command(project: Path, instruction: str) -> list[str]:
    """The words of CMD or HEALTHCHECK; both are written as a list, so that no shell stands between."""
    (text,) = (rest for word, rest in recipe(project) if word == instruction)
    words = json.loads(text[text.index("[") :])
    assert all(isinstance(word, str) for word in words)
    return list(words)


@pytest.fixture
def image(project: Path, tmp_path: Path) -> Path:
    """The files that the recipe copies, where it puts them, with this very Python as the one that it set up."""
    ignored = shutil.ignore_patterns("__pycache__")
    for *sources, target in (rest.split() for word, rest in recipe(project) if word == "COPY"):
        for source in sources:
            place = tmp_path / target
            if (project / source).is_dir():
                shutil.copytree(project / source, place, ignore=ignored)
            else:
                shutil.copy(project / source, place)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    stamp = {"python": run.python_version(), "run": run.digest("run")}
    (tmp_path / ".venv" / "installed.json").write_text(json.dumps(stamp))
    return tmp_path


def test_the_image_holds_all_that_the_service_needs_to_start(project: Path, image: Path) -> None:
    words = command(project, "CMD")

    ran = subprocess.run(
        [sys.executable, *words[1:], "--help"], cwd=image, capture_output=True, text=True, timeout=60, check=False
    )

    assert words[0] == "python3"
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "--public-url" in ran.stdout


def test_the_image_sets_up_as_a_developer_does_and_runs_as_nobody_special(project: Path) -> None:
    steps = recipe(project)
    words = [word for word, _ in steps]
    (setup,) = (rest for word, rest in steps if word == "RUN" and "run.py" in rest)
    (user,) = (rest for word, rest in steps if word == "USER")

    assert setup.endswith("python3 run.py setup")
    assert run.TASKS["setup"].needs == (run.running,)
    assert any(word == "RUN" and rest.startswith("useradd ") and user in rest for word, rest in steps)
    assert user != "root"
    assert words.index("USER") > max(number for number, word in enumerate(words) if word in ("RUN", "COPY"))
    assert words.index("CMD") > words.index("USER")


def test_what_the_image_sets_is_a_setting_and_safe(project: Path) -> None:
    from server.settings import VARIABLES

    (text,) = (rest for word, rest in recipe(project) if word == "ENV")
    given = dict(pair.split("=", 1) for pair in text.split())

    assert set(given) <= set(VARIABLES)
    assert given["CARELOBBY_PROFILE"] == "production"
    assert ("VOLUME", given["CARELOBBY_DATA_DIR"]) in recipe(project)
    assert ("EXPOSE", given["CARELOBBY_PORT"]) in recipe(project)


def test_what_is_copied_is_what_is_let_in(project: Path) -> None:
    copied = {source for word, rest in recipe(project) if word == "COPY" for source in rest.split()[:-1]}
    ignore = (project / ".dockerignore").read_text().split()

    assert ignore[0] == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == copied


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A service that answers `/healthz` with `status`, and its port."""

    class Healthz(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Healthz) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_asks_the_service(project: Path, status: int, healthy: bool) -> None:
    words = command(project, "HEALTHCHECK")

    with answering(status) as port:
        ran = subprocess.run(
            [sys.executable, *words[1:]],
            env={**os.environ, "CARELOBBY_PORT": str(port)},
            capture_output=True,
            timeout=30,
            check=False,
        )

    assert words[0] == "python3"
    assert (ran.returncode == 0) is healthy


@pytest.mark.parametrize(
    ("check", "test", "says", "code"),
    [
        (0, 0, "===== 12 passed in 3.21s =====", 0),
        (1, 0, "===== 12 passed in 3.21s =====", 1),
        (0, 1, "===== 1 failed, 11 passed in 3.21s =====", 1),
        (0, 0, "killed", 1),
    ],
)
def test_continuous_integration_fails_with_either_task_and_closes_with_pytests_line(
    project: Path, tmp_path: Path, check: int, test: int, says: str, code: int
) -> None:
    python = tmp_path / "python3"
    python.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/ran\n[ "$2" = check ] && exit {check}\necho "{says}"\nexit {test}\n'
    )
    python.chmod(0o755)

    ran = subprocess.run(
        ["bash", project / ".ci" / "run"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (tmp_path / "ran").read_text() == "run.py check\nrun.py test\n"
    assert ran.returncode == code
    assert ran.stdout.splitlines()[-1] == (says if "passed" in says else "pytest did not come to an end")


def test_the_embedded_servers_own_notice_is_passed_on(project: Path) -> None:
    notice = (project / "NOTICE").read_text()

    assert "Valkey contributors" in notice
    assert "Redistributions in binary form must reproduce" in notice


def test_a_generated_document_that_lags_behind_fails_the_check_and_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from docs import generate

    monkeypatch.setattr(generate, "HERE", tmp_path)
    assert generate.main([]) == 0
    (tmp_path / "settings.md").write_text("what it said last year")

    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/settings.md is not what the code says: run python3 run.py docs\n"
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_the_settings_document_has_a_row_for_each_variable() -> None:
    from docs import generate
    from server.settings import VARIABLES

    rows = [line for line in generate.settings().splitlines() if line.startswith("| `")]

    assert [row.split("`")[1] for row in rows] == list(VARIABLES)
    assert all(row.count(" | ") == 2 and not row.endswith("| None |") for row in rows)
