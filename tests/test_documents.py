"""The documents show what happens: a `console` block is run here, or says why it is not."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pytest

from projects import INVOKE, ROOT, environment, run

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
BLOCK = re.compile(r"(?ms)^(<!-- not run: \S[^\n]* -->\n)?```console\n(.*?)^```$")
BLOCKS = {
    f"{page.name}:{page.read_text('utf-8')[: match.start()].count(chr(10)) + 1}": match[2]
    for page in PAGES
    for match in BLOCK.finditer(page.read_text("utf-8"))
    if not match[1]
}
MARK = "-- the next command --"
IGNORED = shutil.ignore_patterns("dist", ".*", "__pycache__")
SHIM = '#!/bin/sh\nexec {} "$@"\n'
RECIPES = "-c 'from recipes import main; main()'"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone beside a project called `yours`, and the commands that its environment has."""
    clone, yours = tmp_path / "clone", tmp_path / "yours"
    shutil.copytree(ROOT, clone, ignore=IGNORED)
    shutil.copytree(ROOT / "sample_project", yours, ignore=IGNORED)
    (yours / "tasks.py").unlink()
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/bin/activate").write_text(f'PATH="{clone}/.venv/bin:$PATH"\n')
    for name, command in (("invoke", "-m invoke"), ("cosmo-recipes", RECIPES)):
        file = clone / ".venv/bin" / name
        file.write_text(SHIM.format(f"{INVOKE[0]} {command}"))
        file.chmod(0o755)
    return clone


def mask(text: str) -> list[str]:
    """Split a text into lines, without what differs from one Python to another."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "SHA256", text)
    return re.sub(r"(Python )?\d[\d.,:]*", "N", text).splitlines()


@pytest.mark.parametrize("name", BLOCKS)
def test_console_block_prints_what_it_shows(name: str, interpreter: Path, clone: Path) -> None:
    commands = re.split(r"(?m)^\$ ", BLOCKS[name])
    assert commands.pop(0) == "", "a block begins with a command"
    script = f"\necho '{MARK}'\n".join(command.partition("\n")[0] for command in commands)
    env = environment(clone.parent, COSMO_URL=str(interpreter), PYTHONPATH=str(ROOT))
    done = run(["sh", "-e", "-c", f"exec 2>&1\n{script}"], env, clone)
    assert done.returncode == 0, done.stdout
    for command, output in zip(commands, done.stdout.split(f"{MARK}\n")):
        shown = command.partition("\n")[2]
        assert mask(shown) in ([], mask(output)), command


def test_the_picture_shows_what_the_demo_prints(clone: Path) -> None:
    done = run([*INVOKE, "demo"], environment(clone.parent, PYTHONPATH=str(ROOT)), clone)
    svg = (ROOT / "docs/demo.svg").read_text("utf-8")
    drawn = "".join(re.findall(r"<text [^>]*clip-path[^>]*>([^<]*)</text>", svg))
    lines = html.unescape(drawn).replace("\N{NO-BREAK SPACE}", " ").rstrip()
    assert "\n".join(mask(lines)) in "\n".join(mask(done.stdout))


def test_readme_is_short_and_leads_to_every_page() -> None:
    readme = PAGES[0].read_text("utf-8")
    assert len(readme.splitlines()) <= 160
    assert [page.name for page in PAGES[1:] if f"]({page.relative_to(ROOT)})" not in readme] == []
    for page in PAGES:
        for target in re.findall(r"\]\(([^:)#]+)[^:)]*\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links {target}"
