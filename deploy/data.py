"""The source data in the cluster's sandbox: the demo's, or a folder of one's own."""

import base64
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from deploy import tools
from deploy.cluster import Cluster
from deploy.errors import DeployError
from deploy.settings import Settings
from laptop import demo_data, source

_S3_PORT = 9000


def upload(
    cluster: Cluster, settings: Settings, folder: Path | None, first: date | None, last: date | None
) -> tuple[list[date], str]:
    """Make the source bucket mirror the folder; returns the days to load, and a line that says what was done.

    Raises:
        DeployError: the sandbox cannot be reached.
        LaptopError: the folder has no such days, or its files cannot be uploaded.
    """
    with tempfile.TemporaryDirectory() as made:
        if folder is None:
            demo_data.write(Path(made))
        days = source.plan(folder or Path(made), first, last)
        bucket = _source_bucket(cluster, settings)
        with _forwarded(cluster, settings, f"service/{settings.release}-sandbox", _S3_PORT) as port:
            environment = {**_keys(cluster, settings), "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}
            done = source.mirror(folder or Path(made), bucket, environment)
    said = f"{done.uploaded} files uploaded, {done.unchanged} unchanged, {done.deleted} deleted"
    return days, f"s3://{bucket} holds {folder or 'the demo data'}: {said}"


def _source_bucket(cluster: Cluster, settings: Settings) -> str:
    answer = cluster.kubectl(
        *("get", "configmap", "sparkify-worker", "--namespace", settings.worker_namespace, "--output", "json")
    )
    if answer.returncode != 0:
        raise DeployError(f"the worker's settings cannot be read: {tools.last_line(answer)}")
    location = json.loads(answer.stdout)["data"].get("SPARKIFY_SOURCE", "")
    bucket = re.fullmatch(r"s3://([^/]+)/?", location)
    if bucket is None:
        raise DeployError(
            f"SPARKIFY_SOURCE={location} is no bucket of its own, which data could be laid out in"
        )
    return bucket[1]


def _keys(cluster: Cluster, settings: Settings) -> dict[str, str]:
    answer = cluster.kubectl(
        *("get", "secret", "sparkify-sandbox", "--namespace", settings.namespace, "--output", "json")
    )
    if answer.returncode != 0:
        raise DeployError(f"the sandbox's keys cannot be read: {tools.last_line(answer)}")
    data = json.loads(answer.stdout)["data"]
    return {
        "AWS_ACCESS_KEY_ID": base64.b64decode(data["s3-access-key"]).decode(),
        "AWS_SECRET_ACCESS_KEY": base64.b64decode(data["s3-secret-key"]).decode(),
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def _forwarded(cluster: Cluster, settings: Settings, target: str, port: int) -> Iterator[int]:
    """A port of this machine that leads there as long as the context."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [
                *(tools.program("kubectl"), "--context", cluster.context, "--namespace", settings.namespace),
                *("port-forward", target, f":{port}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        try:
            # "Forwarding from 127.0.0.1:40123 -> 9000"; nothing when it fails.
            found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            if found is None:
                process.wait()
                errors.seek(0)
                said = errors.read().strip().splitlines() or ["kubectl said nothing"]
                raise DeployError(f"{target} cannot be reached: {said[-1].removeprefix('error: ')}")
            yield int(found[1])
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()
