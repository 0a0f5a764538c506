"""A stand-in for the Cosmopolitan Python, for machines that cannot reach the real one.

It behaves as the real interpreter does: a polyglot file that a shell starts, its own standard
library in a zip at its end, `/zip`, `.args`, and none of the modules that the real one is built
without. What it lacks besides is the reason the real one exists: it
starts the Python it was made from, so it and all made with it run only where that Python is.
"""

from .build import make_standin

__all__ = ["make_standin"]
