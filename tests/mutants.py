"""Apply each edit of mutants.txt alone, and run its test, which must fail: `invoke mutants`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "dist")


def read_mutants(text: str) -> list[list[str]]:
    """Read the rows: file, text, replacement, test file, part of the test's name."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.split(" ¦ ") for line in lines]


def try_mutant(row: list[str], folder: Path, interpreter: str) -> str:
    """Apply an edit in a copy of the repository; return `killed`, or what is wrong."""
    name, old, new, file, test = row
    path = folder / f"recipes/{name}.py"
    source = path.read_text("utf-8")
    if source.count(old) != 1:
        return f"its text stands there {source.count(old)} times"
    path.write_text(source.replace(old, new), "utf-8")
    command = [sys.executable, "-m", "pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider"]
    command += [f"--interpreter={interpreter}", f"tests/test_{file}.py", "-k", test]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=600, check=False)
    finally:
        path.write_text(source, "utf-8")
    return {0: "SURVIVED", 1: "killed"}.get(done.returncode, "its test cannot be run")


def main(interpreter: str, only: str = "") -> None:
    """Try all mutants, or those of a file; print a table; exit with 1 if over 5 % survive."""
    rows = read_mutants((ROOT / "tests/mutants.txt").read_text("utf-8"))
    rows = [row for row in rows if only in row[0]]
    workers = os.cpu_count() or 1
    folders: Queue[Path] = Queue()

    def try_one(row: list[str]) -> str:
        folder = folders.get()
        result = try_mutant(row, folder, interpreter)
        folders.put(folder)
        print(f"{result:<10} {row[0]}: {row[1]}", flush=True)
        return result

    with TemporaryDirectory() as place, ThreadPoolExecutor(workers) as pool:
        for number in range(workers):
            folder = Path(place, str(number))
            shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
            folders.put(folder)
        results = list(pool.map(try_one, rows))
    killed = results.count("killed")
    print(f"{killed} of {len(rows)} killed")
    sys.exit(killed < len(rows) * 0.95)


if __name__ == "__main__":
    main(*sys.argv[1:])
