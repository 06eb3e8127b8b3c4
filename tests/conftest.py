"""Hypothesis profiles by HYPOTHESIS_PROFILE: ci (always the same examples), dev (few), thorough."""

import os

# One thread for each of NumPy's products: two workers run the tests, and the arrays are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import HealthCheck, settings

settings.register_profile(
    "dev",
    max_examples=5,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "ci", settings.get_profile("dev"), max_examples=10, stateful_step_count=30, derandomize=True
)
settings.register_profile(
    "thorough", settings.get_profile("dev"), max_examples=100, stateful_step_count=40
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
