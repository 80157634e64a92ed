"""What earlier processes have learned of timm's networks, so that timm need not be imported for it.

Importing timm takes as long as importing PyTorch. A head on stored features needs of its networks
only what is here. The files are kept for this user, beside converted weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from fashion_exp.atomic_io import DiskFullError, write_json
from fashion_exp.cache.provenance import library_versions, source_hash
from fashion_exp.models.compat import import_timm
from fashion_exp.paths import user_cache


@dataclass(frozen=True)
class Published:
    """The published weights of a network, as timm describes them."""

    repository: str
    """On the model hub; empty if the weights are not there."""
    size: int
    """Side of the square image, px."""
    mean: tuple[float, ...]
    """Per channel, for pixels in [0, 1]."""
    std: tuple[float, ...]
    interpolation: str


def is_known(name: str) -> bool:
    """Whether timm has a model of this name."""
    return bool(remembered("description", name, lambda: _describe(name)))


def published_weights(name: str) -> Published | None:
    """None for a model that timm does not have, or without published weights."""
    description = remembered("description", name, lambda: _describe(name))
    if not description or description["published"] is None:
        return None
    fields = description["published"]
    return Published(**fields | {key: tuple(fields[key]) for key in ("mean", "std")})


def _describe(name: str) -> dict[str, Any] | None:
    timm = import_timm()

    if not timm.is_model(name):
        return None
    cfg = timm.get_pretrained_cfg(name)
    if not cfg:
        return {"published": None}
    published = Published(
        cfg.hf_hub_id or "", cfg.input_size[-1], tuple(cfg.mean), tuple(cfg.std), cfg.interpolation
    )
    return {"published": asdict(published)}


def remembered(kind: str, key: str, compute: Callable[[], Any]) -> Any:
    """What `compute` gives, which JSON can represent; from an earlier process, if one with this
    code and these libraries has computed it. None is not remembered."""
    name = hashlib.sha256(f"{kind} {key}".encode()).hexdigest()[:16]
    file = user_cache() / "networks" / f"{name}.json"
    code = {"source": source_hash("models"), **library_versions("torch", "timm")}
    with suppress(OSError, ValueError, TypeError, KeyError):
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["code"] == code:
            return content["value"]
    value = compute()
    if value is not None:
        with suppress(OSError, DiskFullError):  # it is computed again next time
            write_json(file, {"kind": kind, "key": key, "code": code, "value": value})
    return value
