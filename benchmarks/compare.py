"""Compare `invoke cosmo` with `ds cosmo`, cosmofy and its own dry run as a script: ratios alone.

`invoke bench` runs this. All tools package the same three projects with the same interpreter file,
each in its own folder, in turn; a ratio is the median of those of the rounds. It needs uv and the
network, for the dependencies.

Every tool has the interpreter's file already, and asks the server on 127.0.0.1 whether that is
current. Everything else that it made is removed before a full build.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Optional

from chart import Cell, write_chart
from subjects import MEGABYTE, SUBJECTS, Subject, write_program
from workspace import INVOKE, ONLINE, Run, Tool, Workspace, open_workspace

FULL, FRESH = "full build", "fresh clone, base archive in the cache"
CHANGED, NOTHING = "after one changed line", "nothing changed"
UNLOCKED = "nothing changed, nothing locked"
START, SIZE, MEMORY = "start-up", "size", "peak memory"
COMPILED = "cosmofy + compile"
STARTS = 3
"""How often in a round each executable is started."""

Goal = tuple[str, Optional[float]]
"""What `invoke cosmo` is compared with, and the ratio to reach."""

GOALS: dict[str, tuple[Goal, Goal, Goal]] = {
    FULL: (("ds", 1.6), ("cosmofy", 1.8), (COMPILED, 1.0)),
    FRESH: (("ds", 1.6), ("cosmofy", 0.8), (COMPILED, 0.25)),
    CHANGED: (("ds", 1.6), ("cosmofy", 0.35), ("cosmofy", 0.2)),
    NOTHING: (("invoke --list", 1.2), ("invoke --list", 2.0), ("invoke --list", 2.0)),
    UNLOCKED: (("invoke --list", 1.5), ("invoke --list", 3.0), ("invoke --list", 3.0)),
    START: (("ds", 1.0), ("cosmofy", 0.5), ("cosmofy", 0.3)),
    SIZE: (("ds", 1.0), ("cosmofy", 0.8), ("cosmofy", 0.8)),
    MEMORY: (("ds", None), ("cosmofy", None), ("cosmofy", None)),
}
LARGE_OVER_TINY = 1.2
"""The ratio to reach of builds after a changed line: the large project's over the tiny one's."""

COMPARED_WITH = {FRESH: FULL, UNLOCKED: NOTHING}
"""What a measure of ours is compared with, if it is another measure of the other tool."""

NOTES = """\
A full build has the interpreter's file already (`dist/cosmo/python`, or in the tool's own cache),
and asks 127.0.0.1 whether it is current; uv's cache is filled, and what else builds made is gone. A
fresh clone has a base archive too, and is compared with the other tool's full build. Both, and a
build after a changed line, are locked. With nothing locked, uv asks the package index. For `ds` the
dependencies are installed beforehand; the others install them. `cosmofy + compile` is cosmofy, then
the interpreter's compileall over the same installed tree. A start-up is timed from the shell to the
end of the program; the bare interpreter's is that of `-c pass`. Peak memory is that of the largest
single process of a full build."""

OTHERS = ("ds", "script", "cosmofy", COMPILED)
GROWTH = (10, 100, 1_000, 10_000)


class Results:
    """The measured values, by project, tool and measure, in the order of the rounds."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str, str], list[float]] = defaultdict(list)

    def add(self, subject: Subject, tool: str, measure: str, value: float) -> None:
        """Note one value."""
        self.values[subject.name, tool, measure].append(value)

    def ratio(self, subject: str, tool: str, over: str, measure: str) -> float | None:
        """Compute the median of the rounds' ratios; None if one of the two was not measured."""
        ours = self.values.get((subject, tool, measure))
        theirs = self.values.get((subject, over, COMPARED_WITH.get(measure, measure)))
        if not ours or not theirs:
            return None
        return median(one / other for one, other in zip(ours, theirs))

    def cells(self) -> list[Cell]:
        """List the results beside their targets."""
        cells = []
        for row, goals in GOALS.items():
            for subject, (over, target) in zip(SUBJECTS, goals):
                ratio = self.ratio(subject.name, "cosmo", over, row)
                if ratio is not None:
                    cells.append(Cell(row, subject.name, ratio, over, target))
        large, tiny = (self.values[name, "cosmo", CHANGED] for name in ("large", "tiny"))
        if large and tiny:  # these are not of the same rounds
            ratio = median(large) / median(tiny)
            cells.append(Cell(CHANGED, "large", ratio, "tiny", LARGE_OVER_TINY))
        return cells


