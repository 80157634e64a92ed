"""Suggestions as the page on which a person decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_exp.comparison.misclassified import Pictures
from fashion_exp.comparison.run_data import RunData
from fashion_exp.data.table import ImageTable
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.progress import Progress
from fashion_exp.reporting.review_page import Case, Near, Review
from fashion_exp.tools.relabel.neighbours import Neighbour, descriptions, neighbours
from fashion_exp.tools.relabel.suggestions import Suggestions

NEAR_EDGE = 72  # px


def review(
    found: Suggestions, member: RunData, table: ImageTable | None, data: Path | None, most: int,
    progress: Progress,
) -> Review:  # fmt: skip
    """The first `most` suggestions as cases of one source and label, with what looks alike."""
    rows = found.rows.head(most)
    cases = [own for _, own in rows.groupby(["group", "given"], sort=False)]
    first = [str(own["image_id"].iloc[0]) for own in cases]
    described, by = descriptions(member, found.images, progress)
    near = neighbours(found.images, described, first)
    given = dict(zip(found.images.index, found.images["label"], strict=True))
    notes = [
        _head(found, len(rows), data),
        *found.notes(),
        f"Beside each image those that look most alike by {by}, with their given labels.",
    ]
    return Review(
        title=f"Labels to look at: {member.name}",
        notes=notes,
        classes=found.classes,
        data="" if data is None else str(data),
        cases=[
            Case(
                kind=str(own["kind"].iloc[0]),
                given=str(own["given"].iloc[0]),
                suggested=str(own["suggested"].iloc[0]),
                sentence=_sentence(own.iloc[0].to_dict()),
                group=str(own["group"].iloc[0]),
                images=list(zip(own["image_id"], own["path"], strict=True)),
                near=[
                    Near(o.image_id, str(given[o.image_id]), f"{o.alike:.2f}") for o in near[id_]
                ],
            )
            for own, id_ in zip(cases, first, strict=True)
        ],
        pictures=_pictures(list(rows["image_id"]), near, table, progress),
    )


def _head(found: Suggestions, shown: int, data: Path | None) -> str:
    told = found.counts()
    more = (
        f" The first {shown} are here; suggestions.csv has all." if shown < len(found.rows) else ""
    )
    where = (
        f" Decisions apply to {data}: export them, then data apply decisions.csv."
        if data is not None
        else " These pictures are no files of yours: decisions on them cannot be applied."
    )
    return (
        f"{told['wrong']} labels look wrong ({told['wrong_sources']} of {told['sources']:,} "
        f"sources, {percent(told['wrong_share_of_sources'])}), {told['ambiguous']} images are "
        f"between classes.{more}{where}"
    )


def _sentence(row: Mapping[Any, Any]) -> str:
    suggested = str(row["suggested"]).replace("|", " and ")
    return (
        f"{percent(row['confidence'])} for {suggested}, {percent(row['quality'])} for "
        f"{row['given']}; {percent(row['agree'], 0)} of the models agree"
    )


def _pictures(
    own: Sequence[str], near: Mapping[str, Sequence[Neighbour]], table: ImageTable | None,
    progress: Progress,
) -> dict[str, bytes]:  # fmt: skip
    beside = {other.image_id for others in near.values() for other in others} - set(own)
    tick = progress.stage("pictures of the page", len(own) + len(beside))
    large, small = Pictures(table), Pictures(table, NEAR_EDGE)
    readers = [*((image, large) for image in own), *((image, small) for image in sorted(beside))]
    found = {}
    for done, (image, read) in enumerate(readers, 1):
        if (picture := read(image)) is not None:
            found[image] = picture
        tick(done)
    return found
