"use strict";
/* A skinned SMPL-X figure in WebGL2: no library, no network.  What every page with a moving figure
   shares: its data, its pose and its picture. */

const byId = (id) => document.getElementById(id);
const root = document.documentElement;
const scene = JSON.parse(byId("scene").textContent);
const JOINTS = scene.parents.length;

async function readArrays() {
  const packed = Uint8Array.from(atob(byId("arrays").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const types = { i2: Int16Array, u2: Uint16Array, u1: Uint8Array, f4: Float32Array };
  return (name) => {
    const { type, offset, length } = scene.arrays[name];
    return new types[type](buffer, offset, length);
  };
}

const VERTEX_SHADER = `#version 300 es
layout(location=0) in vec3 restPosition;
layout(location=1) in vec3 restNormal;
layout(location=2) in uvec4 joints;
layout(location=3) in vec4 weights;
layout(location=4) in float isEye;
uniform vec4 bones[${3 * JOINTS}];   // three rows of each joint's 3 x 4 transform
uniform mat4 camera;
out vec3 normal, rest;
out float eyeness;
mat4 bone(uint j) {
  int row = 3 * int(j);
  return transpose(mat4(bones[row], bones[row + 1], bones[row + 2], vec4(0, 0, 0, 1)));
}
void main() {
  mat4 skin = bone(joints.x) * weights.x + bone(joints.y) * weights.y
            + bone(joints.z) * weights.z + bone(joints.w) * weights.w;
  rest = restPosition;
  eyeness = isEye;
  normal = mat3(skin) * restNormal;
  gl_Position = camera * (skin * vec4(restPosition, 1));
}`;

/* Clothes and light as in kernels.py (surface_colour and shade). */
const FRAGMENT_SHADER = `#version 300 es
precision highp float;
in vec3 normal, rest;
in float eyeness;
uniform float outfit[7];
uniform vec3 colours[8];
uniform vec3 axes[3];                // the camera's right, up and backward
out vec4 pixel;
float step_(float edge, float x, float softness) {
  float t = clamp((x - edge) / softness + .5, 0., 1.);
  return t * t * (3. - 2. * t);
}
vec3 surfaceColour(vec3 p) {
  float side = abs(p.x);
  vec3 eye = vec3(outfit[4], outfit[5], outfit[6]);
  if (eyeness > .5) {
    float iris = step_(eye.z, p.z, .002) * (1. - step_(.0058, distance(vec2(side, p.y), eye.xy), .0012));
    return mix(colours[6], colours[7], iris);
  }
  float skin = max(step_(outfit[0], side, .003),
                   step_(0., p.y - outfit[3] + .35 * p.z - .004, .0025));
  float hand = step_(outfit[1], side, .004);
  float hairline = eye.y + .062 - 1.05 * max(eye.z - .045 - p.z, 0.) + 1.5 * side * side;
  float hair = step_(max(hairline, eye.y - .055), p.y, .006);
  vec3 cloth = mix(colours[2], colours[1], step_(outfit[2], p.y, .004));
  vec3 flesh = mix(mix(colours[0], colours[5], hair), p.x > 0. ? colours[3] : colours[4], hand);
  return mix(cloth, flesh, skin);
}
void main() {
  vec3 n = normalize(normal);
  vec3 key = -.38 * axes[0] + .62 * axes[1] + .69 * axes[2];
  vec3 fill = .8 * axes[0] + .05 * axes[1] + .6 * axes[2];
  float lit = max((dot(n, key) + .25) / 1.25, 0.);
  float light = .78 * lit * (.6 + .4 * lit) + .16 * max(dot(n, fill), 0.) + .2 + .08 * n.y;
  light *= 1. - .45 * pow(1. - max(dot(n, axes[2]), 0.), 3.);
  float gloss = pow(max(dot(n, normalize(key + axes[2])), 0.), 28.);
  pixel = vec4(sqrt(clamp(surfaceColour(rest) * light + .035 * gloss, 0., 1.)), 1.);
}`;

function vertexNormals(positions, faces) {
  const normals = new Float32Array(positions.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [i, j, k] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
    const a = [0, 1, 2].map((c) => positions[j + c] - positions[i + c]);
    const b = [0, 1, 2].map((c) => positions[k + c] - positions[i + c]);
    const n = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    for (const v of [i, j, k]) for (let c = 0; c < 3; c++) normals[v + c] += n[c];
  }
  for (let v = 0; v < normals.length; v += 3) {
    const length = Math.hypot(normals[v], normals[v + 1], normals[v + 2]) || 1;
    for (let c = 0; c < 3; c++) normals[v + c] /= length;
  }
  return normals;
}

function rotationMatrix(x, y, z) {
  const angle = Math.hypot(x, y, z) || 1e-8;
  const [a, b, c] = [x / angle, y / angle, z / angle];
  const s = Math.sin(angle), q = 1 - Math.cos(angle);
  return [1 - q * (b * b + c * c), q * a * b - s * c, q * a * c + s * b,
          q * a * b + s * c, 1 - q * (a * a + c * c), q * b * c - s * a,
          q * a * c - s * b, q * b * c + s * a, 1 - q * (a * a + b * b)];
}

/* Forward kinematics. Returns each joint's skinning transform (rows) and its place. */
function poseBones(rotations, frame, restJoints) {
  const world = new Float32Array(9 * JOINTS), place = new Float32Array(3 * JOINTS);
  const bones = new Float32Array(12 * JOINTS);
  const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1], moving = scene.moving, scale = scene.rotationScale;
  const at = frame * moving.length * 3;
  for (let j = 0; j < JOINTS; j++) {
    const m = scene.movingRow[j], p = scene.parents[j];
    const local = m < 0 ? identity : rotationMatrix(
      rotations[at + 3 * m] * scale, rotations[at + 3 * m + 1] * scale, rotations[at + 3 * m + 2] * scale);
    for (let r = 0; r < 3; r++) {
      for (let c = 0; c < 3; c++) {
        world[9 * j + 3 * r + c] = p < 0 ? local[3 * r + c]
          : world[9 * p + 3 * r] * local[c] + world[9 * p + 3 * r + 1] * local[3 + c]
            + world[9 * p + 3 * r + 2] * local[6 + c];
      }
      place[3 * j + r] = p < 0 ? restJoints[r] : place[3 * p + r];
      if (p >= 0) for (let c = 0; c < 3; c++)
        place[3 * j + r] += world[9 * p + 3 * r + c] * (restJoints[3 * j + c] - restJoints[3 * p + c]);
    }
    for (let r = 0; r < 3; r++) {
      let moved = place[3 * j + r];
      for (let c = 0; c < 3; c++) {
        bones[12 * j + 4 * r + c] = world[9 * j + 3 * r + c];
        moved -= world[9 * j + 3 * r + c] * restJoints[3 * j + c];
      }
      bones[12 * j + 4 * r + 3] = moved;
    }
  }
  return { bones, place };
}

function compile(gl, type, source) {
  const shader = gl.createShader(type);
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost())
    throw new Error(gl.getShaderInfoLog(shader));
  return shader;
}

