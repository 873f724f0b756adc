"""Data files inside installed Python packages: found, checked, and the package never imported."""

from __future__ import annotations

import hashlib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from hilbench.errors import BlockedError, ToolMissing


def installed_file(module: str, relative: str) -> Path | None:
    """Path of a file in a top-level package, None where there is none.

    Importing the package could pull in its dependencies; looking up its spec does not.
    """
    spec = find_spec(module)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, relative)
        if path.is_file():
            return path
    return None


def checked_bytes(module: str, relative: str, sha256: str, remedy: str) -> bytes:
    """Content of a package's file, whose hash is known beforehand.

    Parameters
    ----------
    module, relative : str
        Top-level package, and the file's path in it.
    sha256 : str
        Hex digest of the content.
    remedy : str
        Command that installs the package.

    Raises
    ------
    ToolMissing
        The package, or the file in it, is not there.
    BlockedError
        The file has another content.
    """
    path = installed_file(module, relative)
    if path is None:
        raise ToolMissing(f"the data are in the Python package {module}, which is missing",
                          hint=remedy)  # fmt: skip
    return check(path.read_bytes(), sha256, f"{path} ({_version(module)})")


def check(content: bytes, sha256: str, what: str) -> bytes:
    """The content, when its SHA-256 is the expected one.

    Raises
    ------
    BlockedError
        It is not.
    """
    seen = hashlib.sha256(content).hexdigest()
    if seen != sha256:
        raise BlockedError(
            f"{what} is not the file that this workload was made from: SHA-256 {seen}, "
            f"expected {sha256}",
            hint="nothing was read from it; reinstall the package, or report its new version",
        )
    return content


def _version(module: str) -> str:
    try:
        return f"{module} {metadata.version(module)}"
    except metadata.PackageNotFoundError:
        return f"{module}, version unknown"
