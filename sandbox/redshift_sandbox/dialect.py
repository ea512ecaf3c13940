"""Redshift's SQL as PostgreSQL's: what both know passes, what differs is rewritten, the rest is refused.

Queries and DML are parsed with sqlglot, but every function call and every kind of node has to be on a list
here or in `functions`; nothing is passed on because it happens to parse. DDL and utility statements are
read token by token in `definitions`, where Redshift's grammar differs most from PostgreSQL's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

from sqlglot import exp
from sqlglot.dialects.redshift import Redshift
from sqlglot.errors import ParseError, TokenError
from sqlglot.generators.redshift import RedshiftGenerator
from sqlglot.parsers.redshift import RedshiftParser
from sqlglot.tokens import Token, TokenType

from redshift_sandbox import datatypes, functions, render
from redshift_sandbox.errors import RedshiftError

Kind = Literal[
    "query",  # SELECT, INSERT, UPDATE, DELETE, MERGE and everything else that makes a snapshot
    "definition",  # CREATE, ALTER, DROP
    "utility",  # SET, SHOW, ANALYZE and other statements that change no row
    "vacuum",  # refused within a transaction block
    "truncate",  # the transaction is committed after it
    "lock",
    "begin",
    "commit",
    "rollback",
    "copy",  # `sql` is the original text: for copy.run_copy
    "sandbox",  # CALL sandbox.…: `sql` is the original text
    "empty",
]


@dataclass(frozen=True)
class Statement:
    """One statement, ready for the backend.

    `sql` is PostgreSQL's text, except where the kind says otherwise. `command_tag` is what CommandComplete
    must say where PostgreSQL's own tag would differ. `parameters` is the highest `$n`.
    """

    kind: Kind
    sql: str
    command_tag: str | None = None
    original: str = ""


def unsupported(what: str) -> RedshiftError:
    """The sandbox does not know `what`; it never guesses."""
    return RedshiftError("0A000", f"{what} is not supported by the sandbox")


def syntax_error(near: str) -> RedshiftError:
    """The text is no SQL of Redshift's."""
    where = f'at or near "{near}"' if near else "at end of input"
    return RedshiftError("42601", f"syntax error {where}")


@lru_cache(maxsize=4096)
def translate(sql: str) -> tuple[Statement, ...]:
    """The statements of one text, split at semicolons; parameters `$1` … stay as they are.

    Raises RedshiftError: 42601 for a syntax error, 0A000 for what is not known here, named.
    """
    from redshift_sandbox import definitions

    statements = []
    for part in _split(tokens(sql)):
        text = sql[part[0].start : part[-1].end + 1]
        statements.append(definitions.statement(text, part))
    return tuple(statements) or (Statement("empty", "", original=sql),)


def tokens(sql: str) -> list[Token]:
    """The tokens of a text. Raises RedshiftError 42601."""
    try:
        return _REDSHIFT.tokenize(sql)
    except TokenError as error:
        raise syntax_error(sql.strip()[:40]) from error


def _split(tokens: list[Token]) -> Iterator[list[Token]]:
    part: list[Token] = []
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            if part:
                yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def query(sql: str) -> str:
    """One SELECT, INSERT, UPDATE, DELETE or MERGE as PostgreSQL's text."""
    return render.text(_translated(_parse(sql)))


def expression(sql: str) -> str:
    """One value expression, such as a column's DEFAULT, as PostgreSQL's text."""
    tree = _translated(_parse(f"SELECT {sql}"))
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or tree.args.get("from_"):
        raise syntax_error(sql)
    return render.text(tree.expressions[0])


def type_name(sql: str) -> datatypes.Type:
    """A column's type as it is written in CREATE TABLE."""
    tree = _parse(f"SELECT CAST(NULL AS {sql})")
    cast = tree.find(exp.Cast)
    if cast is None or not isinstance(cast.to, exp.DataType):
        raise syntax_error(sql)
    return datatypes.of(cast.to)


def _parse(sql: str) -> exp.Expression:
    try:
        trees = _REDSHIFT.parse(sql)
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise syntax_error(str(first.get("highlight") or sql.strip()[:40])) from error
    except RecursionError:
        raise RedshiftError("54001", "statement is too complex") from None
    if len(trees) != 1 or trees[0] is None:
        raise syntax_error(sql.strip()[:40])
    tree = trees[0]
    if not isinstance(tree, (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge)):
        raise unsupported(sql.strip().split()[0].upper())
    return tree


# Parsing: Redshift's grammar, with function calls left as they were written.


