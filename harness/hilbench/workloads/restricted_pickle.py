"""Pickled arrays without the danger of pickles: only numpy's own reconstruction is allowed.

A pickle is a program that may call anything it can name.  This reader resolves four names, the
ones that numpy writes for arrays of numbers, lists and strings, and refuses every other.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from hilbench.errors import VectorError


def read_object_array(content: bytes, what: str) -> Any:
    """The object in a ``.npy`` file of one pickled object.

    Parameters
    ----------
    content : bytes
        The file.
    what : str
        Its name, for messages.

    Raises
    ------
    VectorError
        It is no such file, or its pickle names anything but numpy's reconstruction.
    """
    stream = io.BytesIO(content)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise VectorError(f"{what}: not a version 1.0 .npy file")
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype != np.dtype(object) or shape != ():
            raise VectorError(f"{what}: not a .npy file of one object")
        array = _Restricted(stream).load()
        return np.asarray(array, dtype=object).item()
    except (pickle.UnpicklingError, ValueError, TypeError, EOFError, AttributeError) as error:
        raise VectorError(f"{what}: {error}") from error


def _latin1(text: str, encoding: str) -> bytes:
    """What ``_codecs.encode`` stands for in pickles of protocol 2: bytes written as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


#: ``_reconstruct`` as this numpy has it: its module was renamed in numpy 2.
_RECONSTRUCT = np.empty(0).__reduce__()[0]

_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}") from None
