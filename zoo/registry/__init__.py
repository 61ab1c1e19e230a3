"""Places that finished packages are pushed to and pulled from; see `zoo.registry.index`."""

from zoo.registry.places import HttpPlace, Place, StoredPlace, open_place
from zoo.registry.pull import Demands, plan_package, pull_package
from zoo.registry.push import push_package

__all__ = [
    "Demands",
    "HttpPlace",
    "Place",
    "StoredPlace",
    "open_place",
    "plan_package",
    "pull_package",
    "push_package",
]
