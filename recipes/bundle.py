"""Look into an executable, change it, and try it."""

from __future__ import annotations

from invoke.collection import Collection

bundle = Collection("bundle")
