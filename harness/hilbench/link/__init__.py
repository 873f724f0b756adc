"""Bytes on the wire: COBS, CRC, frames, and transports by URL."""

from hilbench.link.frame import Frame, FrameDecoder, encode_frame
from hilbench.link.link import Link, LinkCounters, open_link

__all__ = ["Frame", "FrameDecoder", "Link", "LinkCounters", "encode_frame", "open_link"]
