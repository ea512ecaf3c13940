"""The functions of Redshift that the sandbox knows, and what each becomes in PostgreSQL.

A function is on one of three lists: PostgreSQL's own does the same; the sandbox's schema has one of that
name; or the call is rewritten. Any other name is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from redshift_sandbox import render
from redshift_sandbox.errors import RedshiftError

Expressions = list[exp.Expr]

AGGREGATES = frozenset({
    "any_value", "avg", "bit_and", "bit_or", "bool_and", "bool_or", "count", "listagg", "max", "median",
    "min", "stddev", "stddev_pop", "stddev_samp", "sum", "var_pop", "var_samp", "variance",
})  # fmt: skip

# Window functions whose OVER clause takes no frame (their pages, r_WF_…).
WITHOUT_FRAME = frozenset({
    "cume_dist", "dense_rank", "lag", "lead", "listagg", "median", "ntile", "percent_rank",
    "percentile_cont", "percentile_disc", "rank", "ratio_to_report", "row_number",
})  # fmt: skip

# PostgreSQL's function of the same name does what Redshift's page says.
SAME = AGGREGATES - {"avg", "listagg", "median"} | frozenset({
    "cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile",
    "percent_rank", "percentile_cont", "percentile_disc", "rank", "row_number", "abs", "acos", "age",
    "asin", "isfinite", "now", "atan", "atan2", "cbrt", "ceil", "ceiling", "cos", "cot", "degrees",
    "exp", "floor", "ln", "mod", "pi", "power", "radians", "random", "sign", "sin", "sqrt", "tan",
    "ascii", "btrim", "char_length", "character_length", "chr", "initcap", "left", "length", "lower",
    "lpad", "ltrim", "md5", "octet_length", "quote_ident", "quote_literal", "repeat", "replace",
    "reverse", "right", "rpad", "rtrim", "split_part", "strpos", "substr", "to_char", "to_date",
    "to_hex", "to_number", "to_timestamp", "translate", "upper", "coalesce", "greatest", "least",
    "nullif", "current_database", "current_schema", "current_schemas", "has_database_privilege",
    "has_schema_privilege", "has_table_privilege", "pg_backend_pid", "pg_cancel_backend",
    "pg_terminate_backend", "set_config", "current_setting", "pg_get_userbyid", "pg_table_is_visible",
    "format_type", "pg_get_expr", "obj_description", "col_description",
})  # fmt: skip

# Functions that the sandbox's schema defines, in catalog.sql.
OWN = frozenset({
    "add_months", "convert_timezone", "date_cmp", "date_part_year", "date_trunc", "dexp",
    "getdate", "last_day", "log", "months_between", "next_day", "regexp_count",
    "regexp_instr", "regexp_replace", "regexp_substr", "round", "sha2", "strtol", "is_valid_json",
    "is_valid_json_array", "json_array_length", "json_extract_array_element_text",
    "json_extract_path_text", "json_parse", "json_serialize", "can_json_parse", "crc32",
    "pg_last_copy_count", "pg_last_copy_id", "trunc", "version",
})  # fmt: skip

_OTHER_NAMES = {
    "character_length": "char_length",
    "charindex": "strpos",
    "dlog1": "ln",
    "dlog10": "log",
    "len": "length",
    "nvl": "coalesce",
    "pow": "power",
    "replicate": "repeat",
    "textlen": "length",
}

# c_SQL_functions_leader_node_only: an error in a query that reads a user's table.
LEADER_NODE_ONLY = frozenset({
    "age", "current_schema", "current_schemas", "get_byte", "getbit", "has_database_privilege",
    "has_schema_privilege", "has_table_privilege", "isfinite", "now", "pg_get_userbyid", "set_config",
    "current_timestamp",
    "current_setting",
})  # fmt: skip

_DATE_PARTS = {
    name: part
    for part, names in {
        "millennium": "millennium millennia mil mils",
        "century": "century centuries c cent cents",
        "decade": "decade decades dec decs",
        "epoch": "epoch",
        "year": "year years y yr yrs",
        "quarter": "quarter quarters qtr qtrs",
        "month": "month months mon mons",
        "week": "week weeks w",
        "dow": "dayofweek dow dw weekday",
        "doy": "dayofyear doy dy yearday",
        "day": "day days d",
        "hour": "hour hours h hr hrs",
        "minute": "minute minutes m min mins",
        "second": "second seconds s sec secs",
        "millisecond": "millisecond milliseconds ms msec msecs msecond mseconds millisec millisecs "
        "millisecon",
        "microsecond": "microsecond microseconds microsec microsecs usecond useconds us usec usecs",
        "timezone": "timezone",
        "timezone_hour": "timezone_hour",
        "timezone_minute": "timezone_minute",
    }.items()
    for name in names.split()
}


def date_part(node: exp.Expr) -> exp.Expr:
    """The date part that an argument names, bare or quoted (r_Dateparts_for_datetime_functions)."""
    name = node.name.lower()
    known = isinstance(node, (exp.Column, exp.Literal, exp.Var, exp.Identifier))
    if not known or name not in _DATE_PARTS:
        raise RedshiftError("22023", f'date part "{node.sql()}" not recognized')
    return exp.Literal.string(_DATE_PARTS[name])


def _function(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def call(node: exp.Anonymous) -> exp.Expr:
    """One function call, its arguments translated already."""
    name = str(node.this.name if isinstance(node.this, exp.Identifier) else node.this).lower()
    arguments: Expressions = node.expressions
    name = _OTHER_NAMES.get(name, name)
    if name in _REWRITTEN:
        return _REWRITTEN[name](node, arguments)
    if name in OWN:
        return _function(f"sandbox.{name}", *arguments)
    if name in SAME:
        return _function(name, *arguments)
    raise RedshiftError("0A000", f"function {name}() is not supported by the sandbox")


def _arity(name: str, arguments: Expressions, smallest: int, largest: int | None = None) -> None:
    if not smallest <= len(arguments) <= (smallest if largest is None else largest):
        raise RedshiftError("42883", f"function {name}() does not take {len(arguments)} arguments")


def _timestamp(node: exp.Expr) -> exp.Expr:
    """A literal among dates is a timestamp: PostgreSQL would prefer one with a time zone."""
    if isinstance(node, exp.Literal) and node.is_string:
        return exp.Var(this=f"CAST({render.text(node)} AS timestamp)")
    return node


def _dateadd(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    _arity("dateadd", arguments, 3)
    part, number, date = arguments
    return _function("sandbox.dateadd", date_part(part), number, _timestamp(date))


def _datediff(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    _arity("datediff", arguments, 3)
    part, first, last = arguments
    return _function("sandbox.datediff", date_part(part), _timestamp(first), _timestamp(last))


def _date_part(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    """DATE_PART keeps the seconds' fraction, EXTRACT does not (r_Dateparts_for_datetime_functions)."""
    _arity("date_part", arguments, 2)
    return _function("pg_catalog.date_part", date_part(arguments[0]), _timestamp(arguments[1]))


