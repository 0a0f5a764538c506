"""Invoke recipes that turn a Python project into one executable for Linux, macOS and Windows."""

from invoke.collection import Collection

from . import cosmo, standin

ns = Collection(cosmo, standin.standin)
