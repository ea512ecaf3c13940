"""What the blocking checks and the lineage of a load cost: against a load that has neither."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from bench.day import date_of, day_of, key_of
from bench.measure import interleaved, measured, middle, spread
from bench.setting import Setting

SIZES = (5_000, 100_000)
ROUNDS = 41
GOAL = 1.15
SQL = Path(__file__).parents[1] / "sql"
WITH, WITHOUT = "checks and lineage", "neither"
# What a play of the star holds only so that one can see where it came from.
LINEAGE = ("source_file", "source_line", "load_id")


def run(setting: Setting) -> str:
    """The result as Markdown."""
    bare = setting.folder / "sql"
    without_checks_and_lineage(bare)
    cases = {}
    for number, size in enumerate(SIZES):
        setting.put(key_of(number), day_of(number, size))
        for name, sql in ((WITH, SQL), (WITHOUT, bare)):
            environment = setting.environment(f"checks_{size}_{'with' if sql == SQL else 'without'}")
            environment["SPARKIFY_SQL"] = str(sql)
            setting.sparkify(environment, "tables", "create")
            setting.sparkify(environment, "stage", "songs")
            setting.sparkify(environment, "stage", "events", "--date", date_of(number))
            load = [str(setting.sparkify_command), "load", "--date", date_of(number)]
            cases[size, name] = lambda load=load, environment=environment: measured(load, environment)
    runs = interleaved(cases, ROUNDS)
    seconds = {case: [each.seconds for each in found] for case, found in runs.items()}
    ratios = {size: middle(seconds[size, WITH]) / middle(seconds[size, WITHOUT]) for size in SIZES}
    return "\n".join(
        [
            f"Seconds of `sparkify load` of a day that is there already, median (least to most) of {ROUNDS}",
            "interleaved runs. Without: the same SQL, but for the blocking checks and for what a play of the",
            f"star holds for lineage alone ({', '.join(LINEAGE)}).",
            "",
            "| events of the day | with both | without | ratio | share of the time with both |",
            "| --- | --- | --- | --- | --- |",
            *(
                f"| {size:,} | {spread(seconds[size, WITH])} | {spread(seconds[size, WITHOUT])} "
                f"| {ratios[size]:.2f} | {1 - 1 / ratios[size]:.1%} |"
                for size in SIZES
            ),
            "",
            f"The most {max(ratios.values()):.2f}, goal {GOAL}: "
            f"{'met' if max(ratios.values()) <= GOAL else 'missed'}.",
        ]
    )


def without_checks_and_lineage(folder: Path) -> None:
    """The SQL without them. Where a statement reads a play's lineage, nothing stands in its place."""
    shutil.copytree(SQL, folder)
    for check in folder.glob("*/*/check_*.sql"):
        check.unlink()
    for name in ("create", "insert"):
        _rewrite(folder / f"star/songplays/{name}.sql", _without_lineage)
    _rewrite(folder / "changes/incoming_plays/insert_staged.sql", _with_none_of_the_star)


def _rewrite(file: Path, change: Callable[[str], str]) -> None:
    before = file.read_text(encoding="utf-8")
    after = change(before)
    assert after != before, file
    file.write_text(after, encoding="utf-8")


def _without_lineage(sql: str) -> str:
    for column in LINEAGE:
        sql = re.sub(rf"^ {{4}}(incoming_plays\.|cast\(:load_id .* as )?{column}\b.*\n", "", sql, flags=re.M)
    # What is now the last of a list has no comma.
    return re.sub(r",(\s*(\)|from ))", r"\1", sql)


def _with_none_of_the_star(sql: str) -> str:
    sql = sql.replace("songplays.source_file,", "cast('' as varchar(1024)) as source_file,")
    return sql.replace("songplays.source_line,", "cast(0 as bigint) as source_line,")
