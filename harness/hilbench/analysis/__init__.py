"""From bundles to verdicts: comparisons of what was measured, never a measurement."""
