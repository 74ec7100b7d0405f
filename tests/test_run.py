"""`run.py`: it starts quickly, keeps standard output clean, and fails in one sentence."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import run

Commands = list[tuple[str, ...]]


@pytest.fixture
def copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of what `run.py` works on, which `run` takes for the project."""
    shutil.copy(project / "run.py", tmp_path)
    shutil.copytree(project / "requirements", tmp_path / "requirements")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    for name, place in {
        "VENV": ".venv",
        "STAMP": ".venv/installed.json",
        "LOG": ".venv/setup.log",
        "STATIC": "tests/static",
        "OWN_NODE": ".venv/node",
        "OWN_NPM": ".venv/node/npm-cli.js",
    }.items():
        monkeypatch.setattr(run, name, tmp_path / place)
    return tmp_path


@pytest.fixture
def commands(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """What the set-up would have run; the environment appears as if it had."""
    ran: Commands = []

    def quietly(*words: str) -> None:
        ran.append(words)
        if "venv" in words:
            (copy / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
            (copy / ".venv" / "bin" / "python").touch()

    monkeypatch.setattr(run, "quietly", quietly)
    return ran


def prepared(copy: Path) -> None:
    """Make the copy look installed, with this very Python, and a service that says what it was given."""
    (copy / ".venv" / "bin").mkdir(parents=True)
    program = copy / ".venv" / "bin" / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    stamp = {"python": run.python_version(), "run": run.digest("run"), "test": run.digest("test")}
    (copy / ".venv" / "installed.json").write_text(json.dumps(stamp))
    (copy / "server").mkdir()
    (copy / "server" / "__main__.py").write_text("import json, sys; print(json.dumps(sys.argv[1:])); sys.exit(7)")


def start(copy: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the copy's `run.py` as a person would."""
    return subprocess.run(
        [sys.executable, str(copy / "run.py"), *arguments],
        env={**os.environ, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("version", [(3, 7), (3, 8)])
def test_an_old_python_can_read_it_as_far_as_the_sentence_it_gets(project: Path, version: tuple[int, int]) -> None:
    ast.parse((project / "run.py").read_text(), feature_version=version)


def test_an_old_python_is_told_what_is_needed(copy: Path) -> None:
    old = copy / "as_old.py"
    old.write_text(
        "import runpy, sys\nsys.version_info = (3, 10, 0, 'final', 0)\nsys.argv = ['run.py']\n"
        f"runpy.run_path({str(copy / 'run.py')!r}, run_name='__main__')\n"
    )

    ran = subprocess.run(
        [sys.executable, old],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 1
    assert ran.stderr == "Carelobby needs Python 3.11 or newer: install it, then run this file with it.\n"


def test_it_needs_nothing_that_python_does_not_bring(project: Path) -> None:
    tree = ast.parse((project / "run.py").read_text())
    imported = {
        name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    imported |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert imported <= set(sys.stdlib_module_names)


def test_help_has_a_line_for_each_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--help"]) == 0

    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == [name or "(none)" for name in run.TASKS]


def test_tasks_name_only_tasks_that_there_are() -> None:
    named = {
        command[1]
        for task in run.TASKS.values()
        for command in task.commands
        if isinstance(command, tuple) and command[0] == "task"
    }

    assert {"lint", "types", "layers", "docs", "faults"} <= named <= set(run.TASKS)


def test_an_unknown_task_is_one_sentence(copy: Path) -> None:
    ran = start(copy, "tset")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "There is no task 'tset'; python3 run.py --help lists them.\n"


def test_when_all_is_there_the_service_gets_the_stage_to_itself(copy: Path) -> None:
    prepared(copy)

    plain, served = start(copy, "--port", "0"), start(copy, "serve", "--demo", "--print-json")

    assert (plain.stdout, plain.stderr, plain.returncode) == ('["serve", "--demo", "--port", "0"]\n', "", 7)
    assert (served.stdout, served.stderr, served.returncode) == (
        '["serve", "--demo", "--print-json"]\n',
        "",
        7,
    )


def test_the_first_set_up_installs_by_hash_and_the_second_does_nothing(
    commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    run.running()
    first = list(commands)
    run.running()

    assert commands == first
    assert [words[1:3] for words in first] == [("-m", "venv"), ("-m", "pip"), ("pip", "sync")]
    assert all("--require-hashes" in words for words in first[1:])
    assert first[-1][-1] == "requirements/run.txt"
    assert capsys.readouterr().out == ""


def test_what_tests_need_holds_what_the_service_needs(commands: Commands) -> None:
    run.testing()
    commands.clear()
    run.running()

    assert commands == []


@pytest.mark.parametrize("changed", ["uv.txt", "run.txt"])
def test_a_changed_list_is_installed_into_the_same_environment(copy: Path, commands: Commands, changed: str) -> None:
    run.running()
    commands.clear()
    with (copy / "requirements" / changed).open("a") as file:
        file.write("# changed\n")
    run.running()

    assert [words[1:3] for words in commands] == [("-m", "pip"), ("pip", "sync")]


def test_another_python_gets_a_new_environment(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    run.running()
    commands.clear()
    monkeypatch.setattr(run, "python_version", lambda: "3.99 /elsewhere")
    run.running()

    assert commands[0][1:4] == ("-m", "venv", "--clear")


def test_a_set_up_that_was_broken_off_begins_anew(
    copy: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*words: str) -> None:
        commands.append(words)
        if "pip" in words:
            raise KeyboardInterrupt

    run.running()
    with (copy / "requirements" / "run.txt").open("a") as file:
        file.write("# changed\n")
    with monkeypatch.context() as patch:
        patch.setattr(run, "quietly", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.running()
    commands.clear()
    run.running()

    assert commands[0][1:4] == ("-m", "venv", "--clear")


def test_without_uv_pip_installs_the_same_by_hash(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    works = run.quietly

    def no_uv(*words: str) -> None:
        works(*words)
        if words[0].endswith("/uv"):
            raise run.Stop("no index configured")

    monkeypatch.setattr(run, "quietly", no_uv)
    run.running()

    assert commands[-1][1:3] == ("-m", "pip")
    assert "--require-hashes" in commands[-1]
    assert commands[-1][-1] == "requirements/run.txt"
    assert run.installed()["run"] == run.digest("run")


def test_a_failing_step_is_one_sentence_and_keeps_the_rest(copy: Path) -> None:
    (copy / ".venv").mkdir()

    with pytest.raises(run.Stop) as stop:
        run.quietly("sh", "-c", "echo first; echo no route to host >&2; exit 3")

    assert "no route to host (all of it: .venv/setup.log); check network" in str(stop.value)
    assert "\n" not in str(stop.value)
    assert "first\nno route to host\n" in (copy / ".venv" / "setup.log").read_text()


def test_without_permission_it_says_so_in_one_sentence(
    copy: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run.os, "access", lambda *_: False)
    monkeypatch.chdir(copy)

    assert run.main([]) == 1
    assert capsys.readouterr().err == f"No permission for {copy}: be its owner, or copy the project.\n"
    assert commands == []


def nothing_found(*_: object, **__: object) -> None:
    """What a look-up answers on a bare machine."""


def test_on_a_bare_debian_root_gets_the_missing_half_of_venv(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.importlib.util, "find_spec", nothing_found)
    monkeypatch.setattr(run.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(run.os, "geteuid", lambda: 0)
    monkeypatch.setenv("DEBIAN_FRONTEND", "")

    run.make_venv(anew=True)

    assert commands[0] == ("apt-get", "update")
    assert commands[1][:4] == ("apt-get", "install", "-y", "python3-venv")
    assert commands[2][1:3] == ("-m", "venv")


@pytest.mark.parametrize(
    ("need", "sentence"),
    [
        (lambda: run.make_venv(anew=True), "as root, run: apt-get install -y python3-venv"),
        (run.chromium, "as root, run: apt-get install -y chromium fonts-dejavu-core"),
        (run.firefox, "as root, run: apt-get install -y firefox-esr fonts-dejavu-core"),
        (run.redis, "as root, run: apt-get install -y redis-server"),
        (run.coturn, "as root, run: apt-get install -y coturn"),
    ],
)
def test_who_is_not_root_is_told_the_command(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, need: Callable[[], None], sentence: str
) -> None:
    monkeypatch.setattr(run.importlib.util, "find_spec", nothing_found)
    monkeypatch.setattr(run.shutil, "which", nothing_found)
    monkeypatch.setattr(run.os, "geteuid", lambda: 1000)

    with pytest.raises(run.Stop) as stop:
        need()

    assert str(stop.value).endswith(sentence)
    assert commands == []


def test_a_node_that_is_too_old_is_answered_with_one_of_our_own(
    copy: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = iter([(18, 20), (24, 19)])
    monkeypatch.setattr(run, "node_version", lambda: next(versions))

    run.node()

    assert commands[0][1:5] == ("-m", "pip", "install", "--require-hashes")
    assert commands[0][-3:] == ("requirements/node.txt", "--target", str(copy / ".venv" / "node"))


def test_the_runner_of_static_tests_gets_files_by_name_and_none_of_others_packages(copy: Path) -> None:
    for name in ("lib/clock.test.js", "node_modules/other/a.test.js", "lib/clock.js"):
        (run.STATIC / name).parent.mkdir(parents=True, exist_ok=True)
        (run.STATIC / name).touch()

    assert run.static_tests() == ("node", "--test", "tests/static/lib/clock.test.js")


def test_all_commands_of_a_task_run_and_the_first_failure_is_its_exit_code(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = ("sh", "-c")
    tasks = {
        "both": run.Task("", (), (("task", "bad"), ("task", "good", "given"))),
        "bad": run.Task("", (), ((*shell, "exit 3"),)),
        "good": run.Task("", (), ((*shell, 'test "$0$1" = givenmore'),)),
    }
    monkeypatch.setattr(run, "TASKS", tasks)
    monkeypatch.chdir(copy)

    assert run.do("both", ["more"], alone=True) == 3
    assert capsys.readouterr().err == "run.py: bad: failed, good: ok\n"


def test_of_two_commands_with_one_name_neither_hides_that_the_other_failed(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = ("sh", "-c")
    monkeypatch.setattr(run, "TASKS", {"twice": run.Task("", (), ((*shell, "exit 3"), (*shell, "true")))})
    monkeypatch.chdir(copy)

    assert run.do("twice", [], alone=True) == 3


def test_tests_run_in_more_processes_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.os, "cpu_count", lambda: 2)

    words = run.all_tests()

    assert words[:3] == ("pytest", "-n", "3")


def test_what_was_done_is_told_without_its_options(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = {"two": run.Task("", (), (("true", "-n", "3"), ("true", "word")))}
    monkeypatch.setattr(run, "TASKS", tasks)
    monkeypatch.chdir(copy)

    assert run.do("two", [], alone=True) == 0
    assert capsys.readouterr().err == "run.py: true: ok, true word: ok\n"
