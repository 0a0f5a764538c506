"""New."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from index import Index
from mirror import Mirror
from projects import INVOKE, ROOT, Project, environment, run, start
from test_session import begin, left, wait_for

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
    held = installing.held()
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


# ---- test_phases.py 2


def test_the_dry_script_ends_where_the_build_does(project: Project) -> None:
    script = project.invoke("--dry", "cosmo").stdout
    shutil.rmtree(project.path / "src/hello")
    done = run(["sh", "-ec", script], project.environment(), project.path)
    assert done.returncode != 0
    assert not project.executable.exists()


def test_a_line_that_takes_too_long_is_ended_with_all_it_started(project: Project) -> None:
    project.write("src/hello/__main__.py", "import time\ntime.sleep(300)\n")
    begin = time.monotonic()
    done = project.invoke("-T", "8", "cosmo", COSMO_SMOKE="")
    assert done.returncode == 1
    assert "it took longer than 8 seconds" in done.stderr
    assert time.monotonic() - begin < 100


# ---- test_project.py 2


def test_a_program_may_be_called_like_the_recipes_own_modules(project: Project) -> None:
    (project.path / "src/hello").rename(project.path / "src/inside")
    project.write("src/inside/__main__.py", "")
    project.write("src/inside/words.py", "def greet():\n    print('inside')\n")
    done = project.invoke("cosmo", PKG="inside", COSMO_ENTRY="inside.words:greet")
    assert done.returncode == 0, done.stderr
    assert start(project.build / "inside", home=project.path.parent).stdout == "inside\n"


def test_what_is_excluded_stays_out_of_a_project_whose_path_is_a_pattern(project: Project) -> None:
    moved = project.beside("a[1]*")
    project.path.rename(moved.path)
    moved.write("../tasks.py", moved.tasks.text)
    settings = {"COSMO_PROJECT": "a[1]*", "COSMO_EXCLUDE": "hello/greeting*"}
    done = moved.invoke("cosmo", cwd=moved.path.parent, **settings)
    assert done.returncode == 0, done.stderr
    assert "hello/greeting.txt" not in moved.held()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere_at_all\n", ""),
        ("import os\nos.environ['NOT_SET']\n", ""),
        ("raise SystemExit('stop')\n", ""),
        ("def f(:\n", "SyntaxError: invalid syntax"),
    ],
)
def test_an_entry_of_a_package_that_cannot_be_imported_here_is_packaged(
    project: Project, text: str, message: str
) -> None:
    project.write("src/hello/__init__.py" if not message else "src/hello/words.py", text)
    if message:
        assert message in project.refused(COSMO_ENTRY="hello.words:greet")
    else:
        assert project.invoke("cosmo", COSMO_ENTRY="hello.words:greet").returncode == 0


# ---- test_dependencies.py 2


def test_a_file_of_two_dependencies_stays_where_one_is_left_out(
    installing: Project, index: Index, version: tuple[int, int]
) -> None:
    tag = "cp{0}{1}-cp{0}{1}-manylinux2014_x86_64".format(*version)
    index.wheel("bird", "1.0", {"shared/__init__.py": "V = 1\n", "shared/a.py": ""})
    more = {"shared/b.py": "import _b", "_b.so": ""}
    index.wheel("owl", "1.0", {"shared/__init__.py": "V = 1\n", **more}, tag=tag)
    guarded = "import shared\ntry:\n    import shared.b, _b\nexcept ImportError:\n    pass\n"
    index.wheel("wren", "1.0", {"wren.py": f"{guarded}print(shared.V)\n"}, "bird", "owl")
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['wren']\n"
    installing.write("pyproject.toml", head)
    installing.write("src/hello/__main__.py", "import wren\n")
    installing.package()
    assert installing.start().stdout == "1\n"


def test_a_hash_holds_for_an_address_and_in_a_lock_too(
    installing: Project, index: Index, mirror: Mirror
) -> None:
    digest = index.wheel("bird", "1.0", {"bird.py": ""})
    (path,) = (path for path in mirror.files if path.endswith(".whl"))
    installing.write("pyproject.toml", "[project]\nname = 'hello'\nversion = '1'\n")
    for requirement in ("bird==1.0", f"bird @ {mirror.address}{path}"):
        installing.write("all.txt", f"{requirement} --hash=sha256:{'0' * 64}\n")
        for task in ("cosmo", "cosmo.lock"):
            assert "hash" in installing.refused(task, COSMO_DEPS="all.txt").lower()
        installing.write("all.txt", f"{requirement} --hash=sha256:{digest}\n")
        installing.package(COSMO_DEPS="all.txt")


# ---- test_lockfile.py 2


def test_a_local_wheel_is_locked_by_a_path_from_the_project(
    installing: Project, index: Index
) -> None:
    index.wheel("bird", "1.0", {"bird.py": "print('local')\n"})
    name = "bird-1.0-py3-none-any.whl"
    (installing.path / "wheels").mkdir()
    (installing.path / "wheels" / name).write_bytes(index.mirror.files[f"/files/{name}"].data)
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird']\n"
    source = f"[tool.uv.sources]\nbird = {{ path = 'wheels/{name}' }}\n"
    installing.write("pyproject.toml", head + source)
    installing.write("src/hello/__main__.py", "import bird\n")
    del installing.env["UV_NO_CONFIG"]
    assert installing.invoke("cosmo.lock").returncode == 0
    assert f'path = "wheels/{name}"' in (installing.path / "pylock.cosmo.toml").read_text()
    installing.package()
    assert installing.start().stdout == "local\n"


def test_a_lock_without_what_is_required_is_refused(installing: Project, index: Index) -> None:
    index.wheel("bird", "1.0", {"bird.py": ""})
    head = "[project]\nname = 'hello'\nversion = '1'\ndependencies = ['bird']\n"
    installing.write("pyproject.toml", head)
    assert installing.invoke("cosmo.lock").returncode == 0
    lock = installing.path / "pylock.cosmo.toml"
    text = lock.read_text()
    begin, end = text.index("[[packages]]"), text.index("[tool.cosmo-recipes]")
    lock.write_text(f"{text[:begin]}packages = []\n{text[end:]}")
    assert "has no bird; lock anew" in installing.refused()
