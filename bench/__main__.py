"""`python -m bench [PART …]`: run the parts and write their results into bench/README.md."""

import argparse
import importlib
import os
import platform
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.setting import Setting
from redshift_sandbox import running

README = Path(__file__).with_name("README.md")
PARTS = ("songs", "events", "start", "days")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    chosen = parser.parse_args().parts or PARTS
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    for part in chosen:
        print(f"{part} …", flush=True)
        with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "state") as endpoint:
            result = importlib.import_module(f"bench.{part}").run(Setting(endpoint, Path(folder)))
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
