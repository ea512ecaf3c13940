"""The three images as docker builds and runs them. Skipped where docker or a base image is missing.

BASE_PYTHON, BASE_AIRFLOW, BUILD_OPTIONS and DOCKER say how to build, as for `make images`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.settings import Settings
from tests.star.conftest import Pipeline
from tests.star.conftest import pipeline as pipeline

ROOT = Path(__file__).parents[2]
SETTINGS = Settings.from_environment(os.environ)
DOCKERFILES = {"worker": "worker_image", "airflow": "dags", "sandbox": "sandbox"}
DAY = "2018-11-03"

# As in the cluster: the root file system is read-only, nothing is allowed, /tmp is the container's own.
RESTRICTED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp:mode=1777")


def docker(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run docker; skip the test when docker is not there, or goes away meanwhile."""
    try:
        ran = subprocess.run(
            [SETTINGS.docker, *arguments],
            env={**os.environ, "DOCKER_BUILDKIT": "1", **environment},
            capture_output=True,
            text=True,
            timeout=280,
        )
    except OSError:
        pytest.skip(f"there is no {SETTINGS.docker}")
    if ran.returncode and re.search("cannot connect to the docker daemon", ran.stderr, re.IGNORECASE):
        pytest.skip("the docker daemon does not answer")
    return ran


def build(name: str, *options: str, context: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Build an image, if docker and the image's base are there; skip the test otherwise."""
    file = context / DOCKERFILES[name] / "Dockerfile"
    base = SETTINGS.base_airflow if name == "airflow" else SETTINGS.base_python
    if base is None:
        default = re.search("^ARG BASE=(.+)$", file.read_text(), re.M)
        assert default is not None
        base = default[1]
    if docker("image", "inspect", base).returncode != 0:
        pytest.skip(f"the base image {base} is not on this machine")
    return docker(
        "build", "--file", file, "--build-arg", f"BASE={base}", *SETTINGS.build_options, *options, context
    )


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    """Tags of the images, each built when a test first asks."""
    return {}


def tag_of(name: str, images: dict[str, str]) -> str:
    if name not in images:
        tag = f"sparkify/{name}:test"
        built = build(name, "--tag", tag)
        assert built.returncode == 0, built.stderr
        images[name] = tag
    return images[name]


def layers(image: str) -> list[str]:
    """The digests of the image's layers: they cover each file's name, content, owner, mode and time."""
    said = docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)
    digests: list[str] = json.loads(said.stdout)
    return digests


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_that_is_built_anew_is_the_same(name: str, images: dict[str, str], tmp_path: Path) -> None:
    # Of a copy whose files have other times, as in another clone.
    for part in ("worker_image", "sandbox", "sql", "dags", "deploy"):
        shutil.copytree(ROOT / part, tmp_path / part, copy_function=shutil.copyfile)
    shutil.copy(ROOT / ".dockerignore", tmp_path)
    anew = f"sparkify/{name}:anew"
    first = build(name, "--tag", f"sparkify/{name}:test", context=tmp_path)
    assert first.returncode == 0, first.stderr
    second = build(name, "--tag", anew, "--no-cache", context=tmp_path)
    assert second.returncode == 0, second.stderr
    try:
        assert layers(anew) == layers(f"sparkify/{name}:test")
    finally:
        docker("image", "rm", anew)


def test_airflows_image_is_not_built_with_a_dag_that_does_not_import(tmp_path: Path) -> None:
    for part in ("dags", "deploy"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / ".dockerignore", tmp_path)
    with (tmp_path / "dags/sparkify_tables.py").open("a") as dag:
        dag.write("import nonsense\n")
    built = build("airflow", context=tmp_path)
    assert built.returncode != 0
    said = "sparkify_tables.py does not import: ModuleNotFoundError: No module named 'nonsense'"
    assert said in built.stdout + built.stderr


