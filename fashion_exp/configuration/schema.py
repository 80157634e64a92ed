"""Every knob once: its type, its unit and its legal range. The defaults live in `conf/`.

A field without a value here has its default in the YAML of its group. A field that is `None` here
belongs to some choices of its group only; `ACTS_ONLY` says to which, and setting it elsewhere is
refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Annotated, Any

from omegaconf import MISSING
from pydantic import Field

from fashion_exp.errors import InputError, validate_fields

Share = Annotated[float, Field(gt=0, lt=1)]
"""A share of a whole, both ends excluded."""
Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Pixels = Annotated[int, Field(ge=8, le=4096)]


class Fit(Enum):
    """How a photo that is not square becomes one."""

    crop = "crop"  # shorter side to the input size, middle kept
    pad = "pad"  # longer side to the input size, edges filled with the mean colour
    stretch = "stretch"  # both sides to the input size


class Interpolation(Enum):
    bilinear = "bilinear"
    bicubic = "bicubic"
    lanczos = "lanczos"
    nearest = "nearest"


class Head(Enum):
    own = "own"  # the network's own classifier, its last layer replaced
    new = "new"  # pooling, hidden layers and a last layer of ours on the last feature map


class Pool(Enum):
    avg = "avg"
    flatten = "flatten"


class Preprocessing(Enum):
    weights = "weights"  # size, mean, std and interpolation that the weights were trained with
    dataset = "dataset"  # those of `dataset.*`, against the weights' own


class OnFrozen(Enum):
    """What augmentation does where the backbone is frozen."""

    skip = "skip"  # nothing: the plain images, whose features are computed once
    views = "views"  # a fixed number of views of each image, whose features are computed once
    apply = "apply"  # a new view in every epoch, through the whole network


class ClassWeights(Enum):
    none = "none"
    balanced = "balanced"  # inverse to the class frequency in the training part


class Precision(Enum):
    auto = "auto"
    auto_bf16 = "auto_bf16"  # what auto comes to where the hardware has bf16
    fp32 = "fp32"
    bf16 = "bf16"


class Keep(Enum):
    last = "last"
    best = "best"


@dataclass
class DatasetConfig:
    name: str = MISSING
    """Who makes the image table: garments, folder, csv, fashion_mnist, clothing."""
    image_size: Pixels | None = MISSING
    """Edge of the square network input, px. null: the weights' own, else the data set's."""
    channels: Annotated[int, Field(ge=1, le=3)] = MISSING
    """3: RGB, grey images repeated; 1: grey, colour images converted."""
    fit: Fit = MISSING
    interpolation: Interpolation | None = MISSING
    """null: the weights' own, else bilinear."""
    mean: list[float] | None = MISSING
    """Per channel, of pixels in [0, 1]. null: the weights' own, else 0.5."""
    std: list[float] | None = MISSING
    classes: list[str] | None = MISSING
    """The classes to take, in this order, by their names before renaming. null: all."""
    rename: dict[str, str] = MISSING
    """{old: new}; two classes with one new name are merged."""
    root: str | None = None
    """Folder of the data; relative to the working directory."""
    manifest: str | None = None
    """CSV with the columns path, label and optionally group; paths relative to `root` or to it."""
    labels: str | None = None
    """current, none (the original ones), a version (v2), or a file of decisions on them."""
    quarantine: str | None = None
    """CSV of files to leave out: path, reason. null: quarantine.csv in `root`, if it is there."""
    groups: str | None = None
    """CSV of files of one source: path, group. null: groups.csv in `root`, if it is there."""
    download: bool | None = None
    """Whether missing files may be fetched from the data set's public home."""
    max_left_out: Probability | None = None
    """Share of unreadable, oversized or conflicting files above which the run is refused."""
    max_megapixels: Positive | None = None
    """Files of more pixels are left out unread, 10⁶ px."""
    per_class: Count | None = None
    """Drawn images per class."""
    drawn_size: Pixels | None = None
    """Edge of the drawings, px."""
    mislabelled: Probability | None = None
    """Share of drawn images that carry a wrong label."""
    ambiguous: Probability | None = None
    """Share of drawn images that are half one class, half another."""
    seed: Seed | None = None
    """Of the drawings."""


