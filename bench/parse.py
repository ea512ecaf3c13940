"""The daily graph's file, read as the DAG processor and each task read it, against importing the operator."""

import os
import sys
from pathlib import Path

from bench.measure import interleaved, measured, middle, spread
from bench.setting import Setting

ROUNDS = 11
GOAL = 1.2
DAGS = Path(__file__).parents[1] / "dags"
OPERATOR = "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator"


def run(setting: Setting) -> str:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(setting.folder / "airflow"),
        "PYTHONPATH": str(DAGS),
        "PYTHONWARNINGS": "ignore",
        "SPARKIFY_WORKER_IMAGE": f"worker@sha256:{'0' * 64}",
    }
    cases = {
        "`dags/sparkify_daily.py`": "import sparkify_daily",
        f"`{OPERATOR}`": OPERATOR,
    }
    runs = interleaved(
        {
            name: lambda code=code: measured([sys.executable, "-c", code], environment)
            for name, code in cases.items()
        },
        ROUNDS,
    )
    ours, alone = (middle([one.seconds for one in case]) for case in runs.values())
    ratio = ours / alone
    return "\n".join(
        [
            f"Seconds of a fresh Python process, median (least to most) of {ROUNDS} interleaved runs.",
            "",
            "| | seconds |",
            "| --- | --- |",
            *(f"| {name} | {spread([one.seconds for one in case])} |" for name, case in runs.items()),
            "",
            f"Ratio {ratio:.2f}, goal {GOAL}: {'met' if ratio <= GOAL else 'missed'}.",
        ]
    )
