"""The recipes, and the tasks for those who work on them: `invoke --list`."""

import os
import shlex
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

try:
    from recipes import ns
    from recipes.vendor import vendor
except ImportError as error:
    if (error.name or "").partition(".")[0] != "recipes":
        raise
    remedy = "pip install PATH-OF-COSMO-RECIPES, or let its `invoke vendor` write a whole tasks.py"
    raise Exit(
        f"cosmo: {__file__} needs the package `recipes` of cosmo-recipes; {remedy}"
    ) from None

ROOT = Path(__file__).resolve().parent
PYTHON = shlex.quote(sys.executable)


def run(c: Context, line: str, **how: Any) -> None:
    """Run a line where this file lies."""
    with c.cd(str(ROOT)):
        c.run(line, shell="/bin/sh", **how)  # noqa: S604 - a path, no truth


def run_module(c: Context, module: str, words: str, **how: Any) -> None:
    """Run a module of the tools that the extra `test` installs."""
    if find_spec(module) is None:
        raise Exit(f"cosmo: {module} is not installed; pip install '.[test]'", code=1)
    run(c, f"{PYTHON} -m {module} {words}", **how)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: the recipe tells what it fetches."""


@task(
    iterable=["without", "with_"],
    help={
        "out": "The file to write (default dist/standin/python).",
        "without": "An extension module to leave out, besides those that the real one lacks.",
        "with": "An extension module to put back, where the running Python has it.",
    },
)
def standin(
    c: Context,
    out: str = "dist/standin/python",
    without: Optional[list[str]] = None,
    with_: Optional[list[str]] = None,
) -> None:
    """Make an interpreter from the Python that is running, where the real one is out of reach."""
    words = [out, *(f"--without={name}" for name in without or ())]
    words += [f"--with={name}" for name in with_ or ()]
    run(c, f"{PYTHON} tests/standin {shlex.join(words)}", hide=False)


@task
def demo(c: Context) -> None:
    """Package sample_project with a stand-in served on 127.0.0.1, and run the result."""
    os.chdir(ROOT)
    site, program = Path("dist/demo"), Path("sample_project/dist/cosmo/almanac")
    # Like the real interpreter, a stand-in writes a file at its first start.
    quiet = {"TMPDIR": str(ROOT / site), "no_proxy": "127.0.0.1"}

    def show(words: str, line: str = "", **env: str) -> None:
        print("\n$", *(f"{name}={value}" for name, value in env.items()), words, flush=True)
        run(c, line or words, env={**quiet, **env}, hide=False, in_stream=False)

    line = f"invoke standin --out {site}/pub/cosmos/bin/python"
    show(line, f"{PYTHON} -m {line}")
    serve = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/pub/cosmos/bin/python"
        line = f"{PYTHON} -m invoke cosmo"
        show("invoke cosmo", line, COSMO_PROJECT="sample_project", COSMO_URL=url)
        server.shutdown()
    show(f"./{program} --version")
    show(f"./{program} Jerusalem --date 2024-09-01")
    if c.config.run.dry:
        return
    print(f"\nInside {program}, beside the interpreter's own library:")
    with zipfile.ZipFile(program) as archive:
        for name in archive.namelist():
            if name == ".args" or name.startswith("Lib/site-packages/"):
                print(f"  {name}")
    print("\nA stand-in runs only where its Python is. With network, this makes the real thing:")
    print("  invoke cosmo")


@task(
    help={
        "vendored": "Run those that go through the recipes once more, with a vendored tasks.py.",
        "options": "What to pass on to pytest, as in --options='-k fetch'.",
    }
)
def test(c: Context, vendored: bool = False, options: str = "") -> None:  # noqa: PT028 - no test
    """Run the tests; --options=--interpreter=FILE puts another interpreter through them."""
    which = "-m vendored" if vendored else ""
    run_module(c, "pytest", f"{which} {options}", pty=sys.stdout.isatty())


@task(help={"options": "What to pass on to pytest, as in --options='-k flask'."})
def prove(c: Context, options: str = "") -> None:
    """Package and run real releases from PyPI, and print a table of what each took."""
    run_module(c, "pytest", f"-m prove {options}", pty=sys.stdout.isatty())


@task(help={"options": "What to pass on to pytest, as in --options='-k SIGKILL'."})
def faults(c: Context, options: str = "") -> None:
    """Break builds in many ways, and print a table of what each left behind."""
    run_module(c, "pytest", f"-m faults {options}", pty=sys.stdout.isatty())


@task(
    iterable=["env"],
    help={
        "interpreter": "The interpreter file to build with (default: a stand-in).",
        "only": "What to measure: compare, growth or check (default: compare, then check).",
        "runs": "How many rounds (default 5); of the large project and of growth half as many.",
        "pad": "How many MB to pad the interpreter's file to (default 40; 0: not).",
        "env": "A setting for this project's builds, as in --env COSMO_SLIM=1.",
        "svg": "The picture of the comparison (default docs/bench.svg).",
    },
)
def bench(
    c: Context,
    interpreter: str = "",
    only: str = "",
    runs: int = 5,
    pad: int = 40,
    env: Optional[list[str]] = None,
    svg: str = "docs/bench.svg",
) -> None:
    """Compare builds with those of other tools, and with the start check and without, as ratios."""
    if only not in ("", "compare", "growth", "check"):
        raise Exit(f"cosmo: --only={only} is none of compare, growth and check; correct it", code=1)
    if not interpreter:
        interpreter = "dist/standin/python"
        standin(c, interpreter)
    words = shlex.join([interpreter, f"--runs={runs}"])
    if only != "check":
        if find_spec("trustme") is None:
            raise Exit("cosmo: trustme is not installed; pip install '.[bench]'", code=1)
        settings = [f"--env={text}" for text in env or ()]
        kind = ["--growth"] if only == "growth" else [f"--svg={svg}"]
        more = shlex.join([f"--pad={pad}", *kind, *settings])
        run(c, f"{PYTHON} benchmarks/compare.py {words} {more}", hide=False)
    if only in ("", "check"):
        run(c, f"{PYTHON} benchmarks/start_check.py {words}", hide=False)


@task
def lint(c: Context) -> None:
    """Check style and layout with ruff."""
    run_module(c, "ruff", "check .")
    run_module(c, "ruff", "format --check .")


@task
def types(c: Context) -> None:
    """Check types with mypy --strict, of the vendored file too."""
    run_module(c, "mypy", "")
    run_module(c, "mypy", "sample_project/tasks.py")


for own_task in (vendor, standin, demo, test, prove, faults, bench, lint, types):
    ns.add_task(own_task)  # type: ignore[arg-type]
