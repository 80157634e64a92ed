"""Files of other tools, in the shape that these tools write."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_exp.api.judging import judge
from fashion_exp.errors import InputError
from fashion_exp.judging import eval_logs
from fashion_exp.judging.formats import read_frame
from tests.judging.tables import CLASSES, random_table

FIXTURES = Path(__file__).parent / "fixtures"
TABLE = random_table(0, 0.8, 30)
ACCURACY = judge({"a": TABLE}).table["estimate"][0]
MATRIX = TABLE[["p_dress", "p_shirt"]].to_numpy()
TIMM = pd.DataFrame({"filename": TABLE["id"] + ".jpg", "prob": list(MATRIX.astype(np.float32))})
"""As timm's inference.py --topk 0 builds it."""


def estimate(file: Path, **options: object) -> float:
    judgement = judge({"tool": file}, **options)  # type: ignore[arg-type]
    return float(judgement.table["estimate"][0])


WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "a.csv": lambda frame, file: frame.to_csv(file, index=False),
    "b.csv": lambda frame, file: frame.to_csv(file, index=False, sep=";"),
    "a.tsv": lambda frame, file: frame.to_csv(file, index=False, sep="\t", encoding="utf-8-sig"),
    "wide.csv": lambda frame, file: frame.to_csv(file, index=False, encoding="utf-16"),
    "a.parquet": lambda frame, file: frame.to_parquet(file),
    "b.parquet": lambda frame, file: frame.set_index("id").to_parquet(file),
    "a.jsonl": lambda frame, file: frame.to_json(file, orient="records", lines=True),
    "lines.json": lambda frame, file: frame.to_json(file, orient="records", lines=True),
    "records.json": lambda frame, file: frame.to_json(file, orient="records"),
    "columns.json": lambda frame, file: frame.to_json(file),
    "split.json": lambda frame, file: frame.to_json(file, orient="split", index=False),
    "index.json": lambda frame, file: frame.set_index("id").to_json(file, orient="index"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_of_pandas_is_the_same_table(name: str, tmp_path: Path) -> None:
    WRITERS[name](TABLE, tmp_path / name)
    assert estimate(tmp_path / name) == ACCURACY


def test_ids_in_csv_keep_their_zeros(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,label,predicted\n007,1,1\n7,1,2\n")
    assert read_frame(tmp_path / "a.csv")["id"].to_list() == ["007", "7"]


@pytest.mark.parametrize("columns", ["list", "separate", "logits"])
@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_results_of_timms_inference(columns: str, suffix: str, tmp_path: Path) -> None:
    frame, options = TIMM, {"classes": CLASSES, "labels": tmp_path / "labels.csv"}
    if columns == "separate":
        split = {f"prob_{i}": MATRIX[:, i] for i in range(2)}
        frame = TIMM[["filename"]].assign(**split)
    if columns == "logits":
        frame = TIMM.rename(columns={"prob": "logit"})
        frame["logit"] = [np.log(row) + 3 for row in MATRIX]
        options["scores"] = "logits"
    file = tmp_path / f"timm{suffix}"
    if suffix == ".csv":
        frame.to_csv(file, index=False)
    elif suffix == ".json":
        frame.set_index("filename").to_json(file, indent=4, orient="index")
    elif suffix == ".jsonl":
        frame.to_json(file, lines=True, orient="records")
    else:
        frame.set_index("filename").to_parquet(file)
    labels = pd.DataFrame({"path": TIMM["filename"], "label": TABLE["label"]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    assert estimate(file, **options) == ACCURACY


def test_the_first_of_timms_best_classes_is_its_prediction(tmp_path: Path) -> None:
    order = np.argsort(-MATRIX, axis=1)
    best = pd.DataFrame(
        {"filename": TIMM["filename"], "index": list(order), "prob": list(np.sort(MATRIX)[:, ::-1])}
    )
    best.to_csv(tmp_path / "timm.csv", index=False)
    labels = pd.DataFrame({"path": TIMM["filename"], "label": TABLE["label"]})
    assert estimate(tmp_path / "timm.csv", classes=CLASSES, labels=labels) == ACCURACY
    named = best.drop(columns="index").assign(label=TABLE["label"])
    named.to_csv(tmp_path / "named.csv", index=False)
    with pytest.raises(InputError, match="true class, or the one that timm predicted"):
        read_frame(tmp_path / "named.csv")
    assert estimate(tmp_path / "named.csv", form="timm", labels=labels) == 1


TIMM_ROWS = (
    # --topk 2; --include-index --topk 2; the same with --results-separate-col; --topk 1
    'filename,label,prob\na.jpg,"[\'tench, Tinca tinca\' ""jack o\'lantern""]",[0.7 0.2]\n',
    "filename,index,prob\na.jpg,[1 0],[0.7 0.2]\n",
    "filename,index_0,index_1,prob_0,prob_1\na.jpg,1,0,0.7,0.2\n",
    'filename,label,prob\na.jpg,"tench, Tinca tinca",0.7\n',
)


@pytest.mark.parametrize("text", TIMM_ROWS)
def test_the_layouts_of_timms_best_classes(text: str, tmp_path: Path) -> None:
    (tmp_path / "timm.csv").write_text(text)
    frame = read_frame(tmp_path / "timm.csv", "timm")
    assert list(frame) == ["path", "predicted"] and frame["path"][0] == "a.jpg"
    assert str(frame["predicted"][0]) in ("tench, Tinca tinca", "1")


@pytest.mark.parametrize("prob", ["0.7", "[0.5 0.3]", "[0.5 0.3 0.1]", "[2.1 -0.4]", "[0.7 0.3]"])
def test_best_scores_without_their_classes_are_refused(prob: str, tmp_path: Path) -> None:
    """As inference.py writes them with --label-type none, or for classes of one's own."""
    name = "logit" if "-" in prob else "prob"
    (tmp_path / "timm.csv").write_text(f"filename,{name}\na.jpg,{prob}\n")
    with pytest.raises(InputError, match="--topk 0 or --include-index"):
        read_frame(tmp_path / "timm.csv")


@pytest.mark.parametrize("name", ["results.csv", "several.json", "one.json"])
def test_summaries_of_models_are_no_predictions(name: str, tmp_path: Path) -> None:
    """The columns of timm's validate.py."""
    row = {"model": "resnet50", "top1": 80.1, "top1_err": 19.9, "top5": 95.1, "top5_err": 4.9}
    row |= {"param_count": 25.56, "img_size": 224, "crop_pct": 0.95, "interpolation": "bicubic"}
    contents = {
        "results.csv": pd.DataFrame([row]).to_csv(index=False),
        "several.json": json.dumps([row, row]),
        "one.json": json.dumps(row),
    }
    (tmp_path / name).write_text(contents[name])
    with pytest.raises(InputError, match="one row per model"):
        read_frame(tmp_path / name)


@pytest.mark.parametrize("name", ["datasets", "datasets.parquet"])
def test_datasets_of_hugging_face_name_their_classes(name: str) -> None:
    """Files that `datasets` 5.2 wrote."""
    frame = read_frame(FIXTURES / name)
    assert frame["label"].to_list() == ["dress", "longsleeve", "shirt"]
    assert estimate(FIXTURES / name, scores="logits") == pytest.approx(2 / 3)


def test_arrays_take_the_ids_of_their_manifest(tmp_path: Path) -> None:
    """Predictions of a Trainer, saved with numpy, and of Keras' `model.predict`."""
    label = (TABLE["label"] == "shirt").to_numpy().astype(int)
    np.savez(tmp_path / "trainer.npz", predictions=np.log(MATRIX) + 3, label_ids=label)
    np.save(tmp_path / "keras.npy", MATRIX)
    TABLE[["id", "label"]].to_csv(tmp_path / "rows.csv", index=False)
    manifest = {"manifest": tmp_path / "rows.csv", "classes": CLASSES}
    with pytest.raises(InputError, match="--manifest FILE"):
        estimate(tmp_path / "keras.npy")
    assert estimate(tmp_path / "keras.npy", **manifest) == ACCURACY
    ids = pd.DataFrame({"id": TABLE["id"]})
    ids.to_csv(tmp_path / "ids.csv", index=False)
    options = {"manifest": tmp_path / "ids.csv", "scores": "logits"}
    assert estimate(tmp_path / "trainer.npz", **options) == ACCURACY
    TABLE[["id"]][:5].to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(InputError, match=r"has 30 rows, but .* 5"):
        estimate(tmp_path / "keras.npy", **manifest)


def test_log_of_inspect_ai_has_a_score_per_sample(tmp_path: Path) -> None:
    """A log that inspect_ai 0.3.285 wrote, with 5 of 12 answers wrong, and its JSON format."""
    log = FIXTURES / "inspect.eval"
    assert read_frame(log)["match"].sum() == 7
    assert estimate(log) == pytest.approx(7 / 12)
    samples = [
        {"id": f"q{i}", "epoch": epoch, "scores": {"match": {"value": "CI"[i % 2]}}}
        for i in range(4)
        for epoch in (1, 2)
    ]
    content = {"version": 2, "status": "success", "eval": {}, "samples": samples}
    (tmp_path / "log.json").write_text(json.dumps(content))
    judgement = judge([tmp_path / "log.json"])
    assert judgement.table[["estimate", "items", "trainings"]].to_numpy().tolist() == [[0.5, 4, 2]]
    (tmp_path / "log.json").write_text(json.dumps(content | {"status": "error"}))
    with pytest.raises(InputError, match="inspect eval-retry"):
        judge([tmp_path / "log.json"])


def test_log_of_several_scorers_and_epochs(tmp_path: Path) -> None:
    """A log that inspect_ai 0.3.285 wrote of its mock model, and the JSON of its parts."""
    log = FIXTURES / "inspect_epochs.eval"
    frame = read_frame(log)
    assert frame["id"].nunique() == 4 and frame["repeat"].value_counts().to_dict() == {1: 4, 2: 4}
    assert frame[["includes", "match"]].sum().to_list() == [6, 5]
    with pytest.raises(InputError, match="includes or match"):
        judge([log])
    judgement = judge([log], metric="match")
    assert judgement.table[["estimate", "trainings"]].to_numpy().tolist() == [[5 / 8, 2]]
    with zipfile.ZipFile(log) as archive:
        samples = [json.loads(eval_logs._member(archive, name)) for name in archive.namelist()
                   if name.startswith("samples/")]  # fmt: skip
        header = json.loads(eval_logs._member(archive, "header.json"))
    (tmp_path / "log.json").write_text(json.dumps(header | {"samples": samples}))
    pd.testing.assert_frame_equal(read_frame(tmp_path / "log.json"), frame)


def test_samples_of_lm_eval_have_a_score_per_document(tmp_path: Path) -> None:
    """Lines with the keys that `lm_eval --log_samples` writes."""
    rows = [
        {"doc_id": i, "doc": {}, "target": "x", "arguments": {}, "resps": [], "filter": name,
         "filtered_resps": [], "metrics": ["exact_match"], "doc_hash": "h", "prompt_hash": "h",
         "target_hash": "h", "exact_match": float(i % 4 < wrong)}
        for i in range(20) for name, wrong in (("strict-match", 1), ("flexible-extract", 2))
    ]  # fmt: skip
    file = tmp_path / "samples_gsm8k.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="rows repeat an item"):
        judge([file])
    assert estimate(file, where={"filter": "flexible-extract"}) == 0.5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", "", "unknown extension"),
        ("a.parquet", "no", "no parquet file that can be read"),
        ("a.json", "{", "no json file that can be read"),
        ("a.json", '"text"', "holds no table"),
        ("a.eval", "no", "not an archive of inspect_ai"),
        ("a.npz", "no", "no npz file that can be read"),
        ("a.npz", "", "a.npz: empty"),
        ("a.npy", "", "a.npy: empty"),
        ("a.csv", "id,label,label\n1,2,3\n", "label is there twice"),
        ("a.csv", "", "no csv file that can be read"),
    ],
)
def test_files_that_cannot_be_read(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        judge([tmp_path / name])


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_objects_of_python_in_an_array_are_not_read(name: str, tmp_path: Path) -> None:
    objects = np.array([{"id": 1}], dtype=object)
    if name == "a.npz":
        np.savez(tmp_path / name, objects)
    else:
        np.save(tmp_path / name, objects)
    with pytest.raises(InputError, match="it has Python objects; write arrays of numbers"):
        judge([tmp_path / name])


def test_content_of_images_joins_paths(tmp_path: Path) -> None:
    tables = {}
    for name in "ab":
        (tmp_path / name).mkdir()
        for i, text in enumerate(TABLE["id"]):
            (tmp_path / f"{name}/{i if name == 'a' else text}.jpg").write_text(text)
        paths = [f"{name}/{i if name == 'a' else text}.jpg" for i, text in enumerate(TABLE["id"])]
        tables[name] = TABLE.drop(columns="id").assign(path=paths)
    with pytest.raises(InputError, match="no item in common by path"):
        judge(tables)
    judgement = judge(tables, images=tmp_path)
    assert (
        judgement.notes[0] == "Joined by hash." and judgement.table["items"].to_list() == [30] * 2
    )


def test_samples_that_lm_eval_wrote() -> None:
    """Of a task with four questions and the model `dummy`, by lm-eval 0.4.13."""
    frame = read_frame(FIXTURES / "lm_eval.jsonl")
    assert frame.columns.to_list() == ["id", "filter", "acc", "acc_norm"]
    assert frame["acc"].to_list() == [1.0, 1.0, 0.0, 1.0]
    judgement = judge({"dummy": FIXTURES / "lm_eval.jsonl"}, metric="acc")
    assert judgement.table["estimate"][0] == 0.75


@pytest.mark.parametrize(
    ("name", "content", "remedy"),
    [
        ("a.parquet", b"0" * 100, "copy it again, or write it as CSV"),
        ("a.parquet", b"PAR1", "copy it again, or write it as CSV"),
        ("a.csv", b"id,label,predicted\n1,a,b,c,d\n", "line 2 has 5 cells, the header 3; quote"),
        ("a.csv", b"id,label,predicted\n1,a,b\n2,a,b,c\n", "line 3 has 4 cells, the header 3"),
        ("a.csv", "id,label\n1,Röcke\n".encode("latin-1"), "not in UTF-8; save it as CSV UTF-8"),
    ],
)
def test_damaged_files_are_refused_with_a_remedy(
    name: str, content: bytes, remedy: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=remedy):
        read_frame(tmp_path / name)
