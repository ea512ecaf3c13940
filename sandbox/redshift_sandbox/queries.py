"""Queries and DML: Redshift's as PostgreSQL's, by way of a syntax tree.

sqlglot parses them, but every function call and every kind of node has to be on a list here or in
`functions`: nothing is passed on only because it happens to parse.
"""

from __future__ import annotations

import re
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.redshift import Redshift
from sqlglot.errors import ParseError, TokenError
from sqlglot.generators.redshift import RedshiftGenerator
from sqlglot.parsers.redshift import RedshiftParser
from sqlglot.tokenizer_core import Token

from redshift_sandbox import datatypes, functions, render
from redshift_sandbox.errors import RedshiftError, syntax_error, unsupported

# PostgreSQL cuts names there; Redshift's have up to 127 bytes.
_LONGEST_NAME = 63


def tokens(sql: str) -> list[Token]:
    """The tokens of a text. Raises RedshiftError 42601."""
    try:
        return _REDSHIFT.tokenize(sql)
    except TokenError as error:
        raise syntax_error(sql.strip()[:40]) from error


def query(sql: str) -> str:
    """One SELECT, INSERT, UPDATE, DELETE or MERGE as PostgreSQL's text."""
    return render.text(_translated(_parse(sql)))


def expression(sql: str) -> str:
    """One value expression, such as a column's DEFAULT, as PostgreSQL's text."""
    tree = _translated(_parse(f"SELECT {sql}"))
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or tree.args.get("from_"):
        raise syntax_error(sql)
    return render.text(tree.expressions[0].unalias())


def type_of(sql: str) -> datatypes.Type:
    """A column's type as it is written in CREATE TABLE."""
    tree = _parse(f"SELECT CAST(NULL AS {sql})")
    cast = tree.find(exp.Cast)
    if cast is None or not isinstance(cast.to, exp.DataType):
        raise syntax_error(sql)
    return datatypes.of(cast.to)


def _parse(sql: str) -> exp.Expr:
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
    _check_leader_node(tree)
    _name_projections(tree)
    return tree


def _check_leader_node(tree: exp.Expr) -> None:
    """Some functions run on the leader node only, where no user's table is (c_sql-functions-leader-node)."""
    known = {table.alias_or_name for table in tree.find_all(exp.CTE)}
    reads_tables = any(
        table.db.lower() not in ("pg_catalog", "information_schema")
        and table.name not in known
        and not table.name.lower().startswith("pg_")
        for table in tree.find_all(exp.Table)
    )
    if not reads_tables:
        return
    for call in tree.find_all(exp.Anonymous, exp.CurrentTimestamp):
        name = functions.name_of(call) or ("" if call.args.get("sysdate") else "current_timestamp")
        if name in functions.LEADER_NODE_ONLY:
            raise RedshiftError(
                "0A000",
                "Specified types or functions (one per INFO message) not supported on Redshift tables.",
                f'Function "{name}()" not supported.',
            )


def _name_projections(tree: exp.Expr) -> None:
    """Keeps the names of result columns that a rewritten expression would not give itself."""
    for select in tree.find_all(exp.Select):
        for projection in select.expressions:
            name = _natural_name(projection)
            if name:
                projection.replace(
                    exp.Alias(this=projection.copy(), alias=exp.to_identifier(name, quoted=True))
                )


def _natural_name(node: exp.Expr) -> str:
    if isinstance(node, exp.Cast):
        inner = node.this
        if isinstance(inner, exp.Column):
            return inner.name
        return (
            _natural_name(inner) or functions.result_name(inner) or datatypes.of(node.to, in_cast=True).name
        )
    if isinstance(node, exp.Extract):
        return "date_part"
    if isinstance(node, exp.Window):
        return functions.result_name(node.this)
    return functions.result_name(node)


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
            # An exact count is an approximate one too.
            "APPROXIMATE": lambda self: self._parse_function(),
            "SYSDATE": RedshiftParser.NO_PAREN_FUNCTION_PARSERS["SYSDATE"],
        }


_REDSHIFT = _RedshiftSQL()


# Translation: each node is known, or refused by name.

