"""What boards exist (the catalogue) and which devices a lab has (lab.yaml)."""

from hilbench.boards.catalogue import load_catalogue
from hilbench.boards.lab import Device, load_lab
from hilbench.boards.model import BackendSpec, Board, Counter, ImageSlot, ProbeSpec, Uart

__all__ = [
    "BackendSpec",
    "Board",
    "Counter",
    "Device",
    "ImageSlot",
    "ProbeSpec",
    "Uart",
    "load_catalogue",
    "load_lab",
]
