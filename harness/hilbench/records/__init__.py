"""Frozen records that cross rooms: metrics with their origin, samples, windows, verdicts."""

from hilbench.records.metric import Facts, Metric
from hilbench.records.sample import LayerSample, Sample, Window
from hilbench.records.verdict import Verdict, VerdictBuilder

__all__ = ["Facts", "LayerSample", "Metric", "Sample", "Verdict", "VerdictBuilder", "Window"]
