"""A connection that breaks in the middle of an answer, anywhere, is a lost one, and nothing is half done."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from redshift_sandbox import Endpoint
from sparkify import warehouse as worker
from sparkify.log import Log
from sparkify.settings import Settings
from tests.star.conftest import Pipeline
from tests.star.test_readers_and_writers import star_counts
from tests.worker.cut_wire import CutWire, cut_wire
from tests.worker.staging import DAY, line, rows

# All cuts, or one of so many.
EVERY = int(os.environ.get("FAULTS_EVERY", "4"))

STAGE = ("stage", "events", "--date", DAY)
LOAD = ("load", "--date", DAY)


@pytest.fixture
def wire(sandbox: Endpoint, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[CutWire]:
    """The pipeline's way to the warehouse; nobody waits between two attempts."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with cut_wire(sandbox) as wire:
        pipeline.environment["SPARKIFY_WAREHOUSE_PORT"] = str(wire.port)
        yield wire


def test_an_answer_cut_after_any_byte_while_connecting_may_be_tried_again(
    pipeline: Pipeline, wire: CutWire
) -> None:
    """The day is not staged, so that the commands end soon."""
    for cut in range(0, 10_000, EVERY):
        wire.cut = cut
        ended = pipeline.run(*LOAD)
        if ended.code == 1:  # it got as far as the transaction
            break
        assert (cut, ended.code) == (cut, 75)
        assert ended.log.count("\n") == 1, ended.log
        assert f"ERROR   warehouse 127.0.0.1:{wire.port}, database" in ended.log
        assert "check SPARKIFY_WAREHOUSE_HOST, _PORT, the network" in ended.log
    assert cut > 100
    assert "repeating the whole transaction" in ended.log
    assert f"{DAY} is not staged" in ended.log.splitlines()[-1]


def test_a_server_that_never_answers_may_be_tried_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        ended = pipeline.run(*LOAD, SPARKIFY_WAREHOUSE_PORT=port)
    assert ended.code == 75
    assert ended.log.count("\n") == 1
    assert f"127.0.0.1:{port}, database" in ended.log
    assert "cannot be reached: connection time out" in ended.log


def test_a_transaction_whose_answers_are_cut_after_any_byte_is_done_exactly_once(
    pipeline: Pipeline, wire: CutWire, warehouse: Any
) -> None:
    warehouse.cursor().execute("create table done (cut integer, text varchar(64))")
    warehouse.commit()
    settings, log = Settings.from_env(pipeline.environment), Log("test", "test")
    text = "Z" * 40  # each of its bytes looks to the driver like the head of an answer's last message

    def write(cut: int) -> tuple[int, list[worker.Row]]:
        def work(transaction: worker.Transaction) -> tuple[int, list[worker.Row]]:
            cursor = transaction.connection.cursor()
            cursor.execute(f"insert into done values ({cut}, '{text}')")
            written = cursor.rowcount
            cursor.execute(f"select cut, text, null from done where cut = {cut}")
            return written, list(map(list, cursor.fetchall()))

        def committed(transaction: worker.Transaction) -> bool:
            cursor = transaction.connection.cursor()
            cursor.execute(f"select cut from done where cut = {cut}")
            return len(cursor.fetchall()) == 1

        return worker.write(settings, log, "lock_star", work, committed)

    with worker.connect(settings, log):
        connecting = wire.answered
    wire.answered = 0
    write(-1)
    cuts = list(range(connecting, wire.answered, EVERY))
    for cut in cuts:
        wire.cut = cut
        assert write(cut) == (1, [[cut, text, None]])
    assert rows(warehouse, "select cut from done order by cut") == [[-1], *([cut] for cut in cuts)]


@pytest.mark.parametrize("command", [STAGE, LOAD], ids=" ".join)
def test_a_step_whose_answers_are_cut_somewhere_gives_the_tables_of_a_clean_run(
    command: tuple[str, ...], pipeline: Pipeline, wire: CutWire, warehouse: Any
) -> None:
    pipeline.put_day(DAY, line() + "\n" + line(itemInSession=2) + "\n")
    pipeline.done(*STAGE)
    wire.answered = 0
    pipeline.done(*command)
    codes = set()
    for cut in range(7, wire.answered, wire.answered // 8):
        wire.cut = cut
        codes.add(pipeline.run(*command).code)
        pipeline.done(*LOAD)
        assert star_counts(warehouse) == (2, 1, 0, 0, 1)
        assert rows(warehouse, "select source_line from staging_events order by 1") == [[1], [2]]
    assert codes == {0, 75}