@dataclass
class AugmentationConfig:
    operations: list[dict[str, Any]] = MISSING
    """albumentations transforms for training images: {name: HorizontalFlip, p: 0.5}, in order."""
    evaluation: list[dict[str, Any]] = MISSING
    """Deterministic albumentations transforms for every image, training included, done first."""
    per_class: Count | None = MISSING
    """Training images per class after multiplying by augmented copies. null: no copies."""
    on_frozen: OnFrozen = MISSING
    """With a frozen backbone: skip, views or apply."""
    views: Count | None = MISSING
    """Views of each image that on_frozen=views takes, one an epoch, in turn; a function of
    seeds.augmentation and the image, the same in every fold. null: 8."""


@dataclass
class ModelConfig:
    name: str = MISSING
    """A model of timm or of ours (`python -m timm.models` lists none: see timm.list_models)."""
    weights: str = MISSING
    """auto, imagenet, none, a .safetensors or .pth file, or the directory of an earlier run."""
    head: Head = MISSING
    dropout: Annotated[float, Field(ge=0, lt=1)] = MISSING
    """Probability of zeroing an input of the last layer, and of each hidden layer's output."""
    freeze: str = MISSING
    """auto (the backbone, if pretrained), backbone, none, or the last stage to freeze."""
    preprocessing: Preprocessing = MISSING
    pool: Pool | None = None
    """How a new head reads the last feature map. null: avg."""
    hidden: list[Count] | None = None
    """Widths of a new head's hidden layers. null: [256]."""
    depth: Annotated[int, Field(ge=1, le=8)] | None = None
    """Convolutions of basic_cnn."""
    width: Count | None = None
    """Channels of its first convolution; each further one doubles them."""


@dataclass
class OptimConfig:
    name: str = MISSING
    """A class of torch.optim."""
    lr: Positive = MISSING
    weight_decay: NonNegative = MISSING
    backbone_lr_factor: Annotated[float, Field(gt=0, le=1)] = MISSING
    """The backbone's learning rate as a share of `lr`; acts where the backbone is trained."""
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the class, by its own names."""


@dataclass
class ScheduleConfig:
    name: str = MISSING
    """How the learning rate goes over the epochs: constant, cosine, step, exponential."""
    warmup_epochs: Natural = MISSING
    """Epochs in which the rate rises linearly to its full value."""
    final_factor: Probability | None = None
    """cosine: the rate at the end as a share of the full one."""
    step_epochs: Count | None = None
    """step: epochs between two drops."""
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None
    """step, exponential: the factor of a drop."""


@dataclass
class SplitConfig:
    name: str = MISSING
    """holdout, kfold or official; the presets twofold, repeated_kfold and 5x2cv are kfold's."""
    seed: Seed = MISSING
    """Of the test set and of every cut."""
    test_share: Share = MISSING
    """Share of each class that is set aside for the test, unless the data have a test folder."""
    redraw: bool = MISSING
    """Whether each repeat draws its own cut. false: only the training seeds differ."""
    train_ratio: Share | None = None
    """Share of the development part that is trained on."""
    folds: Annotated[int, Field(ge=2)] | None = None


@dataclass
class TrainingConfig:
    epochs: Count = MISSING
    batch_size: Count = MISSING
    """Images per forward pass; an update takes `accumulate` of them."""
    accumulate: Count = MISSING
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = MISSING
    class_weights: ClassWeights = MISSING
    clip_norm: Positive | None = MISSING
    """Upper bound of the gradient's norm. null: none."""
    early_stopping: Count | None = MISSING
    """Epochs without a better validation loss after which a fold ends. null: never."""
    keep: Keep = MISSING
    """The epoch whose model is evaluated: the last, or the best by validation loss."""
    precision: Precision = MISSING
    """auto: bf16 where the hardware has it and it gains, else fp32."""
    device: str = MISSING
    """auto, cpu, cuda, cuda:1, mps."""
    threads: Count | None = MISSING
    """CPU threads of one operation; changes last digits. null: one per core, or the process's share
    of them."""
    processes: Count = MISSING
    """Processes that train one model together, each on its share of every batch and on a GPU of its
    own where there are any; changes last digits."""
    compile: bool = MISSING
    """Whether the model is compiled for training (`torch.compile`): minutes once, then faster steps
    on GPUs; changes last digits."""
    workers: Natural = MISSING
    """Processes that augment images ahead; never changes a number."""


