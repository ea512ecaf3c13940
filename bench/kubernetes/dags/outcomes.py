"""Short pods with known ends, by the operator and the settings of dags/pods.py, in both of its modes."""

from datetime import UTC, datetime

from airflow.sdk import DAG
from pods import worker

# (exit code, seconds): of 25 pods, 15 that end well and 10 that do not.
ENDS = (
    [(0, seconds % 6) for seconds in range(15)]
    + [(code, seconds) for code in (1, 75, 99) for seconds in (0, 1, 3)]
    + [(1, 5)]
)
TRIES_AFTER_75 = 2

for mode in ("synchronous", "deferrable"):
    with DAG(
        f"outcomes_{mode}",
        schedule=None,
        start_date=datetime(2018, 11, 1, tzinfo=UTC),
        max_active_runs=2,
        max_active_tasks=3,
    ) as dag:
        for number, (code, seconds) in enumerate(ENDS):
            task = worker("end", str(code), str(seconds), str(number))
            task.deferrable = mode == "deferrable"
            if code == 75:
                task.retries = TRIES_AFTER_75 - 1
            task.container_resources.requests["cpu"] = "50m"
            task.container_resources.requests["memory"] = task.container_resources.limits["memory"] = "64Mi"
