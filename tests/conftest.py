"""No test of properties asks how long an example takes: a busy machine is not a defect.

`HYPOTHESIS_PROFILE=thorough` tries ten times as many examples (`make test-slow`).
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("house", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=400)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))
