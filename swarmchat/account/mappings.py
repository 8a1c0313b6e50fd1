"""Read-only mappings, and the next one of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def frozen(mapping: Mapping[K, V]) -> Mapping[K, V]:
    """A copy that nobody changes."""
    return MappingProxyType(dict(mapping))


def with_item(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    """The mapping in which `key` has this value."""
    return MappingProxyType({**mapping, key: value})


def without(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    """The mapping without `key`."""
    return MappingProxyType({other: value for other, value in mapping.items() if other != key})