/* The figure at rest, as makeFigure takes it; array as readArrays gives it. */
function restMesh(array) {
  const positions = Float32Array.from(array("positions"), (x) => x * scene.positionScale);
  const faces = array("faces");
  return { positions, faces, normals: vertexNormals(positions, faces),
           joints: array("joints"), weights: array("weights"), isEye: array("isEye") };
}

/* Uploads the mesh and returns a function that draws it in the surface's upper left corner. */
function makeFigure(gl, mesh) {
  const program = gl.createProgram();
  gl.attachShader(program, compile(gl, gl.VERTEX_SHADER, VERTEX_SHADER));
  gl.attachShader(program, compile(gl, gl.FRAGMENT_SHADER, FRAGMENT_SHADER));
  gl.linkProgram(program);
  gl.useProgram(program);
  const attribute = (location, data, size, type, normalised) => {
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(location);
    if (normalised === "integer") gl.vertexAttribIPointer(location, size, type, 0, 0);
    else gl.vertexAttribPointer(location, size, type, normalised, 0, 0);
  };
  attribute(0, mesh.positions, 3, gl.FLOAT, false);
  attribute(1, mesh.normals, 3, gl.FLOAT, false);
  attribute(2, mesh.joints, 4, gl.UNSIGNED_BYTE, "integer");
  attribute(3, mesh.weights, 4, gl.UNSIGNED_BYTE, true);
  attribute(4, mesh.isEye, 1, gl.UNSIGNED_BYTE, false);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, mesh.faces, gl.STATIC_DRAW);
  gl.enable(gl.DEPTH_TEST);
  gl.enable(gl.CULL_FACE);
  gl.clearColor(0, 0, 0, 0);
  const uniform = (name) => gl.getUniformLocation(program, name);
  const [bonesAt, cameraAt, axesAt, coloursAt] = ["bones", "camera", "axes", "colours"].map(uniform);
  gl.uniform1fv(uniform("outfit"), scene.outfit);
  return (bones, camera, colours, width, height) => {
    gl.viewport(0, gl.canvas.height - height, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniform4fv(bonesAt, bones);
    gl.uniformMatrix4fv(cameraAt, false, camera.matrix);
    gl.uniform3fv(axesAt, camera.axes);
    gl.uniform3fv(coloursAt, colours);
    gl.drawElements(gl.TRIANGLES, mesh.faces.length, gl.UNSIGNED_SHORT, 0);
  };
}

/* An orbit camera: angles in radians, distance and target in metres. */
function orbitCamera(azimuth, elevation, distance, target, aspect) {
  const [sa, ca, se, ce] = [Math.sin(azimuth), Math.cos(azimuth), Math.sin(elevation), Math.cos(elevation)];
  const right = [ca, 0, -sa], up = [-se * sa, ce, -se * ca], back = [sa * ce, se, ca * ce];
  const toward = (axis) => -(axis[0] * target[0] + axis[1] * target[1] + axis[2] * target[2]);
  const focal = 1 / Math.tan(scene.fieldOfView / 2), near = 0.05, far = 20;
  const rows = [
    [...right, toward(right)].map((x) => x * focal / aspect),
    [...up, toward(up)].map((x) => x * focal),
    [...back, toward(back) - distance],
  ];
  const depth = rows[2].map((x, i) => x * (far + near) / (near - far) + (i === 3 ? 2 * far * near / (near - far) : 0));
  const matrix = new Float32Array(16);
  for (let c = 0; c < 4; c++) {
    matrix[4 * c] = rows[0][c];
    matrix[4 * c + 1] = rows[1][c];
    matrix[4 * c + 2] = depth[c];
    matrix[4 * c + 3] = -rows[2][c];
  }
  return { matrix, axes: new Float32Array([...right, ...up, ...back]) };
}
