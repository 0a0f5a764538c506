"""New."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import time  # noqa: F401
from pathlib import Path

from index import Index
from mirror import Mirror
from projects import INVOKE, ROOT, Project, environment, packed, run, start
from test_session import begun, left, wait_for

PYTHON = "/pub/cosmos/bin/python"

# ---- test_phases.py


def test_the_dry_run_of_the_sample_project_is_quoted_in_the_readme(project: Project) -> None:
    env = environment(project.path.parent, SOURCE_DATE_EPOCH="315532800")
    done = run([*INVOKE, "--dry", "cosmo"], env, ROOT / "sample_project")
    assert done.stdout in (ROOT / "README.md").read_text(encoding="utf-8")
    lines = done.stdout.splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 120
    phases = ["clean", "setup", "fetch", "compile", "update"]
    comments = [line for line in lines if line.startswith("#")]
    assert comments == [f"# cosmo.{phase}" for phase in phases]
    assert not [line for line in lines if "uv " in line or ".deps" in line]


def test_a_phase_checks_only_the_settings_that_it_uses(project: Project) -> None:
    project.package()
    done = project.invoke("cosmo.clean", COSMO_URL="nowhere", COSMO_ARGS="'", PKG="no name")
    assert done.returncode == 0, done.stderr
    assert not (project.build / "Lib/site-packages").exists()


def test_a_tool_that_fails_has_its_own_last_lines_shown(project: Project) -> None:
    project.write("src/hello/bad.py", "x = 1\ndef f(:\n")
    *_, shown, last = project.refused().splitlines()
    assert shown == "SyntaxError: invalid syntax"
    assert last == (
        "cosmo: src/hello does not compile: see above; correct the file, or name it in COSMO_KEEP"
        " or COSMO_EXCLUDE"
    )


# ---- test_project.py


def test_several_scripts_are_packaged_by_one_command_and_leave_later_tasks_alone(
    project: Project,
) -> None:
    for name in ("one", "two"):
        project.write(f"{name}.py", f"print('{name}')")
    project.write("dist/cosmo/Lib/site-packages/old", "")
    words = ["cosmo.script", "one.py", "cosmo.script", "two.py", "cosmo.setup"]
    done = project.invoke(*words)
    assert done.returncode == 0, done.stderr
    for name in ("one", "two"):
        assert start(project.build / name, home=project.path.parent).stdout == f"{name}\n"
    assert (project.build / "Lib/site-packages/hello/words.py").exists()


def test_a_shared_library_of_the_program_is_refused(project: Project) -> None:
    project.write("src/hello/libfoo.so.1", "")
    assert "libfoo.so.1 cannot run in the executable" in project.refused()


def test_a_pipe_in_the_place_of_the_result_is_refused(project: Project) -> None:
    os.mkfifo(project.path / "pipe")
    assert "is no file" in project.refused(COSMO_OUT="pipe")


def test_a_result_may_be_named_after_the_package_that_the_scripts_name(project: Project) -> None:
    head = "[project]\nname = 'other'\nscripts.greet = 'hello.words:greet'\n"
    project.write("pyproject.toml", f"{head}[tool.cosmo.env]\nCOSMO_OUT = 'dist/$PKG.com'\n")
    assert project.invoke("cosmo").returncode == 0
    assert (project.path / "dist/hello.com").exists()


# ---- test_settings.py


def test_a_reader_that_stops_early_is_no_error(project: Project) -> None:
    for words in ("cosmo.settings", "cosmo.settings --json", "cosmo.cache"):
        line = f"{shlex.join(INVOKE)} {words} | true"
        done = run(["sh", "-c", line], project.environment(PYTHONUNBUFFERED="1"), project.path)
        assert (done.stdout, done.stderr) == ("", "")


def test_settings_are_explained(project: Project) -> None:
    lines = project.invoke("cosmo.settings", "--explain").stdout.splitlines()
    assert "    1 takes what is in the user's cache and asks no server for anything" in lines


# ---- test_interpreter.py


def test_wget2_which_refuses_some_options_serves(project: Project, mirror: Mirror) -> None:
    wget2 = project.write("../wget2/wget", "#!/bin/sh\nfor word; do case $word in\n")
    text = "--no-if-modified-since|--progress=dot*) exit 2;; esac; done\n"
    wget2.write_text(f'{wget2.read_text()}{text}exec {shutil.which("wget")} "$@"\n')
    wget2.chmod(0o755)
    path = f"{wget2.parent}{os.pathsep}{os.environ['PATH']}"
    for downloads in (1, 1):
        project.package(COSMO_URL=mirror.address + PYTHON, PATH=path)
        assert mirror.downloads[PYTHON] == downloads


# ---- test_lockfile.py


def test_the_lock_names_the_address_also_where_the_cache_has_the_file(
    project: Project, mirror: Mirror
) -> None:
    url = mirror.address + PYTHON
    assert project.invoke("cosmo.lock", COSMO_URL=url).returncode == 0
    lock = project.path / "pylock.cosmo.toml"
    text = lock.read_text()
    sha256 = text.partition('sha256 = "')[2][:64]
    lock.unlink()
    done = project.invoke("cosmo.lock", COSMO_URL=url, COSMO_SHA256=sha256)
    assert done.returncode == 0, done.stderr
    assert f'url = "{url}"' in lock.read_text()


def test_a_url_that_a_lock_makes_a_mirror_is_named(project: Project, mirror: Mirror) -> None:
    url = mirror.address + PYTHON
    assert project.invoke("cosmo.lock", COSMO_URL=url).returncode == 0
    assert "mirror" not in project.invoke("cosmo.fetch", COSMO_URL=url).stderr
    done = project.invoke("cosmo.fetch", COSMO_URL="http://127.0.0.1:9/other")
    assert "COSMO_URL (environment) is asked for that file alone" in done.stderr


def test_a_projects_own_uv_lock_is_honoured(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": "print('one')\n"})
    head = "[project]\nname = 'hello'\nversion = '1'\nrequires-python = '>=3.9'\n"
    installing.write("pyproject.toml", f"{head}dependencies = ['bird']\n")
    installing.write("src/hello/__main__.py", "import bird\n")
    env = installing.environment(UV_NO_CACHE="1", UV_PYTHON=sys.executable)
    assert run(["uv", "lock", "-q"], env, installing.path).returncode == 0
    index.wheel("bird", "2.0", {"bird.py": "print('two')\n"})
    installing.env["UV_NO_CACHE"] = "1"
    done = installing.invoke("cosmo")
    assert done.returncode == 0, done.stderr
    assert "none but uv.lock's dependencies" in done.stderr
    assert installing.start().stdout == "one\n"
    assert installing.invoke("cosmo.lock").returncode == 0
    (installing.path / "uv.lock").unlink()
    installing.package()
    assert installing.start().stdout == "one\n"


# ---- test_dependencies.py


def test_without_uv_it_says_how_to_get_it_where_there_is_something_to_install(
    installing: Project,
) -> None:
    alone = installing.path.parent / "alone"
    alone.mkdir()
    (alone / "python").symlink_to(Path(sys.executable).resolve())
    site = next(path for path in sys.path if path.endswith("site-packages"))
    env = installing.environment()
    env["PATH"] = os.pathsep.join(
        p for p in env["PATH"].split(os.pathsep) if not Path(p, "uv").exists()
    )
    env["PYTHONPATH"] = f"{env['PYTHONPATH']}{os.pathsep}{site}"
    command = [str(alone / "python"), "-m", "invoke", "cosmo"]
    done = run(command, env, installing.path)
    assert done.returncode == 0, done.stderr
    installing.write("pyproject.toml", "[project]\nname = 'hello'\ndependencies = ['bird']\n")
    done = run(command, env, installing.path)
    assert done.returncode == 1
    assert done.stderr == (
        "cosmo: the dependencies of hello cannot be installed: there is no uv on PATH; get it with"
        " `pip install uv`, or leave them out with COSMO_DEPS=none\n"
    )


def test_a_requirement_whose_marker_does_not_hold_needs_nothing(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    tag = "cp{0}{1}-cp{0}{1}-manylinux2014_x86_64".format(*version)
    index.wheel("bird", "1.0", {"bird.py": "from _bird import x", "_bird.so": ""}, tag=tag)
    index.wheel("owl", "1.0", {"owl.py": ""}, "bird; python_version < '3'")
    guarded = "try:\n    import bird\nexcept ImportError:\n    pass\n"
    index.wheel("wren", "1.0", {"wren.py": guarded}, "bird", "owl")
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['wren']\n"
    installing.write("pyproject.toml", head)
    installing.package()
    held = packed(installing.executable, installing.interpreter)
    assert "wren.pyc" in held
    assert "bird.pyc" not in held


def test_the_dry_run_with_one_dependency_has_few_lines(installing: Project) -> None:
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird']\n"
    installing.write("pyproject.toml", head)
    lines = installing.invoke("--dry", "cosmo").stdout.splitlines()
    assert "# cosmo.deps" in lines
    assert len(lines) <= 45


# ---- test_session.py


def test_a_signal_ends_no_program_that_the_build_did_not_start(project: Project) -> None:
    text = project.tasks.text.partition('\nif __name__ == "__main__"')[0] + "\n\n"
    text += "import subprocess\nfrom invoke.tasks import task as _task\n\n\n"
    text += "@_task\ndef serve(c):\n"
    text += "    sleep = subprocess.Popen(['sleep', '300'], stdout=-3, stderr=-3)\n"
    text += "    print(sleep.pid, file=open('pid', 'w'))\n\n\n"
    project.write("tasks.py", f"{text}ns.add_task(serve)\n")
    there = project.path.parent / "there"
    main = f"import time\nopen({str(there)!r}, 'w')\ntime.sleep(300)\n"
    project.write("src/hello/__main__.py", main)
    build = begun(project, "serve", "cosmo", COSMO_SMOKE="")
    wait_for(there)
    os.kill(build.pid, signal.SIGTERM)
    build.communicate(timeout=60)
    number = int((project.path / "pid").read_text())
    assert [line.split() for line in left(project)] == [["sleep", "300"]]
    os.kill(number, signal.SIGKILL)
