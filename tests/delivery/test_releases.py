"""A release is written, proposed, promoted and taken back by the lines that name it, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from helm.render import program
from tests.delivery.conftest import Clone

WORKER = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/sparkify/worker@sha256:{'a' * 64}"
AIRFLOW = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/sparkify/airflow@sha256:{'b' * 64}"
REPOSITORY, _, DIGEST = AIRFLOW.partition("@")
LATER = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/sparkify/worker@sha256:{'c' * 64}"
IMAGES = ("--worker", WORKER, "--airflow", AIRFLOW)

# GitHub, which lists no pull request, or one.
NO_REQUEST = ""
ONE_REQUEST = 'if [ "$1 $2" = "pr list" ]; then echo 7; fi'
KEEP_BODY = 'case "$1 $2" in "pr create" | "pr edit") cat >"$HOME/body" ;; esac'


@pytest.fixture
def rendering() -> None:
    if program() is None:
        pytest.skip("helm is not installed")


def changed(clone: Clone) -> dict[str, tuple[list[str], list[str]]]:
    """By file, the lines that the working tree takes away and adds."""
    result: dict[str, tuple[list[str], list[str]]] = {}
    for line in clone.git("diff", "--unified=0").splitlines():
        if line.startswith("+++ "):
            result[line.removeprefix("+++ b/")] = ([], [])
        elif line.startswith(("-", "+")) and not line.startswith("---"):
            result[list(result)[-1]][line[0] == "+"].append(line[1:].strip())
    return result


def test_a_release_changes_only_the_lines_that_name_it(clone: Clone) -> None:
    revision = clone.git("rev-parse", "HEAD")
    done = clone.delivery("record", "staging", "--revision", revision, *IMAGES)
    assert (done.code, done.out) == (0, f"staging is to run {revision[:12]}\n")
    nothing = "0" * 40
    assert changed(clone) == {
        "gitops/staging/application.yaml": (
            [f'targetRevision: "{nothing}" # delivered: revision'],
            [f'targetRevision: "{revision}" # delivered: revision'],
        ),
        "gitops/staging/source.yaml": (
            [f'commit: "{nothing}" # delivered: revision'],
            [f'commit: "{revision}" # delivered: revision'],
        ),
        "gitops/staging/values.yaml": (
            [
                'image: "" # delivered: worker',
                'repository: "" # delivered: airflow repository',
                'digest: "" # delivered: airflow digest',
            ],
            [
                f'image: "{WORKER}" # delivered: worker',
                f'repository: "{REPOSITORY}" # delivered: airflow repository',
                f'digest: "{DIGEST}" # delivered: airflow digest',
            ],
        ),
    }
    assert (
        clone.delivery("show", "staging").out == f"revision={revision}\nworker={WORKER}\nairflow={AIRFLOW}\n"
    )


def test_a_release_of_which_nothing_differs_changes_no_byte(clone: Clone) -> None:
    revision = clone.git("rev-parse", "HEAD")
    clone.delivers("staging", "--revision", revision, *IMAGES)
    clone.delivery("record", "staging", "--revision", revision, *IMAGES)
    assert changed(clone) == {}


def test_a_commit_of_digits_alone_stays_text(clone: Clone) -> None:
    clone.delivery("record", "staging", "--revision", "1234567890" * 4, *IMAGES)
    source = yaml.safe_load((clone.root / "gitops/staging/source.yaml").read_text())
    assert source["spec"]["ref"]["commit"] == "1234567890" * 4


@pytest.mark.parametrize(
    ("revision", "worker", "said"),
    [
        ("main", WORKER, "'main' is not a commit of 40 hexadecimal digits"),
        ("1" * 40, "sparkify/worker:latest", "'sparkify/worker:latest' is not an image by digest"),
        ("1" * 40, f"{WORKER} # x", "is not an image by digest"),
    ],
)
def test_a_release_that_could_move_is_refused(clone: Clone, revision: str, worker: str, said: str) -> None:
    done = clone.delivery(
        "record", "staging", "--revision", revision, "--worker", worker, "--airflow", AIRFLOW
    )
    assert done.code == 64
    assert said in done.log
    assert len(done.log.splitlines()) == 1
    assert changed(clone) == {}


@pytest.mark.parametrize("how", ["lost", "twice"])
def test_a_line_that_is_lost_or_there_twice_is_no_delivery(clone: Clone, how: str) -> None:
    values = clone.root / "gitops/staging/values.yaml"
    line = '    image: "" # delivered: worker\n'
    values.write_text(values.read_text().replace(line, "" if how == "lost" else line * 2))
    done = clone.delivery("record", "staging", "--revision", "1" * 40, *IMAGES)
    assert done.code == 1
    assert done.log.splitlines() == [
        "python -m delivery record: gitops/staging/values.yaml must have one line with the comment "
        "'# delivered: …' for worker, airflow repository, airflow digest"
    ]
    assert "1" * 40 not in (clone.root / "gitops/staging/source.yaml").read_text()


def test_argo_cd_and_flux_that_name_different_commits_are_noticed(clone: Clone) -> None:
    clone.delivers("staging", "--revision", "1" * 40, *IMAGES)
    source = clone.root / "gitops/staging/source.yaml"
    source.write_text(source.read_text().replace("1" * 40, "2" * 40))
    done = clone.delivery("show", "staging")
    assert done.code == 1
    assert f"source.yaml names another revision than its neighbours: {'2' * 40}" in done.log


def test_promotion_gives_production_what_staging_runs_and_leaves_the_rest_its_own(clone: Clone) -> None:
    revision = clone.git("rev-parse", "HEAD")
    clone.delivers("staging", "--revision", revision, *IMAGES)
    production = clone.root / "gitops/production/values.yaml"
    production.write_text(production.read_text() + "# one that is production's own\n")
    clone.commit("Settle production")
    done = clone.delivery("promote")
    assert (done.code, done.out) == (0, f"production is to run {revision[:12]}\n")
    assert {file: len(added) for file, (_, added) in changed(clone).items()} == {
        "gitops/production/application.yaml": 1,
        "gitops/production/source.yaml": 1,
        "gitops/production/values.yaml": 3,
    }
    assert clone.delivery("show", "production").out == clone.delivery("show", "staging").out
    assert production.read_text().endswith("# one that is production's own\n")


def test_nothing_is_promoted_before_staging_runs_something(clone: Clone) -> None:
    done = clone.delivery("promote")
    assert done.code == 64
    assert done.log == "python -m delivery promote: nothing has been delivered to staging yet\n"
    assert changed(clone) == {}


@pytest.mark.usefixtures("rendering")
def test_a_promotion_is_proposed_with_the_difference_that_it_makes_in_the_cluster(clone: Clone) -> None:
    first = clone.git("rev-parse", "HEAD")
    clone.delivers("staging", "--revision", first, *IMAGES)
    clone.delivers("production", "--revision", first, *IMAGES)
    # The next release: another chart, another worker.
    values = clone.root / "helm/sparkify/values.yaml"
    text = values.read_text()
    assert 'schedule: "15 * * * *"' in text
    values.write_text(text.replace('schedule: "15 * * * *"', 'schedule: "45 * * * *"'))
    second = clone.commit("Clean up later")
    clone.delivers("staging", "--revision", second, "--worker", LATER, "--airflow", AIRFLOW)
    main = clone.git("rev-parse", "HEAD")
    clone.has("gh", f"{NO_REQUEST}\n{KEEP_BODY}")

    assert clone.delivery("promote").code == 0
    done = clone.delivery("propose", "production")
    assert (done.code, done.log) == (0, "")
    title = f"Deliver {second[:12]} to production"
    assert done.out == f"opened a pull request: {title}\n"

    # The branch at the origin: main, and one commit of just production's files.
    origin = clone.folder / "origin"
    assert clone.git("rev-parse", "delivery/production^", at=origin) == main
    assert clone.git("log", "-1", "--format=%s|%an", "delivery/production", at=origin) == (
        f"{title}|github-actions[bot]"
    )
    assert clone.git("diff", "--name-only", "main", "delivery/production", at=origin).splitlines() == [
        "gitops/production/application.yaml",
        "gitops/production/source.yaml",
        "gitops/production/values.yaml",
    ]
    assert clone.told("gh") == [
        "auth setup-git",
        "pr list --head delivery/production --base main --state open --json number --jq .[].number",
        f"pr create --base main --head delivery/production --title {title} --body-file -",
        "workflow run test.yml --ref delivery/production",
    ]
    body = (clone.folder / "body").read_text()
    assert body.startswith(f"Chart of {second}\n\n- `{LATER}`\n- `{AIRFLOW}`\n")
    assert "-  schedule: 15 * * * *\n+  schedule: 45 * * * *\n" in body
    assert "--- before: CronJob sparkify-jobs/" in body or "--- before: CronJob " in body
    assert f"-    image: {WORKER}\n+    image: {LATER}\n" in body
    # Nothing that stays is in it.
    assert "before: NetworkPolicy" not in body


@pytest.mark.usefixtures("rendering")
def test_a_second_proposal_renews_the_request_that_is_open(clone: Clone) -> None:
    revision = clone.git("rev-parse", "HEAD")
    clone.has("gh", NO_REQUEST)
    clone.delivery("record", "staging", "--revision", revision, *IMAGES)
    assert clone.delivery("propose", "staging").code == 0
    clone.git("switch", "--quiet", "main")
    clone.has("gh", ONE_REQUEST)
    clone.delivery("record", "staging", "--revision", revision, "--worker", LATER, "--airflow", AIRFLOW)
    done = clone.delivery("propose", "staging")
    title = f"Deliver {revision[:12]} to staging"
    assert done.out == f"renewed pull request 7: {title}\n"
    assert f"pr edit 7 --title {title} --body-file -" in clone.told("gh")
    there = clone.git("show", "delivery/staging:gitops/staging/values.yaml", at=clone.folder / "origin")
    assert LATER in there
    assert WORKER not in there


def test_what_runs_already_is_not_proposed(clone: Clone) -> None:
    clone.delivers("staging", "--revision", "1" * 40, *IMAGES)
    clone.has("gh")
    done = clone.delivery("propose", "staging")
    assert (done.code, done.out) == (0, f"staging runs {'1' * 12} already\n")
    assert clone.told("gh") == []


@pytest.mark.usefixtures("rendering")
def test_a_proposal_that_github_refuses_is_one_line(clone: Clone) -> None:
    clone.has(
        "gh",
        '[ "$1 $2" = "pr create" ] && { echo "Resource not accessible by integration" >&2; exit 1; }\ntrue',
    )
    clone.delivery("record", "staging", "--revision", clone.git("rev-parse", "HEAD"), *IMAGES)
    done = clone.delivery("propose", "staging")
    assert done.code == 1
    assert done.log == (
        "python -m delivery propose: the pull request is refused: Resource not accessible by integration\n"
    )


@pytest.mark.usefixtures("rendering")
def test_a_revert_brings_back_the_release_before(clone: Clone) -> None:
    revision = clone.git("rev-parse", "HEAD")
    clone.delivers("production", "--revision", revision, *IMAGES)
    clone.delivers("production", "--revision", revision, "--worker", LATER, "--airflow", AIRFLOW)
    clone.git("revert", "--no-edit", "HEAD")
    assert f"worker={WORKER}\n" in clone.delivery("show", "production").out
    difference = clone.delivery("difference", "production", "--base", "HEAD~1").out
    assert f"-    image: {LATER}\n+    image: {WORKER}\n" in difference


@pytest.mark.usefixtures("rendering")
def test_the_difference_of_a_chart_that_does_not_render_says_why(clone: Clone) -> None:
    schema = clone.root / "gitops/staging/values.yaml"
    schema.write_text(schema.read_text() + "unheard: of\n")
    clone.delivery("record", "staging", "--revision", clone.git("rev-parse", "HEAD"), *IMAGES)
    done = clone.delivery("difference", "staging")
    assert done.code == 1
    assert "unheard" in done.log
    assert len(done.log.splitlines()) == 1


def test_a_revision_that_the_clone_lacks_is_named(clone: Clone) -> None:
    clone.delivery("record", "staging", "--revision", "1" * 40, *IMAGES)
    done = clone.delivery("difference", "staging")
    assert done.code == 1
    assert done.log == (
        f"python -m delivery difference: helm/sparkify of {'1' * 40} is not in this clone: "
        f"git fetch origin {'1' * 40}\n"
    )


@pytest.mark.usefixtures("rendering")
def test_a_long_difference_is_cut_to_what_github_takes(clone: Clone) -> None:
    # A chart that makes more than a pull request's text may hold.
    many = clone.root / "helm/sparkify/templates/many.yaml"
    row = "x" * 90
    many.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: many}\ndata:\n"
        + "".join(f"  row{number:04}: {row}\n" for number in range(900))
    )
    clone.has("gh", KEEP_BODY)
    clone.delivery("record", "staging", "--revision", clone.commit("Grow"), *IMAGES)
    assert clone.delivery("propose", "staging").code == 0
    body = (clone.folder / "body").read_text()
    assert 60_000 < len(body) < 65_536
    assert body.endswith("````\n\nThe rest was cut; `python -m delivery difference` prints all of it.\n")


@pytest.mark.usefixtures("rendering")
def test_no_value_of_a_secret_is_shown(clone: Clone) -> None:
    secret = clone.root / "helm/sparkify/templates/secret.yaml"
    secret.write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n")
    clone.delivery("record", "staging", "--revision", clone.commit("Add a secret"), *IMAGES)
    done = clone.delivery("difference", "staging")
    assert "+  password: (not shown)" in done.out
    assert "hunter2" not in done.out


def test_it_starts_only_from_a_clone(clone: Clone, tmp_path: Path) -> None:
    done = clone.run(
        "sh", "-c", f'cd {tmp_path} && exec "$0" -m delivery show staging', __import__("sys").executable
    )
    assert done.code == 64
    assert done.log == f"python -m delivery show: {tmp_path} has no gitops/: start from the root of a clone\n"
