"""Conditions become SQL of known columns and literals, and nothing else."""

from __future__ import annotations

import pyarrow as pa
import pytest

from fashion_exp.errors import InputError
from fashion_exp.retrieval.filters import MAX_LENGTH, as_sql

SCHEMA = pa.schema([("price", pa.float64()), ("size", pa.string()), ("main color", pa.string())])


@pytest.mark.parametrize(
    ("condition", "sql"),
    [
        ('price<50 and size="M"', "`price` < 50 and `size` = 'M'"),
        ("Price >= 1.5 OR size in ('S', 'M')", "`price` >= 1.5 or `size` in ( 'S' , 'M' )"),
        ('size != "it\'s"', "`size` <> 'it''s'"),
        ("`main color` == 'red'", "`main color` = 'red'"),
        ("size is not null", "`size` is not null"),
    ],
)
def test_condition_is_translated(condition: str, sql: str) -> None:
    assert as_sql(condition, SCHEMA) == sql


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("prise<50", r"did you mean price\?$"),
        ("size=M", 'texts need quotes: "M"'),
        ("price<50; drop table photos", "cannot read '; drop table photos"),
        ("price < 'unclosed", "cannot read"),
        ("x" * (MAX_LENGTH + 1), "characters, more than"),
    ],
)
def test_anything_else_is_refused_in_one_line(condition: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        as_sql(condition, SCHEMA)
    assert "\n" not in str(error.value)
