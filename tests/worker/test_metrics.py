"""What the steps measure, as a statsd exporter receives it over UDP."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from sparkify.metrics import METRICS
from tests.command import end, run
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, MIDNIGHT, line, song
from tests.worker.test_command_line import COMPLETE

# DogStatsD, as the exporter reads it.
LINE = re.compile(r"([a-z._]+):(\d+)\|(c|g|ms)(?:\|#((?:[a-z_]+:[\w.-]+)(?:,[a-z_]+:[\w.-]+)*))?")
PAGES = ("NextSong", "NextSong", "Home")
BY_NAME = {metric.name: metric for metric in METRICS}


class Exporter:
    """A socket that metrics are sent to."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening
        self.address = f"127.0.0.1:{listening.getsockname()[1]}"

    def received(self) -> dict[str, int]:
        """What came since the last time: "name tag=value …" and its number."""
        found: dict[str, int] = {}
        while True:
            try:
                packet = self._socket.recv(65536)
            except BlockingIOError:
                return found
            assert len(packet) <= 1432
            for each in packet.decode().splitlines():
                match = LINE.fullmatch(each)
                assert match, each
                name, value, kind, tags = match.groups()
                pairs = dict(pair.split(":", 1) for pair in tags.split(",")) if tags else {}
                assert (kind, tuple(pairs)) == (BY_NAME[name].kind, BY_NAME[name].tags)
                key = " ".join([name, *(f"{tag}={each}" for tag, each in pairs.items())])
                assert key not in found
                found[key] = int(value)


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        yield Exporter(listening)


@pytest.fixture
def measured(pipeline: Pipeline, exporter: Exporter) -> Pipeline:
    environment = {"SPARKIFY_STATSD": exporter.address, "SPARKIFY_MAX_BAD_RATIO": "1"}
    return Pipeline(pipeline.client, pipeline.bucket, {**pipeline.environment, **environment})


def test_each_step_sends_what_it_did(measured: Pipeline, exporter: Exporter) -> None:
    lines = [line(ts=MIDNIGHT, itemInSession=item, page=page) for item, page in enumerate(PAGES)]
    body = "\n".join([*lines, "no json", ""]) + "\n"
    measured.put_day(DAY, body)
    measured.put("song_data/A/B/C/song.json", song())

    def sent(*arguments: str) -> dict[str, int]:
        measured.done(*arguments)
        received = exporter.received()
        step = "_".join(each for each in arguments[:2] if not each.startswith("--"))
        assert received.pop(f"sparkify.step.seconds step={step} exit_code=0") > 0
        assert received.pop(f"sparkify.step.exit_code step={step}") == 0
        return received

    stage = sent("stage", "events", "--date", DAY)
    assert stage.pop("sparkify.bytes source=events direction=written") > 0
    assert stage == {
        "sparkify.lines source=events outcome=loaded": 3,
        "sparkify.lines source=events outcome=quarantined": 1,
        "sparkify.lines source=events outcome=blank": 1,
        "sparkify.quarantined source=events": 1,
        "sparkify.bytes source=events direction=read": len(body.encode()),
    }
    assert sent("stage", "songs")["sparkify.lines source=songs outcome=loaded"] == 1
    assert sent("load", "--date", DAY) == {
        f"sparkify.rows step=load table={table} change={change}": number
        for table, inserted in {"songs": 1, "artists": 1, "songplays": 2, "users": 1, "time": 1}.items()
        for change, number in (("deleted", 0), ("inserted", inserted))
    }
    reload = sent("load", "--date", DAY)
    assert reload["sparkify.rows step=load table=songplays change=deleted"] == 2
    found = sent("check", "--date", DAY)
    assert found["sparkify.check.offending check=songplays.grain severity=check"] == 0
    assert found["sparkify.check.offending check=events.freshness severity=warn"] == 1
    # Who looks at what a step found has not done it.
    for looking in (["--results", "--date", DAY], ["--history", "events.freshness"]):
        measured.done("check", *looking)
        assert exporter.received()["sparkify.step.exit_code step=check_show"] == 0

    assert sent("freshness", "--as-of", "2018-11-02T06:00") == {
        "sparkify.freshness.missing": 0,
        "sparkify.freshness.newest": 1541030400,
        "sparkify.freshness.judged": 1541138400,
    }
    assert measured.run("freshness", "--as-of", "2018-11-03T06:00").code == 1
    assert exporter.received()["sparkify.freshness.missing"] == 1


def test_a_step_that_fails_sends_its_exit_code_and_no_rows(measured: Pipeline, exporter: Exporter) -> None:
    measured.put_day(DAY, "no json\n")
    for code, command, environment in (
        (1, ("stage", "events", "--date", DAY), {"SPARKIFY_MAX_BAD_RATIO": "0"}),
        (1, ("load", "--date", DAY), {}),
        (75, ("plan", "--date", DAY), {"SPARKIFY_WAREHOUSE_PORT": "1"}),
        (99, ("stage", "events", "--date", "2018-12-01"), {"SPARKIFY_MISSING_DAY": "empty"}),
    ):
        assert measured.run(*command, **environment).code == code
        step = "stage_events" if command[0] == "stage" else command[0]
        received = exporter.received()
        assert set(received) == {
            f"sparkify.step.seconds step={step} exit_code={code}",
            f"sparkify.step.exit_code step={step}",
        }
        assert received[f"sparkify.step.exit_code step={step}"] == code


def test_what_a_tag_may_not_hold_does_not_break_the_line(exporter: Exporter) -> None:
    from sparkify.metrics import SECONDS, Metrics

    metrics = Metrics()
    metrics.set(SECONDS, 1, step="a|b:c,d#e\nf", exit_code="é")
    host, port = exporter.address.split(":")
    metrics.send(host, int(port))
    assert exporter.received() == {"sparkify.step.seconds step=a_b_c_d_e_f exit_code=_": 1}


@pytest.mark.parametrize("statsd", ["127.0.0.1:1", "nowhere.invalid:9125"])
def test_an_exporter_that_is_not_there_changes_nothing_but_a_line_in_the_log(statsd: str) -> None:
    ended = run(("load", "--date", DAY), {**COMPLETE, "SPARKIFY_STATSD": statsd})
    assert ended.code == 75
    told = "metrics were not sent; check SPARKIFY_STATSD" in ended.log
    assert told == statsd.startswith("nowhere")


@pytest.mark.parametrize("statsd", ["here", ":9125", "here:0", "here:many", "http://here:9125"])
def test_an_address_that_is_none_is_refused(statsd: str) -> None:
    ended = run(("plan", "--date", DAY), {**COMPLETE, "SPARKIFY_STATSD": statsd})
    assert ended.code == 64
    assert f"SPARKIFY_STATSD='{statsd}' is not of the form host:port" in ended.log


def test_a_step_that_is_terminated_says_so(measured: Pipeline, exporter: Exporter) -> None:
    process = measured.start("freshness", SPARKIFY_WAREHOUSE_PORT="1")
    assert process.stderr
    assert "asking again" in process.stderr.readline()
    process.terminate()
    assert end(process).code == 143
    assert exporter.received()["sparkify.step.exit_code step=freshness"] == 143
