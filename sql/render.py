"""Writes what comes from the contracts of the sources (sql/staging/<source>/contract.toml): `make contract`.

The columns of staging's create.sql and copy.sql, between two comments, and docs/contract.md.
"""

import re
from pathlib import Path

from sparkify import contract
from sparkify.contract import Contract, Field

ROOT = Path(__file__).parents[1]
SOURCES = ("events", "songs")

_BEGIN, _END = "    -- from contract.toml\n", "    -- end of contract.toml\n"
_BLOCK = re.compile(f"{_BEGIN}(.*?){_END}", re.DOTALL)
_TABLES = "<!-- from the contracts -->\n"


def rendered(root: Path) -> dict[Path, str]:
    """The text of each file that comes from a contract, in part or as a whole, as it should be."""
    contracts = {source: contract.read(root / "sql", source) for source in SOURCES}
    texts = {}
    for source, each in contracts.items():
        folder = root / "sql" / "staging" / source
        columns = [f"    {field.column} {field.definition},\n" for field in each.fields.values()]
        names = [f"    {field.column},\n" for field in each.fields.values()]
        for name, lines in (("create.sql", columns), ("copy.sql", names)):
            texts[folder / name] = _with(folder / name, "".join(lines))
    document = root / "docs" / "contract.md"
    before = document.read_text(encoding="utf-8").split(_TABLES)[0]
    tables = "\n".join(_table(source, each) for source, each in contracts.items())
    texts[document] = f"{before}{_TABLES}\n{tables}"
    return texts


def _with(path: Path, lines: str) -> str:
    return _BLOCK.sub(lambda _: _BEGIN + lines + _END, path.read_text(encoding="utf-8"))


def _table(source: str, contract: Contract) -> str:
    named = "".join(f", `{name}`: {action}" for name, action in contract.unknown.named.items())
    return "\n".join(
        [
            f"## {source}",
            "",
            f"A line is {contract.meaning}. Unknown fields: {contract.unknown.action}{named}.",
            "",
            "| field | column | limits | missing | wrong type | too long | means |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *(_row(name, field) for name, field in contract.fields.items()),
            "",
        ]
    )


def _row(name: str, field: Field) -> str:
    least, most = field.minimum, field.maximum
    if least is not None and most is not None:
        limits = f"{least:g} to {most:g}"
    elif least is not None:
        limits = f"at least {least:g}"
    else:
        limits = f"at most {most:g}" if most is not None else ""
    cells = (
        f"`{name}`",
        f"`{field.column} {field.type}`",
        limits,
        field.action("required"),
        field.action("type"),
        field.action("size"),
        f"{field.meaning}; since {field.added}" if field.added else field.meaning,
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    for path, text in rendered(ROOT).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
