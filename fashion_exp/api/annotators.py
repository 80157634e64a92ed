"""What the labels of several annotators say: `fashion_exp.annotators`."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Literal

from fashion_exp.errors import InputError
from fashion_exp.paths import writable_file
from fashion_exp.tools.annotators import (
    AnnotatorReport,
    read_votes,
    report_annotators,
    write_soft_labels,
)


def annotators(
    votes: str | PathLike[str], *, into: str | PathLike[str] | None = None,
    labels: Literal["dawid_skene", "votes"] = "dawid_skene", level: float = 0.95,
) -> AnnotatorReport:  # fmt: skip
    """Agreement and accuracy of annotators, from a CSV with path (or image), annotator and label.

    With `into` the soft labels are written as a list for `dataset=csv`: the probabilities of the
    classes by the model of Dawid and Skene, or the shares of the votes (`labels`). `level` is that
    of the intervals, which are over the photos, or over whole groups if the CSV has a column group.
    Raises `InputError` for invalid votes and arguments.
    """
    if not 0.5 <= level < 1:
        raise InputError(f"level={level:g}: must be at least 0.5 and below 1")
    if labels not in ("dawid_skene", "votes"):
        raise InputError(f"labels={labels}: no such choice; use dawid_skene or votes")
    read = read_votes(Path(fspath(votes)).expanduser())
    target = None if into is None else writable_file(fspath(into), "into")
    if target is not None and target == read.file.resolve():
        raise InputError(f"into={into}: is the file of the votes; choose another name")
    report = report_annotators(read, level)
    if target is not None:
        write_soft_labels(report, target, labels)
    return report
