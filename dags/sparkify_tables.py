"""
Create Sparkify's tables in Redshift.

### What it does
`tables_create` creates what is not there yet: staging, ledger, locks and the star. Nothing is dropped or
emptied. Triggered by hand, before the first day and after a release that brings new tables.

### Rerunning
Safe at any time: a second run changes nothing.

### When it fails
The task's last log line says what happened, where and what to do. Exit code 1: the warehouse refused a
statement, most often for a missing right to create tables. 64: a setting is missing or wrong; it is named.
75: the warehouse could not be reached; retried for half an hour.
"""

from datetime import UTC, datetime

from airflow.sdk import DAG
from pods import worker

with DAG(
    "sparkify_tables",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2018, 11, 1, tzinfo=UTC),
    max_active_runs=1,  # DDL in Redshift is not safe beside itself
    tags=["sparkify"],
):
    worker("tables", "create")
