"""Axis angles to matrices, and forward kinematics one tree level at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

# [G_x, G_y, G_z] flattened: sum_k a_k G_k is the matrix of "cross product with a".
_GENERATORS = [
    [0, 0, 0, 0, 0, -1, 0, 1, 0],
    [0, 0, 1, 0, 0, 0, -1, 0, 0],
    [0, -1, 0, 1, 0, 0, 0, 0, 0],
]


def rodrigues(axis_angles: Tensor) -> Tensor:
    """Rotation matrices of axis angles in radians; ``[..., 3] -> [..., 3, 3]``.

    ``R = I + (sin t / t) K + ((1 - cos t) / t^2) K^2`` with ``t = |a|`` and ``K x = a x x``.
    The gradient is finite and right at ``a = 0`` too, where ``R = I + K``.
    """
    squared = axis_angles.square().sum(-1, keepdim=True)
    angle = squared.clamp(min=1e-12).sqrt()  # a square root has no gradient at zero
    first = angle.sin() / angle
    second = 2 * ((angle / 2).sin() / angle).square()  # (1 - cos t) / t^2 without cancellation
    skew = axis_angles @ axis_angles.new_tensor(_GENERATORS)
    outer = axis_angles.unsqueeze(-1) * axis_angles.unsqueeze(-2)
    identity = torch.eye(3, dtype=axis_angles.dtype, device=axis_angles.device)
    diagonal = (1 - second * squared).unsqueeze(-1) * identity  # K^2 = a a^T - t^2 I
    matrix = (first * skew).unflatten(-1, (3, 3))
    return diagonal + matrix + second.unsqueeze(-1) * outer


class Tree:
    """The kinematic tree, sorted into levels of equal depth so that a level is one matmul.

    Attributes:
        sizes: joints in each level, the root's first.
        by_level: ``[J]`` joint numbers level after level; ``by_joint`` is the inverse order.
        parents: ``[J - 1]`` the parent of joint 1, 2, ...
        above: for each level but the first, where its parents stand inside the level above.
    """

    def __init__(self, parents: Sequence[int], device: torch.device | None = None):
        """``parents[j]`` is the parent of joint ``j``; -1 for the single root, joint 0."""
        depth = [0] * len(parents)
        for joint, parent in enumerate(parents[1:], start=1):
            depth[joint] = depth[parent] + 1
        levels = [[j for j, d in enumerate(depth) if d == level] for level in range(max(depth) + 1)]

        def index(values: list[int]) -> Tensor:
            return torch.tensor(values, device=device)

        self.sizes = [len(level) for level in levels]
        self.by_level = index(depth).argsort(stable=True)
        self.by_joint = self.by_level.argsort()
        self.parents = index(list(parents[1:]))
        self.above = [
            index([upper.index(parents[j]) for j in level]) for upper, level in pairwise(levels)
        ]


def forward_kinematics(rotations: Tensor, rest_joints: Tensor, tree: Tree) -> Tensor:
    """World transforms ``[N, J, 4, 4]`` of every joint: rotation and place.

    ``T_j = T_p [R_j, rest_j - rest_p; 0, 1]`` with ``p`` the parent of ``j``, one matmul a level;
    the root stays at its rest place and turns about itself.

    Args:
        rotations: ``[N, J, 3, 3]``, each joint relative to its parent.
        rest_joints: ``[J, 3]`` or ``[N, J, 3]`` in metres.
    """
    n, joints = rotations.shape[:2]
    root, others = rest_joints.split((1, joints - 1), dim=-2)
    bones = torch.cat((root, others - rest_joints.index_select(-2, tree.parents)), dim=-2)
    upper = torch.cat((rotations, bones.unsqueeze(-1).expand(n, joints, 3, 1)), dim=-1)
    lower = upper.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(n, joints, 1, 4)
    local = torch.cat((upper, lower), dim=-2).index_select(1, tree.by_level)
    root_level, *levels = local.split(tree.sizes, dim=1)
    world = [root_level]
    for level, above in zip(levels, tree.above, strict=True):
        world.append(world[-1].index_select(1, above) @ level)
    return torch.cat(world, dim=1).index_select(1, tree.by_joint)
