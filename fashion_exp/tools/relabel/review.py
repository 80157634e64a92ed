"""Content of the review page for label suggestions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_exp.comparison.misclassified import Thumbnails
from fashion_exp.comparison.run_data import RunData
from fashion_exp.data.table import ImageTable
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.progress import Progress
from fashion_exp.reporting.review_page import NeighborImage, ReviewCase, ReviewPage
from fashion_exp.tools.relabel.neighbors import Neighbor, find_neighbors, neighbor_features
from fashion_exp.tools.relabel.suggestions import LabelSuggestions

NEIGHBOR_EDGE = 72  # px


def review_page(
    suggestions: LabelSuggestions,
    run: RunData,
    table: ImageTable | None,
    data: Path | None,
    limit: int,
    progress: Progress,
) -> ReviewPage:
    """The first `limit` suggestions; images with the same source and label form one case."""
    rows = suggestions.rows.head(limit)
    cases = [members for _, members in rows.groupby(["group", "given"], sort=False)]
    first_ids = [str(members["image_id"].iloc[0]) for members in cases]
    features, features_name = neighbor_features(run, suggestions.images, progress)
    neighbors = find_neighbors(suggestions.images, features, first_ids)
    labels = suggestions.images["label"]
    return ReviewPage(
        title=f"Label suggestions: {run.name}",
        notes=[
            _headline(suggestions, len(rows), data),
            *suggestions.notes(),
            f"Next to each image are its nearest neighbors by {features_name}, with their labels.",
        ],
        classes=suggestions.classes,
        data="" if data is None else str(data),
        cases=[
            ReviewCase(
                kind=str(members["kind"].iloc[0]),
                given=str(members["given"].iloc[0]),
                suggested=str(members["suggested"].iloc[0]),
                explanation=_explanation(members.iloc[0].to_dict()),
                group=str(members["group"].iloc[0]),
                images=list(zip(members["image_id"], members["path"], strict=True)),
                neighbors=[
                    NeighborImage(n.image_id, str(labels[n.image_id]), f"{n.similarity:.2f}")
                    for n in neighbors[image_id]
                ],
            )
            for members, image_id in zip(cases, first_ids, strict=True)
        ],
        thumbnails=_thumbnails(list(rows["image_id"]), neighbors, table, progress),
    )


def _headline(suggestions: LabelSuggestions, shown: int, data: Path | None) -> str:
    counts = suggestions.counts()
    sentences = [
        f"{counts['wrong']} labels look wrong ({counts['wrong_sources']} of "
        f"{counts['sources']:,} sources, {percent(counts['wrong_share_of_sources'])}); "
        f"{counts['ambiguous']} images are ambiguous."
    ]
    if shown < len(suggestions.rows):
        sentences.append(f"This page shows the first {shown}; suggestions.csv lists all.")
    sentences.append(
        f"Decisions apply to {data}: export them, then run data apply decisions.csv."
        if data is not None
        else "Decisions cannot be applied, because these images are not files of yours."
    )
    return " ".join(sentences)


def _explanation(row: Mapping[Any, Any]) -> str:
    suggested = str(row["suggested"]).replace("|", " and ")
    return (
        f"{percent(row['confidence'])} for {suggested}, {percent(row['quality'])} for "
        f"{row['given']}; {percent(row['agree'], 0)} of the models agree"
    )


def _thumbnails(
    image_ids: Sequence[str],
    neighbors: Mapping[str, Sequence[Neighbor]],
    table: ImageTable | None,
    progress: Progress,
) -> dict[str, bytes]:
    """JPEGs of the images and, smaller, of their neighbors."""
    neighbor_ids = {n.image_id for of_image in neighbors.values() for n in of_image}
    large, small = Thumbnails(table), Thumbnails(table, size=NEIGHBOR_EDGE)
    readers = dict.fromkeys(sorted(neighbor_ids), small) | dict.fromkeys(image_ids, large)
    tick = progress.stage("thumbnails of the page", len(readers))
    thumbnails = {}
    for done, (image_id, read) in enumerate(readers.items(), 1):
        if (jpeg := read(image_id)) is not None:
            thumbnails[image_id] = jpeg
        tick(done)
    return thumbnails
