"""Made-up reports: an example with twelve runs, and reports of any size."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from fashion_exp.reporting.formats import difference_range, difference_text
from fashion_exp.reporting.report_content import (
    Confusion,
    Curve,
    Finding,
    ForestPlot,
    ForestRow,
    Photo,
    PhotoGroup,
    Report,
    VerdictCell,
    VerdictLabel,
    VerdictMatrix,
)
from fashion_exp.reporting.tables import PlainTable

CLASSES = ("Dress", "Pullover", "Shirt")
HEADER = (
    "run", "model", "split", "phase", "epochs", "depth", "optimizer", "lr", "dropout",
    "activation", "val loss", "val accuracy", "test accuracy", "n", "J", "updates", "seeds",
    "manifest",
)  # fmt: skip


def example_report() -> Report:
    """Two basic CNNs and ten heads on a frozen backbone, tested on 214 photos."""
    names = ["basic_cnn lr=0.001", "basic_cnn lr=0.0001"]
    for split in ("80/20", "50/50"):
        for rate in ("0.001", "0.0001"):
            names += [f"mobilenet lr={rate} dropout={share} {split}" for share in ("0", "0.5")]
    names += ["mobilenet lr=0.01 dropout=0 80/20", "mobilenet lr=0.01 dropout=0.5 80/20"]
    return make_report(names, 214, seed=1)


def make_report(names: Sequence[str], images: int, seed: int, epochs: int = 20) -> Report:
    """A report on runs with these names; its numbers are consistent."""
    rng = np.random.default_rng(seed)
    accuracy = np.sort(np.where([n.startswith("basic") for n in names], 0.8, 0.93))
    accuracy = np.sort(accuracy + rng.normal(0, 0.012, len(names)).clip(-0.03, 0.03))[::-1]
    order = sorted(range(len(names)), key=lambda index: names[index].startswith("basic"))
    ranked = [names[index] for index in order]
    half = 1.96 * np.sqrt(accuracy * (1 - accuracy) / images)
    tests = [
        ForestRow(name, float(a), float(a - h), min(float(a + h), 0.997), winner=index == 0)
        for index, (name, a, h) in enumerate(zip(ranked, accuracy, half, strict=True))
    ]
    lines = {"target": 0.95, "human (assumed)": 0.95, "chance": 1 / 3}
    matrix = _matrix(ranked, accuracy, images)
    effects = _effects() if len(names) > 2 else []
    return Report(
        title=f"clothing-grid: {len(names)} runs on 3 classes",
        created="2026-03-02 14:31",
        answer=_answer(tests, images),
        audit=_audit(ranked),
        runs=_runs(ranked, tests, images),
        accuracy=[
            ForestPlot(
                f"Test accuracy, n = {images} photos, 95 % Wilson intervals of the mean model",
                tests,
                lines=lines,
                bands={"human 95 % of 200 (assumed)": (0.91, 0.973)},
            ),
            ForestPlot(
                "Validation accuracy, 95 % Wilson intervals; runs were chosen on these images",
                [ForestRow(r.name, r.estimate, r.low, r.high, _caveat(r), True) for r in tests],
                lines={"target": 0.95},
            ),
        ],
        curves=[_curve(r, rng, epochs) for r in tests],
        verdicts=matrix if len(names) > 1 else None,
        pairs=_pairs(matrix) if len(names) > 1 else None,
        effects=effects,
        confounds=[
            "basic_cnn lr=0.001 and mobilenet lr=0.001 dropout=0.5 80/20 differ in 3 factors: "
            "model, dropout, weights.",
            "Training budgets differ 2.6-fold: 1,240 updates (80/20) against 480 (50/50).",
        ]
        * bool(effects),
        missing_cells=[
            f"scripts/run model=basic_cnn optim.lr={rate} model.dropout=0.5 "
            "split.train_ratio=0.5 training.epochs=20 seeds=[0,1,2] tracking.sweep=clothing-grid"
            for rate in ("0.001", "0.0001")
        ]
        * bool(effects),
        plan=[
            "At the observed rates, 1,870 test images would separate the two best runs with "
            "80 % power; 214 are available.",
        ],
        confusions=[_confusion(ranked[0], rng, images)],
        photos=_photos(rng),
        reproduce=["scripts/run report outputs/sweeps/clothing-grid --target 0.95 --human 0.95:200"]
        + [f"scripts/run {name.replace(' ', ' optim.')} seed=0" for name in ranked],
        methods=[
            "Accuracy: Wilson score interval at the mean accuracy, n distinct test images "
            "divided by the design effect of duplicate groups; 95 %.",
            "Pairs: McNemar mid-p on one split, Tango's paired interval, Holm over "
            f"{len(names) * (len(names) - 1) // 2} pairs at 5 %; equivalent within ±1 point.",
        ],
    )


def _caveat(row: ForestRow) -> str:
    return "chosen on these images: optimistic" if row.winner else ""


def _answer(tests: Sequence[ForestRow], images: int) -> list[str]:
    best = tests[0]
    assert best.estimate is not None and best.low is not None and best.high is not None
    limits = f"{100 * best.low:.1f}–{100 * best.high:.1f} %"
    return [
        f"{best.name} had the highest test accuracy, {100 * best.estimate:.1f} % "
        f"(95 % interval {limits}, n = {images}), and whether it exceeds 95 % is undecided.",
        "It is better than both basic CNNs (Holm-adjusted p < 0.001 over all pairs); from "
        "the other mobilenet heads it does not differ significantly on these images.",
        "This is a claim about the checkpoints tested, from one seed per recipe.",
    ]


def _audit(names: Sequence[str]) -> list[Finding]:
    return [
        Finding("fine", "Test images seen in training", "0 of 214 ids."),
        Finding(
            "doubtful",
            "Best epoch is the last epoch",
            "9 of 15 trainings were still improving when they stopped; train longer.",
            names[-2:],
        ),
        Finding("fine", "Constant prediction", "Every run predicts every class."),
        Finding("wrong", "Random instead of ImageNet weights", "No weights file.", names[-1:]),
        Finding("doubtful", "Mislabeled-looking images", "3 of 214 (1.4 %).", ()),
        Finding("fine", "Chance level", "All lower limits are above 33.3 %."),
    ]


def _runs(names: Sequence[str], tests: Sequence[ForestRow], images: int) -> PlainTable:
    rows = []
    for index, (name, row) in enumerate(zip(names, tests, strict=True)):
        assert row.estimate is not None and row.low is not None and row.high is not None
        shown = f"{100 * row.estimate:.1f} % ({100 * row.low:.1f}–{100 * row.high:.1f})"
        basic = name.startswith("basic")
        rows.append(
            (
                name, "basic_cnn" if basic else "mobilenetv1_100", "50/50" if "50/50" in name
                else "80/20", "frozen head" if not basic else "from scratch", "20",
                "4" if basic else "28", "adam", "0.001", "0.5" if "=0.5" in name else "0",
                "relu" if basic else "relu6", f"{0.2 + 0.02 * index:.3f}", shown, shown,
                f"{images}", "3", "1,240", "0, 1, 2", "9f3c2a1b",
            )
        )  # fmt: skip
    notes = [
        "Ranked by validation accuracy.",
        "3 runs used photos of this test set, this one included.",
    ]
    return PlainTable(HEADER, rows, "", notes)


def _curve(row: ForestRow, rng: np.random.Generator, epochs: int) -> Curve:
    assert row.estimate is not None
    rise = row.estimate - (row.estimate - 0.4) * np.exp(-np.arange(1, epochs + 1) / 3)
    lines = [(rise + rng.normal(0, 0.012, epochs)).clip(0, 1).tolist() for _ in range(3)]
    return Curve(row.name, lines, row.winner)


def _matrix(names: Sequence[str], accuracy: np.ndarray, images: int) -> VerdictMatrix:
    half = 0.7 * float(np.sqrt(0.1 / images))
    cells = {}
    for row, above in enumerate(accuracy):
        for column, below in enumerate(accuracy):
            if row != column:
                d = float(above - below)
                p = 0.0002 if abs(d) > 2 * half else 0.4
                cells[row, column] = VerdictCell(_verdict(d, half), d, d - half, d + half, p)
    caption = (
        f"McNemar mid-p on one split, Holm over {len(names) * (len(names) - 1) // 2} pairs, "
        "two-sided 5 %; equivalent where the 90 % interval lies within ±1 point."
    )
    return VerdictMatrix(names, cells, caption)


def _verdict(difference: float, half: float) -> VerdictLabel:
    if abs(difference) > half:
        return "better" if difference > 0 else "worse"
    return "equivalent" if abs(difference) < 0.002 else "undecided"


def _pairs(matrix: VerdictMatrix) -> PlainTable:
    header = ("pair", "difference", "95 % interval", "p", "p (Holm)", "verdict", "n", "note")
    rows = []
    for (row, column), cell in matrix.cells.items():
        if row < column:
            assert cell.low is not None and cell.high is not None and cell.p is not None
            pair = f"{matrix.names[row]} − {matrix.names[column]}"
            interval = difference_range(cell.low, cell.high)
            numbers = (
                pair,
                difference_text(cell.difference),
                interval,
                f"{cell.p / 7:.4f}",
                f"{cell.p:.4f}",
            )
            rows.append((*numbers, cell.verdict, "214", cell.note))
    return PlainTable(header, rows, notes=["Differences in percentage points."])


def _effects() -> list[ForestPlot]:
    rope = {"±1 point": (-0.01, 0.01)}
    zero = {"no difference": 0.0}
    differences = {
        "lr": [("0.001 − 0.0001", 0.004, -0.006, 0.014), ("0.01 − 0.0001", -0.03, -0.048, -0.012)],
        "dropout": [("0.5 − 0", 0.001, -0.007, 0.009)],
        "train_ratio": [("0.8 − 0.5", 0.012, -0.001, 0.025)],
    }
    return [
        ForestPlot(
            f"{option}: difference in test accuracy, 95 % intervals over paired runs",
            [ForestRow(*row) for row in rows],
            lines=zero,
            bands=rope,
        )
        for option, rows in differences.items()
    ]


def _confusion(name: str, rng: np.random.Generator, images: int) -> Confusion:
    each = images // 3
    counts = np.eye(3, dtype=int) * (each - 6) + rng.integers(0, 4, (3, 3))
    return Confusion(name, counts, CLASSES, "test", "500 predictions")


def _photos(rng: np.random.Generator) -> list[PhotoGroup]:
    def photo(index: int) -> Photo:
        pixels = rng.integers(60, 220, (6, 6, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).resize((96, 128 if index % 2 else 96), Image.Resampling(3))
        buffer = io.BytesIO()
        image.save(buffer, "jpeg", quality=80)
        caption = f"{14 - index} of 15 say {CLASSES[index % 3]}"
        return Photo(buffer.getvalue(), f"dress/{index:04}.jpg", CLASSES[(index + 1) % 3], caption)

    missing = Photo(None, "shirt/0007.jpg", "Shirt", "15 of 15 say Dress")
    return [
        PhotoGroup("Wrong in every run", 3, [*map(photo, range(2)), missing]),
        PhotoGroup("Wrong in most runs", 23, [photo(index) for index in range(8)]),
        PhotoGroup("Only the best run is right", 0, []),
    ]
