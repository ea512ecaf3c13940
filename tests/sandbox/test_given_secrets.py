"""`serve` with the secrets and buckets it is given, as it runs in a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
import redshift_connector

from redshift_sandbox import Endpoint, running
from redshift_sandbox.tls import certificates

pytestmark = pytest.mark.sandbox_only

SERVE = (sys.executable, "-m", "redshift_sandbox", "serve")

PASSWORD, ACCESS_KEY, SECRET_KEY = "Given1Password", "GIVENKEY", "given-secret-key"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder as Kubernetes mounts a Secret."""
    folder = tmp_path / "secrets"
    made = certificates(tmp_path / "authority", ["warehouse.example", "127.0.0.1"])
    folder.mkdir()
    (folder / "ca.crt").write_bytes(made.ca_file.read_bytes())
    (folder / "tls.crt").write_bytes(made.certificate_file.read_bytes())
    (folder / "tls.key").write_bytes(made.key_file.read_bytes())
    (folder / "password").write_text(PASSWORD)
    (folder / "s3-access-key").write_text(ACCESS_KEY)
    (folder / "s3-secret-key").write_text(f"{SECRET_KEY}\n")
    return folder


def s3(endpoint: Endpoint) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint.s3_endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
    )


def refused(*options: str | Path) -> str:
    """What is said of a start that fails, in one line with exit code 1."""
    result = subprocess.run((*SERVE, *options), capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.returncode) == ("", 1)
    return result.stderr


def test_what_is_given_opens_it_and_is_never_printed(
    tmp_path: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "state", secrets=secrets) as endpoint:
        printed = endpoint.to_json()
        monkeypatch.setenv("SSL_CERT_FILE", str(secrets / "ca.crt"))
        with redshift_connector.connect(  # verifies the certificate
            host=endpoint.host, port=endpoint.port, database="dev", user="awsuser", password=PASSWORD
        ) as connection:
            connection.cursor().execute("select 1")
        assert s3(endpoint).list_buckets()["Buckets"] == []
    assert PASSWORD not in printed
    assert SECRET_KEY not in printed
    assert endpoint.ca_file == str(secrets / "ca.crt")
    assert not (tmp_path / "state" / "password").exists()
    assert not (tmp_path / "state" / "tls").exists()


def test_what_is_not_given_is_made_and_kept(tmp_path: Path, secrets: Path) -> None:
    for name in ("password", "s3-access-key", "s3-secret-key"):
        (secrets / name).unlink()
    with running(tmp_path / "state", secrets=secrets) as endpoint:
        assert endpoint.ca_file == str(secrets / "ca.crt")
    assert (tmp_path / "state" / "password").exists()
    (identity,) = json.loads((tmp_path / "state" / "s3" / "identities.json").read_text())["identities"]
    assert identity["credentials"][0]["accessKey"].startswith("SANDBOX")


def test_what_is_given_anew_replaces_what_was_kept(tmp_path: Path, secrets: Path) -> None:
    with running(tmp_path / "state"):
        pass
    with running(tmp_path / "state", secrets=secrets) as endpoint:
        assert s3(endpoint).list_buckets()["Buckets"] == []
        redshift_connector.connect(
            host=endpoint.host,
            port=endpoint.port,
            database="dev",
            user="awsuser",
            password=PASSWORD,
            ssl=False,
        ).close()


def test_buckets_are_made_once(tmp_path: Path) -> None:
    arguments = [*SERVE, "--state", tmp_path, "--bucket", "one", "--bucket", "two", "--stop-with-stdin"]
    for _ in range(2):
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            endpoint = Endpoint.from_json(process.stdout.readline())
            client = boto3.client(
                "s3",
                endpoint_url=endpoint.s3_endpoint,
                aws_access_key_id=endpoint.env["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=endpoint.env["AWS_SECRET_ACCESS_KEY"],
                region_name=endpoint.env["AWS_REGION"],
            )
            assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["one", "two"]
            process.stdin.close()
            assert process.wait(30) == 0


def test_what_is_no_name_of_a_bucket_is_wrong_usage(tmp_path: Path) -> None:
    result = subprocess.run(
        (*SERVE, "--state", tmp_path, "--bucket", "No_Bucket"), capture_output=True, text=True
    )
    assert result.returncode == 2
    assert result.stderr.endswith("argument --bucket: 'No_Bucket' is no name of a bucket\n")


def test_secrets_that_are_missing_or_wrong_are_named_in_one_line(tmp_path: Path, secrets: Path) -> None:
    state = tmp_path / "state"
    nowhere = tmp_path / "nowhere"
    assert refused("--state", state, "--secrets", nowhere) == (
        f"redshift-sandbox: {nowhere} is not a folder of secrets\n"
    )
    (secrets / "tls.key").rename(secrets / "kept")
    assert refused("--state", state, "--secrets", secrets) == (
        f"redshift-sandbox: {secrets}/tls.key is missing, which belongs to ca.crt\n"
    )
    (secrets / "tls.key").write_text("nonsense")
    assert refused("--state", state, "--secrets", secrets).startswith(
        f"redshift-sandbox: {secrets}/tls.crt and tls.key are no certificate with its key: "
    )
    (secrets / "kept").replace(secrets / "tls.key")
    (secrets / "password").write_text("\n")
    assert (
        refused("--state", state, "--secrets", secrets) == f"redshift-sandbox: {secrets}/password is empty\n"
    )
