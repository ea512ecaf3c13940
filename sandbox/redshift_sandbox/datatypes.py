"""Redshift's data types and what PostgreSQL keeps them as."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from redshift_sandbox.errors import RedshiftError

_Kind = exp.DataType.Type


@dataclass(frozen=True)
class Type:
    """A type as Redshift names it in its catalogs, and PostgreSQL's text for it.

    `length` is in bytes, for char and varchar. `precision` and `scale` are decimal digits.
    """

    name: str
    postgresql: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None


_SIMPLE = {
    _Kind.SMALLINT: Type("int2", "smallint"),
    _Kind.INT: Type("int4", "integer"),
    _Kind.BIGINT: Type("int8", "bigint"),
    _Kind.FLOAT: Type("float4", "real"),
    _Kind.DOUBLE: Type("float8", "double precision"),
    _Kind.BOOLEAN: Type("bool", "boolean"),
    _Kind.DATE: Type("date", "date"),
    _Kind.TIMESTAMP: Type("timestamp", "timestamp"),
    _Kind.TIMESTAMPTZ: Type("timestamptz", "timestamptz"),
    _Kind.TIME: Type("time", "time"),
    _Kind.TIMETZ: Type("timetz", "timetz"),
    _Kind.SUPER: Type("super", "jsonb"),
    _Kind.INTERVAL: Type("interval", "interval"),
}

_VARCHAR = {_Kind.VARCHAR, _Kind.NVARCHAR, _Kind.TEXT}
_CHAR = {_Kind.CHAR, _Kind.NCHAR, _Kind.BPCHAR}
_LARGEST_VARCHAR, _LARGEST_CHAR = 65535, 4096


def of(node: exp.DataType, in_cast: bool = False) -> Type:
    """What a type of the syntax tree means (c_Supported_data_types).

    A VARCHAR without a length has 256 bytes in a table and takes its length from the value in a cast
    (r_Character_types). Raises RedshiftError 0A000 for a type the sandbox does not keep.
    """
    kind = node.this
    arguments = [argument.name.upper() for argument in node.expressions]
    if kind in _SIMPLE and not arguments:
        return _SIMPLE[kind]
    if kind is _Kind.FLOAT and arguments:
        return _SIMPLE[_Kind.FLOAT if int(arguments[0]) < 25 else _Kind.DOUBLE]
    if kind in _VARCHAR:
        if kind is _Kind.TEXT:
            arguments = []
        if not arguments and in_cast:
            return Type("varchar", "varchar")
        length = _length(arguments, 256, _LARGEST_VARCHAR, "varchar")
        return Type("varchar", f"varchar({length})", length=length)
    if kind in _CHAR:
        length = _length(arguments, 256 if kind is _Kind.BPCHAR else 1, _LARGEST_CHAR, "char")
        return Type("char", f"char({length})", length=length)
    if kind is _Kind.DECIMAL:
        return _decimal(arguments)
    if kind is _Kind.VARBINARY:
        return Type("varbyte", "bytea")
    raise RedshiftError(
        "0A000", f"type {node.sql(dialect='redshift').lower()} is not supported by the sandbox"
    )


def _length(arguments: list[str], default: int, largest: int, name: str) -> int:
    if not arguments:
        return default
    length = largest if arguments[0] == "MAX" else int(arguments[0])
    if length < 1:
        raise RedshiftError("22023", f"length for type {name} must be at least 1")
    if length > largest:
        raise RedshiftError("22023", f"length for type {name} cannot exceed {largest}")
    return length


def _decimal(arguments: list[str]) -> Type:
    """DECIMAL without arguments is DECIMAL(18,0): it keeps no fraction (r_Numeric_types201)."""
    precision = int(arguments[0]) if arguments else 18
    scale = int(arguments[1]) if len(arguments) > 1 else 0
    if not 1 <= precision <= 38:
        raise RedshiftError("22023", f"DECIMAL precision {precision} must be between 1 and 38")
    if not 0 <= scale <= min(precision, 37):
        raise RedshiftError("22023", f"DECIMAL scale {scale} must be between 0 and precision {precision}")
    return Type("numeric", f"numeric({precision},{scale})", precision=precision, scale=scale)
