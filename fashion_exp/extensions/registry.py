"""What users' Python files add to an experiment, by kind and name: the decorators for it, and a
lookup.

    import fashion_exp as fx

    @fx.register_loss
    def squared_error(logits, targets): ...

A file is named by `extensions=[FILE]`. One set of files is in force at a time: those of the run
that is trained or used (`files.use_code`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from fashion_exp.errors import InputError

Piece = TypeVar("Piece", bound=Callable[..., Any])

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "model": (),
    "transform": ("image", "rng"),
    "loss": ("logits", "targets"),
    "metric": ("labels", "probabilities"),
    "optimizer": ("params",),
    "schedule": ("epochs",),
    "source": ("cfg", "cache"),
    "callback": ("epoch", "metrics"),
}
"""The positional arguments that a piece of each kind is called with; a model gets `in_chans` by
name."""


@dataclass(frozen=True)
class OwnMetric:
    """A metric of the user's: from labels (n,) and probabilities (n, classes) to a score (n,) of
    each image, or to one number."""

    function: Callable[..., Any]
    lower_is_better: bool = False
    is_share: bool = False
    """Whether it lies in [0, 1] and is shown in percent."""


@dataclass
class Pieces:
    """What the files of `extensions` register."""

    code_hash: str = ""
    """Of all files; empty without files."""
    by_kind: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {kind: {} for kind in ARGUMENTS}
    )
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    """The name of the file that registers a kind and name."""


class _Registry:
    in_force = Pieces()
    loading: Pieces | None = None
    file = ""
    """Name of the file that is being executed."""


def own_pieces(kind: str) -> dict[str, Any]:
    """The pieces in force of a kind, by name."""
    return _Registry.in_force.by_kind[kind]


def code_hash() -> str:
    """Hash of the files in force; empty if there are none."""
    return _Registry.in_force.code_hash


def piece_files() -> Mapping[tuple[str, str], str]:
    """The file of each kind and name in force."""
    return _Registry.in_force.files


def put_in_force(pieces: Pieces) -> None:
    _Registry.in_force = pieces


def collect(pieces: Pieces | None, file: str) -> None:
    """Until the next call, the decorators register into `pieces`."""
    _Registry.loading, _Registry.file = pieces, file


def _register(kind: str, piece: Piece, value: Any = None) -> Piece:
    name, pieces, file = getattr(piece, "__name__", ""), _Registry.loading, _Registry.file
    if pieces is None:
        raise InputError(
            f"register_{kind}({name}): write it into a file and name it by extensions=[FILE], so "
            "that other processes and later commands have it too"
        )
    if not callable(piece) or not name.isidentifier():
        raise InputError(f"extensions: {file}: register_{kind} needs a function or class")
    _check_arguments(kind, piece, file)
    if other := pieces.files.get((kind, name)):
        where = "twice" if other == file else f"and so does {other}"
        raise InputError(f"extensions: {file} registers the {kind} {name} {where}; rename one")
    pieces.by_kind[kind][name] = piece if value is None else value
    pieces.files[kind, name] = file
    return piece


def _check_arguments(kind: str, piece: Callable[..., Any], file: str) -> None:
    expected = ARGUMENTS[kind]
    try:
        inspect.signature(piece).bind(*expected, **{"in_chans": 3} if kind == "model" else {})
    except TypeError as error:
        arguments = ", ".join(expected or ("in_chans",))
        raise InputError(
            f"extensions: {file}: {piece.__name__}: a {kind} is called with ({arguments}): {error}"
        ) from None


def register_model(builder: Piece) -> Piece:
    """`model.name=<name>`: called with `in_chans=3`, and with `depth` and `width` if these options
    are set. Gives a module with `num_features`, `forward_features(images)` and
    `forward_head(features, pre_logits=True)`, like the networks of timm; images are float
    (n, in_chans, size, size), the output of `forward_head` is (n, num_features)."""
    return _register("model", builder)


def register_transform(function: Piece) -> Piece:
    """`augmentation.operations=[{name: <name>, p: 0.5}]`: from an image, uint8 (size, size,
    channels), and a `numpy.random.Generator` to an image of the same shape and type. Further keys
    of the operation are passed as arguments."""
    return _register("transform", function)


def register_loss(function: Piece) -> Piece:
    """`training.loss=<name>`: from logits, float32 (n, classes), and targets, the share of each
    class, float32 (n, classes), to the loss of each image, (n,). Label smoothing and mixup are in
    the targets; class weights are applied to the result."""
    return _register("loss", function)


@overload
def register_metric(function: Piece) -> Piece: ...
@overload
def register_metric(
    *, lower_is_better: bool = False, is_share: bool = False
) -> Callable[[Piece], Piece]: ...
def register_metric(
    function: Any = None, *, lower_is_better: bool = False, is_share: bool = False
) -> Any:
    """A metric of every run: from labels, int64 (n,), and probabilities, float64 (n, classes), to a
    score of each image, (n,), or to one number for all of them. A score of each image gets an
    interval and the paired tests of `compare --metric <name>`; one number has neither.
    `is_share`: it lies in [0, 1] and is shown in percent."""

    def register(piece: Piece) -> Piece:
        return _register("metric", piece, OwnMetric(piece, lower_is_better, is_share))

    return register if function is None else register(function)


def register_optimizer(kind: Piece) -> Piece:
    """`optim.name=<name>`: a subclass of `torch.optim.Optimizer`, called with the groups of
    parameters, `lr`, `weight_decay`, and `momentum` and `optim.options` where they are set."""
    return _register("optimizer", kind)


def register_schedule(function: Piece) -> Piece:
    """`schedule.name=<name>`: from the number of epochs after the warm-up to a function that gives
    the factor of the learning rate at a time in epochs, from 0."""
    return _register("schedule", function)


def register_source(function: Piece) -> Piece:
    """`dataset=csv dataset.name=<name>`: from the options of the data set (`cfg.root`) and a folder
    for downloads to a table (pandas) of image files with the columns path and label, and optionally
    group and split. Relative paths are those below `dataset.root`, and refused without it."""
    return _register("source", function)


def register_callback(function: Piece) -> Piece:
    """Called after every epoch of a training with its number, from 1, and its metrics (loss,
    accuracy, validation_loss, validation_accuracy, lr, seconds). True ends the training."""
    return _register("callback", function)
