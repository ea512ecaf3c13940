"""
Load the day of Sparkify that has just ended from S3 into the star schema in Redshift.

### What it does
`stage_events` and `stage_songs` bring the day's log files and the new, changed or withdrawn song files into
the staging tables. `load` brings users, songs, artists, time and songplays in line with staging, in one
transaction that also runs the blocking checks: readers see the whole day or nothing of it. `check` runs the
checks that need history, and keeps all results in `check_results`.

### Rerunning
Safe at any time, in any order, also while other days run: the tables always become what the files say.
Clear the run's tasks, or for many days:
`airflow backfill create --dag-id sparkify_daily --from-date 2018-11-01 --to-date 2018-11-30
--reprocess-behavior completed`.
A run triggered by hand loads the last day that had ended at its logical date: the logical date
2018-11-04T00:00 loads 2018-11-03. Tables missing? Run `sparkify_tables`
first, or `sparkify-aws up` where that made the warehouse.

### When it fails
The task's last log line says what happened, where and what to do. By the worker's exit code:
- **1, data**: fails at once. `load` and `check` name the check and sample rows, `stage_events` the reason for
  which lines were quarantined. Correct the files in S3, then clear the run. Nothing of the day was changed.
- **64, usage**: fails at once. A setting is missing or wrong; it is named. Correct the ConfigMap or Secret.
- **75, passing**: S3 or the warehouse could not be reached, or the day has no files yet; retried for half an
  hour. Clear the run when it is there.
- **99, nothing to do**: the task and those after it are skipped.
- **other** (143 terminated, 137 out of memory): retried. The log's pod events say why.

The pod stays after its end: `kubectl logs --namespace sparkify-jobs --selector sparkify/day=2018-11-03`.
"""

from datetime import UTC, datetime

from airflow.sdk import DAG, CronDataIntervalTimetable, TaskGroup
from pods import DAY, worker

with DAG(
    "sparkify_daily",
    doc_md=__doc__,
    # A data interval: the run that starts at a midnight loads the day which ends there.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2018, 11, 1, tzinfo=UTC),  # the first day there is; backfills reach back to it
    catchup=False,
    max_active_runs=3,  # a day that waits for its files does not hold up the next; writers take turns
    tags=["sparkify"],
):
    with TaskGroup("stage", prefix_group_id=False) as stage:
        worker("stage", "events", day=DAY)
        worker("stage", "songs")
    stage >> worker("load", day=DAY) >> worker("check", day=DAY)
