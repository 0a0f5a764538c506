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


def begin(project: Project, *words: str, **settings: str) -> subprocess.Popen[str]:
    """Start `invoke`, in a session of its own; what it starts bears a mark."""
    return subprocess.Popen(
        [*INVOKE, *(words or ("cosmo",))],
        cwd=project.path,
        env=project.environment(**settings, **{MARK: str(project.path)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def left(project: Project) -> list[str]:
    """The processes that bear the project's mark, and have not ended."""
    mark, processes = f"{MARK}={project.path}\0".encode(), []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (path / "environ").read_bytes():
                processes.append((path / "cmdline").read_text().replace("\0", " "))
    return processes


def wait_for(path: Path) -> None:
    """Wait until a file exists."""
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.01)


def begin_to_wait(project: Project, heeds: bool = True) -> tuple[subprocess.Popen[str], Path]:
    """Start a build that stops in its smoke test, until the file that this returns is removed."""
    gate, sign = project.write("../gate", ""), project.home / "sign"
    ignore = "import signal; signal.signal(signal.{0}, signal.SIG_IGN)\n"
    main = "" if heeds else "".join(ignore.format(name) for name in ("SIGINT", "SIGTERM"))
    main += f"import os, time; open({str(sign)!r}, 'w')\n"
    main += f"while os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    project.write("src/hello/__main__.py", f"{main}print('waited')\n")
    build = begin(project, COSMO_SMOKE="")
    wait_for(sign)
    return build, gate


def interrupted(project: Project, build: subprocess.Popen[str], status: int) -> str:
    """What a build that was sent a signal says at its end; it leaves no process."""
    _, message = build.communicate(timeout=60)
    assert build.returncode == status, message
    assert "Traceback" not in message
    assert left(project) == []
    return message


def test_a_second_build_of_a_project_stops_with_one_line(project: Project) -> None:
    first, gate = begin_to_wait(project)
    assert "dist/cosmo is in use by another build" in project.refused()
    assert "in use" in project.refused("cosmo.clean")
    project.succeed("--dry", "cosmo")
    gate.unlink()
    assert first.wait() == 0, first.communicate()
    assert project.says() == "waited\n"
    project.package()


def test_a_second_build_stops_also_where_nothing_has_changed_for_it(project: Project) -> None:
    first, gate = begin_to_wait(project)
    gate.unlink()
    assert first.wait() == 0, first.communicate()
    project.succeed("cosmo.lock")
    project.package()
    (project.home / "sign").unlink()
    gate.touch()
    other = begin(project, COSMO_SMOKE="")
    wait_for(project.home / "sign")
    assert "dist/cosmo is in use by another build" in project.refused()
    gate.unlink()
    assert other.wait() == 0, other.communicate()


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_an_interrupted_build_ends_with_one_line(project: Project, name: str, status: int) -> None:
    before = project.package().read_bytes()
    build, gate = begin_to_wait(project)
    os.kill(build.pid, signal.Signals[name])
    message = interrupted(project, build, status)
    assert message.splitlines()[-1].startswith(f"cosmo: interrupted by {name}")
    assert project.executable.read_bytes() == before
    gate.unlink()
    project.package()


def test_a_program_that_heeds_no_signal_is_ended_by_force(project: Project) -> None:
    build, _ = begin_to_wait(project, heeds=False)
    os.kill(build.pid, signal.SIGTERM)
    interrupted(project, build, 143)


def test_ctrl_c_on_a_terminal_ends_it_in_one_line(project: Project) -> None:
    build, _ = begin_to_wait(project)
    os.killpg(build.pid, signal.SIGINT)
    lines = interrupted(project, build, 130).splitlines()
    assert [line for line in lines if line.startswith("cosmo: ")] == [
        "cosmo: interrupted by SIGINT; what a build made before is whole; run it again"
    ]


def test_a_stalled_download_can_be_interrupted(project: Project, mirror: Mirror) -> None:
    data = project.interpreter.read_bytes()
    url = mirror.add("/stalls", data)
    mirror.spoil("/stalls", sent=len(data) // 2, then="stalled")
    build = begin(project, "cosmo.fetch", COSMO_URL=url)
    assert mirror.stalled.wait(60)
    os.kill(build.pid, signal.SIGINT)
    interrupted(project, build, 130)
    assert not (project.build / "python").exists()


def test_a_hosts_own_handlers_are_as_they_were_afterwards(project: Project) -> None:
    text = project.tasks.text.rsplit('\nif __name__ == "__main__"', 1)[0] + "\n\n"
    text += "import signal\nfrom invoke.tasks import task as _task\n\n\n"
    text += "@_task\ndef after(c):\n    print(signal.getsignal(signal.SIGINT).__name__)\n\n\n"
    project.write("tasks.py", f"{text}ns.add_task(after)\n")
    done = project.invoke("cosmo.clean", "after")
    assert done.stdout == "default_int_handler\n", done.stderr


def test_what_a_kill_left_behind_is_not_in_the_next_builds_way(project: Project) -> None:
    build, gate = begin_to_wait(project)
    os.killpg(build.pid, signal.SIGKILL)
    build.wait()
    gate.unlink()
    project.package()
    assert project.says() == "waited\n"


def test_a_signal_ends_no_program_that_the_build_did_not_start(project: Project) -> None:
    text = project.tasks.text + "\n\n"
    if "__main__" in text:
        text = text.rpartition('\nif __name__ == "__main__"')[0] + "\n\n"
    text += "import subprocess\nfrom invoke.tasks import task as _task\n\n\n"
    text += "@_task\ndef serve(c):\n"
    text += "    sleep = subprocess.Popen(['sleep', '300'], stdout=-3, stderr=-3)\n"
    text += "    print(sleep.pid, file=open('pid', 'w'))\n\n\n"
    project.write("tasks.py", f"{text}ns.add_task(serve)\n")
    there = project.path.parent / "there"
    main = f"import time\nopen({str(there)!r}, 'w')\ntime.sleep(300)\n"
    project.write("src/hello/__main__.py", main)
    build = begin(project, "serve", "cosmo", COSMO_SMOKE="")
    wait_for(there)
    os.kill(build.pid, signal.SIGTERM)
    build.communicate(timeout=60)
    number = int((project.path / "pid").read_text())
    assert [line.split() for line in left(project)] == [["sleep", "300"]]
    os.kill(number, signal.SIGKILL)