@dataclass
class SeedsConfig:
    initialisation: Seed = MISSING
    order: Seed = MISSING
    augmentation: Seed = MISSING
    dropout: Seed = MISSING


@dataclass
class TrackingConfig:
    name: str = MISSING
    """mlflow or none."""
    uri: str | None = None
    """Of the tracking server. null: the database under `outputs`."""
    experiment: str | None = None
    """The MLflow experiment that the runs stand in."""
    log_model: bool | None = None


@dataclass
class CacheConfig:
    """Of `outputs/cache`, which never changes a result."""

    trainings: bool = MISSING
    """Whether a training that an earlier run has done is taken over from it."""
    gigabytes: NonNegative = MISSING
    """Above which the least recently used pixels and features are removed, 10⁹ bytes; those in
    use stay."""


@dataclass
class SweepConfig:
    name: str | None = MISSING
    """Of the sweep's folder; null: from what is swept and what is fixed. The same name resumes."""
    zip: list[str] = MISSING
    """Swept keys whose values belong together, the first with the first, and so on."""
    cells: list[str] = MISSING
    """Cells one by one, each as it would be typed: "model=vgg16 optim.lr=2e-4"."""
    fresh: bool = MISSING
    """Whether to start over; the earlier sweep is set aside, not deleted."""
    dry_run: bool = MISSING
    """Whether to tell what would be run, and run nothing."""
    open_test: bool = MISSING
    """Whether every job of a multirun may look at its test predictions (`--open-test`)."""
    parent: str | None = MISSING
    """MLflow id of the multirun's parent; set by the driver."""
    swept: list[str] = MISSING
    """The keys that differ between the jobs, for their names; set by the driver."""
    weights: dict[str, str] = MISSING
    """What `model.weights=auto` came to, by model; decided once by the driver."""
    experiment: str | None = MISSING
    """MLflow id of the experiment; set by the driver."""
    study: str | None = MISSING
    """What the search of a job is called where its trials are kept; set by the driver."""
    trial: Natural | None = MISSING
    """Which trial of a search a job is; set by the driver."""
    storage: str | None = MISSING
    """Where the search keeps its trials; set by the driver."""


