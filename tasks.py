"""The recipes, and the tasks for those who work on them: `invoke --list`."""

import io
import os
import re
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
    from recipes.settings import TABLE
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


def run(c: Context, line: str, **options: Any) -> None:
    """Run a line in the folder that this file is in."""
    with c.cd(str(ROOT)):
        c.run(line, shell="/bin/sh", **options)  # noqa: S604 - the path of a shell


def run_module(c: Context, module: str, arguments: str, **options: Any) -> None:
    """Run one of the tools that the extra `test` installs."""
    if find_spec(module) is None:
        raise Exit(f"cosmo: {module} is not installed; pip install '.[test]'", code=1)
    run(c, f"{PYTHON} -m {module} {arguments}", **options)


class Quiet(SimpleHTTPRequestHandler):
    """Serve a folder and log nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Print nothing: the recipes say what they fetch."""


@task(
    iterable=["without", "with_"],
    help={
        "out": "The file to write (default dist/standin/python).",
        "without": "One more extension module to leave out; may be given several times.",
        "with": "An extension module to put back, if the running Python has it; likewise.",
    },
)
def standin(
    c: Context,
    out: str = "dist/standin/python",
    without: Optional[list[str]] = None,
    with_: Optional[list[str]] = None,
) -> None:
    """Make an interpreter from the running Python."""
    arguments = [out, *(f"--without={name}" for name in without or ())]
    arguments += [f"--with={name}" for name in with_ or ()]
    run(c, f"{PYTHON} tests/standin {shlex.join(arguments)}", hide=False)


@task
def demo(c: Context) -> None:
    """Package sample_project with a stand-in, and run it."""
    os.chdir(ROOT)
    site, program = Path("dist/demo"), Path("sample_project/dist/cosmo/almanac")
    # A stand-in is served on 127.0.0.1 as if it were the download. All that the demo writes lies in
    # dist: the cache too, and the file that an interpreter writes to TMPDIR at its first start.
    fixed = {"TMPDIR": str(ROOT / site), "XDG_CACHE_HOME": str(ROOT / site / "cache")}
    fixed["no_proxy"] = "127.0.0.1"

    def show(command: str, line: str = "", **env: str) -> None:
        exports = [f"export {name}={value}" for name, value in env.items()]
        print("", *exports, command, sep="\n$ ", flush=True)
        run(c, f"{line or command} 2>&1", env={**fixed, **env}, hide=False, in_stream=False)

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
    print("\nThis one runs only where the stand-in's Python is. With network, `invoke cosmo` in a")
    print("vendored project, or `cosmo-recipes cosmo` in any, makes one that runs everywhere.")


@task
def picture(c: Context) -> None:
    """Draw what the demo prints, as docs/demo.svg."""
    if find_spec("rich") is None:
        raise Exit("cosmo: rich is not installed; pip install '.[test]'", code=1)
    from rich.console import Console

    with c.cd(str(ROOT)):  # a new build: another prints "nothing has changed"
        shown = c.run(f"rm -rf sample_project/dist && {PYTHON} -m invoke demo", hide=True).stdout
    shown = shown[shown.index("$ export") : shown.index("\nInside")].strip()
    shown = re.sub(r"(?<=127\.0\.0\.1:)\d+", "8000", shown)  # a free port, another each time
    console = Console(record=True, width=80, file=io.StringIO())
    for line in shown.splitlines():
        style = "bold green" if line.startswith("$") else ""
        console.print(line, style=style, markup=False, highlight=False)
    svg = console.export_svg(title="invoke demo", unique_id="demo")
    svg = re.sub(r"(?s)\s*@font-face \{.*?\}|Fira Code, ", "", svg)  # fonts of another server
    (ROOT / "docs/demo.svg").write_text(svg, "utf-8")


@task(
    help={
        "vendored": "Run only those that build, with a vendored tasks.py.",
        "options": "What to pass on to pytest, as in --options='--interpreter=FILE -k fetch'.",
    }
)
def test(c: Context, vendored: bool = False, options: str = "") -> None:  # noqa: PT028 - no test
    """Run the tests, also with another interpreter."""
    which = "-m vendored" if vendored else ""
    run_module(c, "pytest", f"{which} {options}", pty=sys.stdout.isatty())


