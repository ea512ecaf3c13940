"""A new day and an old one again, with 365 days there: against 1, and against its neighbours alone."""

import re

import redshift_connector

from bench.day import EVENTS, USERS, date_of, day_of, key_of
from bench.measure import Measured, interleaved, measured, middle, spread
from bench.setting import Setting

DAYS = 365
NEAR = 4  # the first day, and the days after it in which copies of its events are looked for
ROUNDS = 9
GOAL = 1.1


def run(setting: Setting) -> str:
    """The result as Markdown."""
    there = {number: setting.environment(f"days_{number}") for number in (1, NEAR, DAYS)}
    setting.put(key_of(0), day_of(0))
    for environment in there.values():
        setting.sparkify(environment, "tables", "create")
        for step in (
            ["stage", "songs"],
            ["stage", "events", "--date", date_of(0)],
            ["load", "--date", date_of(0)],
        ):
            setting.sparkify(environment, *step)
    for number, environment in there.items():
        if number > 1:
            _fill(setting, environment["SPARKIFY_WAREHOUSE_DATABASE"], number)
            # The filled days are as good as loaded ones.
            setting.sparkify(environment, "check", "--date", date_of(number // 2))

    cases = {}
    for number, environment in there.items():
        new = iter(range(DAYS + 10, DAYS + 100))
        cases[f"new day, {number} there"] = lambda env=environment, new=new: _load(setting, env, next(new))
        cases[f"old day again, {number} there"] = lambda env=environment: _load(setting, env, 0)
    runs = interleaved(cases, ROUNDS)

    lines = [
        f"A day of {EVENTS:,} events and {USERS} users. Seconds, median (least to most) of {ROUNDS}",
        "interleaved runs; `in the transaction` is what `load` says of its own statements and checks.",
        "Between the runs tables are cleared of deleted rows and analyzed, as Redshift does by itself.",
        "",
        "| | stage and load | load | in the transaction |",
        "| --- | --- | --- | --- |",
    ]
    for name, case in runs.items():
        both, load, inside = ([float(run.out.split()[n]) for run in case] for n in range(3))
        lines.append(f"| {name} | {spread(both)} | {spread(load)} | {spread(inside)} |")
    lines.append("")
    for kind, least in (("new day", 1), ("old day again", 1), ("old day again", NEAR)):
        few, many = runs[f"{kind}, {least} there"], runs[f"{kind}, {DAYS} there"]
        ratios = [
            middle([float(run.out.split()[n]) for run in many])
            / middle([float(run.out.split()[n]) for run in few])
            for n in range(3)
        ]
        stage_and_load, load = (f"{each:.2f} ({'met' if each <= GOAL else 'missed'})" for each in ratios[:2])
        lines.append(
            f"{kind.capitalize()}, {DAYS} days against {least}, goal ≤ {GOAL}: {stage_and_load} times for "
            f"stage and load, {load} for load alone; {ratios[2]:.2f} in the transaction."
        )
    return "\n".join(lines)


def _load(setting: Setting, environment: dict[str, str], number: int) -> Measured:
    setting.put(key_of(number), day_of(number))
    _tidy(setting, environment["SPARKIFY_WAREHOUSE_DATABASE"])
    sparkify = str(setting.sparkify_command)
    stage = measured([sparkify, "stage", "events", "--date", date_of(number)], environment)
    load = measured([sparkify, "load", "--date", date_of(number)], environment)
    inside = sum(map(float, re.findall(r"seconds=([\d.]+)", load.log)))
    return Measured(
        stage.seconds + load.seconds, 0, f"{stage.seconds + load.seconds} {load.seconds} {inside}", load.log
    )


def _fill(setting: Setting, database: str, days: int) -> None:
    """Make the other days from the first one, in SQL: the rows that staging and loading them would leave."""
    connection = setting.connect(database)
    cursor = connection.cursor()
    cursor.execute("create temp table days (number integer)")
    for start in range(1, days, 100):
        values = ", ".join(f"({number})" for number in range(start, min(start + 100, days)))
        cursor.execute(f"insert into days values {values}")
    for table, changed in _FILLED.items():
        _copy(cursor, table, changed)
    cursor.execute("update users set latest_session_id = latest_session_id + %s", (1_000_000 * (days - 1),))
    cursor.execute("update users set latest_start_time = dateadd(day, %s, latest_start_time)", (days - 1,))
    connection.commit()
    connection.close()


def _tidy(setting: Setting, database: str) -> None:
    """What Redshift does by itself between two loads: clear tables of deleted rows, and analyze them."""
    connection = setting.connect(database)
    connection.autocommit = True
    cursor = connection.cursor()
    for table in _FILLED:
        cursor.execute(f"vacuum {table}")
        cursor.execute(f"analyze {table}")
    connection.close()


_SESSION = "session_id + 1000000 * cast(days.number as bigint)"
_FILE = "replace(source_file, '-events', '-' || cast(days.number as varchar(8)) || '-events')"
_FILLED = {
    "staging_events": {
        "day": "day + days.number",
        "ts": "dateadd(day, days.number, ts)",
        "session_id": _SESSION,
        "source_file": _FILE,
    },
    "staged_files": {"day": "day + days.number", "source_file": _FILE},
    "staging_versions": {"day": "day + days.number"},
    "loaded_days": {"day": "day + days.number"},
    "songplays": {
        "songplay_id": f"cast({_SESSION} as varchar(20)) || '-' || cast(item_in_session as varchar(11))",
        "start_time": "dateadd(day, days.number, start_time)",
        "session_id": _SESSION,
        "source_day": "source_day + days.number",
        "source_file": _FILE,
    },
    '"time"': {
        "start_time": "dateadd(day, days.number, start_time)",
        "day": "extract(day from dateadd(day, days.number, start_time))",
        "week": "extract(week from dateadd(day, days.number, start_time))",
        "month": "extract(month from dateadd(day, days.number, start_time))",
        "year": "extract(year from dateadd(day, days.number, start_time))",
        "weekday": "extract(dow from dateadd(day, days.number, start_time))",
    },
}


def _copy(cursor: redshift_connector.Cursor, table: str, changed: dict[str, str]) -> None:
    cursor.execute(f"select * from {table} limit 0")
    columns = [column[0] for column in cursor.description]
    selected = ", ".join(changed.get(column, f"{table}.{column}") for column in columns)
    where = "where source = 'events'" if table.startswith("stag") and table != "staging_events" else ""
    cursor.execute(
        # One day after the other, as loads write them.
        f"insert into {table} ({', '.join(columns)}) select {selected} from {table} cross join days {where} "
        "order by days.number"
    )