def test_the_workers_image_holds_no_program_but_python_and_sparkify(images: dict[str, str]) -> None:
    container = docker("create", tag_of("worker", images)).stdout.strip()
    try:
        listed = subprocess.run(
            f"{SETTINGS.docker} export {container} | tar -tvf -",
            shell=True,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    finally:
        docker("rm", container)
    files = [line.split(maxsplit=5) for line in listed.splitlines()]
    programs = {
        Path(parts[5].split(" link to ")[0]).name
        for parts in files
        if parts[0].startswith(("-rwx", "hrwx")) and parts[2] != "0"  # docker's own placeholders are empty
    }
    interpreter = {name for name in programs if re.fullmatch(r"python3[.\d]*", name)}
    libraries = {name for name in programs if ".so" in name}
    standard_library = {name for name in programs if name.endswith((".py", ".sh"))}
    assert programs - interpreter - libraries - standard_library == {"sparkify"}
    names = {parts[5].split(" -> ")[0] for parts in files}
    assert not [name for name in names if re.search(r"/(pip|setuptools|ensurepip|apt|dpkg)(/|$)", name)]
    assert any(name.endswith("opt/sparkify/sql/star/songplays/insert.sql") for name in names)
    assert not [parts for parts in files if parts[0].startswith(("-rws", "-rwxr-s"))]


def test_the_worker_runs_with_nothing_but_its_image(images: dict[str, str]) -> None:
    ran = docker("run", "--rm", *RESTRICTED, "--network=none", tag_of("worker", images), "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("usage: sparkify [-h] COMMAND ...")


@contextmanager
def worker(images: dict[str, str], pipeline: Pipeline, *arguments: str) -> Iterator[str]:
    """The id of a container that runs a step with the pipeline's environment; it is removed at the end."""
    image = tag_of("worker", images)
    given = {
        name: value for name, value in pipeline.environment.items() if name.startswith(("SPARKIFY_", "AWS_"))
    }
    authority = "/etc/sparkify/ca/ca.crt"
    started = docker(
        *("run", "--detach", *RESTRICTED, "--network=host"),
        *("--volume", f"{pipeline.environment['SSL_CERT_FILE']}:{authority}:ro"),
        *("--env", f"SSL_CERT_FILE={authority}"),
        *(part for name in given for part in ("--env", name)),  # the values are no part of a command line
        *(image, *arguments),
        **given,
    )
    assert started.returncode == 0, started.stderr
    container = started.stdout.strip()
    try:
        yield container
    finally:
        docker("rm", "--force", container)


def ended(container: str) -> tuple[int, str]:
    """Wait for its end: the exit code and the log."""
    code = int(docker("wait", container).stdout)
    return code, docker("logs", container).stderr


def event(**changed: Any) -> str:
    made = {
        **dict.fromkeys(("artist", "song", "length"), None),
        "auth": "Logged In", "firstName": "Ada", "gender": "F", "itemInSession": 0, "lastName": "Lovelace",
        "level": "free", "location": "London", "method": "PUT", "page": "NextSong",
        "registration": 1540919166796.0, "sessionId": 1, "status": 200, "ts": 1541203200000,
        "userAgent": "x", "userId": "1",
    }  # fmt: skip
    return json.dumps({**made, "artist": "A", "song": "S", "length": 200.5, **changed})


def test_a_step_runs_in_its_image(images: dict[str, str], pipeline: Pipeline, warehouse: Any) -> None:
    pipeline.put_day(DAY, event() + "\n")
    for step in (("stage", "songs"), ("stage", "events", "--date", DAY), ("load", "--date", DAY)):
        with worker(images, pipeline, *step) as container:
            code, log = ended(container)
            assert code == 0, log
    cursor = warehouse.cursor()
    cursor.execute("select session_id from songplays")
    assert cursor.fetchall() == ([1],)


def test_sigterm_during_a_statement_cancels_it_and_exits_with_143(
    images: dict[str, str], pipeline: Pipeline, warehouse: Any
) -> None:
    pipeline.put_day(DAY, event() + "\n")
    fault = {"action": "delay", "match": "copy staging_events", "seconds": 60}
    warehouse.autocommit = True
    cursor = warehouse.cursor()
    cursor.execute(f"call sandbox.fault('{json.dumps(fault)}')")
    with worker(images, pipeline, "stage", "events", "--date", DAY) as container:
        deadline = time.monotonic() + 60
        while "wrote parts" not in (said := docker("logs", container).stderr):  # the COPY is next
            assert time.monotonic() < deadline, said
            time.sleep(0.2)
        time.sleep(1)
        docker("kill", "--signal=TERM", container)
        code, log = ended(container)
    assert code == 143, log
    assert "cancelled the statement in flight" in log
    cursor.execute("select count(*) from staging_events")
    assert cursor.fetchone() == [0]


def test_the_sandbox_comes_up_by_itself_each_time_it_is_killed(
    images: dict[str, str], tmp_path: Path
) -> None:
    image = tag_of("sandbox", images)
    tmp_path.chmod(0o777)  # for the image's own user
    container = docker(
        *("run", "--detach", *RESTRICTED, "--network=none", "--volume", f"{tmp_path}:/state", image),
        *("serve", "--state", "/state", "--host", "0.0.0.0", "--port", "5439", "--s3-port", "9000"),
        *("--bucket", "data", "--log", "/dev/stderr"),
    ).stdout.strip()
    try:
        for start in range(1, 4):
            deadline = time.monotonic() + 60
            while docker("logs", container).stderr.count("ready on 0.0.0.0 port 5439") < start:
                running = docker("inspect", "--format", "{{.State.Running}}", container).stdout
                assert running == "true\n", docker("logs", container).stderr
                assert time.monotonic() < deadline, docker("logs", container).stderr
                time.sleep(0.2)
            docker("kill", "--signal=KILL", container)
            docker("start", container)
        assert docker("exec", container, "id", "-un").stdout == "sandbox\n"
    finally:
        docker("exec", container, "sh", "-c", "rm -rf /state/*")
        docker("rm", "--force", container)


@pytest.mark.parametrize("name", ["worker", "sandbox"])
def test_an_image_names_a_user_that_is_not_root(name: str, images: dict[str, str]) -> None:
    config = docker("image", "inspect", "--format", "{{.Config.User}}", tag_of(name, images))
    assert config.stdout == "65532:65532\n"  # a number: Kubernetes can tell that it is not root
