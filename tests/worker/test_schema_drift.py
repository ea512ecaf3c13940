"""What becomes of lines that depart from their contract, for each action that it may name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sql import render
from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, FILE, line, quarantine, rows, song, stage

RESCUED = "select source_line, {}, json_serialize(rescued_data) from staging_events order by source_line"
DRIFT = "select field, reason, lines, first_line, example from schema_drift order by source_file, 1, 2"

Changed = Callable[..., dict[str, str]]


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """The setting of a copy of sql/ in which fields of the events' contract have further keys."""

    def change(**keys: str) -> dict[str, str]:
        sql = Path(shutil.copytree(render.ROOT / "sql", tmp_path / "sql", dirs_exist_ok=True))
        path = sql / "staging" / "events" / "contract.toml"
        text = path.read_text()
        for name, more in keys.items():
            head = "[unknown]\n" if name == "unknown" else f"[fields.{name}]\n"
            assert head in text
            text = text.replace(head, f"{head}{more}\n")
        path.write_text(text if "unknown" not in keys else text.replace('action = "warn"\n', "", 1))
        return {"SPARKIFY_SQL": str(sql)}

    return change


def test_unknown_fields_are_kept_and_reported_once_with_their_lines_and_an_example(
    pipeline: Pipeline, warehouse: Any
) -> None:
    deep = '{"deep": [1, {"a": 1, "a": 2.50}], "large": 12345678901234567890.5}'
    lines = [
        line(),
        line(device='a\u2028"é'),
        line(device=0, **{"x\ny": None}),
        f'{line()[:-1]}, "device": {deep}}}',
    ]
    pipeline.put_day(DAY, "\n".join(lines))
    ended = stage(pipeline)
    assert ended.code == 0
    assert [
        kept and json.loads(kept, parse_float=str) for _, _, kept in rows(warehouse, RESCUED.format(1))
    ] == [
        None,
        {"device": 'a\u2028"é'},
        {"device": 0, "x\ny": None},
        {"device": {"deep": [1, {"a": "2.50"}], "large": "12345678901234567890.5"}},
    ]
    assert rows(warehouse, DRIFT) == [
        ["device", "unknown", 3, 2, '"a\u2028\\"é"'],
        ["x\\ny", "unknown", 1, 3, "null"],
    ]
    told = [text for text in ended.log.splitlines() if "depart from the contract" in text]
    assert len(told) == 2
    assert f"field=device reason=unknown lines=3 first={FILE}:2" in told[0]
    assert f"lines=1 first={FILE}:3 example=null" in told[1]


def test_what_departs_is_replaced_with_its_file(pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, line(device="a"))
    other = "song_data/A/B/C/TRABCTWO.json"
    pipeline.put("song_data/A/B/C/TRABCONE.json", song(mood="calm"))
    pipeline.put(other, song(song_id="SO2", mood="wild", tempo=120))
    assert stage(pipeline).code == 0
    assert pipeline.run("stage", "songs").code == 0
    assert rows(warehouse, f"select source, day, {DRIFT.removeprefix('select ')}") == [
        ["events", rows(warehouse, "select day from staging_events")[0][0], "device", "unknown", 1, 1, '"a"'],
        ["songs", None, "mood", "unknown", 1, 1, '"calm"'],
        ["songs", None, "mood", "unknown", 1, 1, '"wild"'],
        ["songs", None, "tempo", "unknown", 1, 1, "120"],
    ]
    pipeline.put_day(DAY, line() + "\n" + line(itemInSession=2, color="b"))
    pipeline.put(other, song(song_id="SO2", tempo=90))
    pipeline.remove("song_data/A/B/C/TRABCONE.json")
    assert stage(pipeline).code == 0
    assert pipeline.run("stage", "songs").code == 0
    assert rows(warehouse, DRIFT) == [["color", "unknown", 1, 2, '"b"'], ["tempo", "unknown", 1, 1, "90"]]


# What a departure is → the keys of the contract that it is about, the lines, what is in the column.
FIELDS = {
    "unknown": ("device", "unknown", line(device="radio"), '"radio"', "session_id", 139),
    "unknown by name": ("device", "unknown", line(device="radio"), '"radio"', "session_id", 139),
    "missing": ("level", "required", line(page="Home", level=...), None, "level", None),
    "wrong_type": ("gender", "type", line(gender=["F"]), '["F"]', "gender", None),
    "too_long": ("status", "size", line(status=2**31), "2147483648", "status", None),
    "too long in bytes": ("artist", "size", line(artist="é" * 513), '"' + "é" * 199 + "…", "artist", None),
    "wrong by a rule": ("registration", "type", line(registration=1.5), "1.5", "registration", None),
    "with a NUL": ("song", "type", line(song="a\0b"), '"a\\u0000b"', "song", "not held"),
}


