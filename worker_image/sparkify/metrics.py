"""Metrics: what a step did, in numbers, sent to a statsd exporter when it ends.

In the protocol of statsd over UDP with DogStatsD's tags (https://docs.datadoghq.com/developers/dogstatsd/datagram_shell),
which the exporter of Prometheus understands. A lost packet is a gap in a picture, never a failure.
"""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

# The payload of a packet that no network on the way takes apart.
_PACKET = 1432


@dataclass(frozen=True)
class Metric:
    """A number with a name; `kind` is statsd's: c a counter, g a gauge, ms a time in milliseconds."""

    name: str
    kind: Literal["c", "g", "ms"]
    tags: tuple[str, ...]
    meaning: str


SECONDS = Metric("sparkify.step.seconds", "ms", ("step", "exit_code"), "how long a step took")
EXIT_CODE = Metric("sparkify.step.exit_code", "g", ("step",), "how a step last ended")
ROWS = Metric(
    "sparkify.rows",
    "c",
    ("step", "table", "change"),
    "rows that a load inserted into or deleted from a table",
)
LINES = Metric(
    "sparkify.lines", "c", ("source", "outcome"), "lines that a stage read: loaded, quarantined or blank"
)
QUARANTINED = Metric(
    "sparkify.quarantined", "g", ("source",), "lines that the last stage of a source quarantined"
)
BYTES = Metric(
    "sparkify.bytes",
    "c",
    ("source", "direction"),
    "bytes that a stage read from S3, and wrote there as parts",
)
OFFENDING = Metric(
    "sparkify.check.offending", "g", ("check", "severity"), "rows that a check found in the day it last saw"
)
MISSING = Metric("sparkify.freshness.missing", "g", (), "days that are due and not loaded")
NEWEST = Metric("sparkify.freshness.newest", "g", (), "the newest loaded day, as Unix time of its beginning")
JUDGED = Metric("sparkify.freshness.judged", "g", (), "when freshness was last judged, as Unix time")

METRICS = (SECONDS, EXIT_CODE, ROWS, LINES, QUARANTINED, BYTES, OFFENDING, MISSING, NEWEST, JUDGED)


@dataclass
class Metrics:
    """What a step measured; of two values with the same tags the later one counts."""

    _values: dict[tuple[Metric, tuple[str, ...]], int] = field(default_factory=dict)

    def set(self, metric: Metric, value: int, **tags: str) -> None:
        self._values[metric, tuple(tags[name] for name in metric.tags)] = value

    def send(self, host: str, port: int) -> None:
        """Send all of it.

        Raises:
            OSError: the host has no address, or there is no way to it. Whether it listens, nobody knows.
        """
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as sender:
            for packet in self._packets():
                sender.sendto(packet, address)

    def _packets(self) -> Iterator[bytes]:
        packet = b""
        for (metric, values), value in self._values.items():
            tags = ",".join(f"{name}:{_tag(each)}" for name, each in zip(metric.tags, values, strict=True))
            line = f"{metric.name}:{value}|{metric.kind}{f'|#{tags}' if tags else ''}\n".encode()
            if packet and len(packet) + len(line) > _PACKET:
                yield packet
                packet = b""
            packet += line
        if packet:
            yield packet


def _tag(value: str) -> str:
    # What separates tags and fields must not be in them.
    return re.sub(r"[^\w.-]", "_", value, flags=re.ASCII)
