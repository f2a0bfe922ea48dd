"""A random SMPL-X file in which nothing is zero, and smplx itself as the referee."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from madis_lib.body.smplx_file import NUM_JOINTS, NUM_VERTICES
from madis_lib.parts import PARENTS

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "dtw.json").read_text())


def arrays(rng: np.random.Generator, directions: int = 400) -> dict[str, np.ndarray]:
    """Every array of an SMPL-X file: dense blend shapes, shared weights, several-vertex regressor."""

    def small(*shape: int, scale: float) -> np.ndarray:
        return (rng.integers(-99, 100, shape, np.int8) * np.float16(scale / 99)).astype(np.float16)

    weights = np.zeros((NUM_VERTICES, NUM_JOINTS), np.float32)
    owners = rng.integers(0, NUM_JOINTS, (NUM_VERTICES, 3))
    np.add.at(weights, (np.arange(NUM_VERTICES)[:, None], owners), (0.5, 0.3, 0.2))
    regressor = np.zeros((NUM_JOINTS, NUM_VERTICES), np.float32)
    support = rng.integers(0, NUM_VERTICES, (NUM_JOINTS, 6))
    np.add.at(regressor, (np.arange(NUM_JOINTS)[:, None], support), 1 / 6)
    tree = np.array([[2**32 - 1, *PARENTS[1:]], range(NUM_JOINTS)], np.uint32)
    return {
        "v_template": rng.uniform(-1, 1, (NUM_VERTICES, 3)).astype(np.float32),
        "f": rng.integers(0, NUM_VERTICES, (200, 3)).astype(np.uint32),
        "weights": weights,
        "J_regressor": regressor,
        "kintree_table": tree,
        "shapedirs": small(NUM_VERTICES, 3, directions, scale=0.02),
        "posedirs": small(NUM_VERTICES, 3, 486, scale=0.002),
        "hands_componentsl": np.eye(45),
        "hands_componentsr": np.eye(45),
        "hands_meanl": rng.normal(0, 0.3, 45),
        "hands_meanr": rng.normal(0, 0.3, 45),
        "lmk_faces_idx": np.zeros(51, np.int64),
        "lmk_bary_coords": np.full((51, 3), 1 / 3),
        "dynamic_lmk_faces_idx": np.zeros((79, 17), np.int64),
        "dynamic_lmk_bary_coords": np.full((79, 17, 3), 1 / 3),
    }


class Referee:
    """The smplx package on the same file."""

    def __init__(self, path: Path, flat_hand: bool = False):
        import smplx

        self.model = smplx.create(
            str(path), use_pca=False, use_face_contour=True, flat_hand_mean=flat_hand, num_betas=10
        )

    @torch.no_grad()
    def __call__(self, pose, expression=None, betas=None):
        n = len(pose)
        out = self.model(
            global_orient=pose[:, 0],
            body_pose=pose[:, 1:22].flatten(1),
            jaw_pose=pose[:, 22],
            leye_pose=pose[:, 23],
            reye_pose=pose[:, 24],
            left_hand_pose=pose[:, 25:40].flatten(1),
            right_hand_pose=pose[:, 40:55].flatten(1),
            expression=torch.zeros(n, 10) if expression is None else expression,
            betas=torch.zeros(n, 10) if betas is None else betas,
        )
        return out.joints, out.vertices

    def landmarks(self, pose, expression=None, betas=None) -> dict[str, torch.Tensor]:
        """What the metric reads: smplx joints of the body, regressed joints and tips of the hands."""
        joints, vertices = self(pose, expression, betas)
        points = {"body": joints[:, [0, *GOLDEN["upper_body"]]]}
        for side, rows in GOLDEN["hand_rows"].items():
            regressed = self.model.J_regressor @ vertices
            columns = [regressed[:, r] if r < NUM_JOINTS else vertices[:, r] for r in rows]
            points[side] = torch.stack(columns, dim=1)
        return points