def keys(case: str, action: str) -> dict[str, str]:
    field, reason, *_ = FIELDS[case]
    if case == "unknown":
        return {"unknown": f'action = "{action}"'}
    if case == "unknown by name":
        return {"unknown": f'action = "quarantine"\nnamed = {{ device = "{action}" }}'}
    key = {"required": "missing", "type": "wrong_type", "size": "too_long"}[reason]
    return {field: f'{key} = "{action}"'}


@pytest.mark.parametrize("action", ["allow", "warn", "quarantine", "fail"])
def test_each_departure_is_treated_as_the_contract_says(
    pipeline: Pipeline, warehouse: Any, changed: Changed, action: str
) -> None:
    pipeline.put_day(DAY, line(itemInSession=7))
    assert stage(pipeline).code == 0
    for case, (field, reason, text, example, column, value) in FIELDS.items():
        environment = changed(**keys(case, action))
        pipeline.put_day(DAY, f"{line()}\n{text}\n{line(sessionId=140)}\n")
        ended = stage(pipeline, **environment)
        if action == "fail":
            assert ended.code == 1, case
            message = ended.log.splitlines()[-1]
            assert f"{FILE}:2 {reason}: {field}" in message, case
            assert "contract.toml says fail; staging is as it was" in message
            assert (f"(value {example})" in message) == (example is not None), case
            assert rows(warehouse, "select item_in_session from staging_events") == [[7]]
            continue
        assert ended.code == 0, case
        told = [each for each in ended.log.splitlines() if "depart from the contract" in each]
        if action == "quarantine" or value == "not held":
            assert [row[:2] for row in quarantine(warehouse)] == [[2, reason]], case
            assert [row[0] for row in rows(warehouse, RESCUED.format(1))] == [1, 3], case
            assert value == "not held" or (rows(warehouse, DRIFT), told) == ([], []), case
            continue
        assert quarantine(warehouse) == [], case
        extra = json.loads(text).get(field)
        kept = [[*row[:2], row[2] and json.loads(row[2])] for row in rows(warehouse, RESCUED.format(column))]
        assert kept[1] == [2, value, None if extra is None else {field: extra}], case
        assert [row[2] for row in kept] == [None, kept[1][2], None], case
        expected = [[field, reason, 1, 2, example]] if action == "warn" else []
        assert rows(warehouse, DRIFT) == expected, case
        assert len(told) == len(expected), case


def test_what_rescued_data_cannot_hold_is_quarantined(pipeline: Pipeline, warehouse: Any) -> None:
    lines = [
        (line(device="x" * 65_535), ""),
        (line(device="é" * 32_768), "device: rescued_data cannot hold it: a text of 65536 bytes"),
        (line(device={"a\0": 1}), "device: rescued_data cannot hold it: a NUL character"),
        (line(device=10**38 - 1), ""),
        (line(device=10**38), "device: rescued_data cannot hold it: a number with too many digits"),
        (line(device=["x" * 60_160] * 69), "rescued_data would have 4151259 bytes, too many for COPY"),
    ]
    pipeline.put_day(DAY, "\n".join(text for text, _ in lines))
    assert stage(pipeline).code == 0
    expected = [[number, said] for number, (_, said) in enumerate(lines, 1) if said]
    assert [[row[0], row[2]] for row in quarantine(warehouse)] == expected
    assert [row[0] for row in rows(warehouse, RESCUED.format(1))] == [1, 4]


def test_of_fields_without_end_a_thousand_are_told_by_name(pipeline: Pipeline, warehouse: Any) -> None:
    names = [f"field_{number:04}" for number in range(1_500)]
    pipeline.put_day(DAY, "\n".join(line(**{name: 1}) for name in names))
    ended = stage(pipeline)
    assert ended.code == 0
    found = rows(warehouse, DRIFT)
    assert len(found) == 1_001
    assert [each for each in found if each[0] == "(others)"] == [["(others)", "unknown", 500, 1001, "1"]]
    assert ended.log.count("lines depart from the contract") == 20
    assert "more=981" in ended.log
    (last,) = rows(
        warehouse, "select json_serialize(rescued_data) from staging_events where source_line = 1500"
    )
    assert json.loads(last[0]) == {"field_1499": 1}
