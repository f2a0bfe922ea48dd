"""The SMPL-X body: joints, the landmarks a metric reads, and the whole mesh."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from madis_lib import parts
from madis_lib.body import landmarks, smplx_file
from madis_lib.body.rotations import Tree, forward_kinematics, rodrigues

DEFAULT_FILE = Path(__file__).with_name("SMPLX_NEUTRAL.npz")
Values = TypeVar("Values", Tensor, np.ndarray)
State = dict[str, Any]  # the arrays of a body on one device, and its tree
_FIRST_HAND_JOINT = 25


def load(path: str | Path | None = None, flat_hand: bool = False) -> Body:
    """The body in ``path``, else in ``$MADIS_SMPLX``, else the default one of this package.

    The default body is free (NOTICE.txt beside it) and has no blend shapes: shape and expression
    are accepted and do nothing.  A licensed ``SMPLX_NEUTRAL.npz`` is used in full.

    Args:
        path: an SMPL-X ``.npz``.
        flat_hand: False: zero hand rotations mean the file's mean hand, the smplx package's own
            default (``flat_hand_mean=False``); True: they mean a flat hand.  The default body's
            mean hand is flat, so there both are the same.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an SMPL-X model; the message names file, key and fix.
    """
    path = Path(path or os.environ.get("MADIS_SMPLX") or DEFAULT_FILE)
    stamp = path.stat() if path.exists() else None
    return _load(path, stamp and (stamp.st_mtime_ns, stamp.st_size), flat_hand)


@lru_cache(maxsize=2)
def _load(path: Path, stamp: tuple[int, int] | None, flat_hand: bool) -> Body:
    """Read once: every run that measures joints names its body.  ``stamp``: a changed file is read."""
    return Body(path, flat_hand=flat_hand)


class Body:
    """One SMPL-X body.

    Poses are axis angles in radians, joints in :data:`madis_lib.parts.JOINT_NAMES` order, lengths
    in metres, y up, facing +z, the left hand at +x.  Leading dimensions are free; results are of
    the caller's kind (numpy or torch), device and precision (at least float32).  As in smplx, the
    root turns about the pelvis, which stays at its rest place.

    Attributes:
        path: the file it was read from.
        rest_joints: float32 tensor ``[55, 3]``, mean shape.
        faces: int64 array ``[F, 3]``.
        weights: float32 array ``[10475, 55]``, skinning weights.
        template: float32 array ``[10475, 3]``, the mesh at rest.
        hand_mean: float32 array ``[30, 3]``, added to the 15 left, then 15 right hand rotations.
    """

    def __init__(self, path: str | Path, flat_hand: bool = False):
        """See :func:`load`."""
        model = smplx_file.read(path)
        regressor = model.joint_regressor
        pairs = landmarks.fold(landmarks.point_rows(regressor), model)
        membership = np.zeros((pairs.point.max() + 1, len(pairs.point)))
        membership[pairs.point, np.arange(len(pairs.point))] = 1
        joint_dirs = None
        if model.shape_dirs is not None:
            joint_dirs = np.tensordot(regressor, model.shape_dirs, axes=1)  # [55, 3, 20]
        hand_mean = np.zeros_like(model.hand_mean) if flat_hand else model.hand_mean
        self._arrays: dict[str, np.ndarray | None] = {
            "joints": regressor @ model.template,
            "joint_dirs": joint_dirs,
            "template": model.template,
            "weights": model.weights,
            "shape_dirs": model.shape_dirs,
            "pose_dirs": model.pose_dirs,
            "hand_mean": hand_mean if hand_mean.any() else None,
            "body_joints": np.array(landmarks.BODY_JOINTS),
            "pair_joint": pairs.joint,
            "pair_weight": pairs.weight[:, None],
            "pair_moment": pairs.moment,
            "pair_shape_dirs": pairs.shape_dirs,
            "pair_pose_dirs": pairs.pose_dirs,
            "pair_sum": membership,
        }
        self._cache: dict[tuple[torch.dtype, torch.device], State] = {}
        self.path = Path(path)
        self._flat_hand = flat_hand
        self.rest_joints = torch.from_numpy(self._arrays["joints"]).float()
        self.faces = model.faces
        self.weights = model.weights.astype(np.float32)
        self.template = model.template.astype(np.float32)
        self.hand_mean = hand_mean.astype(np.float32)

    def joints(
        self,
        axis_angles: Values,
        expression: Values | None = None,
        betas: Values | None = None,
    ) -> Values:
        """The 55 joints of poses; ``[..., 55, 3] -> [..., 55, 3]``, differentiable.

        Args:
            axis_angles: ``[..., 55, 3]``.
            expression: ``[..., 10]``; like ``betas`` it moves the joints of a licensed body.
            betas: shape, ``[10]`` or ``[..., 10]``.

        Raises:
            ValueError: a last dimension is not as above.
        """
        pose, state, restore = self._prepare(axis_angles)
        _, world = self._posed(pose, self._shape(state, pose, expression, betas), state)
        return restore(world[..., :3, 3])

    def landmarks(self, features: Values, betas: Values | None = None) -> dict[str, Values]:
        """The points DTW-JPE reads, of ``[..., 133]`` features (MaDiS §4.1).

        Only these points are skinned, never the mesh, and they equal what ``smplx`` gives with its
        whole mesh: the pose has zero root, spine, legs and eyes.

        Returns:
            ``"body"`` ``[..., 13, 3]``: the pelvis, then smplx joints 12, 16-21 and 59-55 (neck,
            shoulders, elbows, wrists, ears, eyes, nose); ``"left"`` and ``"right"``
            ``[..., 21, 3]``: the wrist, then thumb, index, middle, ring and little finger, three
            joints and the tip each.  Names: ``landmarks.BODY_NAMES`` and ``HAND_NAMES``.

        Raises:
            ValueError: the last dimension is not 133, or that of ``betas`` not 10.
        """
        _check(features, "features", parts.NUM_FEATURES)
        pose, state, restore = self._prepare(parts.axis_angles(features))
        shape = self._shape(state, pose, parts.expression(features), betas)
        rotations, world = self._posed(pose, shape, state)
        joint, weight = state["pair_joint"], state["pair_weight"]
        moment = state["pair_moment"]
        if shape is not None:
            moment = moment + torch.einsum("pck,nk->npc", state["pair_shape_dirs"], shape)
        if state["pair_pose_dirs"] is not None:
            moment = moment + _pose_corrections(rotations, state["pair_pose_dirs"])
        arm = moment - weight * self._rest(state, shape).index_select(-2, joint)
        arm = torch.cat((arm, weight.expand(*arm.shape[:-1], 1)), dim=-1).unsqueeze(-1)
        moved = world.index_select(1, joint)[..., :3, :] @ arm  # G_j (m - w J_j) + w p_j
        points = state["pair_sum"] @ moved.squeeze(-1)
        face, left, right = points.split((5, 21, 21), dim=1)
        upper_body = world[..., :3, 3].index_select(1, state["body_joints"])
        body = torch.cat((upper_body, face), dim=1)
        return {"body": restore(body), "left": restore(left), "right": restore(right)}

    def fingerprint(self) -> str:
        """16 hexadecimal digits for the file, by its content, and what zero hand rotations mean."""
        content = self.path.read_bytes() + bytes([self._flat_hand])
        return hashlib.sha256(content).hexdigest()[:16]

    def vertices(
        self,
        axis_angles: Values,
        expression: Values | None = None,
        betas: Values | None = None,
    ) -> Values:
        """The whole mesh by linear blend skinning; ``[..., 55, 3] -> [..., 10475, 3]``.

        Arguments and errors are those of :meth:`joints`; half a megabyte a frame, so pass clips in
        pieces.
        """
        pose, state, restore = self._prepare(axis_angles)
        shape = self._shape(state, pose, expression, betas)
        rotations, world = self._posed(pose, shape, state)
        mesh = state["template"]
        if shape is not None:
            mesh = mesh + torch.einsum("vck,nk->nvc", state["shape_dirs"], shape)
        if state["pose_dirs"] is not None:
            mesh = mesh + _pose_corrections(rotations, state["pose_dirs"])
        turn, place = world[..., :3, :3], world[..., :3, 3:]
        shift = place - turn @ self._rest(state, shape).unsqueeze(-1)
        transforms = torch.cat((turn, shift), dim=-1).flatten(2)  # [N, 55, 12]
        blended = (state["weights"] @ transforms).unflatten(-1, (3, 4))
        return restore((blended[..., :3] @ mesh.unsqueeze(-1)).squeeze(-1) + blended[..., 3])

    # -- shared steps; N is the product of the leading dimensions --------------------------------

    def _prepare(self, axis_angles: Values) -> tuple[Tensor, State, Callable[[Tensor], Any]]:
        """The pose ``[N, 55, 3]``, this body's arrays beside it, and the way back."""
        _check(axis_angles, "axis_angles", 55, 3)
        pose = _tensor(axis_angles)
        pose = pose.to(torch.promote_types(pose.dtype, torch.float32))
        lead, is_tensor = pose.shape[:-2], isinstance(axis_angles, Tensor)

        def restore(result: Tensor) -> Any:
            result = result.reshape(*lead, *result.shape[1:])
            return result if is_tensor else result.numpy(force=True)

        return pose.reshape(math.prod(lead), 55, 3), self._state(pose), restore

    def _state(self, like: Tensor) -> State:
        key = (like.dtype, like.device)
        if key not in self._cache:
            with torch.inference_mode(False):  # what is kept must serve a later backward pass too
                state: State = {"tree": Tree(parts.PARENTS, like.device)}
                for name, array in self._arrays.items():
                    state[name] = None
                    if array is not None:
                        dtype = like.dtype if array.dtype.kind == "f" else torch.long
                        state[name] = torch.as_tensor(array, dtype=dtype, device=like.device)
            self._cache[key] = state
        return self._cache[key]

    @staticmethod
    def _shape(
        state: State, pose: Tensor, expression: Values | None, betas: Values | None
    ) -> Tensor | None:
        """Shape and expression coefficients ``[N, 20]``; None where they have no effect."""
        both = []
        for name, given in (("betas", betas), ("expression", expression)):
            values = pose.new_zeros(1, 10)
            if given is not None:
                _check(given, name, 10)
                values = _tensor(given).to(pose).reshape(-1, 10)
            if len(values) not in (1, len(pose)):
                raise ValueError(f"{name}: {len(values)} rows for {len(pose)} poses; give one each")
            both.append(values)
        if state["joint_dirs"] is None:
            return None
        return torch.cat([values.expand(len(pose), 10) for values in both], dim=1)

    @staticmethod
    def _rest(state: State, shape: Tensor | None) -> Tensor:
        """Rest joints, ``[55, 3]`` or, shaped, ``[N, 55, 3]``."""
        if shape is None:
            return state["joints"]
        return state["joints"] + torch.einsum("jck,nk->njc", state["joint_dirs"], shape)

    def _posed(self, pose: Tensor, shape: Tensor | None, state: State) -> tuple[Tensor, Tensor]:
        """Local rotations ``[N, 55, 3, 3]`` and world transforms ``[N, 55, 4, 4]``."""
        if state["hand_mean"] is not None:
            body, hands = pose.split((_FIRST_HAND_JOINT, 30), dim=1)
            pose = torch.cat((body, hands + state["hand_mean"]), dim=1)
        rotations = rodrigues(pose)
        return rotations, forward_kinematics(rotations, self._rest(state, shape), state["tree"])


def _pose_corrections(rotations: Tensor, directions: Tensor) -> Tensor:
    """``sum_k (R - I)_k D_k`` over the entries of all rotations but the root's; ``[N, X, 3]``."""
    identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
    entries = (rotations[:, 1:] - identity).flatten(1)
    return (entries @ directions.flatten(0, 1).T).unflatten(-1, (-1, 3))


def _tensor(values: Values) -> Tensor:
    return values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))


def _check(values: Values, name: str, *trailing: int) -> None:
    if tuple(values.shape[-len(trailing) :]) != trailing:
        wanted = ", ".join(map(str, trailing))
        raise ValueError(f"{name}: shape {list(values.shape)} does not end in [{wanted}]")
