"""Scripts cut out of the recipes, to run in another Python."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from projects import environment, run
from recipes.excerpt import excerpt
from recipes.sift.command import sift
from recipes.starts import see_entries

MODULE = """
from __future__ import annotations

import json
import os.path
import os as system
from typing import NamedTuple

try:
    from collections import OrderedDict
except ImportError:
    pass

A, (B, C) = 1, (2, 3)
TOTAL: int = A + len("x")

class Base:
    factor: int = 10

    def scaled(self, x: int, *rest: "str", k: list[int] | None = None) -> int:
        return x * self.factor * TOTAL

class Thing(Base):
    other = [C for name in range(1)]

def decorated(f):
    return f

@decorated
def work(text: str, A: dict[str, int] = {}) -> None:
    json = os.path.basename(text)
    def inner(y: int) -> int:
        return y + helper(y)
    print(json, inner(B), Thing().scaled(1), Thing.other, list(OrderedDict(a=1)), system.sep)

def helper(n: int) -> int:
    return n and helper(n - 1)

def unused() -> None:
    never_bound()

def lost() -> None:
    print(HIDDEN)

if True:
    HIDDEN = 1

class Bad(NamedTuple):
    x: int

def makes() -> Bad:
    return Bad(1)
"""


@pytest.fixture
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Gives the excerpt of a function in the module above."""
    (tmp_path / "cut_from.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cut_from", raising=False)
    module = import_module("cut_from")
    return lambda name: excerpt(getattr(module, name))


def test_it_holds_what_a_function_needs_and_no_more(
    cut: Callable[[str], str], tmp_path: Path
) -> None:
    text = cut("work")
    assert "unused" not in text
    assert "NamedTuple" not in text
    (tmp_path / "script.py").write_text(text)
    done = run([sys.executable, "script.py", "a/word"], environment(tmp_path), tmp_path)
    assert done.stdout == "word 2 20 [3] ['a'] /\n", done.stderr


def test_it_has_no_annotations(cut: Callable[[str], str]) -> None:
    nodes = list(ast.walk(ast.parse(cut("work"))))
    assert not [node for node in nodes if isinstance(node, ast.AnnAssign)]
    assert not [node for node in nodes if isinstance(node, ast.arg) and node.annotation]
    assert not [node for node in nodes if isinstance(node, ast.FunctionDef) and node.returns]


@pytest.mark.parametrize("name", ["lost", "makes"])
def test_what_it_cannot_follow_is_refused(cut: Callable[[str], str], name: str) -> None:
    with pytest.raises(NameError):
        cut(name)


@pytest.mark.parametrize("function", [sift, see_entries])
def test_what_runs_in_the_interpreter_is_python_3_6(function: Callable[..., object]) -> None:
    ast.parse(excerpt(function), feature_version=(3, 6))
