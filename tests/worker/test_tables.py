"""`sparkify tables create` on a warehouse that has tables of before."""

from typing import Any

from tests.star.conftest import Pipeline
from tests.worker.staging import DAY, line, rows, stage

COLUMNS = "select tablename, \"column\" from pg_table_def where schemaname = 'public' order by 1, 2"


def test_columns_that_are_new_are_added_and_the_rows_stay(pipeline: Pipeline, warehouse: Any) -> None:
    made = rows(warehouse, COLUMNS)
    pipeline.put_day(DAY, line())
    assert stage(pipeline).code == 0
    before = rows(warehouse, "select * from staging_events")
    for table, column in (
        ("staging_events", "rescued_data"),
        ("staging_songs", "rescued_data"),
        ("staging_events", "artist"),
        ("staged_files", "blank"),
    ):
        warehouse.cursor().execute(f"alter table {table} drop column {column}")
    warehouse.commit()
    ended = stage(pipeline)
    assert ended.code == 1
    assert "does not exist; make the tables with: sparkify tables create" in ended.log.splitlines()[-1]
    ended = pipeline.run("tables", "create")
    assert ended.code == 0
    assert "staging_events.artist, staging_events.rescued_data, staging_songs.rescued_data" in ended.log
    assert rows(warehouse, COLUMNS) == made
    names = "day, artist, session_id, rescued_data"
    assert rows(warehouse, f"select {names} from staging_events") == [[before[0][0], None, 139, None]]
    assert rows(warehouse, "select blank from staged_files") == [[0]]
    assert "columns_added" not in pipeline.run("tables", "create").log
    assert stage(pipeline).code == 0
    found = rows(warehouse, f"select {names} from staging_events")
    assert found == [[before[0][0], "Des'ree", 139, None]]


def test_a_column_that_may_not_be_null_is_not_added_to_rows_without_a_value(
    pipeline: Pipeline, warehouse: Any
) -> None:
    warehouse.cursor().execute("alter table staging_events drop column page")
    warehouse.cursor().execute("alter table staging_events drop column artist")
    warehouse.commit()
    before = rows(warehouse, COLUMNS)
    ended = pipeline.run("tables", "create")
    assert ended.code == 1
    assert "the table staging_events has no column page, which may not be null" in ended.log.splitlines()[-1]
    assert rows(warehouse, COLUMNS) == before
