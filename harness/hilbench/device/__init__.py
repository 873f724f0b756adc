"""The typed client: messages over a link, attestation, streams, deadlines, retransmission."""

from hilbench.device.attest import check_attestation
from hilbench.device.client import Device
from hilbench.device.stream import RunRequest, StreamStatistics, run_stream

__all__ = ["Device", "RunRequest", "StreamStatistics", "check_attestation", "run_stream"]
