"""The pods that the DAGs launch: every setting of a pod is in `worker`."""

import os
import re
from datetime import timedelta

from kubernetes.client import models as k8s
from notices import FailureNotifier
from worker_pod import WorkerPodOperator

# The day that a run loads: the one whose end started it.
DAY = "{{ data_interval_start | ds }}"

# Objects of the pods' namespace that the deployment makes; known here by their names alone.
SERVICE_ACCOUNT = "sparkify-worker"
CONFIG_MAP = "sparkify-worker"
SECRET = "sparkify-worker"  # noqa: S105 (the name of the Secret, not what is in it)
AUTHORITIES = "sparkify-worker-ca"  # a ConfigMap that need not be there

# The worker's exit codes that Airflow acts upon. All others (75: a passing failure, 143: terminated,
# 137: out of memory) are retried.
NOTHING_TO_DO = 99
DATA_FAILURE = 1
USAGE = 64


def worker(*command: str, day: str | None = None) -> WorkerPodOperator:
    """A task that runs `sparkify COMMAND [--date DAY] --run RUN_ID` in a pod of its own.

    Raises:
        ValueError: SPARKIFY_WORKER_IMAGE names no image by its digest.
    """
    step = "_".join(command)
    return WorkerPodOperator(
        task_id=step,
        name=f"sparkify-{'-'.join(command)}",  # the operator adds a random end: a retry meets no namesake
        namespace=os.environ.get("SPARKIFY_WORKER_NAMESPACE", "sparkify-jobs"),
        in_cluster=True,  # without it and without a connection, the client looks for a kubeconfig file
        # What runs. The image owns its entrypoint; by digest, so that a rerun runs the same code.
        image=_image(),
        image_pull_policy="IfNotPresent",  # a digest never changes its content
        arguments=[*command, *(["--date", day] if day else []), "--run", "{{ run_id }}"],
        # Settings by reference: values set here would show in Airflow's rendered templates and logs.
        env_from=[
            k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(name=CONFIG_MAP)),
            k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=SECRET)),
        ],
        # For `kubectl get pods -l sparkify/day=2018-11-03`. The operator finds its pod again by its labels,
        # so each must render the same at every try; but what was cleared is to run again.
        labels={
            "sparkify/step": step,
            **({"sparkify/day": day} if day else {}),
            "sparkify/cleared": "{{ dag_run.clear_number }}",
        },
        # What it may do: read S3 and reach the warehouse as its service account, and nothing in the cluster.
        # Cloud credentials come as a volume of their own and do not need the cluster's token.
        service_account_name=SERVICE_ACCOUNT,
        automount_service_account_token=False,
        security_context=k8s.V1PodSecurityContext(
            run_as_non_root=True, seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault")
        ),
        container_security_context=k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
        ),
        volumes=[
            k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource(size_limit="1Gi")),
            k8s.V1Volume(name="ca", config_map=k8s.V1ConfigMapVolumeSource(name=AUTHORITIES, optional=True)),
        ],
        volume_mounts=[
            k8s.V1VolumeMount(name="tmp", mount_path="/tmp"),  # noqa: S108 (the pod's own)
            # Authorities to be trusted beside the usual ones; SSL_CERT_FILE in the ConfigMap points here.
            k8s.V1VolumeMount(name="ca", mount_path="/etc/sparkify/ca", read_only=True),
        ],
        # Memory is bounded at any size of day; request = limit, so the node never has to take it back.
        # No CPU limit: it would only throttle.
        container_resources=k8s.V1ResourceRequirements(
            requests={"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "1Gi"},
            limits={"memory": "512Mi", "ephemeral-storage": "1Gi"},
        ),
        annotations={"karpenter.sh/do-not-disrupt": "true"},  # moving a pod costs a try
        # How long. A node may have to be made for the pod, then the image pulled.
        schedule_timeout_seconds=600,
        startup_timeout_seconds=300,
        startup_check_interval_seconds=1,  # the default of 5 would be most of a short step's time
        execution_timeout=timedelta(hours=2),
        active_deadline_seconds=2 * 60 * 60 + 300,  # the cluster's own, for when Airflow is down
        termination_grace_period=120,  # the worker cancels its statement, and the warehouse rolls back
        # How it ends. Finished pods stay for `kubectl logs`; one that still runs is deleted, so that it
        # does not work beside its own retry.
        on_finish_action="delete_active_pod",
        skip_on_exit_code=NOTHING_TO_DO,
        fail_on_exit_code=(DATA_FAILURE, USAGE),
        # By default 2, 4, 8 and 16 minutes: time for a warehouse to come back, and for late files.
        retries=4,
        retry_delay=timedelta(seconds=_retry_seconds()),
        retry_exponential_backoff=2,
        max_retry_delay=timedelta(minutes=30),
        # What is told: the worker's lines as they are; the last of them become the task's error.
        container_name_log_prefix_enabled=False,
        termination_message_policy="FallbackToLogsOnError",
        log_events_on_failure=True,  # the only place that says OOMKilled or Evicted
        log_pod_spec_on_failure=False,  # long, and nobody's business
        on_failure_callback=FailureNotifier(),  # once no retry is left
        do_xcom_push=False,  # results are in the warehouse; a sidecar would need the right to exec
        # A deferred task whose pod ends at once may be marked failed (apache/airflow#72716); a waiting one
        # costs a process, of which a day needs two at most.
        deferrable=False,
    )


def _image() -> str:
    image = os.environ.get("SPARKIFY_WORKER_IMAGE", "")
    if not re.fullmatch(r"[^\s@]+@sha256:[0-9a-f]{64}", image):
        raise ValueError(f"SPARKIFY_WORKER_IMAGE={image!r} is not of the form repository@sha256:digest")
    return image


def _retry_seconds() -> int:
    seconds = os.environ.get("SPARKIFY_RETRY_SECONDS", "120")
    if not seconds.isdecimal() or int(seconds) == 0:
        raise ValueError(f"SPARKIFY_RETRY_SECONDS={seconds!r} is not a whole number of seconds")
    return int(seconds)