def _date_trunc(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    _arity("date_trunc", arguments, 2)
    return _function("sandbox.date_trunc", date_part(arguments[0]), _timestamp(arguments[1]))


_WITH_FRACTION = frozenset({"second", "millisecond", "microsecond", "epoch"})


def extract(node: exp.Extract) -> exp.Expr:
    """EXTRACT returns whole numbers of its own part only (r_EXTRACT_function)."""
    part = date_part(node.this)
    value = _function("pg_catalog.date_part", part, _timestamp(node.expression))
    if part.name in _WITH_FRACTION:
        value = _function("floor", value)
    whole: exp.Expr = exp.Cast(
        this=value,
        to=exp.DataType(this=exp.DataType.Type.BIGINT if part.name == "epoch" else exp.DataType.Type.INT),
    )
    modulus = {"millisecond": 1000, "microsecond": 1000000}.get(part.name)
    if modulus is not None:
        whole = exp.Paren(this=exp.Mod(this=whole, expression=exp.Literal.number(modulus)))
    return whole


def _decode(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    """DECODE takes two NULLs as equal (r_DECODE_expression)."""
    if len(arguments) < 3:
        raise RedshiftError("42883", "function decode() takes at least 3 arguments")
    value, *rest = arguments
    default = rest.pop() if len(rest) % 2 else None
    ifs: Expressions = [
        exp.If(
            this=exp.NullSafeEQ(this=value.copy(), expression=exp.Paren(this=search)),
            true=result,
        )
        for search, result in zip(rest[::2], rest[1::2], strict=True)
    ]
    return exp.Case(ifs=ifs, default=default)


def _nvl2(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    _arity("nvl2", arguments, 3)
    value, present, absent = arguments
    condition = exp.Not(this=exp.Is(this=exp.Paren(this=value), expression=exp.Null()))
    return exp.Case(ifs=[exp.If(this=condition, true=present)], default=absent)


def _concat(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    """CONCAT of a NULL is NULL, as with the || operator (r_CONCAT)."""
    _arity("concat", arguments, 2)
    left, right = (exp.Paren(this=argument) for argument in arguments)
    text = exp.DataType(this=exp.DataType.Type.VARCHAR)
    both = exp.DPipe(this=exp.Cast(this=left, to=text), expression=exp.Cast(this=right, to=text.copy()))
    return exp.Paren(this=both)


def _strpos_of_charindex(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    _arity(str(node.this).lower(), arguments, 2)
    if str(node.this).lower() == "charindex":
        arguments = arguments[::-1]
    return _function("strpos", *arguments)


def _avg(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    """AVG of whole numbers is a whole number (r_AVG); MIN only tells the argument's type."""
    _arity("avg", arguments, 1)
    if isinstance(node.parent, exp.Window):
        return node
    return _function("sandbox.average", _function("avg", arguments[0]), _function("min", arguments[0].copy()))


def _median(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    _arity("median", arguments, 1)
    if isinstance(node.parent, exp.Window):
        raise RedshiftError("0A000", "MEDIAN as a window function is not supported by the sandbox")
    ordered = exp.Order(expressions=[exp.Ordered(this=arguments[0])])
    return exp.WithinGroup(
        this=_function("percentile_cont", exp.Literal.number("0.5")),
        expression=ordered,
    )


def _listagg(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    if isinstance(arguments[0], exp.Distinct):
        # DISTINCT is about the value only, not about the delimiter.
        value, *rest = arguments[0].expressions
        arguments = [exp.Distinct(expressions=[value]), *rest]
        node.set("expressions", arguments)
    _arity("listagg", arguments, 1, 2)
    if isinstance(node.parent, (exp.WithinGroup, exp.Window)):
        return node
    return _string_agg(arguments, None)


def _string_agg(arguments: Expressions, order: exp.Order | None) -> exp.Expr:
    delimiter = arguments[1] if len(arguments) > 1 else exp.Literal.string("")
    value = arguments[0]
    distinct = isinstance(value, exp.Distinct)
    if isinstance(value, exp.Distinct):
        value = value.expressions[0]
    text = f"CAST({render.text(value)} AS varchar)"
    ordering = ""
    if order is not None:
        for item in order.expressions:
            if distinct and item.this == value:
                item.set("this", exp.Var(this=text))
        ordering = render.text(order)
    prefix = "DISTINCT " if distinct else ""
    return exp.Var(this=f"string_agg({prefix}{text}, {render.text(delimiter)}{ordering})")


def _ratio_to_report(node: exp.Anonymous, arguments: Expressions) -> exp.Expr:
    _arity("ratio_to_report", arguments, 1)
    if not isinstance(node.parent, exp.Window):
        raise RedshiftError("42601", "ratio_to_report() needs an OVER clause")
    return node


_REWRITTEN: dict[str, Callable[[exp.Anonymous, Expressions], exp.Expr]] = {
    "avg": _avg,
    "concat": _concat,
    "date_add": _dateadd,
    "date_diff": _datediff,
    "date_part": _date_part,
    "date_trunc": _date_trunc,
    "dateadd": _dateadd,
    "datediff": _datediff,
    "decode": _decode,
    "listagg": _listagg,
    "median": _median,
    "nvl2": _nvl2,
    "pgdate_part": _date_part,
    "ratio_to_report": _ratio_to_report,
    "strpos": _strpos_of_charindex,
}


def name_of(node: exp.Expr | None) -> str:
    """The name of a function call, also of one within WITHIN GROUP."""
    if isinstance(node, exp.WithinGroup):
        node = node.this
    if isinstance(node, exp.Anonymous):
        return str(node.this.name if isinstance(node.this, exp.Identifier) else node.this).lower()
    return ""


def result_name(node: exp.Expr | None) -> str:
    """What Redshift calls a result column that is a call of this function; empty where it is not known."""
    name = name_of(node)
    # As the pages' examples show them (r_NVL_function, r_DECODE_expression, r_DATE_PART_function).
    return {"nvl": "coalesce", "decode": "case", "date_part": "pgdate_part"}.get(name, name)


def check_window(node: exp.Window) -> None:
    """Frames where Redshift wants one, and none where it takes none (the functions' pages, r_WF_…)."""
    name = name_of(node.this)
    framed = isinstance(node.args.get("spec"), exp.WindowSpec)
    if node.args.get("alias") or node.args.get("first") is False:
        raise RedshiftError("0A000", "a named window is not supported by the sandbox")
    if name in WITHOUT_FRAME:
        if framed:
            raise RedshiftError("42601", f"window function {name}() does not take a frame clause")
    elif node.args.get("order") and not framed:
        raise RedshiftError(
            "42601", "Aggregate window functions with an ORDER BY clause require a frame clause"
        )


def window(node: exp.Window) -> exp.Expr:
    """A window function, its parts translated already."""
    function = node.this
    name = name_of(function)
    if isinstance(function, exp.WithinGroup) or name == "listagg":
        raise RedshiftError("0A000", f"{name.upper()} as a window function is not supported by the sandbox")
    if name == "avg":
        smallest = node.copy()
        smallest.set("this", _function("min", *[argument.copy() for argument in function.expressions]))
        return _function("sandbox.average", node.copy(), smallest)
    if name == "ratio_to_report":
        total = node.copy()
        total.set("this", _function("sum", *[argument.copy() for argument in function.expressions]))
        value = function.expressions[0].sql(dialect="postgres")
        return exp.Var(this=f"(CAST({value} AS double precision) / NULLIF({render.text(total)}, 0))")
    return node


def within_group(node: exp.WithinGroup) -> exp.Expr:
    """LISTAGG becomes string_agg; the other ordered-set aggregates are PostgreSQL's."""
    name = name_of(node)
    if name == "listagg":
        if isinstance(node.parent, exp.Window):
            raise RedshiftError("0A000", "LISTAGG as a window function is not supported by the sandbox")
        return _string_agg(node.this.expressions, node.expression)
    if name not in ("percentile_cont", "percentile_disc"):
        raise RedshiftError("42601", f"function {name}() does not take WITHIN GROUP")
    return node
