"""The random networks of tests/unit/models, for the tests of the firmware."""

from __future__ import annotations

import sys

from tests.conftest import ROOT

sys.path.append(str(ROOT / "tests" / "unit" / "models"))

from random_graphs import as_vectors, random_graph
from scheme_graphs import SCHEMES, scheme_graph, scheme_inputs

__all__ = ["SCHEMES", "as_vectors", "random_graph", "scheme_graph", "scheme_inputs"]
