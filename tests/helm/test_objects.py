"""Rules for everything that the chart makes, Airflow's own objects included."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes_validate
import pytest

from sparkify import cli
from tests.helm.rendering import JOBS, NAMESPACE, RELEASE, Objects, Pod, namespace, render

BY_DIGEST = r"[^@\s]+@sha256:[0-9a-f]{64}"

# Who needs the cluster's token: tasks launch pods from the scheduler's, the clean-up deletes them.
WITH_TOKEN = {"sparkify-scheduler", "sparkify-cleanup"}

KUBERNETES = "1.35"
NOT_KUBERNETES = {"ExternalSecret"}  # of External Secrets Operator


def test_every_object_is_as_its_schema_wants_it(objects: Objects) -> None:
    for each in objects.all:
        if each["kind"] not in NOT_KUBERNETES:
            kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_no_object_has_the_name_of_another(objects: Objects) -> None:
    keys = [(each["kind"], namespace(each), each["metadata"]["name"]) for each in objects.all]
    assert sorted(set(keys)) == sorted(keys)


def test_every_object_lies_in_one_of_the_two_namespaces(objects: Objects) -> None:
    assert {namespace(each) for each in objects.all} == {NAMESPACE, JOBS}


def test_every_image_is_named_by_its_digest(objects: Objects) -> None:
    images = {container["image"] for pod in objects.pods() for container in pod.containers}
    assert images
    assert [image for image in images if not re.fullmatch(BY_DIGEST, image)] == []


def _security(pod: Pod, container: dict) -> dict:
    return {**pod.spec.get("securityContext", {}), **container.get("securityContext", {})}


def test_every_pod_is_as_pod_security_restricted_wants_it(objects: Objects) -> None:
    for pod in objects.pods():
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec), pod.name
        for container in pod.containers:
            security = _security(pod, container)
            where = (pod.name, container["name"])
            assert security.get("runAsNonRoot") is True, where
            assert security.get("runAsUser") != 0, where
            assert security.get("seccompProfile") == {"type": "RuntimeDefault"}, where
            assert security.get("allowPrivilegeEscalation") is False, where
            assert security.get("capabilities") == {"drop": ["ALL"]}, where
            assert not security.get("privileged"), where
            assert not [port for port in container.get("ports", []) if "hostPort" in port], where
        allowed = {"configMap", "secret", "emptyDir", "projected", "persistentVolumeClaim"}
        assert {*(key for volume in pod.spec.get("volumes", []) for key in volume)} <= {"name", *allowed}, (
            pod.name
        )


def test_our_own_pods_cant_write_to_their_images(kind: Objects) -> None:
    containers = [(pod.name, each) for pod in kind.pods() for each in pod.containers]
    assert {name for name, _ in containers} == {
        "sparkify-cleanup",
        "sparkify-metadata",
        "sparkify-migrate-1-00000000",
        "sparkify-sandbox",
        "sparkify-test",
    }
    for name, container in containers:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name


def test_every_container_says_what_it_needs_and_its_memory_is_limited(objects: Objects) -> None:
    for pod in objects.pods():
        for container in pod.containers:
            resources = container.get("resources") or {}
            assert {"cpu", "memory"} <= set(resources.get("requests", {})), (pod.name, container["name"])
            assert "memory" in resources.get("limits", {}), (pod.name, container["name"])


def test_only_who_needs_it_has_the_clusters_token(objects: Objects) -> None:
    accounts = {
        (namespace(each), each["metadata"]["name"]): each.get("automountServiceAccountToken", True)
        for each in objects.of("ServiceAccount")
    }
    for pod in objects.pods():
        account = pod.spec.get("serviceAccountName", "default")
        by_account = accounts.get((pod.namespace, account), True)
        if pod.spec.get("automountServiceAccountToken", by_account):
            assert account in WITH_TOKEN, pod.name


def test_every_pods_service_account_is_made(objects: Objects) -> None:
    wanted = {
        (pod.namespace, pod.spec["serviceAccountName"])
        for pod in objects.pods()
        if "serviceAccountName" in pod.spec
    }
    assert wanted <= objects.names("ServiceAccount")


def test_no_pod_is_told_of_every_service(objects: Objects) -> None:
    assert [pod.name for pod in objects.pods() if pod.spec.get("enableServiceLinks") is not False] == []


def test_no_secret_is_written_into_a_pod(objects: Objects) -> None:
    secret = re.compile(r"PASSWORD|SECRET|FERNET|_KEY$|SQL_ALCHEMY_CONN")
    for pod in objects.pods():
        for container in pod.containers:
            for variable in container.get("env") or []:
                if secret.search(variable["name"]):
                    assert set(variable["valueFrom"]) == {"secretKeyRef"}, (pod.name, variable["name"])


def test_airflow_may_launch_pods_and_nothing_else(objects: Objects) -> None:
    assert objects.of("ClusterRole") + objects.of("ClusterRoleBinding") == []
    rules = {
        (namespace(role), role["metadata"]["name"]): {
            (resource, verb)
            for rule in role["rules"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        for role in objects.of("Role")
        if role["rules"]  # Airflow's clean-up of its database has a Role that allows nothing
    }
    assert rules == {
        (JOBS, "sparkify-launcher"): {
            *(("pods", verb) for verb in ("create", "get", "list", "watch", "patch", "delete")),
            ("pods/log", "get"),
            ("events", "list"),
            ("events", "watch"),
        },
        (JOBS, "sparkify-cleanup"): {("pods", "list"), ("pods", "delete")},
    }
    subjects = {
        binding["roleRef"]["name"]: [(each["namespace"], each["name"]) for each in binding["subjects"]]
        for binding in objects.of("RoleBinding")
        if (namespace(binding), binding["roleRef"]["name"]) in rules
    }
    assert subjects == {
        "sparkify-launcher": [(NAMESPACE, "sparkify-scheduler")],
        "sparkify-cleanup": [(NAMESPACE, "sparkify-cleanup")],
    }


def test_a_triggerer_may_launch_pods_too(alone: Path) -> None:
    objects = render(alone, "kind", {"airflow": {"triggerer": {"enabled": True}}})
    subjects = objects.one("RoleBinding", "sparkify-launcher")["subjects"]
    assert [each["name"] for each in subjects] == ["sparkify-scheduler", "sparkify-triggerer"]


def test_the_pods_namespace_enforces_pod_security_restricted(objects: Objects) -> None:
    labels = objects.one("Namespace", JOBS)["metadata"]["labels"]
    security = {name: value for name, value in labels.items() if name.startswith("pod-security")}
    assert security == {
        f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")
    }


def test_a_namespace_that_is_there_already_is_left_alone(alone: Path) -> None:
    assert render(alone, "kind", {"worker": {"namespace": {"create": False}}}).of("Namespace") == []


def test_the_pods_namespace_can_have_another_name(alone: Path, whole: Path) -> None:
    for chart in (alone, whole):
        objects = render(chart, "kind", {"global": {"worker": {"namespace": "elsewhere"}}})
        assert {namespace(each) for each in objects.all} == {NAMESPACE, "elsewhere"}
        assert JOBS not in str(objects.all)


def test_nothing_outlives_the_release(objects: Objects) -> None:
    """Hooks and kept resources are what `helm uninstall` leaves behind."""
    left = {
        each["metadata"]["name"]: annotations
        for each in objects.all
        if (annotations := each["metadata"].get("annotations") or {})
        and {"helm.sh/hook", "helm.sh/resource-policy"} & set(annotations)
    }
    assert set(left) == {f"{RELEASE}-test"}
    assert left[f"{RELEASE}-test"]["helm.sh/hook"] == "test"


def test_the_connection_is_tested_by_helm_on_demand_and_by_argo_cd_after_each_sync(objects: Objects) -> None:
    """Flux runs it as helm does. A pod that failed stays, to be looked at."""
    pod = objects.one("Pod", f"{RELEASE}-test")
    assert pod["metadata"]["annotations"] == {
        "helm.sh/hook": "test",
        "helm.sh/hook-output-log-policy": "hook-failed,hook-succeeded",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
        "argocd.argoproj.io/hook": "PostSync",
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation,HookSucceeded",
    }
    # Argo CD waits for its end: it must have one.
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["activeDeadlineSeconds"] == 300
    (container,) = pod["spec"]["containers"]
    understood = cli.parser().parse_args(container["args"])
    assert (understood.step, understood.run) == ("connect", "helm-test")
    hooks = [
        each["metadata"]["name"]
        for each in objects.all
        if "argocd.argoproj.io/hook" in (each["metadata"].get("annotations") or {})
    ]
    assert hooks == [f"{RELEASE}-test"]


def test_volumes_are_asked_for_only_on_demand_and_go_with_the_release(alone: Path, objects: Objects) -> None:
    assert objects.of("PersistentVolumeClaim") == []
    assert [each for each in objects.of("StatefulSet") if "volumeClaimTemplates" in each["spec"]] == []
    kept = render(alone, "kind", {"sandbox": {"persistence": {"enabled": True, "size": "1Gi"}}})
    for name in ("sparkify-sandbox", "sparkify-metadata"):
        spec = kept.one("StatefulSet", name)["spec"]
        assert [each["spec"]["resources"] for each in spec["volumeClaimTemplates"]] == [
            {"requests": {"storage": "1Gi"}}
        ]
        assert spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
        assert spec["updateStrategy"] == {"type": "RollingUpdate"}


def test_an_upgrade_leaves_a_sandbox_alone_whose_data_it_would_lose(kind: Objects) -> None:
    strategies = {each["metadata"]["name"]: each["spec"]["updateStrategy"] for each in kind.of("StatefulSet")}
    assert strategies == {
        "sparkify-sandbox": {"type": "OnDelete"},
        "sparkify-metadata": {"type": "OnDelete"},
    }


def test_only_the_sandbox_brings_secrets(kind: Objects, eks: Objects) -> None:
    assert kind.names("Secret") == {
        (NAMESPACE, "sparkify-sandbox"),
        (NAMESPACE, "sparkify-metadata"),
        (NAMESPACE, "sparkify-fernet-key"),
        (NAMESPACE, "sparkify-jwt-secret"),
        (NAMESPACE, "sparkify-api-secret-key"),
        (NAMESPACE, "sparkify-airflow-admin"),
        (JOBS, "sparkify-worker"),
    }
    assert eks.names("Secret") == set()


def test_every_secret_that_a_pod_reads_is_made(objects: Objects) -> None:
    made = {
        (namespace(each), each["metadata"]["name"]): set(each["data"]) for each in objects.of("Secret")
    } | {
        (namespace(each), each["metadata"]["name"]): {item["secretKey"] for item in each["spec"]["data"]}
        for each in objects.of("ExternalSecret")
    }
    assert made
    for pod in objects.pods():
        for volume in pod.spec.get("volumes", []):
            if "secret" in volume:
                keys = {item["key"] for item in volume["secret"]["items"]}
                assert keys <= made[pod.namespace, volume["secret"]["secretName"]], pod.name
        for container in pod.containers:
            for variable in container.get("env") or []:
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert reference["key"] in made[pod.namespace, reference["name"]], pod.name
            for source in container.get("envFrom") or []:
                if "secretRef" in source:
                    assert (pod.namespace, source["secretRef"]["name"]) in made, pod.name


@pytest.mark.parametrize(("minutes", "argument"), [(1440, None), (60, {"minCompletedMinutes": 60})])
def test_the_clean_up_keeps_pods_that_ended_lately(alone: Path, minutes: int, argument: dict | None) -> None:
    job = render(alone, "eks", {"cleanup": argument} if argument else {}).one("CronJob", "sparkify-cleanup")
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == [
        "airflow",
        "kubernetes",
        "cleanup-pods",
        f"--namespace={JOBS}",
        f"--min-completed-minutes={minutes}",
    ]
