"""No test of properties asks how long an example takes: a busy machine is not a defect."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
