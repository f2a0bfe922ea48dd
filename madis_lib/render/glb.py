"""A skinned, animated figure as one binary glTF 2.0 file: opens in Blender, Windows, macOS, web."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from madis_lib.parts import JOINT_NAMES, PARENTS
from madis_lib.render.kernels import vertex_normals
from madis_lib.render.look import Mesh

_VERTICES, _INDICES = 34962, 34963  # what a bufferView holds
_COMPONENT = {"uint8": 5121, "uint16": 5123, "uint32": 5125, "float32": 5126}
_SHAPE = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}


class _Buffer:
    """The binary chunk and the JSON that describes it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: np.ndarray, target: int | None = None, **extra: Any) -> int:
        """Append ``array`` and return its accessor's index."""
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes}
        if target:
            view["target"] = target
        self.views.append(view)
        self.data += array.tobytes()
        self.data += b"\0" * (-len(self.data) % 4)
        self.accessors.append(
            {
                "bufferView": len(self.views) - 1,
                "componentType": _COMPONENT[array.dtype.name],
                "count": len(array),
                "type": _SHAPE[array.shape[1:]],
                **extra,
            }
        )
        return len(self.accessors) - 1

    def add_with_bounds(self, array: np.ndarray, target: int | None = None) -> int:
        """As :meth:`add`, with the minimum and maximum that positions and times must state."""
        low, high = (np.atleast_1d(f(axis=0)).tolist() for f in (array.min, array.max))
        return self.add(array, target, min=low, max=high)


def glb(mesh: Mesh, rotations: np.ndarray, fps: float, hands: str = "both") -> bytes:
    """The file's bytes.

    ``rotations [T, 55, 3]`` are axis-angles against the mesh at rest; joints that never move get
    no track.
    """
    buffer = _Buffer()
    scene: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "madis"},
        "scene": 0,
        "scenes": [{"nodes": [0, len(PARENTS)]}],
        "nodes": [*_joint_nodes(mesh.rest_joints), {"name": "signer", "mesh": 0, "skin": 0}],
        "meshes": [{"name": "signer", "primitives": [_primitive(buffer, mesh, hands)]}],
        "materials": [
            {"name": "matte", "pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 0.8}}
        ],
        "skins": [_skin(buffer, mesh.rest_joints)],
        "animations": [_animation(buffer, rotations, fps)],
    }
    if not scene["animations"][0]["channels"]:
        del scene["animations"]  # a clip that stays in the T-pose; empty tracks are not allowed
    scene |= {
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(scene, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(buffer.data), b"BIN\0") + buffer.data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _joint_nodes(rest_joints: np.ndarray) -> list[dict[str, Any]]:
    nodes = []
    for joint, parent in enumerate(PARENTS):
        origin = rest_joints[parent] if parent >= 0 else 0.0
        node = {
            "name": JOINT_NAMES[joint],
            "translation": (rest_joints[joint] - origin).astype(float).tolist(),
        }
        if children := [child for child, p in enumerate(PARENTS) if p == joint]:
            node["children"] = children
        nodes.append(node)
    return nodes


def _primitive(buffer: _Buffer, mesh: Mesh, hands: str) -> dict[str, Any]:
    srgb = mesh.colours(hands)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    opaque = np.concatenate([linear, np.ones((len(linear), 1))], axis=1)
    weights = mesh.byte_weights()
    joints = np.where(weights > 0, mesh.influences, 0).astype(np.uint8)
    return {
        "attributes": {
            "POSITION": buffer.add_with_bounds(mesh.rest, _VERTICES),
            "NORMAL": buffer.add(vertex_normals(mesh.rest, mesh.faces), _VERTICES),
            "JOINTS_0": buffer.add(joints, _VERTICES),
            "WEIGHTS_0": buffer.add(weights, _VERTICES, normalized=True),
            "COLOR_0": buffer.add(
                np.round(opaque * 255).astype(np.uint8), _VERTICES, normalized=True
            ),
        },
        "indices": buffer.add(mesh.faces.astype(np.uint16).ravel(), _INDICES),
        "material": 0,
    }


def _skin(buffer: _Buffer, rest_joints: np.ndarray) -> dict[str, Any]:
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (len(PARENTS), 1, 1))
    inverse_bind[:, 3, :3] = -rest_joints  # glTF stores columns, so this is the last column
    return {
        "joints": list(range(len(PARENTS))),
        "skeleton": 0,
        "inverseBindMatrices": buffer.add(inverse_bind),
    }


def _animation(buffer: _Buffer, rotations: np.ndarray, fps: float) -> dict[str, Any]:
    times = buffer.add_with_bounds((np.arange(len(rotations)) / fps).astype(np.float32))
    quaternions = _quaternions(rotations)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    for joint in np.flatnonzero(np.abs(rotations).max(axis=(0, 2)) > 0):
        output = buffer.add(np.ascontiguousarray(quaternions[:, joint]))
        target = {"node": int(joint), "path": "rotation"}
        channels.append({"sampler": len(samplers), "target": target})
        samplers.append({"input": times, "output": output, "interpolation": "LINEAR"})
    return {"name": "sign", "samplers": samplers, "channels": channels}


def _quaternions(rotations: np.ndarray) -> np.ndarray:
    """Axis-angles ``[T, J, 3]`` to x, y, z, w ``[T, J, 4]`` without jumps of sign over time."""
    angle = np.linalg.norm(rotations, axis=-1, keepdims=True)
    axis = rotations / np.maximum(angle, 1e-12)
    q = np.concatenate([axis * np.sin(angle / 2), np.cos(angle / 2)], axis=-1)
    flips = np.where((q[1:] * q[:-1]).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    q[1:] *= np.cumprod(flips, axis=0)
    return q.astype(np.float32)
