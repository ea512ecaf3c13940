"""The images of a release: built once for a commit, pushed under a tag that never moves."""

import re

from delivery.release import Release
from deploy import images, tools
from deploy.errors import DeployError, UsageError
from deploy.settings import Settings

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def publish(settings: Settings, revision: str) -> Release:
    """Build and push the images of the checkout, unless the registry has the commit's already.

    Raises:
        DeployError: an image can be neither built nor pushed.
        UsageError: nothing says where to push, or the revision is no commit.
    """
    if settings.registry is None:
        raise UsageError("set REGISTRY to the registry that the images are pushed to")
    docker = tools.program(settings.docker)
    pushed = {}
    for name in ("worker", "airflow"):
        repository = f"{settings.registry}/sparkify/{name}"
        digest = _there(docker, f"{repository}:{revision}")
        if digest is None:
            local = images.build(settings, docker, name)
            pushed[name] = images.push(settings, docker, local, revision)
        else:
            pushed[name] = f"{repository}@{digest}"
    return Release.of(revision, **pushed)


def _there(docker: str, reference: str) -> str | None:
    """The digest of an image in the registry; None when the tag is not there.

    Raises:
        DeployError: the registry does not answer, or refuses.
    """
    answer = tools.ask(
        docker, "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", reference
    )
    digest = answer.stdout.strip()
    if answer.returncode == 0 and _DIGEST.fullmatch(digest):
        return digest
    if answer.returncode != 0 and "not found" in answer.stderr.lower():
        return None
    raise DeployError(f"the registry does not tell whether it has {reference}: {tools.last_line(answer)}")
