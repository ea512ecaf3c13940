"""What `make run` ends with: what became of each day's lines, and what the star can tell."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from laptop import warehouse
from laptop.steps import Outcome
from redshift_sandbox import Endpoint

# A day that was staged but not loaded since is not in days_in_step: the star's rows are of another staging.
_DAYS = """
with files as (
    select day, count(*) as files, sum(lines) as lines, sum(blank) as blank,
        sum(quarantined) as quarantined
    from staged_files
    where source = 'events' and day between '{first}' and '{last}'
    group by day
),

staged as (
    select day, count(*) as staged, sum(case when page = 'NextSong' then 1 else 0 end) as plays
    from staging_events
    where day between '{first}' and '{last}'
    group by day
),

loaded as (
    select source_day as day, count(*) as loaded
    from songplays
    where source_day between '{first}' and '{last}'
    group by source_day
)

select
    files.day,
    files.files,
    files.lines,
    files.quarantined,
    coalesce(staged.staged, 0) - coalesce(staged.plays, 0) + files.blank as left_out,
    case when days_in_step.day is not null then coalesce(loaded.loaded, 0) end as loaded,
    case when days_in_step.day is not null then coalesce(staged.plays, 0) - coalesce(loaded.loaded, 0) end
        as duplicates
from files
left join staged on files.day = staged.day
left join loaded on files.day = loaded.day
left join days_in_step on files.day = days_in_step.day
order by files.day
"""

# What the checks of each day's last run found, the load's and the check's.
_CHECKS = """
with runs as (
    select day, run, row_number() over (partition by day order by checked_at desc, run desc) as place
    from check_results
    where day between '{first}' and '{last}'
)

select check_results.day, check_results.step, check_results.check_name as "check", check_results.severity,
    check_results.offending as "rows", check_results.sample as "such as"
from check_results
inner join runs on check_results.day = runs.day and check_results.run = runs.run
where runs.place = 1
order by check_results.day, check_results.step desc, check_results.check_name
"""

_TABLES = ("songplays", "users", "songs", "artists", '"time"', "quarantine")

# By what the plays say themselves: most of the real ones have no song file. matched: how many have.
_TOP_SONGS = """
select title as song, artist_name as artist, count(*) as plays, count(song_id) as matched
from songplays
where title is not null
group by title, artist_name
order by plays desc, song, artist
limit 5
"""

_TOP_USERS = """
select users.first_name || ' ' || users.last_name as "user", users.level, count(*) as plays
from songplays
inner join users on songplays.user_id = users.user_id
group by users.user_id, users.first_name, users.last_name, users.level
order by plays desc, users.user_id
limit 5
"""


_LOOKS: Any = {"box": SIMPLE_HEAD, "show_edge": False, "title_justify": "left"}


@dataclass(frozen=True)
class DayRun:
    """One day's run: its tasks' outcomes by task id."""

    day: date
    outcomes: Mapping[str, Outcome]
    seconds: float

    @property
    def failures(self) -> list[tuple[str, Outcome]]:
        return [(name, outcome) for name, outcome in self.outcomes.items() if outcome.error is not None]

    @property
    def result(self) -> str:
        if self.failures:
            return f"failed: {', '.join(name for name, _ in self.failures)}"
        skipped = [name for name, outcome in self.outcomes.items() if outcome.state == "skipped"]
        return f"skipped: {', '.join(skipped)}" if skipped else "success"


def show(console: Console, endpoint: Endpoint, runs: Sequence[DayRun]) -> None:
    """Print the summary of the runs' days and of the tables as they are now.

    Raises:
        LaptopError: the warehouse does not answer.
    """
    with closing(warehouse.connect(endpoint)) as connection:
        console.print("", _days(connection, runs), "", *_checks(connection, runs), sep="\n")
        console.print("", _rows(connection), sep="\n")
        for title, query in (("Top songs", _TOP_SONGS), ("Top users", _TOP_USERS)):
            answer = warehouse.ask(connection, query)
            if answer.rows:
                console.print("", table(answer, title), sep="\n")


def _days(connection: Any, runs: Sequence[DayRun]) -> Table:
    days = [run.day for run in runs]
    answer = warehouse.ask(connection, _DAYS.format(first=min(days), last=max(days)))
    counts = {row[0]: dict(zip(answer.columns, row, strict=True)) for row in answer.rows}
    columns = ("files", "lines", "loaded", "duplicates", "left_out", "quarantined")
    made = Table(
        "Day", title="Days", title_justify="left", box=SIMPLE_HEAD, show_edge=False, show_footer=len(runs) > 1
    )
    made.columns[0].footer = "All"
    for column in columns:
        total = sum(int(counts[day][column] or 0) for day in days if day in counts)
        made.add_column(column.replace("_", " ").capitalize(), footer=f"{total:,}", justify="right")
    made.add_column("Seconds", footer=f"{sum(run.seconds for run in runs):.1f}", justify="right")
    made.add_column("Result")
    for run in runs:
        of_day = counts.get(run.day, {})
        made.add_row(
            str(run.day),
            *(_number(of_day.get(column)) for column in columns),
            f"{run.seconds:.1f}",
            run.result,
            style="red" if run.failures else None,
        )
    return made


def _checks(connection: Any, runs: Sequence[DayRun]) -> tuple[str | Table, ...]:
    """How many checks were run, and each that found rows."""
    days = [run.day for run in runs]
    answer = warehouse.ask(connection, _CHECKS.format(first=min(days), last=max(days)))
    found = [row for row in answer.rows if row[4]]
    counted = f"Checks: {len(answer.rows):,} were run, {len(found):,} found rows"
    if not found:
        return (counted,)
    # One of the rows is enough here: sparkify check --results --date DAY has more.
    shown: list[Sequence[Any]] = [(*row[:5], _first(row[5])) for row in found]
    return counted, table(warehouse.Answer(answer.columns, shown))


def _first(sample: str) -> str | None:
    """The first of a check's sample rows; rows that are too long for a sample are in none."""
    rows = json.loads(sample)
    return json.dumps(rows[0], ensure_ascii=False) if rows else None


def _rows(connection: Any) -> Table:
    counts = " union all ".join(
        f'select \'{name.strip(chr(34))}\' as "table", count(*) as "rows", {place} as place from {name}'  # noqa: S608 (our own names)
        for place, name in enumerate(_TABLES)
    )
    answer = warehouse.ask(connection, f"{counts} order by place")
    return table(warehouse.Answer(answer.columns[:2], [row[:2] for row in answer.rows]), "Tables")


def table(answer: warehouse.Answer, title: str | None = None) -> Table:
    """An answer as a table: numbers to the right, null told from an empty text."""
    made = Table(title=title, **_LOOKS)
    for place, name in enumerate(answer.columns):
        kinds = {type(row[place]) for row in answer.rows} - {type(None)}
        numeric = kinds and kinds <= {int, float, Decimal}
        made.add_column(_plain(name), justify="right" if numeric else "left", overflow="fold")
    for row in answer.rows:
        made.add_row(*("[dim]null[/dim]" if value is None else _plain(value) for value in row))
    return made


def _number(value: Any) -> str:
    return "–" if value is None else f"{int(value):,}"


def _plain(value: object) -> str:
    # A title such as "[live]" is no style.
    return str(value).replace("[", r"\[")