@task(help={"options": "What to pass on to pytest, as in --options='-k flask'."})
def prove(c: Context, options: str = "") -> None:
    """Package and run releases from PyPI; print a table."""
    run_module(c, "pytest", f"-m prove {options}", pty=sys.stdout.isatty())


@task(help={"options": "What to pass on to pytest, as in --options='-k SIGKILL'."})
def faults(c: Context, options: str = "") -> None:
    """Break builds; print what each left behind."""
    run_module(c, "pytest", f"-m faults {options}", pty=sys.stdout.isatty())


@task(help={"only": "Only edits of files whose names hold this, as in --only=fetch."})
def mutants(c: Context, only: str = "") -> None:
    """Break lines that matter; a test of each must fail."""
    standin(c, "dist/standin/python")
    run(c, f"{PYTHON} tests/mutants.py {ROOT}/dist/standin/python {shlex.quote(only)}", hide=False)


@task(
    iterable=["env"],
    help={
        "interpreter": "The interpreter file to build with (default: a stand-in).",
        "only": "What to measure: compare, growth or check (default: compare, then check).",
        "runs": "How many rounds (default 5); half as many of the large project and of growth.",
        "pad": "Size in MB to pad the interpreter's file to (default 40; 0: no padding).",
        "env": "A setting for the builds with these recipes, as in --env COSMO_CHECK=0.",
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
    """Compare builds with those of ds and cosmofy."""
    if only not in ("", "compare", "growth", "check"):
        raise Exit(f"cosmo: --only={only} is not one of compare, growth and check", code=1)
    if not interpreter:
        interpreter = "dist/standin/python"
        standin(c, interpreter)
    arguments = shlex.join([interpreter, f"--runs={runs}"])
    if only != "check":
        if find_spec("trustme") is None:
            raise Exit("cosmo: trustme is not installed; pip install '.[bench]'", code=1)
        settings = [f"--env={text}" for text in env or ()]
        kind = ["--growth"] if only == "growth" else [f"--svg={svg}"]
        more = shlex.join([f"--pad={pad}", *kind, *settings])
        run(c, f"{PYTHON} benchmarks/compare.py {arguments} {more}", hide=False)
    if only in ("", "check"):
        run(c, f"{PYTHON} benchmarks/start_check.py {arguments}", hide=False)


@task
def docs(c: Context) -> None:
    """Renew what the documents quote from the recipes."""
    vendor(c, str(ROOT / "sample_project"))
    line = f"env -u COSMO_URL SOURCE_DATE_EPOCH=315532800 {PYTHON} -m invoke --dry cosmo"
    with c.cd(str(ROOT / "sample_project")):
        script = c.run(line, hide=True).stdout
    rows = []
    for name, one in TABLE.items():
        default = f"`{one.metadata['default']}`" if one.metadata["default"] else ""
        rows.append(f"| `{name}` | {default} | {one.metadata['meaning']} |")
    for path, pattern, text in (
        ("README.md", r"(?s)(?<=```console\n)unset CDPATH.*?(?=```)", script),
        ("docs/settings.md", r"(?s)\| `PKG` .*?(?=\n\n)", "\n".join(rows)),
    ):
        old = (ROOT / path).read_text("utf-8")
        new = re.sub(pattern, lambda _: text, old, count=1)  # noqa: B023 - it is called at once
        (ROOT / path).write_text(new, "utf-8")


@task
def lint(c: Context) -> None:
    """Check style and layout with ruff."""
    run_module(c, "ruff", "check .")
    run_module(c, "ruff", "format --check .")


@task
def types(c: Context) -> None:
    """Check types with mypy --strict."""
    run_module(c, "mypy", "")
    run_module(c, "mypy", "sample_project/tasks.py")


for own_task in (
    vendor,
    docs,
    standin,
    demo,
    picture,
    test,
    prove,
    faults,
    mutants,
    bench,
    lint,
    types,
):
    ns.add_task(own_task)  # type: ignore[arg-type]
