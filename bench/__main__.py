"""`python -m bench [PART …]`: run the parts and write their results into bench/README.md."""

import argparse
import importlib
import os
import platform
import re
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.kubernetes import demand_a_cluster
from bench.setting import Setting
from deploy.errors import DeployError
from redshift_sandbox import running

README = Path(__file__).with_name("README.md")
PARTS = ("songs", "events", "memory", "start", "parse", "days", "checks")
ON_A_CLUSTER = ("outcomes", "cluster")  # minutes each, so only if they are asked for


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"of {', '.join(PARTS)} (default: these), {', '.join(ON_A_CLUSTER)}",
    )
    chosen = parser.parse_args().parts or PARTS
    if unknown := set(chosen) - {*PARTS, *ON_A_CLUSTER}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    for part in chosen:
        print(f"{part} …", flush=True)
        module = importlib.import_module(f"bench.{part}")
        if part in ON_A_CLUSTER:
            try:
                demand_a_cluster()
            except DeployError as missing:
                sys.exit(f"{part} needs a cluster: {missing}")
            result = module.run()
        else:
            with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "state") as endpoint:
                result = module.run(Setting(endpoint, Path(folder)))
        print(result, flush=True)
        _write(part, result)


def _write(part: str, result: str) -> None:
    """Replace what stands between the part's markers."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    text = README.read_text(encoding="utf-8")
    made = (
        f"{begin}\n\n{datetime.now(UTC):%Y-%m-%d}, `make bench PARTS={part}`, {machine}.\n\n{result}\n\n{end}"
    )
    README.write_text(
        re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: made, text, flags=re.DOTALL),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
