"""`python tests/standin FILE` writes a stand-in for the Python that is running to FILE."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

OPTIONS = {
    "--without": "an extension module to leave out, besides those that the real one lacks",
    "--with": "an extension module to put back, where the running Python has it",
}


def main() -> None:
    """Write the file that the command line names, or end with one line that says what failed."""
    parser = argparse.ArgumentParser(prog="python tests/standin", description=__doc__)
    parser.add_argument("file", metavar="FILE", help="the file to write")
    for option, meaning in OPTIONS.items():
        parser.add_argument(option, metavar="NAME", action="append", default=[], help=meaning)
    given = vars(parser.parse_args())
    file = given["file"]
    for name in given["without"] + given["with"]:
        if importlib.util.find_spec(name) is None:
            sys.exit(
                f"cosmo: {file} cannot be written: this Python has no module {name}; correct it"
            )
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from standin import make_standin

    try:
        make_standin(Path(file), given["without"], given["with"])
    except (OSError, ValueError) as error:
        message = f"cosmo: {file} cannot be written: {error}; mend that, and run it again"
        sys.exit(" ".join(message.split()))
    print(f"stand-in  {file}: runs only where {Path(sys.executable).resolve()} is", file=sys.stderr)


if __name__ == "__main__":
    main()
