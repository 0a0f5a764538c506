"""A phase's turn: one build at a time, and an end as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mirror import Mirror
from projects import INVOKE, Project

MARK = "COSMO_TEST_MARK"


def begun(project: Project, *words: str, **settings: str) -> subprocess.Popen[str]:
    """A running `invoke`, in a session of its own; what it starts bears a mark."""
    env = project.environment(**settings, **{MARK: str(project.path)})
    return subprocess.Popen(
        [*INVOKE, *(words or ("cosmo",))],
        cwd=project.path,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def left(project: Project) -> list[str]:
    """The processes that bear the project's mark, and have not ended."""
    mark, found = f"{MARK}={project.path}\0".encode(), []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_text().replace("\0", " "))
    return found


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.01)


def waits(project: Project) -> Path:
    """Let the build stop in a smoke test, until the file that this returns is removed."""
    gate = project.write("../gate", "")
    there = project.path.parent / "there"
    main = f"import os, time; open({str(there)!r}, 'w')\n"
    main += f"while os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    project.write("src/hello/__main__.py", f"{main}print('waited')\n")
    return gate


def test_a_second_build_of_a_project_stops_with_one_line(project: Project) -> None:
    gate = waits(project)
    first = begun(project, COSMO_SMOKE="")
    wait_for(project.path.parent / "there")
    told = project.refused()
    assert "dist/cosmo is in use by another build" in told
    assert "in use" in project.refused("cosmo.clean")
    assert project.invoke("--dry", "cosmo").returncode == 0
    gate.unlink()
    assert first.wait() == 0, first.communicate()
    assert project.start().stdout == "waited\n"
    project.package()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_an_interrupted_build_ends_with_one_line_and_leaves_no_process(
    project: Project, number: signal.Signals, status: int
) -> None:
    before = project.package().read_bytes()
    gate = waits(project)
    build = begun(project, COSMO_SMOKE="")
    wait_for(project.path.parent / "there")
    os.kill(build.pid, number)
    _, told = build.communicate(timeout=60)
    assert build.returncode == status
    last = told.splitlines()[-1]
    assert last.startswith(f"cosmo: interrupted by {number.name}")
    assert "Traceback" not in told
    assert left(project) == []
    assert project.executable.read_bytes() == before
    gate.unlink()
    project.package()


def test_a_program_that_heeds_no_signal_is_ended_by_force(project: Project) -> None:
    there = project.path.parent / "there"
    main = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    main += f"signal.signal(signal.SIGINT, signal.SIG_IGN)\nopen({str(there)!r}, 'w')\n"
    project.write("src/hello/__main__.py", f"{main}time.sleep(500)\n")
    build = begun(project, COSMO_SMOKE="")
    wait_for(there)
    os.kill(build.pid, signal.SIGTERM)
    _, told = build.communicate(timeout=60)
    assert build.returncode == 143, told
    assert left(project) == []


def test_ctrl_c_on_a_terminal_ends_it_in_one_line(project: Project) -> None:
    waits(project)
    build = begun(project, COSMO_SMOKE="")
    wait_for(project.path.parent / "there")
    os.killpg(build.pid, signal.SIGINT)
    _, told = build.communicate(timeout=60)
    assert build.returncode == 130
    assert [line for line in told.splitlines() if line.startswith("cosmo: ")] == [
        "cosmo: interrupted by SIGINT; what a build made before is whole; run it again"
    ]
    assert left(project) == []


def test_a_stalled_download_can_be_interrupted(
    project: Project, mirror: Mirror, interpreter: Path
) -> None:
    data = interpreter.read_bytes()
    url = mirror.add("/stalls", data)
    mirror.spoil("/stalls", sent=len(data) // 2, then="stalled")
    build = begun(project, "cosmo.fetch", COSMO_URL=url)
    assert mirror.stalled.wait(60)
    os.kill(build.pid, signal.SIGINT)
    _, told = build.communicate(timeout=60)
    assert build.returncode == 130, told
    assert left(project) == []
    assert not (project.build / "python").exists()


def test_a_hosts_own_handlers_are_as_they_were_afterwards(project: Project) -> None:
    text = project.tasks.text + "\n\n"
    if "__main__" in text:
        text = text.rpartition('\nif __name__ == "__main__"')[0] + "\n\n"
    text += "import signal\nfrom invoke.tasks import task as _task\n\n\n"
    text += "@_task\ndef after(c):\n    print(signal.getsignal(signal.SIGINT).__name__)\n\n\n"
    project.write("tasks.py", f"{text}ns.add_task(after)\n")
    done = project.invoke("cosmo.clean", "after")
    assert done.stdout == "default_int_handler\n", done.stderr


def test_what_a_kill_left_behind_is_not_in_the_next_builds_way(project: Project) -> None:
    gate = waits(project)
    build = begun(project, COSMO_SMOKE="")
    wait_for(project.path.parent / "there")
    os.killpg(build.pid, signal.SIGKILL)
    build.wait()
    gate.unlink()
    project.package()
    assert project.start().stdout == "waited\n"