class _RedshiftSQL(Redshift):
    class Tokenizer(Redshift.Tokenizer):
        # Statements such as LOCK and SHOW are read token by token as well.
        COMMANDS: ClassVar = set()

    class Parser(RedshiftParser):
        FUNCTIONS: ClassVar = {}
        FUNCTION_PARSERS: ClassVar = {
            name: RedshiftParser.FUNCTION_PARSERS[name]
            for name in ("CAST", "CONVERT", "EXTRACT", "POSITION", "SUBSTRING", "TRIM")
        }
        NO_PAREN_FUNCTION_PARSERS: ClassVar = {
            "ANY": RedshiftParser.NO_PAREN_FUNCTION_PARSERS["ANY"],
            "CASE": RedshiftParser.NO_PAREN_FUNCTION_PARSERS["CASE"],
            "SYSDATE": RedshiftParser.NO_PAREN_FUNCTION_PARSERS["SYSDATE"],
        }


_REDSHIFT = _RedshiftSQL()


# Translation: each node is known, or refused by name.

_PLAIN = (
    exp.Add, exp.Alias, exp.All, exp.And, exp.Any, exp.AtTimeZone, exp.Between, exp.BitwiseAnd, exp.BitwiseNot,
    exp.BitwiseOr, exp.Boolean, exp.Case, exp.Column, exp.CTE, exp.Cube, exp.CurrentDate, exp.CurrentUser,
    exp.DataTypeParam, exp.Distinct, exp.Div, exp.DPipe, exp.EQ, exp.Escape, exp.Except, exp.Exists, exp.From,
    exp.Group, exp.GroupingSets, exp.GT, exp.GTE, exp.Having, exp.If, exp.ILike, exp.In, exp.Intersect,
    exp.Interval, exp.Into, exp.Is, exp.Join, exp.Like, exp.Limit, exp.Literal, exp.LT, exp.LTE, exp.Mod,
    exp.Mul, exp.Neg, exp.NEQ, exp.Not, exp.Null, exp.Offset, exp.Or, exp.Order, exp.Ordered, exp.Parameter,
    exp.Paren, exp.Pow, exp.Qualify, exp.RegexpLike, exp.Rollup, exp.Schema, exp.SessionUser, exp.SimilarTo,
    exp.Star, exp.Sub, exp.Subquery, exp.Substring, exp.TableAlias, exp.Trim, exp.Tuple, exp.Union, exp.Var,
    exp.Where, exp.Window, exp.WindowSpec, exp.With, exp.WithinGroup,
)  # fmt: skip

_NAMES = {
    exp.Bracket: "navigation into SUPER values",
    exp.Command: "this statement",
    exp.Dot: "navigation into SUPER values",
    exp.Filter: "FILTER on an aggregate",
    exp.IgnoreNulls: "IGNORE NULLS",
    exp.RespectNulls: "RESPECT NULLS",
    exp.Lateral: "LATERAL",
    exp.Lock: "FOR UPDATE",
    exp.OnConflict: "ON CONFLICT",
    exp.Returning: "RETURNING",
    exp.Pivot: "PIVOT and UNPIVOT",
    exp.TableSample: "TABLESAMPLE",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
    exp.Array: "ARRAY",
    exp.Values: "VALUES outside of INSERT",
    exp.CurrentTimestamp: "CURRENT_TIMESTAMP",
}


def _translated(tree: exp.Expression) -> exp.Expression:
    """The tree, changed in place, children before parents."""
    for node in reversed(list(tree.walk(bfs=True))):
        replacement = _node(node)
        if replacement is not node:
            if node is tree:
                tree = replacement
            else:
                node.replace(replacement)
    return tree


def _node(node: exp.Expression) -> exp.Expression:
    match node:
        case exp.Identifier():
            return _identifier(node)
        case exp.Anonymous():
            return functions.call(node)
        case exp.Select():
            return _select(node)
        case exp.Table():
            return _table(node)
        case exp.Cast():
            return _cast(node)
        case exp.DataType():
            datatypes.of(node)
            return node
        case exp.Extract():
            return functions.extract(node)
        case exp.StrPosition():
            return exp.Anonymous(this="pg_catalog.strpos", expressions=[node.this, node.args["substr"]])
        case exp.CurrentTimestamp() if node.args.get("sysdate"):
            return exp.Anonymous(this="sandbox.sysdate", expressions=[])
        case exp.Insert():
            return _insert(node)
        case exp.Update():
            return _update(node)
        case exp.Delete():
            return _delete(node)
        case exp.Merge():
            return _merge(node)
        case exp.When() | exp.Whens():
            return node
        case exp.Values() if isinstance(node.parent, exp.Insert) and not node.args.get("alias"):
            return node
        case exp.Window():
            functions.check_window(node)
            return functions.window(node)
        case exp.WithinGroup():
            return functions.within_group(node)
        case exp.Distinct() if node.args.get("on"):
            raise unsupported("DISTINCT ON")
    if type(node) not in _PLAIN:
        raise unsupported(_NAMES.get(type(node), type(node).__name__))
    return node


def _identifier(node: exp.Identifier) -> exp.Identifier:
    """Names are case-insensitive, quoted or not, unless the session says otherwise (r_names)."""
    name = str(node.this)
    if not node.args.get("quoted") and name.lower() in RedshiftGenerator.RESERVED_KEYWORDS:
        raise syntax_error(name)
    node.set("this", name.lower())
    node.set("quoted", True)
    return node