@dataclass
class Config:
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    seeds: SeedsConfig = field(default_factory=SeedsConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    seed: Seed = MISSING
    """Of everything that is random in training; `seeds.*` follow it unless set."""
    repeats: Count = MISSING
    """Independent trainings of every fold; each redraws the cut and the initial weights."""
    confidence: Share = MISSING
    """Level of every interval."""
    outputs: str | None = MISSING
    """Where runs are written. null: `outputs/` of the checkout, or of the working directory."""
    resume: str | None = MISSING
    """Directory of an interrupted run to go on with."""


@dataclass(frozen=True)
class Condition:
    """Where a knob acts, in words, and how to tell."""

    where: str
    holds: Callable[[Config], bool]


def _only(knob: str, *choices: str) -> Condition:
    group, name = knob.split(".")
    where = " or ".join(f"{group}={choice.lower()}" for choice in choices)
    return Condition(where, lambda cfg: getattr(getattr(cfg, group), name) in choices)


_DRAWN = _only("dataset.name", "garments")
_FILES = _only("dataset.name", "folder", "csv", "clothing")
_NEW_HEAD = Condition("model.head=new", lambda cfg: cfg.model.head is Head.new)
_BASIC_CNN = _only("model.name", "basic_cnn")
_TRACKED = _only("tracking.name", "mlflow")

OPTION_CONDITIONS: dict[str, Condition] = {
    "dataset.root": _only("dataset.name", "folder", "csv", "clothing", "fashion_mnist"),
    "dataset.manifest": _only("dataset.name", "csv"),
    "dataset.quarantine": _FILES,
    "dataset.groups": _FILES,
    "dataset.download": _only("dataset.name", "clothing", "fashion_mnist"),
    "dataset.labels": _FILES,
    "dataset.max_left_out": _FILES,
    "dataset.max_megapixels": _FILES,
    "dataset.per_class": _DRAWN,
    "dataset.drawn_size": _DRAWN,
    "dataset.mislabelled": _DRAWN,
    "dataset.ambiguous": _DRAWN,
    "dataset.seed": _DRAWN,
    "augmentation.per_class": Condition(
        "augmentation.operations that are not empty: plain copies would add nothing",
        lambda cfg: bool(cfg.augmentation.operations),
    ),
    "augmentation.views": Condition(
        "augmentation.on_frozen=views", lambda cfg: cfg.augmentation.on_frozen is OnFrozen.views
    ),
    "model.pool": _NEW_HEAD,
    "model.hidden": _NEW_HEAD,
    "model.depth": _BASIC_CNN,
    "model.width": _BASIC_CNN,
    "optim.momentum": _only("optim.name", "SGD", "RMSprop"),
    "schedule.final_factor": _only("schedule.name", "cosine"),
    "schedule.step_epochs": _only("schedule.name", "step"),
    "schedule.gamma": _only("schedule.name", "step", "exponential"),
    "split.train_ratio": _only("split.name", "holdout"),
    "split.folds": _only("split.name", "kfold"),
    "tracking.uri": _TRACKED,
    "tracking.experiment": _TRACKED,
    "tracking.log_model": _TRACKED,
}
"""Knobs that act in some combinations only. Where they do not act they are `None`."""

RESULT_NEUTRAL_OPTIONS = frozenset(
    {"outputs", "resume", "training.workers"}
    | {f"tracking.{name}" for name in TrackingConfig.__dataclass_fields__}
    | {f"cache.{name}" for name in CacheConfig.__dataclass_fields__}
    | {f"sweep.{name}" for name in SweepConfig.__dataclass_fields__ if name != "weights"}
)
"""Knobs that are no part of a job's identity."""


def flatten_options(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every knob of a composed config by its dotted name, with its value."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and prefix + name in GROUPS:
            yield from flatten_options(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


GROUPS = frozenset(
    name for name, node in Config.__dataclass_fields__.items() if str(node.type).endswith("Config")
)


def validate_config(tree: Mapping[str, Any]) -> Config:
    """The typed Config of a composed tree.

    Raises `InputError` for the first value that is out of range, or set where it cannot act.
    """
    cfg = validate_fields(Config, tree, "")
    for name, acts in OPTION_CONDITIONS.items():
        group, knob = name.split(".")
        if getattr(getattr(cfg, group), knob) is not None and not acts.holds(cfg):
            raise InputError(f"{name} cannot act here: it acts only with {acts.where}")
    _check_combinations(cfg)
    return cfg


def _check_combinations(cfg: Config) -> None:
    if cfg.dataset.channels == 2:
        raise InputError("dataset.channels=2: 3 for RGB or 1 for grey")
    if cfg.split.name == "official" and cfg.split.redraw:
        raise InputError("split.redraw=true: the official cut is one; split.redraw=false")
    if cfg.split.name == "kfold" and cfg.split.folds is None:
        raise InputError("split.folds: needs a number with split=kfold; 5 is the usual one")
    if cfg.schedule.warmup_epochs > cfg.training.epochs:
        raise InputError(
            f"schedule.warmup_epochs={cfg.schedule.warmup_epochs}: more than "
            f"training.epochs={cfg.training.epochs}"
        )
    if (cfg.dataset.mean is None) != (cfg.dataset.std is None):
        raise InputError("dataset.mean and dataset.std: give both or neither")
    if cfg.training.processes > cfg.training.batch_size:
        raise InputError(
            f"training.processes={cfg.training.processes}: more than "
            f"training.batch_size={cfg.training.batch_size} images to share"
        )
    for name in ("mean", "std"):
        values = getattr(cfg.dataset, name)
        if values is not None and len(values) != cfg.dataset.channels:
            raise InputError(
                f"dataset.{name}={values}: {len(values)} values for "
                f"dataset.channels={cfg.dataset.channels}"
            )


def to_plain(cfg: Config) -> dict[str, Any]:
    """The config as nested dicts of plain values, as YAML and JSON have them."""
    return asdict(cfg, dict_factory=_plain_values)


def _plain_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.value if isinstance(value, Enum) else value for name, value in pairs}