_PLAIN = (
    exp.Add, exp.Alias, exp.All, exp.And, exp.Any, exp.AtTimeZone, exp.Between, exp.BitwiseAnd,
    exp.BitwiseNot, exp.BitwiseOr, exp.Boolean, exp.Case, exp.Column, exp.CTE, exp.Cube,
    exp.CurrentDate, exp.CurrentUser, exp.DataTypeParam, exp.Distinct, exp.Div, exp.DPipe, exp.EQ,
    exp.Escape, exp.Except, exp.Exists, exp.From, exp.Group, exp.GroupingSets, exp.GT, exp.GTE,
    exp.Having, exp.If, exp.ILike, exp.In, exp.Intersect, exp.Interval, exp.Into, exp.Is, exp.Join,
    exp.Like, exp.Limit, exp.Literal, exp.LT, exp.LTE, exp.Mod, exp.Mul, exp.Neg, exp.NEQ, exp.Not,
    exp.Null, exp.Offset, exp.Or, exp.Order, exp.Ordered, exp.Parameter, exp.Paren, exp.Pow,
    exp.Qualify, exp.RegexpLike, exp.Rollup, exp.Schema, exp.SessionUser, exp.SimilarTo, exp.Star,
    exp.Sub, exp.Subquery, exp.Substring, exp.TableAlias, exp.Trim, exp.Tuple, exp.Union, exp.Var,
    exp.Where, exp.Window, exp.WindowSpec, exp.With, exp.WithinGroup,
)  # fmt: skip

_NAMES: dict[type[exp.Expr], str] = {
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
}


def _translated(tree: exp.Expr) -> exp.Expr:
    """The tree, changed in place, children before parents."""
    for node in reversed(list(tree.walk(bfs=True))):
        replacement = _node(node)
        if replacement is not node:
            if node is tree:
                tree = replacement
            else:
                node.replace(replacement)
    return tree


def _node(node: exp.Expr) -> exp.Expr:
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
        case exp.CurrentTimestamp():
            return exp.Anonymous(this="sandbox.sysdate", expressions=[]) if node.args.get("sysdate") else node
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
    column = node.parent
    # After a dot any word is a name: the driver's own queries of the catalog have `c.oid`.
    after_dot = isinstance(column, exp.Column) and node is column.this and column.args.get("table")
    if not (after_dot or node.args.get("quoted")) and name.lower() in RedshiftGenerator.RESERVED_KEYWORDS:
        raise syntax_error(name)
    if len(name.encode()) > _LONGEST_NAME:
        raise unsupported(f'a name longer than {_LONGEST_NAME} bytes ("{name}")')
    node.set("this", name.lower())
    node.set("quoted", True)
    return node


def identifier(name: str, quoted: bool = False) -> str:
    """A name as PostgreSQL takes it: folded to lower case and quoted."""
    if not quoted and name.lower() in RedshiftGenerator.RESERVED_KEYWORDS:
        raise syntax_error(name)
    if len(name.encode()) > _LONGEST_NAME:
        raise unsupported(f'a name longer than {_LONGEST_NAME} bytes ("{name}")')
    return '"' + name.lower().replace('"', '""') + '"'


def _refuse(node: exp.Expr, **parts: str) -> None:
    """Refuses a node that has one of these parts, by the part's name."""
    for part, name in parts.items():
        if node.args.get(part):
            raise unsupported(name)


def _select(node: exp.Select) -> exp.Select:
    _refuse(
        node,
        connect="CONNECT BY",
        exclude="EXCLUDE",
        hint="a hint",
        laterals="LATERAL",
        locks="FOR UPDATE",
        match="MATCH_RECOGNIZE",
        windows="WINDOW",
    )
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
        "svv_roles",
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


def _cast(node: exp.Cast) -> exp.Expr:
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
    _refuse(
        node,
        alternative="INSERT OR",
        by_name="BY NAME",
        conflict="ON CONFLICT",
        overwrite="OVERWRITE",
        returning="RETURNING",
    )
    return node


def _update(node: exp.Update) -> exp.Update:
    _refuse(node, limit="LIMIT in UPDATE", order="ORDER BY in UPDATE", returning="RETURNING")
    for assignment in node.expressions:
        # SET t.a = … is no SQL of Redshift's: the column takes no table's name.
        if isinstance(assignment.this, exp.Column) and assignment.this.table:
            raise syntax_error(assignment.this.table)
    return node


def _delete(node: exp.Delete) -> exp.Delete:
    _refuse(
        node,
        cluster="ON in DELETE",
        limit="LIMIT in DELETE",
        order="ORDER BY in DELETE",
        returning="RETURNING",
        tables="DELETE of several tables",
    )
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
