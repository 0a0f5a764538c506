"""Whether this machine can package, and start what is packaged."""

from __future__ import annotations

from invoke.collection import Collection

doctor = Collection("doctor")
