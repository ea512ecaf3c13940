"""Collects what the worker's image holds from the base that it is built on: Python, and what Python loads.

python3 rootfs.py ROOT VENV: the interpreter that runs this, its standard library, the shared libraries that
these and the packages in VENV are linked with, the certificate authorities. No shell, no package manager:
what is not there needs no update and serves no intruder.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

# Parts of the standard library that nothing at work needs, and what is left of the base's own packages.
UNUSED = (
    *("ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo", "venv"),
    *("_tkinter*", "_test*", "_ctypes_test*", "_xx*", "xxlimited*"),
    *("config-*", "dist-packages", "site-packages", "__pycache__", "*.a", "EXTERNALLY-MANAGED"),
)

# Opened by name at run time, so no program is linked with it: a thread that ends needs it.
OPENED_LATER = "libgcc_s.so.1"

# Where the dynamic linker finds libraries that are in no folder it knows by itself, such as /usr/local/lib.
LINKER_CACHE = Path("/etc/ld.so.cache")

AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

USER = "65532:65532"

TEXTS = {
    "etc/passwd": f"root:x:0:0:root:/root:/sbin/nologin\nsparkify:x:{USER}:sparkify:/tmp:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nsparkify:x:{USER.split(':')[1]}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def main(root: Path, venv: Path) -> None:
    interpreter = Path(sys.executable)
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, below(root, library), ignore=shutil.ignore_patterns(*UNUSED))
    copy(root, interpreter)
    programs = [interpreter, *below(root, library).rglob("*.so"), *venv.rglob("*.so*")]
    for shared in linked(programs):
        if not shared.is_relative_to(venv):
            copy(root, shared)
    copy(root, found(OPENED_LATER))
    copy(root, LINKER_CACHE)
    copy(root, AUTHORITIES)
    for name, text in TEXTS.items():
        (root / name).write_text(text)


def below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def copy(root: Path, path: Path) -> None:
    """The file itself, where a symbolic link is also known by this name."""
    target = below(root, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path.resolve(strict=True), target)


def linked(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries that these are linked with, and those that the libraries are."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True).stdout  # noqa: S607
    missing = sorted(set(re.findall(r"(\S+) => not found", said)))
    if missing:
        sys.exit(f"not in the base image: {', '.join(missing)}")
    return {Path(os.path.normpath(path)) for path in re.findall(r"(/\S+) \(0x", said)}


def found(name: str) -> Path:
    """Where the dynamic linker finds a library."""
    known = subprocess.run(["/sbin/ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    path = re.search(rf"^\s*{re.escape(name)} .*=> (/\S+)$", known, re.M)
    if path is None:
        sys.exit(f"not in the base image: {name}")
    return Path(path[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
