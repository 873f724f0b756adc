"""Bundles: the immutable folder that one run leaves, its journal while it grows, its manifest."""

from hilbench.store.bundle import Bundle, list_bundles, open_bundle
from hilbench.store.journal import Journal, read_journal
from hilbench.store.writer import BundleWriter, array_bytes

__all__ = [
    "Bundle",
    "BundleWriter",
    "Journal",
    "array_bytes",
    "list_bundles",
    "open_bundle",
    "read_journal",
]
