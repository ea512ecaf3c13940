"""A release's images: pushed once, scanned, signed, verified, with stand-ins for what reaches the world."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.delivery.conftest import ROOT, Clone
from tests.delivery.test_releases import AIRFLOW, WORKER

SCRIPTS = ROOT / ".github/scripts"
REVISION = "1" * 40
REGISTRY = "registry.example/team"
BUILT, THERE = f"sha256:{'d' * 64}", f"sha256:{'e' * 64}"


def docker(inspect: str) -> str:
    """A docker that pushes; `inspect` is what it does when asked for an image of the registry."""
    return f"""
case "$*" in
  "buildx imagetools inspect"*) {inspect} ;;
  "push "*) echo "digest: {BUILT} size: 1990" ;;
esac"""


NOT_THERE = 'echo "ERROR: $6: not found" >&2; exit 1'


def test_a_commits_images_are_pushed_under_its_name(clone: Clone) -> None:
    clone.has("docker", docker(NOT_THERE))
    done = clone.delivery("publish", "--revision", REVISION, REGISTRY=REGISTRY)
    assert done.code == 0, done.log
    assert done.out == (
        f"revision={REVISION}\n"
        f"worker={REGISTRY}/sparkify/worker@{BUILT}\n"
        f"airflow={REGISTRY}/sparkify/airflow@{BUILT}\n"
    )
    assert [line for line in clone.told("docker") if line.startswith("push")] == [
        f"push {REGISTRY}/sparkify/worker:{REVISION}",
        f"push {REGISTRY}/sparkify/airflow:{REVISION}",
    ]


def test_images_that_are_there_are_taken_as_they_are(clone: Clone) -> None:
    # The tags are immutable: a second push of a rerun would be refused.
    clone.has("docker", docker(f"echo {THERE}"))
    done = clone.delivery("publish", "--revision", REVISION, REGISTRY=REGISTRY)
    assert f"worker={REGISTRY}/sparkify/worker@{THERE}\n" in done.out
    assert [line.split()[0] for line in clone.told("docker")] == ["buildx", "buildx"]


def test_a_registry_that_does_not_answer_is_not_taken_for_one_without_the_image(clone: Clone) -> None:
    clone.has("docker", docker('echo "ERROR: unexpected status: 401 Unauthorized" >&2; exit 1'))
    done = clone.delivery("publish", "--revision", REVISION, REGISTRY=REGISTRY)
    assert done.code == 1
    assert done.log == (
        "python -m delivery publish: the registry does not tell whether it has "
        f"{REGISTRY}/sparkify/worker:{REVISION}: ERROR: unexpected status: 401 Unauthorized\n"
    )


def test_publishing_wants_a_registry(clone: Clone) -> None:
    done = clone.delivery("publish", "--revision", REVISION, REGISTRY="")
    assert (done.code, done.log) == (
        64,
        "python -m delivery publish: set REGISTRY to the registry that the images are pushed to\n",
    )


def test_a_scan_writes_the_bill_of_materials_and_fails_on_what_an_update_removes(clone: Clone) -> None:
    clone.has("syft")
    clone.has("grype")
    assert clone.run(SCRIPTS / "scan-image", WORKER, "bills").code == 0
    assert clone.told("syft") == [f"scan {WORKER} --quiet --output spdx-json=bills/worker.spdx.json"]
    assert clone.told("grype") == ["sbom:bills/worker.spdx.json --fail-on high --only-fixed"]
    clone.has("grype", "exit 2")
    assert clone.run(SCRIPTS / "scan-image", AIRFLOW, "bills").code == 2


def test_an_image_is_attested_and_then_signed_without_a_key(clone: Clone) -> None:
    clone.has("cosign", '[ "$1" != verify ]')
    done = clone.run(SCRIPTS / "sign-image", WORKER, "bills", GITHUB_REPOSITORY="team/sparkify")
    assert done.code == 0, done.log
    assert clone.told("cosign")[1:] == [
        f"attest --yes --type spdxjson --predicate bills/worker.spdx.json {WORKER}",
        f"sign --yes {WORKER}",
    ]


def test_an_image_that_is_signed_is_not_signed_again(clone: Clone) -> None:
    clone.has("cosign")
    done = clone.run(SCRIPTS / "sign-image", WORKER, "bills", GITHUB_REPOSITORY="team/sparkify")
    assert (done.code, done.out) == (0, f"{WORKER} is signed already\n")
    assert [line.split()[0] for line in clone.told("cosign")] == ["verify"]


def test_an_image_that_cannot_be_attested_is_not_signed(clone: Clone) -> None:
    clone.has("cosign", "exit 1")
    assert clone.run(SCRIPTS / "sign-image", WORKER, "bills", GITHUB_REPOSITORY="team/sparkify").code == 1
    assert [line.split()[0] for line in clone.told("cosign")] == ["verify", "attest"]


def test_only_the_workflow_of_main_is_an_accepted_signer(clone: Clone) -> None:
    clone.has("cosign")
    assert clone.run(SCRIPTS / "verify-image", WORKER, GITHUB_REPOSITORY="team/sparkify").code == 0
    assert clone.told("cosign") == [
        "verify --certificate-oidc-issuer https://token.actions.githubusercontent.com --certificate-identity "
        f"https://github.com/team/sparkify/.github/workflows/deliver.yml@refs/heads/main {WORKER}"
    ]
    clone.has("gh")
    done = clone.run(SCRIPTS / "verify-provenance", WORKER, REVISION, GITHUB_REPOSITORY="team/sparkify")
    assert done.code == 0
    assert clone.told("gh") == [
        f"attestation verify oci://{WORKER} --repo team/sparkify --signer-workflow "
        f"team/sparkify/.github/workflows/deliver.yml --source-ref refs/heads/main --source-digest {REVISION}"
    ]


def test_a_release_is_verified_when_each_image_is(clone: Clone) -> None:
    clone.has("cosign")
    clone.has("gh")
    verify = (SCRIPTS / "verify-release", REVISION, WORKER, AIRFLOW)
    assert clone.run(*verify, GITHUB_REPOSITORY="team/sparkify").code == 0
    assert [line.split()[-1] for line in clone.told("cosign")] == [WORKER, AIRFLOW]
    assert [(line.split()[2], line.split()[-1]) for line in clone.told("gh")] == [
        (f"oci://{WORKER}", REVISION),
        (f"oci://{AIRFLOW}", REVISION),
    ]


@pytest.mark.parametrize("program", ["cosign", "gh"])
@pytest.mark.parametrize("image", [WORKER, AIRFLOW], ids=["worker", "airflow"])
def test_a_release_of_which_one_image_is_not_verified_fails(clone: Clone, program: str, image: str) -> None:
    clone.has("cosign")
    clone.has("gh")
    clone.has(program, f'case "$*" in *{image}*) exit 1 ;; esac')
    verify = (SCRIPTS / "verify-release", REVISION, WORKER, AIRFLOW)
    assert clone.run(*verify, GITHUB_REPOSITORY="team/sparkify").code == 1


def test_an_attestation_is_told_an_images_name_and_digest_apart(clone: Clone) -> None:
    done = clone.run(SCRIPTS / "image-subjects", f"worker={WORKER}", f"airflow={AIRFLOW}")
    assert (done.code, done.log) == (0, "")
    assert done.out == (
        "worker-name=123456789012.dkr.ecr.eu-west-1.amazonaws.com/sparkify/worker\n"
        f"worker-digest=sha256:{'a' * 64}\n"
        "airflow-name=123456789012.dkr.ecr.eu-west-1.amazonaws.com/sparkify/airflow\n"
        f"airflow-digest=sha256:{'b' * 64}\n"
    )


@pytest.mark.parametrize("image", ["", "sparkify/worker:latest", f"@sha256:{'a' * 64}"])
def test_what_is_no_image_by_digest_is_not_attested(clone: Clone, image: str) -> None:
    done = clone.run(SCRIPTS / "image-subjects", f"worker={image}")
    assert (done.code, done.out) == (1, "")
    assert done.log == f"worker is not an image by its digest: '{image}'\n"


@pytest.mark.parametrize("script", ["verify-image", "verify-provenance"])
def test_what_is_not_verified_fails(clone: Clone, script: str) -> None:
    clone.has("cosign", "exit 1")
    clone.has("gh", "exit 1")
    done = clone.run(SCRIPTS / script, WORKER, REVISION, GITHUB_REPOSITORY="team/sparkify")
    assert done.code == 1


def test_the_logs_of_a_broken_cluster_are_kept_as_far_as_they_can_be_had(clone: Clone) -> None:
    clone.has("kubectl", 'echo "$*"; [ "$1" != describe ]')
    clone.has("kind", "exit 1")
    assert clone.run(SCRIPTS / "cluster-logs", "logs").code == 0
    logs = clone.root / "logs"
    assert {path.name for path in logs.iterdir()} == {
        f"{namespace}{what}"
        for namespace in ("sparkify", "sparkify-jobs")
        for what in ("", "-pods", "-events")
    }
    assert "--sort-by .lastTimestamp" in (logs / "sparkify-jobs-events").read_text()
    assert clone.told("kind") == ["export logs --name sparkify logs/kind"]


def test_every_base_image_is_pulled_by_its_digest(clone: Clone) -> None:
    clone.has("docker")
    assert clone.run(SCRIPTS / "pull-bases").code == 0
    pulled = clone.told("docker")
    assert len(pulled) == 2  # worker and sandbox share theirs
    for line in pulled:
        assert line.startswith("pull --quiet docker.io/")
        assert "@sha256:" in line


# A go that has downloaded each module, with the checksum that is wanted, or with another one.
GO = """
[ "$1" = mod ] || exit 0
echo '{{'
echo '	"Dir": "'"$HOME"'",'
echo '	"Sum": "'"{checksum}"'",'
echo '	"GoModSum": "h1:other="'
echo '}}'"""
PROMETHEUS = SCRIPTS / "prometheus-tools"


def test_prometheus_tools_are_built_from_modules_by_version_and_checksum(clone: Clone) -> None:
    clone.has("go", GO.format(checksum=f"""$(sed -n "s|.* $4 ||p" {PROMETHEUS})"""))
    done = clone.run(PROMETHEUS, "tools")
    assert done.code == 0, done.log
    folder = clone.root / "tools"
    assert clone.told("go") == [
        "mod download -json github.com/prometheus/prometheus@v0.305.0",
        f"build -tags remove_all_sd -o {folder}/promtool ./cmd/promtool",
        "mod download -json github.com/prometheus/statsd_exporter@v0.30.0",
        f"build -tags remove_all_sd -o {folder}/statsd_exporter .",
    ]


def test_a_module_that_is_not_what_it_was_is_not_built(clone: Clone) -> None:
    clone.has("go", GO.format(checksum="h1:another="))
    done = clone.run(PROMETHEUS, "tools")
    assert done.code == 1
    assert done.log.startswith("github.com/prometheus/prometheus@v0.305.0 is not what it was: h1:another= ")
    assert [line.split()[0] for line in clone.told("go")] == ["mod"]


def test_the_schemas_of_both_controllers_are_fetched_by_commit(clone: Clone, tmp_path: Path) -> None:
    clone.has("curl")
    assert clone.run(SCRIPTS / "controller-schemas", str(tmp_path / "schemas")).code == 0
    from tests.delivery.test_gitops import SCHEMAS

    assert {line.rpartition("/")[2] for line in clone.told("curl")} == set(SCHEMAS.values())
