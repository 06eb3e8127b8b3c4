"""One process, one thread, this checkout: what every contender must share before NumPy is imported.

Import this module first, as the benchmarks do:

    python tests/benchmarks/lstm.py
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
CHECKOUT = str(Path(__file__).resolve().parents[2])

# BLAS libraries read these once, when they are loaded: hence at import, not in a function.
for variable in THREAD_VARIABLES:
    os.environ.setdefault(variable, "1")
if CHECKOUT not in sys.path:
    sys.path.insert(1, CHECKOUT)


def installed(package):
    """Whether a package can be found; it is not imported: it would burden the others' timing."""
    return importlib.util.find_spec(package) is not None


def one_thread():
    """A context in which NumPy's BLAS uses one thread, also if NumPy was imported first."""
    if not installed("threadpoolctl"):
        return contextlib.nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def machine():
    """One line that says what was measured on what: Python, the packages, the BLAS kernels."""
    names = [name for name in ("numpy", "torch", "autograd", "mygrad") if installed(name)]
    parts = [f"Python {sys.version.split()[0]}"]
    parts += [f"{name} {importlib.metadata.version(name)}" for name in names]
    if installed("threadpoolctl"):
        from threadpoolctl import threadpool_info

        for pool in threadpool_info():
            if pool["user_api"] == "blas":
                kernels, threads = pool.get("architecture", "?"), pool["num_threads"]
                parts.append(f"{pool['internal_api']} {kernels} kernels, {threads} thread(s)")
    return ", ".join(parts)
