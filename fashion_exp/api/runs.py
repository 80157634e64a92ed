"""One experiment: `fashion_exp.run`, and `fashion_exp.load` for a run that has finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.paths import outputs_dir, outputs_of, writable_folder

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from fashion_exp.comparison.run_data import RunData
    from fashion_exp.configuration.schema import Config
    from fashion_exp.inference.calibration_report import CalibrationReport
    from fashion_exp.inference.card import CardFiles
    from fashion_exp.inference.evaluate import PhotoEvaluation
    from fashion_exp.inference.explanation_page import Explained
    from fashion_exp.inference.export import Exported
    from fashion_exp.inference.promote import Promotion
    from fashion_exp.inference.soup import Soup
    from fashion_exp.inference.trained_run import TrainedRun
    from fashion_exp.models.classifier import Classifier
    from fashion_exp.reporting.photo_page import PhotoPage
    from fashion_exp.reporting.progress import Progress


@dataclass(frozen=True)
class Run:
    """A finished run. Nothing is read before it is used."""

    folder: Path

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def name(self) -> str:
        return self.data.name

    @property
    def id(self) -> str:
        """Id of the tracked run; empty if it is not tracked."""
        return self.data.result.run

    @property
    def outputs(self) -> Path:
        return outputs_of(self.folder) or outputs_dir(None)

    @cached_property
    def data(self) -> RunData:
        """The run as `compare` reads it. Raises `InputError` if it is not finished, and for a
        refit, whose accuracy was not measured."""
        from fashion_exp.comparison.run_data import load_run

        if RunDir(self.folder).is_refit:
            raise InputError(f"{self.folder}: a refit has no results of its own; its run has")
        return load_run(self.folder)

    @cached_property
    def trained(self) -> TrainedRun:
        """The run as `export` reads it. Raises `InputError` if it has lost its models, or predicts
        several classes at once."""
        from fashion_exp.configuration.targets import refuse_several

        refuse_several(self._predicting.config, self.folder)
        return self._predicting

    @cached_property
    def _predicting(self) -> TrainedRun:
        """The run as `predict` reads it."""
        from fashion_exp.inference.trained_run import load_run

        return load_run(self.folder, self.outputs, several=True)

    @property
    def config(self) -> Config:
        return self._predicting.config

    @property
    def classes(self) -> tuple[str, ...]:
        return self._predicting.classes

    @property
    def metrics(self) -> dict[str, float]:
        """val_acc val_lo val_hi val_n val_f1 val_loss (val_t_lo val_t_hi), and the same with test_
        once the run was evaluated on its test set. Shares lie in [0, 1]."""
        parts = ["validation", *["test"] * self.data.is_test_evaluated]
        return {k: v for part in parts for k, v in self.data.summary(part).metrics().items()}

    @property
    def history(self) -> pd.DataFrame:
        """Loss and accuracy of each epoch of each training, on training and validation images."""
        return self.data.history

    def predictions(self, part: str = "validation") -> pd.DataFrame:
        """One row per image and training: image_id, path, group_id, label, p_<class>, part, fold,
        repeat, seed. Raises `InputError` for a test that is held out."""
        return self._predicting.predictions(part)

    def model(self, name: str | None = None) -> Classifier:
        """The first of its trainings, or the one of this name (r0f0): uint8 (n, channels, size,
        size) to logits (n, classes), on the CPU in evaluation mode."""
        return self._predicting.model(name or self._predicting.model_names[0])

    @property
    def transform(self) -> Callable[[Any], torch.Tensor]:
        """From a path, a PIL image or an array (height, width, 3) to what `model` takes, uint8
        (channels, size, size), as the run evaluates its own photos."""
        import torch

        from fashion_exp.inference.images import decoded

        run = self._predicting
        return lambda image: torch.from_numpy(run.preprocess(decoded(run, image))).permute(2, 0, 1)

    def predict(self, images: object, models: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Predictions of photos, one row per photo: path, predicted, probability, p_<class>,
        runner_up, agreement of its trainings, and what the command `predict` adds.

        `images` is one or several of: a path (a file, a folder, a pattern, a CSV list), a PIL
        image, or an array uint8 (height, width, 3). `models` are trainings such as r0f0; default:
        all. A file that is no photo is a row with its reason; bytes are those of a file. For
        several classes at once see `inference.predict.predict`.
        """
        import pandas as pd

        from fashion_exp.inference.images import as_list, predict_decoded
        from fashion_exp.inference.predict import predict

        photos, names = as_list(images), _names(models)
        paths = [fspath(photo) for photo in photos if isinstance(photo, str | PathLike)]
        if len(paths) == len(photos):
            return pd.concat(list(predict(self._predicting, paths, names)), ignore_index=True)
        return predict_decoded(self._predicting, photos, names)

    def export(
        self, into: str | PathLike[str], kind: str = "onnx", *, model: str | None = None,
        calibrated: bool = True, int8: bool = False, any_size: bool = True,
    ) -> Exported:  # fmt: skip
        """Writes its models as "onnx", "pt2" or "timm", once the file answers as the run does.

        onnx and pt2 take photos uint8 (n, height, width, 3) and give probabilities (n, classes);
        without `any_size`, and with `int8`, they take the run's input size. A timm folder holds one
        `model`, which takes normalized images float (n, 3, size, size) and gives logits. Raises
        `InputError`, and `ExportError` if an answer differs; then nothing is written.
        """
        from fashion_exp.inference.calibration import load_calibration
        from fashion_exp.inference.export import export

        with _progress() as progress:
            known = load_calibration(self.trained, progress).temperature if calibrated else {}
            return export(
                self.trained, kind, Path(into), progress, model=model, temperatures=known,
                int8=int8, any_size=any_size,
            )  # fmt: skip

    def calibrate(
        self, coverage: float = 0.95, *, per_class: bool = False, at_least: float | None = None,
        left_out: bool = True,
    ) -> CalibrationReport:  # fmt: skip
        """How far its probabilities can be trusted: calibration, prediction sets of a stated
        coverage, the confidence from which the accuracy is `at_least`, and with `left_out` how well
        photos of an unknown class are recognized. `coverage`, `at_least` and all results but the
        NLL and the sizes of sets are shares. Raises `InputError`."""
        from fashion_exp.inference.calibration_report import measure_calibration

        with _progress() as progress:
            return measure_calibration(
                self.trained, progress, coverage, per_class, at_least, left_out
            )

    def evaluate(
        self,
        labeled: str | PathLike[str],
        name: str | None = None,
        rename: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> PhotoEvaluation:
        """Evaluates it on labeled photos that it has never seen: a folder of class folders, or a
        CSV file with path and label. `compare(on=name)` compares runs on them. Raises `InputError`
        if it has an evaluation of this name, unless `overwrite`.
        """
        from fashion_exp.inference.evaluate import evaluate

        with _progress() as progress:
            return evaluate(
                self._predicting, fspath(labeled), self.outputs, progress, name, rename, overwrite
            )

    def refit(self, *, with_test: bool = False, models: int | None = None) -> Run:
        """Its recipe trained on all development photos, or on all photos; nothing is known of the
        new models' accuracy but that of this run."""
        from fashion_exp.inference.refit import refit

        with _progress() as progress:
            return Run(refit(self.trained, progress, with_test, models).run.path)

    def soup(self, *, greedy: bool = False, evaluate_test: bool = False) -> Soup:
        """The mean of its models' weights as one model (`trained`), judged on its test photos,
        which is counted. Raises `InputError` for models that do not start from the same weights.
        """
        from fashion_exp.inference.soup import make_soup

        with _progress() as progress:
            return make_soup(self.trained, progress, greedy, evaluate_test)

    def explain(
        self,
        images: object = None,
        *,
        class_name: str | None = None,
        models: str | Sequence[str] | None = None,
        methods: Sequence[str] | None = None,
        check: bool = True,
        count: int | None = None,
        into: str | PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> Explained:
        """What its networks look at: a picture of each photo beside its maps, and a page.

        `images` are as in `predict`; None stands for the misclassified photos that the run was most
        sure of. The first `count` are explained; by default all that are named, or 24 misclassified
        ones. The maps, "activation" and "occlusion" or one of these `methods`, are those of the
        predicted class or of `class_name`; by default both kinds, as far as the run has them. With
        `check`, deletion curves say whether what the maps mark matters; see
        `inference.explain.explain`. Writes into `into`, or else into `explain/` of the run. Photos
        that cannot be read are named in `unreadable`. Raises `InputError`, also if none can.
        """
        from fashion_exp.inference.explain import methods_of
        from fashion_exp.inference.explanation_page import (
            MAX_ERRORS,
            errors_of,
            explain_into,
            named_sources,
        )

        run = self.trained
        if images is None:
            cache = self.outputs / "cache"
            sources = errors_of(run, cache, MAX_ERRORS if count is None else count)
        else:
            sources = named_sources(images, count)
        tick = progress.stage("explaining", len(sources)) if progress else lambda done: None
        folder = _folder(into, self.folder / "explain")
        options = {"class_name": class_name, "models": _names(models), "check": check}
        return explain_into(run, sources, folder, methods or methods_of(run), tick, **options)

    def promote(self, name: str, force: bool = False) -> Promotion:
        """Registers it in MLflow as the champion of a name; raises `InputError` if the evidence
        is missing or speaks against it, unless `force`."""
        from fashion_exp.inference.promote import promote

        with _progress() as progress:
            return promote(self.trained, name, progress, force)

    def serve(self, port: int = 8000, **options: Any) -> None:
        """Serves it over HTTP at 127.0.0.1 until it is stopped; `options` are those of
        `fashion_exp.api.serving.serve`. Raises `InputError`, as for a port in use."""
        from fashion_exp.api.serving import serve

        serve(self.folder, port=port, outputs=self.outputs, **options)

    def bundle(self, file: str | PathLike[str]) -> Path:
        """Packs it with its models and their backbone into a .zip file, which predicts wherever it
        is unpacked; `import_study` adds it to an outputs folder. Raises `InputError`."""
        from fashion_exp.api.studies import export_study

        return export_study(file, self.folder, weights=True, outputs=self.outputs).file

    def report(self, into: str | PathLike[str] | None = None, maps: bool = False) -> Path:
        """Writes the page about this run; see `Comparison.report`."""
        from fashion_exp.api.comparison import compare

        return compare(self, outputs=self.outputs).report(into, maps=maps)

    def card(self) -> PhotoPage:
        """The content of its model card; `reporting.photo_page` has it as Markdown and JSON."""
        from fashion_exp.inference.card import build_card

        return build_card(self.trained)

    def write_card(self, into: str | PathLike[str] | None = None) -> CardFiles:
        """Writes card.md and card.html into a folder, or else into that of the run."""
        from fashion_exp.inference.card import write_card

        return write_card(self.trained, _folder(into, self.folder))

    def _repr_html_(self) -> str:
        from fashion_exp.comparison.audit import find_problems
        from fashion_exp.evaluation.results import result_table
        from fashion_exp.reporting.templates import render

        if RunDir(self.folder).is_refit:
            return render("fragment.html.j2", sentences=self.card().conclusions, tables=[])
        table = result_table(self.data.result, find_problems(self.data))
        return render("fragment.html.j2", sentences=[f"Files: {self.folder}"], tables=[table])


def _folder(into: str | PathLike[str] | None, default: Path) -> Path:
    return default if into is None else writable_folder(fspath(into), "into")


def _names(models: str | Sequence[str] | None) -> Sequence[str] | None:
    return [models] if isinstance(models, str) else models


def _progress() -> Progress:
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    return Progress(plain_console(stderr=True))


def run(*overrides: str) -> Run:
    """Runs one experiment; the arguments are those of the command line.

        run("dataset=folder", "dataset.root=photos", "model=resnet50", "optim.lr=2e-4")

    It prints the log, the progress and the result. Raises `InputError` for a mistake in the
    arguments or the data, and whatever makes a training fail; `resume=FOLDER` continues one that
    was interrupted.
    """
    from fashion_exp.experiment.arguments import parse_arguments, run_dir_of
    from fashion_exp.experiment.job import run_job

    line = parse_arguments(overrides)
    if line.multirun or line.info_only:
        raise InputError("run: one experiment only; sweep(…) runs one for each combination")
    (cfg,), (typed,) = line.jobs, line.job_overrides
    if cfg.recipe.name is not None:
        raise InputError("run: a recipe is several experiments; recipe(…) runs them")
    folder = run_dir_of(cfg)
    run_job(cfg, folder, typed, raise_errors=True)
    return Run(folder.path)


def load(
    reference: str | PathLike[str], *, uri: str | None = None,
    outputs: str | PathLike[str] | None = None,
) -> Run:  # fmt: skip
    """A finished run by its folder, its name or the id of its tracked run; for a sweep, its winner.

    `outputs` is the folder of the runs, and `uri` the tracking store, if they are not the default
    ones. Raises `InputError` if there is no such run, or if it has lost its models.
    """
    from fashion_exp.inference.trained_run import load_run

    outputs_root = outputs_dir(None if outputs is None else fspath(outputs))
    return Run(load_run(fspath(reference), outputs_root, uri, several=True).run.path)
