"""What README.md says of `make up` is what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from deploy.settings import Settings

README = Path(__file__).parents[2] / "README.md"


def test_every_variable_is_in_the_readme_and_no_other() -> None:
    section = README.read_text().partition("## On Kubernetes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.M)
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(documented) == sorted(field.name.upper() for field in fields(Settings))
