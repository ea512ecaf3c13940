"""Imports the DAGs as Airflow does, while its image is built. Python that knows Airflow runs it, not ours.

python import_dags.py FOLDER: exit code 1 and the reason when a file does not import or no DAG is found.
"""

import os
import sys
from pathlib import Path

os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
# The pods' image is known to the deployment only.
os.environ["SPARKIFY_WORKER_IMAGE"] = f"worker@sha256:{0:064}"

from airflow.dag_processing.dagbag import DagBag


def main(folder: Path) -> int:
    sys.path.append(str(folder))  # as for Airflow's own folder of DAGs
    bag = DagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags")
    for file, reason in bag.import_errors.items():
        print(f"{Path(file).name} does not import: {reason.rstrip().splitlines()[-1]}", file=sys.stderr)
    if not bag.dags:
        print(f"no DAG found in {folder}", file=sys.stderr)
    print(f"imported {', '.join(sorted(bag.dags)) or 'nothing'}")
    return int(bool(bag.import_errors) or not bag.dags)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
