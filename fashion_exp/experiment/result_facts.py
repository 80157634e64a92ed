"""What a result depends on beside the options."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fashion_exp.configuration.schema import Targets
from fashion_exp.data.split import manifest_hash
from fashion_exp.evaluation.own_metrics import SEVERAL_METRICS
from fashion_exp.experiment.context import ExperimentContext, random_operations
from fashion_exp.experiment.fingerprints import job_fingerprint, short_hash
from fashion_exp.extensions.registry import code_hash, own_pieces, piece_files
from fashion_exp.models.plan import ModelPlan
from fashion_exp.models.solved_heads import describe_head


def result_facts(context: ExperimentContext, data: str) -> dict[str, str]:
    """What a result depends on beside the options; recorded as tags.

    `data` is the fingerprint of the images as they were found, before any was decoded.
    """
    cfg, plan, compute, table = context.cfg, context.plan, context.compute, context.table
    manifest = context.split.manifest(table.rows)
    test_ids = sorted(table.rows["image_id"].to_numpy()[context.split.test])
    operations = random_operations(cfg, plan)
    # The choice biases the score of the validation images upwards.
    selects_epoch = cfg.training.keep.value == "best" or cfg.training.early_stopping is not None
    return {
        "job_hash": job_fingerprint(cfg, data, plan.weights_identity, compute),
        "data_fingerprint": table.fingerprint,
        **table.facts,
        "split_hash": manifest_hash(manifest),
        "test_hash": short_hash(test_ids),
        "weights": " + ".join(network.weights.source for network in plan.networks),
        "weights_sha256": plan.weights_sha256,
        "freeze": plan.freeze,
        "input": " + ".join(dict.fromkeys(map(_input_text, plan.networks))),
        "augmentation": ", ".join(str(operation["name"]) for operation in operations) or "none",
        "device": str(compute.device),
        "precision": compute.dtype,
        "threads": str(compute.threads),
        "parameters": json.dumps(dict(context.parameter_counts)),
        "images": json.dumps(table.class_counts),
        "files": str(table.file_count),
        "left_out": str(len(table.left_out)),
        "set_aside": str(len(table.left_out) - len(table.unusable)),
        **({"head": describe_head(cfg.model)} if cfg.model.head.is_solved else {}),
        **_target_facts(context),
        "val_selected": "on these images" if selects_epoch else "no",
    }


def _target_facts(context: ExperimentContext) -> dict[str, str]:
    """How labels of several classes are trained and evaluated, and their number; the user's files;
    direction and range of the metrics of both."""
    targets, shares = context.cfg.training.targets, context.table.shares
    facts, metrics = dict[str, str](), dict[str, dict[str, bool]]()
    if shares is not None:
        several = int(((shares > 0).sum(axis=1) > 1).sum())
        facts["targets"] = f"{targets.value}: {several} of {len(shares)} photos"
    if targets is Targets.several:
        metrics |= SEVERAL_METRICS
    if code_hash():
        files = ", ".join(dict.fromkeys(piece_files().values()))
        facts["extensions"] = f"{files} ({code_hash()})"
        metrics |= {
            name: {"lower_is_better": metric.lower_is_better, "is_share": metric.is_share}
            for name, metric in own_pieces("metric").items()
        }
    return facts | ({"own_metrics": json.dumps(metrics)} if metrics or code_hash() else {})


def _input_text(plan: ModelPlan) -> str:
    return (
        f"{plan.size} px, {plan.channels} channels, {plan.interpolation}, mean "
        f"{_numbers(plan.mean)}, std {_numbers(plan.std)}"
    )


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