def say(text: str) -> None:
    """Print progress on standard error."""
    print(text, file=sys.stderr, flush=True)


def built(work: Workspace, tool: Tool) -> Run:
    """Build with a tool."""
    run = work.run(tool.line, tool.folder, tool.env)
    if not tool.executable.is_file():
        sys.exit(f"cosmo: {tool.name} made no {tool.executable}")
    return run


def check_number(work: Workspace, tool: Tool, number: int) -> None:
    """Make sure that an executable holds the line that was changed last."""
    work.start(tool.executable, "there")
    if f"hello {number} there" not in work.said():
        sys.exit(f"cosmo: what {tool.name} made says {work.said()!r} in place of hello {number}")


def run_round(
    work: Workspace, subject: Subject, tools: dict[str, Tool], tree: Path, at: int, results: Results
) -> None:
    """Measure all once; each round begins with another tool."""
    order = [*tools.values()]
    order = order[at % len(order) :] + order[: at % len(order)]
    for tool in order:
        tool.clear()
        run = built(work, tool)
        results.add(subject, tool.name, FULL, run.seconds)
        results.add(subject, tool.name, MEMORY, run.peak)
        check_number(work, tool, at)
    if subject.requires:
        line = ["sh", str(work.interpreter), "-m", "compileall", "-q", "-f", "-b", str(tree)]
        seconds = (
            work.run(line, work.root).seconds + results.values[subject.name, "cosmofy", FULL][-1]
        )
        results.add(subject, COMPILED, FULL, seconds)
    ours = tools["cosmo"]
    ours.clear(keep_bases=True)
    results.add(subject, "cosmo", FRESH, built(work, ours).seconds)
    order = [tool for tool in order if tool.name != "script"]
    for tool in order:
        write_program(tool.folder, subject, at + 1)
        results.add(subject, tool.name, CHANGED, built(work, tool).seconds)
        check_number(work, tool, at + 1)
    results.add(subject, "cosmo", NOTHING, built(work, ours).seconds)
    with work.unlocked(ours) as tool:
        built(work, tool)
        results.add(subject, "cosmo", UNLOCKED, built(work, tool).seconds)
    listed = work.run([*INVOKE, "--list"], ours.folder, ours.env)
    results.add(subject, "invoke --list", NOTHING, listed.seconds)
    for _ in range(STARTS):
        for tool in order:
            results.add(subject, tool.name, START, work.start(tool.executable).seconds)
        bare = work.start(work.interpreter, "-c", "pass")
        results.add(subject, "bare", START, bare.seconds)
    write_program(tools["script"].folder, subject, at + 1)


def measure(work: Workspace, subject: Subject, runs: int, results: Results) -> None:
    """Measure one project."""
    say(f"{subject.name}: installs what it requires")
    tree, lock = work.install(subject)
    tools = work.tools(subject, tree if subject.requires else None, lock)
    work.lock(tools["cosmo"], tools["script"])
    if not work.warm:  # fills what is warm: the downloads, and Python's own caches
        for name in ("cosmo", "ds", "cosmofy"):
            built(work, replace(tools[name], env={**tools[name].env, **ONLINE}))
        work.warm = True
    work.print_script(tools["script"])
    for at in range(runs):
        say(f"{subject.name}: round {at + 1} of {runs}")
        run_round(work, subject, tools, tree, at, results)
    for tool in tools.values():
        results.add(subject, tool.name, SIZE, tool.executable.stat().st_size)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def goals_table(cells: Sequence[Cell]) -> str:
    """Format the results beside their targets."""
    rows = []
    for row in GOALS:
        columns = [
            [str(cell) for cell in cells if (cell.row, cell.column) == (row, subject.name)]
            for subject in SUBJECTS
        ]
        rows.append([row, *(", ".join(texts) for texts in columns)])
    return table(["`invoke cosmo`", *(subject.name for subject in SUBJECTS)], rows)


