"""Conditions on the attributes of photos: price<50 and size="M"."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from fashion_exp.errors import InputError, suggest

MAX_LENGTH = 2_000

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')
      | `(?P<quoted>[^`]+)`
      | (?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)
      | (?P<name>[^\W\d][\w-]*)
      | (?P<operator><=|>=|<>|!=|==|[<>=(),%+*/-])
    )""",
    re.VERBOSE,
)
_WORDS = {"and", "or", "not", "in", "is", "null", "like", "between", "true", "false"}


def as_sql(condition: str, schema: pa.Schema) -> str:
    """The condition in the SQL of the index. Texts stand in double or single quotes; names are
    those of columns.

    Raises `InputError` for a column that is not there, and for anything but comparisons joined by
    and, or, not, in, like, between and is null.
    """
    if len(condition) > MAX_LENGTH:
        raise InputError(f"--where: {len(condition):,} characters, more than {MAX_LENGTH:,}")
    columns = [field.name for field in schema if not pa.types.is_fixed_size_list(field.type)]
    position, parts = 0, list[str]()
    while condition[position:].strip():
        token = _TOKEN.match(condition, position)
        if token is None:
            rest = condition[position:].strip()
            raise InputError(
                f"--where {condition!r}: cannot read {rest[:20]!r}; write for example price<50 and "
                'size="M"'
            )
        parts.append(_sql_of(token, condition, columns))
        position = token.end()
    return " ".join(parts)


def _sql_of(token: re.Match[str], condition: str, columns: list[str]) -> str:
    text: Any = token["text"]
    if text:
        inner = (
            text[1:-1].replace("''", "'") if text[0] == "'" else re.sub(r"\\(.)", r"\1", text[1:-1])
        )
        return "'" + inner.replace("'", "''") + "'"
    if name := token["name"] or token["quoted"]:
        if token["name"] and name.lower() in _WORDS:
            return str(name.lower())
        if name not in columns:
            same = [column for column in columns if column.lower() == name.lower()]
            if not same:
                hint = suggest(name, columns) or f"columns: {', '.join(columns[:12])}, …"
                if condition[: token.start()].rstrip().endswith(("=", "<", ">")):
                    hint += f'; texts need quotes: "{name}"'
                raise InputError(f"--where {condition!r}: no column {name}; {hint}")
            name = same[0]
        return f"`{name}`"
    return {"==": "=", "!=": "<>"}.get(
        token["operator"] or "", token["operator"] or token["number"]
    )
