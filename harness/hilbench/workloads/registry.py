"""Which workloads there are: shipped ones, those of installed packages, and files of the user."""

from __future__ import annotations

from importlib import metadata
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from hilbench.errors import UsageError
from hilbench.workloads.anomaly import ANOMALY
from hilbench.workloads.digits import DIGITS
from hilbench.workloads.keywords import KEYWORDS
from hilbench.workloads.mlperf import MLPERF
from hilbench.workloads.mnist import MNIST5K
from hilbench.workloads.motion import MOTION
from hilbench.workloads.workload import Workload

#: Entry points of packages: name = an object of the class Workload.
GROUP = "hilbench.workloads"
#: What a file of the user's calls its workload.
ATTRIBUTE = "WORKLOAD"

_SHIPPED = {w.name: w for w in (DIGITS, MNIST5K, MOTION, ANOMALY, KEYWORDS, *MLPERF)}


def names() -> tuple[str, ...]:
    """Names of the workloads that ship, then of those that installed packages bring."""
    return (*_SHIPPED, *(point for point in _entry_points() if point not in _SHIPPED))


def get(name: str) -> Workload:
    """A workload by name, or by the path of a Python file that defines ``WORKLOAD``.

    Raises
    ------
    UsageError
        There is none of that name; the package or the file does not give a workload.
    """
    if name in _SHIPPED:
        return _SHIPPED[name]
    if name.endswith(".py"):
        return _from_file(Path(name))
    point = _entry_points().get(name)
    if point is None:
        raise UsageError(
            f"no workload '{name}'; there are: {', '.join(names())}",
            hint=f"or give a Python file that defines {ATTRIBUTE}",
        )
    try:
        return _checked(point.load(), f"entry point {point.value}")
    except (ImportError, AttributeError) as error:
        raise UsageError(f"workload '{name}' of {point.value} does not load: {error}") from error


def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def _from_file(path: Path) -> Workload:
    """Runs the file: the user named it."""
    spec = spec_from_file_location(path.stem, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: no such file")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, TypeError, NameError, AttributeError) as error:
        raise UsageError(f"{path} does not load: {error}") from error
    return _checked(getattr(module, ATTRIBUTE, None), f"{path}: {ATTRIBUTE}")


def _checked(found: object, what: str) -> Workload:
    if not isinstance(found, Workload):
        raise UsageError(f"{what} is no hilbench.workloads.Workload")
    return found