def tools_table(results: Results) -> str:
    """Format the ratios of each other tool over `invoke cosmo`."""
    rows = []
    for subject in SUBJECTS:
        for measure in (FULL, CHANGED, START, SIZE, MEMORY):
            ratios = [results.ratio(subject.name, tool, "cosmo", measure) for tool in OTHERS]
            texts = ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
            if any(texts):
                rows.append([f"{subject.name}: {measure}", *texts])
    return table(["over `invoke cosmo`", *OTHERS], rows)


def starts_table(results: Results) -> str:
    """Format the ratios of each executable's start-up over the bare interpreter's."""
    tools, rows = ("cosmo", "ds", "cosmofy"), []
    for subject in SUBJECTS:
        ratios = [results.ratio(subject.name, tool, "bare", START) for tool in tools]
        rows.append([subject.name, *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios)])
    return table(["start-up over the bare interpreter's", *tools], rows)


def measure_growth(work: Workspace, runs: int) -> str:
    """Build projects of more and more modules; return a table of ratios to the smallest."""
    tools = {count: work.generate(count) for count in GROWTH}
    built(work, tools[GROWTH[0]])  # fills the cache
    seconds: dict[int, list[float]] = {count: [] for count in GROWTH}
    peaks: dict[int, list[float]] = {count: [] for count in GROWTH}
    for at in range(runs):
        for count, tool in tools.items():
            say(f"{count:,} modules: round {at + 1} of {runs}")
            tool.clear()
            run = built(work, tool)
            seconds[count].append(run.seconds)
            peaks[count].append(run.peak)
    return growth_table(seconds, peaks)


def growth_table(seconds: dict[int, list[float]], peaks: dict[int, list[float]]) -> str:
    """Format time and memory of a full build: in all, per module and per further module."""
    head = ["modules", "time", "per module", "per further module", "peak memory", "per module"]
    times, memory = ([median(of[count]) for count in GROWTH] for of in (seconds, peaks))
    further = [0.0]
    further += [
        (times[at] - times[at - 1]) / (GROWTH[at] - GROWTH[at - 1]) for at in range(1, len(GROWTH))
    ]
    rows = []
    for at, count in enumerate(GROWTH):
        share = count / GROWTH[0]
        time, peak = times[at] / times[0], memory[at] / memory[0]
        row = [f"{count:,}", f"{time:.2f}", f"{time / share:.3f}"]
        row += [f"{further[at] / further[1]:.2f}" if at else ""]
        rows.append([*row, f"{peak:.2f}", f"{peak / share:.3f}"])
    return table(head, rows)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("interpreter", type=Path, help="the interpreter file to build with")
    parser.add_argument("--runs", type=int, default=5, help="how many rounds (default 5)")
    parser.add_argument(
        "--large-runs", type=int, help="how many for the large project (default: half of --runs)"
    )
    parser.add_argument(
        "--pad", type=int, default=40, help="MB to pad the interpreter to (default 40; 0: not)"
    )
    parser.add_argument("--growth", action="store_true", help="measure how builds grow instead")
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting for this project",
    )
    parser.add_argument("--svg", type=Path, help="the picture to write")
    parser.add_argument(
        "--only", choices=[subject.name for subject in SUBJECTS], help="measure one project alone"
    )
    return parser.parse_args()


def main() -> None:
    """Measure, and print the tables."""
    given = options()
    settings = dict(text.partition("=")[::2] for text in given.env)
    half = max(1, given.runs // 2)
    large, results = given.large_runs or half, Results()
    with open_workspace(given.interpreter, given.pad * MEGABYTE, settings) as work:
        if given.growth:
            print(measure_growth(work, half))
            return
        for subject in SUBJECTS:
            if given.only in (None, subject.name):
                runs = large if subject.name == "large" else given.runs
                measure(work, subject, runs, results)
    cells = results.cells()
    print(goals_table(cells), tools_table(results), starts_table(results), NOTES, sep="\n\n")
    if given.svg:
        write_chart(cells, given.svg)


if __name__ == "__main__":
    main()
