"""`data annotators` reads votes, reports them, and writes soft labels that a run reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fashion_exp as fx
from fashion_exp.commands.data.annotators import run
from fashion_exp.configuration.schema import Targets
from fashion_exp.data.sources.csv_manifest import list_manifest
from fashion_exp.errors import InputError

VOTES = "image,annotator,label,group\n" + "".join(
    f"{image}.jpg,{name},{label},g{image}\n"
    for image in range(12)
    for name, label in (
        ("ann", "dress" if image % 2 else "shirt"),
        ("ben", "dress" if image % 2 else "shirt"),
        ("cleo", "dress" if image % 3 else "shirt"),
    )
)


def test_report_and_soft_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    votes, into = tmp_path / "votes.csv", tmp_path / "labels" / "soft.csv"
    votes.write_text(VOTES)
    into.parent.mkdir()
    assert run([str(votes), "--into", str(into), "--labels", "votes", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["images"] == 12 and result["labels"] == 36
    kappas = {tuple(pair["annotators"]): pair["estimate"] for pair in result["cohen_kappa"]}
    assert kappas["ann", "ben"] == 1 and kappas["ann", "cleo"] < 0.5
    assert result["annotators"]["cleo"]["accuracy"]["estimate"] < 0.7
    assert result["human_accuracy"]["n"] == 12
    files, _, _ = list_manifest(into, into.parent, Targets.soft)
    assert files["path"].iloc[0] == "../0.jpg" and files["group_id"].iloc[0] == "g0"
    assert set(files["label"]) == {"dress", "shirt", "dress:0.3333|shirt:0.6667",
                                   "dress:0.6667|shirt:0.3333"}  # fmt: skip
    assert run([str(votes)]) == 0
    assert "--human 0." in capsys.readouterr().out


def test_report_from_python(tmp_path: Path) -> None:
    votes = tmp_path / "votes.csv"
    votes.write_text(VOTES)
    report = fx.annotators(votes, level=0.9)
    assert report.alpha.level == 0.9 and report.votes.groups[:2] == ["g0", "g1"]
    assert report.as_json()["krippendorff_alpha"]["estimate"] == report.alpha.estimate
    for arguments in ({"level": 2}, {"labels": "mean"}, {"into": votes}):
        with pytest.raises(InputError):
            fx.annotators(votes, **arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,annotator,label\na.jpg,ann,dress\na.jpg,ann,shirt\n", "line 3: ann gave a.jpg"),
        ("path,annotator,label\na.jpg,ann,dress|shirt\n", "names several classes"),
        ("path,annotator,label\na.jpg,ann,dress\nb.jpg,ann,shirt\n", "two or more annotators"),
        ("path,annotator,label\na.jpg,ann,dress\na.jpg,ben,dress\n", "two or more classes"),
        ("file,annotator,label\na.jpg,ann,dress\n", r"a column path \(or image\)"),
        ("path,label\na.jpg,dress\n", "no column 'annotator'"),
    ],
)
def test_invalid_votes_are_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "votes.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        run([str(file)])
