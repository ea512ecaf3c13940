"""The table of behaviours in the sandbox's README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.sandbox_only

HERE = Path(__file__).parent
README = HERE.parent.parent / "sandbox" / "README.md"


def test_every_test_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", README.read_text()))
    defined = {
        name
        for file in HERE.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    assert len(named) > 50
    assert named - defined == set()
