"""Models' files: a registry of what exists and a store of what is on this machine, verified.

    name --registry--> sources, sha256 --fetch--> store folder (inference.onnx + inference.yml) --> ModelFolder

A folder that the user names and a folder of the store look alike to the rooms above: both are a `ModelFolder`.
"""

from docfleet.weights.folder import ModelFolder, open_model_folder
from docfleet.weights.progress import NullProgress, Progress
from docfleet.weights.record import Check, State
from docfleet.weights.registry import HubSource, Model, ModelTask, Registry, WheelSource, builtin_registry
from docfleet.weights.store import Store, default_root

__all__ = [
    "Check",
    "HubSource",
    "Model",
    "ModelFolder",
    "ModelTask",
    "NullProgress",
    "Progress",
    "Registry",
    "State",
    "Store",
    "WheelSource",
    "builtin_registry",
    "default_root",
    "open_model_folder",
]
