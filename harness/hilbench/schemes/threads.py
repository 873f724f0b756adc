"""One BLAS thread, so that training gives the same bytes again.

BLAS reads its thread count when numpy is first imported: this module imports nothing, and
:func:`one_blas_thread` belongs before anything that does.
"""

from __future__ import annotations

import os
import sys

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def one_blas_thread() -> bool:
    """Ask BLAS for one thread; False when numpy was there before and was told otherwise."""
    in_time = "numpy" not in sys.modules or all(os.environ.get(v) == "1" for v in VARIABLES)
    for variable in VARIABLES:
        os.environ[variable] = "1"
    return in_time