def identifier(name: str, quoted: bool = False) -> str:
    """A name as PostgreSQL takes it: folded to lower case and quoted."""
    if not quoted and name.lower() in RedshiftGenerator.RESERVED_KEYWORDS:
        raise syntax_error(name)
    if len(name.encode()) > 63:
        raise unsupported(f'a name longer than 63 bytes ("{name}")')
    return '"' + name.lower().replace('"', '""') + '"'


def _select(node: exp.Select) -> exp.Select:
    for part, name in (("locks", "FOR UPDATE"), ("laterals", "LATERAL"), ("hint", "a hint"), ("match", "MATCH_RECOGNIZE"),
                       ("exclude", "EXCLUDE"), ("windows", "WINDOW"), ("connect", "CONNECT BY")):  # fmt: skip
        if node.args.get(part):
            raise unsupported(name)
    if node.args.get("qualify") and node.is_star:
        raise unsupported("QUALIFY with SELECT *")
    return node


_SYSTEM_VIEWS = frozenset(
    {
        "sys_load_error_detail",
        "sys_load_history",
        "stl_load_errors",
        "stl_loaderror_detail",
        "sys_copy_replacements",
        "stl_replacements",
        "svv_table_info",
        "svv_tables",
        "svv_columns",
        "pg_table_def",
        "stv_slices",
    }
)
_SYSTEM_PREFIX = re.compile(r"(stl|stv|svl|svv|svcs|sys)_")


def _table(node: exp.Table) -> exp.Table:
    name, schema = node.name.lower(), node.db.lower()
    if isinstance(node.this, exp.Anonymous):
        raise unsupported("a function in FROM")
    for part in ("only", "partition", "version", "ordinality", "sample", "pivots", "laterals", "when"):
        if node.args.get(part):
            raise unsupported(f"{part.upper()} in FROM")
    if schema in ("", "pg_catalog"):
        if name in _SYSTEM_VIEWS:
            node.set("db", exp.to_identifier("sandbox", quoted=True))
            if not node.alias:
                node.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
        elif _SYSTEM_PREFIX.match(name) and schema == "pg_catalog":
            raise unsupported(f"system view {name}")
    return node


def _cast(node: exp.Cast) -> exp.Expression:
    if type(node) is not exp.Cast or node.args.get("format") or not isinstance(node.to, exp.DataType):
        raise unsupported("TRY_CAST")
    kind = datatypes.of(node.to, in_cast=True)
    operand = exp.Var(this=render.text(node.this))
    if kind.name in ("varchar", "char") and kind.length is not None:
        shortened = f"sandbox.left_bytes(CAST({operand.this} AS varchar), {kind.length})"
        return exp.Var(this=f"CAST({shortened} AS {kind.postgresql})")
    return exp.Var(this=f"CAST({operand.this} AS {kind.postgresql})")


def _insert(node: exp.Insert) -> exp.Insert:
    if node.args.get("with_"):
        raise unsupported("WITH before INSERT")
    for part, name in (("conflict", "ON CONFLICT"), ("returning", "RETURNING"), ("overwrite", "OVERWRITE"),
                       ("alternative", "INSERT OR"), ("by_name", "BY NAME")):  # fmt: skip
        if node.args.get(part):
            raise unsupported(name)
    return node


def _update(node: exp.Update) -> exp.Update:
    for part, name in (
        ("returning", "RETURNING"),
        ("order", "ORDER BY in UPDATE"),
        ("limit", "LIMIT in UPDATE"),
    ):
        if node.args.get(part):
            raise unsupported(name)
    for assignment in node.expressions:
        # SET t.a = … is no SQL of Redshift's: the column takes no table's name.
        if isinstance(assignment.this, exp.Column) and assignment.this.table:
            raise syntax_error(assignment.this.table)
    return node


def _delete(node: exp.Delete) -> exp.Delete:
    for part, name in (("returning", "RETURNING"), ("order", "ORDER BY in DELETE"), ("limit", "LIMIT in DELETE"),
                       ("tables", "DELETE of several tables"), ("cluster", "ON in DELETE")):  # fmt: skip
        if node.args.get(part):
            raise unsupported(name)
    if isinstance(node.this, exp.Table) and node.this.alias:
        raise syntax_error(node.this.alias)
    return node


def _merge(node: exp.Merge) -> exp.Merge:
    """MERGE with the source and the clauses that Redshift takes (r_MERGE)."""
    if node.args.get("with_"):
        raise unsupported("WITH before MERGE")
    if not isinstance(node.args["using"], exp.Table):
        raise unsupported("MERGE from a subquery")
    whens = node.args["whens"].expressions
    kinds = sorted(bool(when.args.get("matched")) for when in whens)
    if kinds != [False, True] or any(when.args.get("condition") or when.args.get("source") for when in whens):
        raise unsupported("MERGE without exactly one WHEN MATCHED and one WHEN NOT MATCHED clause")
    return node
