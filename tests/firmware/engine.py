"""The C engine, called from Python."""

from __future__ import annotations

import ctypes

OK, MAGIC, VERSION, CRC, BOUNDS, OP, ARENA = range(7)
RECORD_HEADER = 0xFFFFFFFF
RECORD_OP = 0x10000


class Engine:
    """``hb_shim_infer`` of the shared object."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def load(self, image: bytes, arena_bytes: int = 1 << 16) -> tuple[int, int]:
        """Status and detail of the validation."""
        detail = ctypes.c_uint32()
        status = self._library.hb_shim_infer(
            image, len(image), arena_bytes, None, None, ctypes.byref(detail)
        )
        return status, detail.value

    def infer(self, image: bytes, vector: bytes, output_bytes: int) -> bytes:
        """Output of one inference of a valid image."""
        output = ctypes.create_string_buffer(output_bytes)
        detail = ctypes.c_uint32()
        status = self._library.hb_shim_infer(
            image, len(image), 1 << 16, vector, output, ctypes.byref(detail)
        )
        assert status == OK, (status, detail.value)
        return output.raw
