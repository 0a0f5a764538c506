"""What is published with an executable."""

from __future__ import annotations

from invoke.collection import Collection

release = Collection("release")
