"""`python -m recipes`, or `cosmo-recipes`: the recipes and `vendor` where there is no tasks.py."""

from invoke.program import Program

from . import __version__, ns
from .vendor import vendor


def main() -> None:
    """Run the tasks that the command line names."""
    ns.add_task(vendor)
    Program(version=__version__, namespace=ns, name="cosmo-recipes", binary="cosmo-recipes").run()


if __name__ == "__main__":
    main()
