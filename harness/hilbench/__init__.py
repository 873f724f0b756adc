"""Hardware-in-the-loop benchmarking of machine learning on microcontrollers."""

__version__ = "0.1.0"
