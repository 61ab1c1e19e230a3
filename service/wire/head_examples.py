"""Examples of requests and answers of `/v1/heads`."""

from typing import Any

from service.wire.problems import EXAMPLE_ITEM_PROBLEM

_SPACE = "ca564b3bde005012cfad76d0de24686d91919ce739ec05c262bc4286d6e7b987"

HEAD_EXAMPLES: dict[str, Any] = {
    "labelled items of a collection": {"collection": "photos"},
    "labelled vectors (as short as no model's, to be read)": {
        "space": _SPACE,
        "items": [
            {"id": "a", "vector": [0.1, 0.9, -0.2], "label": "dress"},
            {"vector": [0.8, 0.1, 0.3], "label": "shirt"},
        ],
    },
}
LABELS_EXAMPLES: dict[str, Any] = {
    "label one anew, take one out": {"items": [{"id": "a", "label": "shirt"}], "remove": ["b"]},
    "add an item of a collection": {
        "collection": "photos",
        "items": [{"id": "img-7", "label": "dress"}],
    },
}
LIVE_EXAMPLES: dict[str, Any] = {"roll back": {"version": 1}}
CLASSIFY_EXAMPLES: dict[str, Any] = {
    "items of a collection": {"collection": "photos", "ids": ["img-8", "img-9"]},
    "vectors": {"vectors": [[0.1, 0.9, -0.2]], "top": 2, "version": 1},
}

_CLASSES = [{"name": "dress", "count": 5}, {"name": "shirt", "count": 5}]
_REPORT: dict[str, Any] = {
    "accuracy": {
        "mean": 0.9,
        "low": 0.6,
        "high": 0.98,
        "method": "10 times repeated stratified cross-validation; 95% Wilson interval for 10 "
        "distinct examples",
    },
    "per_class": [
        {"name": "dress", "count": 5, "precision": 1.0, "recall": 0.8, "f1": 0.89},
        {"name": "shirt", "count": 5, "precision": 0.83, "recall": 1.0, "f1": 0.91},
    ],
    "confusion": [[4.0, 1.0], [0.0, 5.0]],
    "learning_curve": [{"per_class": 1, "accuracy": 0.7}, {"per_class": 4, "accuracy": 0.9}],
    "suspects": [{"id": "a", "label": "dress", "suggested": "shirt", "probability": 0.91}],
    "warnings": ["'dress' has 5 examples; with 10 or more the accuracy can be trusted further"],
}
_HEAD: dict[str, Any] = {
    "head": "clothes",
    "live": 1,
    "last": 1,
    "model": "efficientnet-lite0@1",
    "space": _SPACE,
    "dim": 1280,
    "labels": 10,
    "created_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T12:00:00Z",
}
_VERSION: dict[str, Any] = {
    "head": "clothes",
    "version": 1,
    "live": 1,
    "model": "efficientnet-lite0@1",
    "space": _SPACE,
    "classes": _CLASSES,
    "report": _REPORT,
}
FIT_ANSWER: dict[str, Any] = {
    "one image was damaged": {
        **_VERSION,
        "items": [
            {"index": 0, "id": "4c1f0d9be1a54a0cb6b7a1f1a7a6f2b0"},
            {"index": 1, "error": EXAMPLE_ITEM_PROBLEM},
        ],
    }
}
PUT_AGAIN_ANSWER: dict[str, Any] = {
    "a second version": {**_VERSION, "version": 2, "live": 2, "items": [{"index": 0, "id": "a"}]}
}
REFIT_ANSWER: dict[str, Any] = {"a second version": {**_VERSION, "version": 2, "live": 2}}
HEAD_ANSWER: dict[str, Any] = {"a head": _HEAD}
HEADS_ANSWER: dict[str, Any] = {"one head": {"data": [_HEAD]}}
VERSION_ANSWER: dict[str, Any] = {
    "the first": {**_VERSION, "created_at": "2026-01-31T12:00:00Z"},
}
VERSIONS_ANSWER: dict[str, Any] = {
    "one version": {
        "head": "clothes",
        "live": 1,
        "data": [{**_VERSION, "created_at": "2026-01-31T12:00:00Z"}],
    }
}
LABELS_ANSWER: dict[str, Any] = {
    "one changed": {
        "head": "clothes",
        "labels": 9,
        "data": [{"index": 0, "id": "a", "status": "updated"}],
    }
}
CLASSIFY_ANSWER: dict[str, Any] = {
    "one of two images is damaged": {
        "head": "clothes",
        "version": 1,
        "data": [
            {
                "index": 0,
                "label": "dress",
                "unknown": False,
                "probability": 0.83,
                "top": [
                    {"label": "dress", "probability": 0.83},
                    {"label": "shirt", "probability": 0.17},
                ],
            },
            {"index": 1, "error": EXAMPLE_ITEM_PROBLEM},
        ],
    }
}
