"""What two packages have in common."""

from typing import Any

from zoo.package import Package
from zoo.space import tensor_digests


def space_differences(one: Package, other: Package) -> dict[str, Any]:
    """What defines a space and differs, `{part: [first, second]}`; nothing where they share one.

    Of `weights`, how many tensors differ and the name of the first.
    """
    if one.manifest.space == other.manifest.space:
        return {}
    differs = {}
    for part in ("dim", "architecture", "layer", "input"):
        a, b = (p.manifest.model_dump(mode="json")[part] for p in (one, other))
        if isinstance(a, dict):
            for key in sorted({*a, *b}):
                if a.get(key) != b.get(key):
                    differs[f"{part}.{key}"] = [a.get(key), b.get(key)]
        elif a != b:
            differs[part] = [a, b]
    a, b = tensor_digests(one.weights), tensor_digests(other.weights)
    changed = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    if changed:
        differs["weights"] = [f"{len(changed)} of {len({*a, *b})} tensors", changed[0]]
    return differs
