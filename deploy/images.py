"""The three images: built from this checkout, pushed, and named by digest from then on."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy import tools
from deploy.errors import DeployError, UsageError
from deploy.settings import Settings

ROOT = Path(__file__).parent.parent

# 1980-01-01 UTC. The builder writes it where it would write the time, so the same files give the same digest.
_EPOCH = "315532800"

_FOLDERS = {"worker": "worker_image", "airflow": "dags", "sandbox": "sandbox"}

_REFERENCE = re.compile(r"\S+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Images:
    """References by digest."""

    worker: str
    airflow: str
    sandbox: str


def check_registry(settings: Settings) -> None:
    """Raises UsageError when nothing says where to push the images."""
    if not settings.push and settings.registry is None:
        raise UsageError("set REGISTRY to a registry that the cluster pulls from, as in REGISTRY=ghcr.io/you")


def build_and_push(settings: Settings) -> Images:
    """Build the images and push them to where the cluster pulls from.

    Raises:
        DeployError: docker is missing or does not answer; an image can be neither built nor pushed.
        UsageError: nothing says where to push.
    """
    check_registry(settings)
    docker = tools.program(settings.docker)
    tools.must("docker does not answer", docker, "version", "--format", "{{.Server.Version}}")
    return Images(**{name: push(settings, docker, build(settings, docker, name)) for name in _FOLDERS})


def build(settings: Settings, docker: str, name: str) -> str:
    """Build the image of this name; its tag on this machine. Raises DeployError."""
    _say(f"building the image {name}")
    tag = f"sparkify/{name}:dev"
    dockerfile = ROOT / _FOLDERS[name] / "Dockerfile"
    base = settings.base_airflow if name == "airflow" else settings.base_python
    environment = {
        **os.environ,
        "DOCKER_BUILDKIT": "1",
        "SOURCE_DATE_EPOCH": _EPOCH,
        # They name the time and the machine of the build, and so give each image another digest.
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }
    base_argument = ("--build-arg", f"BASE={base}") if base else ()
    built = tools.show(
        *(docker, "build", "--file", str(dockerfile), "--tag", tag),
        *(*settings.build_options, *base_argument, str(ROOT)),
        environment=environment,
    )
    if not built:
        raise DeployError(f"{dockerfile.relative_to(ROOT)} could not be built; docker says why above")
    return tag


def push(settings: Settings, docker: str, tag: str, pushed_as: str = "dev") -> str:
    """Push an image to where the cluster pulls from; its reference by digest.

    `pushed_as` is its tag in the registry; PUSH chooses its own.

    Raises:
        DeployError: it cannot be pushed.
        UsageError: PUSH does not say the digest.
    """
    if settings.push:
        said = tools.must(f"{tag} could not be pushed by {settings.push[0]}", *settings.push, tag)
        if not _REFERENCE.fullmatch(said.strip()):
            raise UsageError(
                f"PUSH must print the reference by digest; for {tag} it printed {said.strip()!r}"
            )
        _say(f"pushed {said.strip()}")
        return said.strip()
    repository = f"{settings.registry}/{tag.partition(':')[0]}"
    tools.must(f"{tag} could not be tagged", docker, "tag", tag, f"{repository}:{pushed_as}")
    said = tools.must(
        f"{tag} could not be pushed to {settings.registry}", docker, "push", f"{repository}:{pushed_as}"
    )
    digest = re.search(r"digest: (sha256:[0-9a-f]{64})", said)
    if digest is None:
        raise DeployError(f"docker pushed {tag} without telling its digest")
    _say(f"pushed {repository}@{digest[1]}")
    return f"{repository}@{digest[1]}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
