"""Secrets that the sandbox is given, as files of a folder: so Kubernetes mounts them."""

from __future__ import annotations

from pathlib import Path

from redshift_sandbox.errors import SandboxError


class Given:
    """The secrets in `folder`, each a file named after it. Without a folder nothing is given."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None and not folder.is_dir():
            raise SandboxError(f"{folder} is not a folder of secrets")
        self.folder = folder

    def text(self, name: str) -> str | None:
        """What the file holds, or None where there is none. Raises SandboxError when it is empty."""
        (text,) = self.texts(name) or (None,)
        return text

    def texts(self, *names: str) -> tuple[str, ...] | None:
        """What files that belong together hold, or None where there are none. Raises SandboxError."""
        files = self.files(*names)
        if files is None:
            return None
        texts = tuple(file.read_text().strip() for file in files)
        for file, text in zip(files, texts, strict=True):
            if not text:
                raise SandboxError(f"{file} is empty")
        return texts

    def files(self, *names: str) -> tuple[Path, ...] | None:
        """Files that belong together, or None where there are none.

        Raises SandboxError when only some are there.
        """
        if self.folder is None:
            return None
        files = tuple(self.folder / name for name in names)
        missing = [file for file in files if not file.exists()]
        if len(missing) == len(files):
            return None
        if missing:
            there = next(file for file in files if file not in missing)
            raise SandboxError(f"{missing[0]} is missing, which belongs to {there.name}")
        return files
