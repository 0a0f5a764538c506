"""The recipes as one text: the code of each module, behind that of those it imports."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from textwrap import indent

from .excerpt import is_import

ROOM = Path(__file__).parent

MISSING = """\
except ModuleNotFoundError as error:
    told = f"{__file__} needs {error.name}, which is not installed"
    raise SystemExit(f"cosmo: {told}; pip install {error.name}") from None
"""

OTHERS = ("invoke", "tqdm")
"""What is imported and neither ours nor of the standard library."""


def flat() -> str:
    """The code of the whole package, less what only `vendor` needs, with one block of imports.

    It holds since no two modules bind the same name, and import each other's by their own names.
    """
    modules = gather(ROOM / "__init__.py", {})
    imports = [node for module in modules for node in module.imports]
    conditional = dict.fromkeys(part for module in modules for part in module.conditional)
    return "\n".join(
        [
            "from __future__ import annotations\n",
            *import_lines(imports, False),
            "",
            "try:",
            indent("\n".join(import_lines(imports, True)), "    "),
            "",
            *(indent(f"{part}\n", "    ") for part in conditional),
            MISSING,
            *(f"\n{module.text}\n" for module in modules),
        ]
    )


def gather(path: Path, found: dict[Path, Module]) -> Iterable[Module]:
    """Add to `found` the modules that the one at `path` needs, then that one; give all of them."""
    module = Module(path)
    for node in module.ours:
        above = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        other = above / "__init__.py" if above.is_dir() else above.with_suffix(".py")
        if other not in found:
            gather(other, found)
    found[path] = module
    return found.values()


class Module:
    """A module of the package: its imports, and its text without them."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        tree, lines = ast.parse(text), text.split("\n")
        self.ours: list[ast.ImportFrom] = []
        self.imports: list[ast.stmt] = []
        self.conditional: list[str] = []
        for node in tree.body[1:]:
            part = lines[node.lineno - 1 : node.end_lineno]
            if isinstance(node, ast.ImportFrom) and node.level:
                self.ours.append(node)
            elif is_import(node):
                self.imports.append(node)
            elif isinstance(node, ast.If) and all(map(is_import, [*node.body, *node.orelse])):
                self.conditional.append("\n".join(part))
            else:
                continue
            lines[node.lineno - 1 : node.end_lineno] = [""] * len(part)
        title = f"{path.relative_to(ROOM.parent).as_posix()} ".ljust(78, "-")
        told = [title, *(ast.get_docstring(tree) or "").split("\n")]
        comment = "\n".join(f"# {line}".rstrip() for line in told)
        body = "\n".join(lines[tree.body[0].end_lineno :]).strip("\n")
        gap = "\n\n\n" if body.startswith(("def ", "class ", "@")) else "\n\n"
        self.text = gap.join(filter(None, [comment, body]))


def import_lines(nodes: list[ast.stmt], others: bool) -> list[str]:
    """The imports of the standard library, or of all else, put together in isort's order."""
    whole: set[str] = set()
    parts: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            whole.update(map(ast.unparse, node.names))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module != "__future__":
            parts.setdefault(node.module, set()).update(map(ast.unparse, node.names))
    lines = [f"import {name}" for name in sorted(whole) if name.startswith(OTHERS) == others]
    return lines + [
        f"from {module} import {', '.join(sorted(names, key=rank))}"
        for module, names in sorted(parts.items())
        if module.startswith(OTHERS) == others
    ]


def rank(name: str) -> tuple[int, str]:
    """Constants come first, then classes, then the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)
