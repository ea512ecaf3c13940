"""A new day and an old one again, with 365 days there: against 1, and against its neighbours alone."""

import json
import random
import re
from datetime import date, timedelta

import redshift_connector

from bench.measure import Measured, interleaved, measured, middle, spread
from bench.setting import Setting

EVENTS = 5_000
USERS = 500
DAYS = 365
NEAR = 4  # the first day, and the days after it in which copies of its events are looked for
ROUNDS = 5
DAY_ZERO = 17_500  # days since 1970: 2017-11-30
GOAL = 1.1


def run(setting: Setting) -> str:
    """The result as Markdown."""
    there = {number: setting.environment(f"days_{number}") for number in (1, NEAR, DAYS)}
    setting.put(_key(0), _day(0))
    for environment in there.values():
        setting.sparkify(environment, "tables", "create")
        for step in (
            ["stage", "songs"],
            ["stage", "events", "--date", _date(0)],
            ["load", "--date", _date(0)],
        ):
            setting.sparkify(environment, *step)
    for number, environment in there.items():
        if number > 1:
            _fill(setting, environment["SPARKIFY_WAREHOUSE_DATABASE"], number)
            # The filled days are as good as loaded ones.
            setting.sparkify(environment, "check", "--date", _date(number // 2))

    cases = {}
    for number, environment in there.items():
        new = iter(range(DAYS + 10, DAYS + 100))
        cases[f"new day, {number} there"] = lambda env=environment, new=new: _load(setting, env, next(new))
        cases[f"old day again, {number} there"] = lambda env=environment: _load(setting, env, 0)
    runs = interleaved(cases, ROUNDS)

    lines = [
        f"A day of {EVENTS:,} events and {USERS} users. Seconds, median (least to most) of {ROUNDS}",
        "interleaved runs; `in the transaction` is what `load` says of its own statements and checks.",
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
        met = "met" if max(ratios) <= GOAL else "missed"
        lines.append(
            f"{kind.capitalize()}, {DAYS} days against {least}: {ratios[0]:.2f} times for stage and load, "
            f"{ratios[1]:.2f} for load, {ratios[2]:.2f} in the transaction. Goal ≤ {GOAL}: {met}."
        )
    return "\n".join(lines)


def _load(setting: Setting, environment: dict[str, str], number: int) -> Measured:
    setting.put(_key(number), _day(number))
    sparkify = str(setting.sparkify_command)
    stage = measured([sparkify, "stage", "events", "--date", _date(number)], environment)
    load = measured([sparkify, "load", "--date", _date(number)], environment)
    inside = sum(map(float, re.findall(r"seconds=([\d.]+)", load.log)))
    return Measured(
        stage.seconds + load.seconds, 0, f"{stage.seconds + load.seconds} {load.seconds} {inside}", load.log
    )


def _date(number: int) -> str:
    return str(date(1970, 1, 1) + timedelta(days=DAY_ZERO + number))


def _key(number: int) -> str:
    day = _date(number)
    return f"log_data/{day[:4]}/{day[5:7]}/{day}-events.json"


def _day(number: int) -> bytes:
    """The same day, as many days later."""
    chance = random.Random(1)
    lines = []
    for item in range(EVENTS):
        user = chance.randrange(USERS)
        play = chance.random() < 0.85
        lines.append(
            json.dumps(
                {
                    "artist": f"Artist {user % 97}" if play else None,
                    "auth": "Logged In",
                    "firstName": f"First{user}",
                    "gender": "F" if user % 2 else "M",
                    "itemInSession": item,
                    "lastName": f"Last{user}",
                    "length": 180 + item % 100 + 0.30812 if play else None,
                    "level": "paid" if user % 3 else "free",
                    "location": "Phoenix-Mesa-Scottsdale, AZ",
                    "method": "PUT" if play else "GET",
                    "page": "NextSong" if play else "Home",
                    "registration": 1540344794796.0,
                    "sessionId": 1_000_000 * number + user,
                    "song": f"Song {item % 997}" if play else None,
                    "status": 200,
                    "ts": (DAY_ZERO + number) * 86_400_000 + item * (86_000_000 // EVENTS),
                    "userAgent": "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko)",
                    "userId": str(user),
                }
            )
        )
    return ("\n".join(lines) + "\n").encode()


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
    connection.autocommit = True
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
        f"insert into {table} ({', '.join(columns)}) select {selected} from {table} cross join days {where}"
    )
