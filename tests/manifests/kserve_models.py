"""Reads KServe resources, a JSON list on standard input, into the models of KServe's SDK; prints what fields they lack.

It runs with the Python of KServe's environment, which takes seconds to import the SDK. What it prints is a JSON list
with a list of paths for each resource. A field that must be there and is not raises ValueError.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import kserve.models
import kubernetes.client.models

KINDS = {"ServingRuntime": "V1alpha1ServingRuntime", "InferenceService": "V1beta1InferenceService"}


def model(name: str) -> type | None:
    return getattr(kserve.models, name, None) or getattr(kubernetes.client.models, name, None)


def read(value: Any, type_name: str, path: str, unknown: list[str]) -> Any:
    """Makes a model of a value, and adds the paths of fields that the models do not have to `unknown`."""
    if container := re.fullmatch(r"(?:list\[|dict\((?:str), )(.*)[\])]", type_name):
        if isinstance(value, list):
            return [read(one, container[1], f"{path}[{i}]", unknown) for i, one in enumerate(value)]
        return {key: read(one, container[1], f"{path}.{key}", unknown) for key, one in value.items()}
    found = model(type_name)
    if found is None:
        return value
    attributes = {json_name: name for name, json_name in found.attribute_map.items()}
    unknown += [f"{path}.{key}" for key in value if key not in attributes]
    types = found.openapi_types
    return found(
        **{
            attributes[key]: read(one, types[attributes[key]], f"{path}.{key}", unknown)
            for key, one in value.items()
            if key in attributes
        }
    )


def missing(resource: dict[str, Any]) -> list[str]:
    """The paths of the fields that the models do not have."""
    unknown: list[str] = []
    read(resource, KINDS[resource["kind"]], resource["kind"], unknown)
    return unknown


print(json.dumps([missing(resource) for resource in json.load(sys.stdin)]))
