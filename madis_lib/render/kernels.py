"""The inner loops of the pictures, compiled by numba.

They stay in one file because numba's cache notices a change only in the file of the function
it compiled, not in those of the functions that one calls.
"""

from __future__ import annotations

import numba
import numpy as np

SAMPLES = 2  # per pixel and direction


@numba.njit(cache=True)
def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals ``[V, 3]``: the mean of the faces around a vertex, weighted by their area."""
    normals = np.zeros_like(vertices)
    for f in range(len(faces)):
        i, j, k = faces[f]
        ax, ay, az = vertices[j] - vertices[i]
        bx, by, bz = vertices[k] - vertices[i]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(len(normals)):
        length = np.sqrt((normals[v] ** 2).sum())
        normals[v] /= max(length, 1e-12)
    return normals


@numba.njit(cache=True)
def rasterise(
    points: np.ndarray, faces: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which triangle is seen where.

    ``points [V, 3]`` hold x, y in pixels and inverse depth.  A sample at (column + 1/2,
    row + 1/2) belongs to the nearest triangle that contains it; of equally near ones, the first.
    Triangles seen from behind, or reaching behind the camera, are dropped.
    Returns inverse depth [height, width] (0: nothing) and triangle index (-1: nothing).
    """
    inverse_depth = np.zeros((height, width), np.float32)
    owner = np.full((height, width), -1, np.int32)
    for f in range(len(faces)):
        i, j, k = faces[f]
        ax, ay, az = points[i]
        bx, by, bz = points[j]
        cx, cy, cz = points[k]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area >= 0.0 or min(az, bz, cz) <= 0.0:
            continue
        left = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        right = min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        top = max(0, int(np.ceil(min(ay, by, cy) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                x, y = column + 0.5, row + 0.5
                u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                w = 1.0 - u - v
                if u < -1e-5 or v < -1e-5 or w < -1e-5:
                    continue
                # 1/z is linear on the screen, z is not.
                inverse = u * az + v * bz + w * cz
                if inverse > inverse_depth[row, column]:
                    inverse_depth[row, column] = inverse
                    owner[row, column] = f
    return inverse_depth, owner


@numba.njit(cache=True)
def surrounding_depth(inverse_depth: np.ndarray, radius: int) -> np.ndarray:
    """Blurred depth in metres.  What lies behind its surroundings is darkened (an unsharp mask),
    which sets a hand off from the face or chest behind it."""
    height, width = inverse_depth.shape
    depth = np.empty((height, width), np.float32)
    farthest = np.float32(0.0)
    for row in range(height):
        for column in range(width):
            z = inverse_depth[row, column]
            depth[row, column] = 1.0 / z if z > 0.0 else 0.0
            farthest = max(farthest, depth[row, column])
    for row in range(height):
        for column in range(width):
            if depth[row, column] == 0.0:
                depth[row, column] = farthest
    for _ in range(2):  # two box blurs are nearly a Gaussian
        across = np.ascontiguousarray(_box_blur(depth, radius).T)
        depth = np.ascontiguousarray(_box_blur(across, radius).T)
    return depth


@numba.njit(cache=True)
def _box_blur(image: np.ndarray, radius: int) -> np.ndarray:
    """Mean over 2 radius + 1 columns, edges repeated."""
    height, width = image.shape
    out = np.empty((height, width), np.float32)
    for row in range(height):
        total = 0.0
        for column in range(-radius, radius + 1):
            total += image[row, min(max(column, 0), width - 1)]
        for column in range(width):
            out[row, column] = total / (2 * radius + 1)
            total += image[row, min(column + radius + 1, width - 1)]
            total -= image[row, max(column - radius, 0)]
    return out


@numba.njit(cache=True)
def shade(
    points: np.ndarray,
    faces: np.ndarray,
    normals: np.ndarray,
    rest: np.ndarray,
    is_eye: np.ndarray,
    inverse_depth: np.ndarray,
    owner: np.ndarray,
    surrounding_depth: np.ndarray,
    closeness: float,
    axes: np.ndarray,
    outfit: np.ndarray,
    colours: np.ndarray,
    background: np.ndarray,
) -> np.ndarray:
    """Colour every sample and average SAMPLES x SAMPLES of them into one uint8 pixel."""
    height, width = owner.shape
    image = np.empty((height // SAMPLES, width // SAMPLES, 3), np.uint8)
    colour = np.empty(3, np.float32)
    total = np.empty(3, np.float32)
    # Lights stay with the camera: a key from the upper left, a weaker fill, light from above.
    key = -0.38 * axes[0] + 0.62 * axes[1] + 0.69 * axes[2]
    fill = 0.80 * axes[0] + 0.05 * axes[1] + 0.60 * axes[2]
    half = key + axes[2]
    half /= np.sqrt((half**2).sum())
    for out_row in range(height // SAMPLES):
        for out_column in range(width // SAMPLES):
            total[:] = 0.0
            for sample in range(SAMPLES * SAMPLES):
                row = out_row * SAMPLES + sample // SAMPLES
                column = out_column * SAMPLES + sample % SAMPLES
                f = owner[row, column]
                if f < 0:
                    total += background
                    continue
                i, j, k = faces[f]
                ax, ay, az = points[i]
                bx, by, bz = points[j]
                cx, cy, cz = points[k]
                x, y = column + 0.5, row + 0.5
                area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
                u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                z = inverse_depth[row, column]
                w = (1.0 - u - v) * cz / z
                u, v = u * az / z, v * bz / z
                nx = u * normals[i, 0] + v * normals[j, 0] + w * normals[k, 0]
                ny = u * normals[i, 1] + v * normals[j, 1] + w * normals[k, 1]
                nz = u * normals[i, 2] + v * normals[j, 2] + w * normals[k, 2]
                length = max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
                nx, ny, nz = nx / length, ny / length, nz / length
                surface_colour(
                    u * rest[i, 0] + v * rest[j, 0] + w * rest[k, 0],
                    u * rest[i, 1] + v * rest[j, 1] + w * rest[k, 1],
                    u * rest[i, 2] + v * rest[j, 2] + w * rest[k, 2],
                    is_eye[i],
                    outfit,
                    colours,
                    colour,
                )
                toward_key = nx * key[0] + ny * key[1] + nz * key[2]
                toward_fill = max(nx * fill[0] + ny * fill[1] + nz * fill[2], 0.0)
                toward_viewer = max(nx * axes[2, 0] + ny * axes[2, 1] + nz * axes[2, 2], 0.0)
                gloss = max(nx * half[0] + ny * half[1] + nz * half[2], 0.0) ** 28
                lit = max((toward_key + 0.25) / 1.25, 0.0)
                # Light wraps a little around skin and cloth, so shadows have no hard border.
                light = 0.78 * lit * (0.6 + 0.4 * lit)
                light += 0.16 * toward_fill + 0.20 + 0.08 * ny
                light *= 1.0 - 0.45 * (1.0 - toward_viewer) ** 3
                behind = 1.0 / z - surrounding_depth[out_row, out_column]
                light *= 1.0 - min(max(3.2 * closeness * behind - 0.013, 0.0), 0.5)
                for c in range(3):
                    linear = colour[c] * light + 0.035 * gloss
                    total[c] += np.sqrt(min(max(linear, 0.0), 1.0))
            for c in range(3):
                image[out_row, out_column, c] = int(total[c] * (255.0 / SAMPLES**2) + 0.5)
    return image


@numba.njit(inline="always")
def _step(edge: float, x: float, softness: float) -> float:
    """0 below ``edge``, 1 above it, smooth over ``softness`` metres."""
    t = (x - edge) / softness + 0.5
    t = min(max(t, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@numba.njit(inline="always")
def surface_colour(
    x: float,
    y: float,
    z: float,
    is_eye: float,
    outfit: np.ndarray,
    colours: np.ndarray,
    out: np.ndarray,
) -> None:
    """Linear colour of the T-pose point (x, y, z); ``player.js`` has the same in GLSL."""
    sleeve, cuff, hem, collar = outfit[0], outfit[1], outfit[2], outfit[3]
    eye_x, eye_y, eye_z = outfit[4], outfit[5], outfit[6]
    side = abs(x)
    if is_eye > 0.5:
        from_axis = np.sqrt((side - eye_x) ** 2 + (y - eye_y) ** 2)
        front = _step(eye_z, z, 0.002)
        white = 1.0 - front * (1.0 - _step(0.0058, from_axis, 0.0012))
        for c in range(3):
            out[c] = white * colours[6, c] + (1.0 - white) * colours[7, c]
        return
    above_collar = _step(0.0, y - collar + 0.35 * z - 0.004, 0.0025)
    skin = max(_step(sleeve, side, 0.003), above_collar)
    trousers = 1.0 - _step(hem, y, 0.004)
    hand = _step(cuff, side, 0.004)
    tint = 3 if x > 0.0 else 4
    # The hairline runs from the forehead over the ears to the nape.
    hairline = eye_y + 0.062 - 1.05 * max(eye_z - 0.045 - z, 0.0) + 1.5 * side * side
    hairline = max(hairline, eye_y - 0.055)
    hair = _step(hairline, y, 0.006)
    for c in range(3):
        cloth = trousers * colours[2, c] + (1.0 - trousers) * colours[1, c]
        flesh = hair * colours[5, c] + (1.0 - hair) * colours[0, c]
        flesh = hand * colours[tint, c] + (1.0 - hand) * flesh
        out[c] = skin * flesh + (1.0 - skin) * cloth


@numba.njit(cache=True)
def vertex_colours(
    rest: np.ndarray, is_eye: np.ndarray, outfit: np.ndarray, colours: np.ndarray
) -> np.ndarray:
    """Linear colour of every vertex ``[V, 3]``."""
    result = np.empty_like(rest)
    for v in range(len(rest)):
        surface_colour(rest[v, 0], rest[v, 1], rest[v, 2], is_eye[v], outfit, colours, result[v])
    return result
