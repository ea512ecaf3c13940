"""A release, and the lines of gitops/<environment>/ that say which one an environment runs.

Each such line ends with a comment, `# delivered: revision`. The rest of a file is its environment's own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import DeployError, UsageError

ENVIRONMENTS = ("staging", "production")

# Until the first delivery: a controller cannot resolve it, so nothing is installed.
NOTHING = "0" * 40

_DELIVERED = re.compile(
    r"^(?P<head>\s*(?:- )?\w+: )(?P<value>\S+)(?P<tail>\s+# delivered: (?P<part>.+))$", re.M
)
_REVISION = re.compile(r"[0-9a-f]{40}")
_REFERENCE = re.compile(r"[a-z0-9][\w.:/-]*@sha256:[0-9a-f]{64}")

# Which parts each file has: a line that is lost must not pass for a delivery.
_FILES = {
    "values.yaml": ("worker", "airflow repository", "airflow digest"),
    "application.yaml": ("revision",),
    "source.yaml": ("revision",),
}


@dataclass(frozen=True)
class Release:
    """What is delivered as one: the commit whose chart it is, and the two images that were built from it."""

    revision: str  # 40 hexadecimal digits
    worker: str  # by digest, as is the next; both empty until the first delivery
    airflow: str

    @classmethod
    def of(cls, revision: str, worker: str, airflow: str) -> "Release":
        """Raises UsageError unless each names its content, which no later push can change."""
        if not _REVISION.fullmatch(revision):
            raise UsageError(f"{revision!r} is not a commit of 40 hexadecimal digits")
        for image in (worker, airflow):
            if not _REFERENCE.fullmatch(image):
                raise UsageError(f"{image!r} is not an image by digest, as in registry/name@sha256:…")
        return cls(revision, worker, airflow)

    @property
    def short(self) -> str:
        return self.revision[:12]

    def parts(self) -> dict[str, str]:
        repository, _, digest = self.airflow.partition("@")
        return {
            "revision": self.revision,
            "worker": self.worker,
            "airflow repository": repository,
            "airflow digest": digest,
        }


def files(environment: str) -> tuple[str, ...]:
    """The files that name the environment's release, relative to the repository's root."""
    return tuple(f"gitops/{environment}/{name}" for name in _FILES)


def of_files(environment: str, texts: Mapping[str, str]) -> Release | None:
    """The release that the files name, by their paths from `files`; None until the first delivery.

    Raises:
        DeployError: a line is missing or there twice, or the files name different releases.
    """
    found: dict[str, str] = {}
    for path in files(environment):
        lines = list(_DELIVERED.finditer(texts[path]))
        wanted = _FILES[Path(path).name]
        if sorted(line["part"] for line in lines) != sorted(wanted):
            raise DeployError(
                f"{path} must have one line with the comment '# delivered: …' for {', '.join(wanted)}"
            )
        for line in lines:
            value = line["value"].strip('"')
            if found.setdefault(line["part"], value) != value:
                raise DeployError(f"{path} names another {line['part']} than its neighbours: {value}")
    if found["revision"] == NOTHING:
        return None
    return Release.of(
        found["revision"], found["worker"], f"{found['airflow repository']}@{found['airflow digest']}"
    )


def read(root: Path, environment: str) -> Release | None:
    """The release that the environment's files name; None until the first delivery. Raises DeployError."""
    return of_files(environment, {path: (root / path).read_text() for path in files(environment)})


def write(root: Path, environment: str, release: Release) -> None:
    """Have the environment's files name the release; nothing else in them changes. Raises DeployError."""
    read(root, environment)
    quoted = {part: f'"{value}"' for part, value in release.parts().items()}  # a commit may be all digits
    for path in files(environment):
        text = (root / path).read_text()
        (root / path).write_text(
            _DELIVERED.sub(lambda line: f"{line['head']}{quoted[line['part']]}{line['tail']}", text)
        )
