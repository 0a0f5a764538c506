"""The lines of a build: the build folder's lock, signals, timeouts, the echo and the dry run."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import shutil
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from invoke.context import Context

from mirror import Mirror
from processes import begin, find_processes, wait_for_processes
from projects import INVOKE, Project, run
from recipes.shell import RecipeError, Shell


@pytest.fixture(autouse=True)
def _end_processes(project: Project) -> Iterator[None]:
    yield
    wait_for_processes(project.path, 0)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a function returns a true value."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def begin_to_wait(project: Project, first: str = "") -> tuple[subprocess.Popen[str], Path]:
    """Start a build whose program, in COSMO_SMOKE, waits until the returned file is removed."""
    gate, sign = project.write("../gate", ""), project.home / "sign"
    main = f"import os, signal, time\n{first}open({str(sign)!r}, 'w')\n"
    main += f"while os.path.exists({str(gate)!r}): time.sleep(0.01)\nprint('waited')\n"
    project.write("src/hello/__main__.py", main)
    build = begin([*INVOKE, "cosmo"], project.environment(COSMO_SMOKE=""), project.path)
    wait_until(sign.exists)
    return build, gate


def test_other_builds_stop_while_a_line_runs_also_of_a_killed_build(project: Project) -> None:
    build, gate = begin_to_wait(project)
    for words in (["cosmo"], ["cosmo.clean"]):
        assert "dist/cosmo is in use by another build; run this" in project.refused(*words)
    assert "# cosmo.update" in project.succeed("--dry", "cosmo").stdout
    build.kill()
    build.wait()
    assert "in use by another build" in project.refused()
    gate.unlink()
    wait_until(lambda: not find_processes(project.path))
    project.package()
    assert project.run_executable() == "waited\n"


IGNORE = "for number in (2, 15): signal.signal(number, signal.SIG_IGN)\n"


@pytest.mark.parametrize(
    ("name", "first"), [("SIGINT", ""), ("SIGTERM", IGNORE), ("SIGHUP", "os.fork()\n")]
)
def test_signal_ends_a_line_and_all_it_started(project: Project, name: str, first: str) -> None:
    before, number = project.package().read_bytes(), signal.Signals[name]
    build, gate = begin_to_wait(project, first)
    os.killpg(build.pid, number)
    out, err = build.communicate(timeout=60)
    assert (build.returncode, out, "Traceback" in err) == (128 + number, "", False), err
    assert [line for line in err.splitlines() if line.startswith("cosmo: ")] == [
        f"cosmo: interrupted by {name}; what a build made before is whole; run it again"
    ]
    assert find_processes(project.path) == {}
    assert project.executable.read_bytes() == before
    gate.unlink()
    assert project.package().read_bytes() != before


def test_hosts_signal_handlers_are_restored(project: Project) -> None:
    text = project.tasks.text.rpartition('\nif __name__ == "__main__"')[0] or project.tasks.text
    text += "\nimport signal as _signal\nfrom invoke.tasks import task as _task\n\n@_task\n"
    text += "def after(c):\n    print(_signal.getsignal(2).__name__)\n\nns.add_task(after)\n"
    project.write("tasks.py", text)
    assert project.succeed("cosmo.clean", "after").stdout == "default_int_handler\n"


def test_line_that_takes_too_long_is_ended_with_all_it_started(project: Project) -> None:
    project.write("src/hello/__main__.py", "import time\ntime.sleep(300)\n")
    assert "it took longer than 9 seconds" in project.refused("-T", "9", "cosmo", COSMO_SMOKE="")
    assert find_processes(project.path) == {}


def test_slow_line_is_ended_unless_a_person_allows_more(tmp_path: Path) -> None:
    c = Context()
    shell = Shell(c, "fetch", {}, tmp_path)
    with pytest.raises(RecipeError, match="fetch failed: it took longer than 1 seconds"):
        shell.run("sleep 60", seconds=1)
    c.config.timeouts.command = 60
    shell.run("sleep 1.5", seconds=1)


def test_persons_invoke_settings_hide_no_error(project: Project) -> None:
    text = "run:\n  pty: true\n  hide: true\n  echo: true\n  shell: null\n  asynchronous: true\n"
    project.write("invoke.yaml", text)
    project.package()
    project.write("src/hello/deep/bad.py", "x = 1\ndef f(:\n")
    *_, last = project.invoke("cosmo").stderr.splitlines()
    problem = "hello/deep/bad.py:2: SyntaxError: invalid syntax; correct it"
    assert last == f"cosmo: src/hello does not compile: {problem}"


def test_dry_run_prints_what_the_echo_shows_and_ends_like_it(project: Project) -> None:
    dry = project.succeed("--dry", "cosmo")
    assert (dry.stderr, "\033" in dry.stdout, project.build.exists()) == ("", False, False)
    echoed = project.invoke("-e", "cosmo").stdout
    assert echoed.startswith(dry.stdout[dry.stdout.index("# cosmo.clean") :])
    for unbuffered in ("", "1"):
        line = ["sh", "-c", f"{shlex.join(INVOKE)} --dry cosmo | true"]
        done = run(line, project.environment(PYTHONUNBUFFERED=unbuffered), project.path)
        assert (done.stdout, done.stderr) == ("", "")
    assert project.succeed("--dry", "cosmo").stdout == dry.stdout
    before = project.executable.read_bytes()
    shutil.rmtree(project.path / "src/hello")
    done = run(["sh", "-ec", dry.stdout], project.environment(), project.path)
    assert (done.returncode, project.executable.read_bytes()) == (1, before)


def test_progress_is_shown_on_a_terminal_only(project: Project, mirror: Mirror) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    env, shown = project.environment(COSMO_URL=mirror.python), b""
    line = [*INVOKE, "cosmo"]
    with subprocess.Popen(line, 0, None, theirs, theirs, theirs, env=env, cwd=project.path):
        os.close(theirs)
        with suppress(OSError):  # Linux: the other end is closed
            while piece := os.read(ours, 65536):
                shown += piece
    os.close(ours)
    for bar in (rb"fetch: \d[^\r]*B/s", rb"compile: [^\r]*/4 ", rb"update: [^\r]*/5 ", rb"sha256 "):
        assert re.search(bar, shown), shown
    plain = project.succeed("cosmo", "--force", COSMO_URL=mirror.python).stderr
    phases = "clean setup lock fetch compile update"
    assert " ".join(re.findall(r"(?m)^(\S+).*$", plain)) == phases
