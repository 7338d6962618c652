"""Earlier names of config keys, which logged configs and the params of logged runs may contain."""

from collections.abc import Mapping
from typing import Any

#: The current name of each earlier key. Keys of `model` are also keys of the members of a blend.
RENAMED = {
    "evaluation.bootstrap": "evaluation.bootstrap_samples",
    "evaluation.level": "evaluation.confidence_level",
    "evaluation.block": "evaluation.block_length",
    "evaluation.permutations": "evaluation.permutation_repeats",
    "features.cross_oldest": "features.cross_max_age",
    "model.held_out": "model.validation_fraction",
    "split.folds": "split.n_folds",
    "split.groups": "split.n_groups",
    "split.tested": "split.n_test_groups",
    "tuning.chosen": "tuning.best_params",
}


def current_key(path: str) -> str | None:
    """Return the current name of an earlier key; None if `path` is not an earlier name."""
    parts = path.split(".")
    if parts[:2] == ["model", "members"] and len(parts) == 4:
        new = RENAMED.get(f"model.{parts[3]}")
        return new and ".".join([*parts[:3], new.removeprefix("model.")])
    return RENAMED.get(path)


def rename_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a logged config with current keys. A triple barrier, once a direction with a stop, is now a form."""
    renamed = {group: _rename_group(str(group), node) for group, node in raw.items()}
    model = renamed.get("model")
    if isinstance(model, dict) and isinstance(model.get("members"), dict):
        members = {name: _rename_group("model", node) for name, node in model["members"].items()}
        renamed["model"] = model | {"members": members}
    target = renamed.get("target")
    if isinstance(target, dict) and target.get("form") == "direction" and target.get("stop") is not None:
        renamed["target"] = target | {"form": "triple_barrier"}
    return renamed


def _rename_group(group: str, node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    new = {key: (RENAMED.get(f"{group}.{key}") or "").removeprefix(f"{group}.") for key in node}
    return {new[key] if new[key] and new[key] not in node else key: value for key, value in node.items()}


def rename_params(params: Mapping[str, str]) -> dict[str, str]:
    """Return the flat params of a logged run with current keys."""
    renamed = {current_key(key) or key: value for key, value in params.items()}
    if renamed.get("target.form") == "direction" and renamed.get("target.stop", "None") != "None":
        renamed["target.form"] = "triple_barrier"
    return renamed
