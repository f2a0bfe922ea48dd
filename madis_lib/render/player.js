"use strict";
/* A skinned SMPL-X figure in WebGL2: several clips in step, one camera, no library, no network.
   One off-screen WebGL canvas draws every clip, and each picture is copied to the clip's own canvas,
   so a page uses one graphics context however many clips it shows. */

const byId = (id) => document.getElementById(id);
const root = document.documentElement;
const scene = JSON.parse(byId("scene").textContent);
const JOINTS = scene.parents.length;

function report(state, message) {
  root.dataset.state = state;
  byId("problem").textContent = message;
  byId("problem").hidden = false;
  byId("player").hidden = true;
}

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

function makePanel(clip, onSeek) {
  const figure = document.createElement("figure");
  const label = document.createElement("figcaption");
  label.textContent = clip.label;
  label.hidden = !clip.label;
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Signing figure${clip.label ? ": " + clip.label : ""}`);
  figure.append(label, canvas);
  const buttons = clip.glosses.map(([gloss, start]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = gloss;
    button.title = `${start.toFixed(2)} s`;
    button.onclick = () => onSeek(start);
    return button;
  });
  if (buttons.length) {
    const list = document.createElement("ul");
    list.className = "glosses";
    list.setAttribute("aria-label", "Glosses");
    for (const button of buttons) {
      const item = document.createElement("li");
      item.append(button);
      list.append(item);
    }
    figure.append(list);
  }
  byId("clips").append(figure);
  return { clip, canvas, context: canvas.getContext("2d"), buttons };
}

async function start() {
  const surface = document.createElement("canvas");
  const gl = surface.getContext("webgl2", { antialias: true, premultipliedAlpha: true });
  if (!gl) {
    report("no-webgl2", "This browser does not offer WebGL2, which the 3D view needs. "
      + "Turn on hardware acceleration, try another browser, or export the clip as .webp.");
    return;
  }
  const array = await readArrays();
  const positions = Float32Array.from(array("positions"), (x) => x * scene.positionScale);
  const faces = array("faces"), restJoints = array("restJoints");
  const mesh = { positions, faces, normals: vertexNormals(positions, faces),
                 joints: array("joints"), weights: array("weights"), isEye: array("isEye") };
  let figure = makeFigure(gl, mesh);
  surface.addEventListener("webglcontextlost", (event) => { event.preventDefault(); figure = null; });
  surface.addEventListener("webglcontextrestored", () => { figure = makeFigure(gl, mesh); draw(); });

  const frames = Math.max(...scene.clips.map((clip) => clip.frames));
  const rotations = scene.clips.map((_, i) => array(`clip${i}`));
  const view = { name: "front", azimuth: 0, elevation: 0, zoom: 1 };
  const state = { position: 0, playing: false, speed: 1, visible: true };
  byId("clips").classList.toggle("single", scene.clips.length === 1);
  byId("player").hidden = false;
  const panels = scene.clips.map((clip) => makePanel(clip, (seconds) => seek(Math.ceil(seconds * scene.fps - 1e-6))));

  function colours() {
    const palette = scene.palette.map((colour) => colour.map((x) => x * x));
    if (!byId("tint").checked) palette[3] = palette[4] = palette[0];
    return new Float32Array(palette.flat());
  }

  function draw() {
    const now = Math.min(frames - 1, Math.floor(state.position));
    const seconds = now / scene.fps;
    byId("scrub").value = now;
    byId("scrub").setAttribute("aria-valuetext", `${seconds.toFixed(2)} seconds`);
    byId("time").textContent = `${seconds.toFixed(2)} / ${((frames - 1) / scene.fps).toFixed(2)} s · frame ${now}`;
    root.dataset.frame = now;
    const tint = colours();
    panels.forEach(({ clip, canvas, context, buttons }, i) => {
      buttons.forEach((button, g) => {
        const [, begin, end] = clip.glosses[g];
        if (begin <= seconds + 1e-6 && seconds + 1e-6 < end) button.setAttribute("aria-current", "true");
        else button.removeAttribute("aria-current");
      });
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
      const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      if (surface.width < width) surface.width = width;
      if (surface.height < height) surface.height = height;
      if (!figure) return;
      const posed = poseBones(rotations[i], Math.min(now, clip.frames - 1), restJoints);
      let target = scene.target, distance = scene.distance;
      if (view.name === "left" || view.name === "right") {
        const j = 3 * scene.hands[view.name];
        target = [0, 1, 2].map((c) => posed.place[j + c]);
        distance = 0.8;
      }
      const camera = orbitCamera(view.azimuth, view.elevation, distance / view.zoom, target, width / height);
      figure(posed.bones, camera, tint, width, height);
      context.clearRect(0, 0, width, height);
      context.drawImage(surface, 0, 0, width, height, 0, 0, width, height);
    });
  }

  function play(on) {
    state.playing = on;
    if (on && state.position >= frames - 1) state.position = 0;
    byId("play").textContent = on ? "Pause" : "Play";
  }
  function seek(frame) {
    play(false);
    state.position = Math.min(frames - 1, Math.max(0, frame));
    draw();
  }
  function turn(azimuth, elevation) {
    view.azimuth += azimuth;
    view.elevation = Math.min(1.45, Math.max(-1.45, view.elevation + elevation));
    draw();
  }
  function zoom(factor) {
    view.zoom = Math.min(6, Math.max(0.4, view.zoom * factor));
    draw();
  }
  function look(name) {
    const azimuth = { three_quarter: 40, side: 90 }[name] || 0;
    Object.assign(view, { name, azimuth: azimuth * Math.PI / 180, elevation: 0.03, zoom: 1 });
    byId("view").value = name;
    draw();
  }

  byId("scrub").max = frames - 1;
  byId("scrub").oninput = (event) => seek(+event.target.value);
  byId("play").onclick = () => play(!state.playing);
  byId("back").onclick = () => seek(Math.floor(state.position) - 1);
  byId("forward").onclick = () => seek(Math.floor(state.position) + 1);
  byId("in").onclick = () => zoom(1.25);
  byId("out").onclick = () => zoom(0.8);
  byId("speed").onchange = (event) => { state.speed = +event.target.value; };
  byId("view").onchange = (event) => look(event.target.value);
  byId("tint").checked = scene.tint;
  byId("tint").onchange = draw;

  for (const { canvas } of panels) {
    const pointers = new Map();
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
    };
    canvas.onpointermove = (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const after = [event.clientX, event.clientY];
      const other = [...pointers].find(([id]) => id !== event.pointerId);
      pointers.set(event.pointerId, after);
      if (!other) return turn((before[0] - after[0]) * 0.009, (after[1] - before[1]) * 0.009);
      const span = (point) => Math.hypot(point[0] - other[1][0], point[1] - other[1][1]) || 1;
      zoom(span(after) / span(before));
    };
    canvas.onpointerup = canvas.onpointercancel = (event) => pointers.delete(event.pointerId);
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas) return;  // a page that scrolls past must not zoom
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * 0.0015));
    }, { passive: false });
    new ResizeObserver(draw).observe(canvas);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const within = (selector) => event.target instanceof Element && event.target.closest(selector);
    const native = within("select, input");
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === " " && !within("button, select, input[type=checkbox]")) play(!state.playing);
    else if (arrow && event.shiftKey && !native) turn(-arrow[0] * 0.12, arrow[1] * 0.12);
    else if (arrow && arrow[0] && !native) seek(Math.floor(state.position) + arrow[0]);
    else if (event.key === "+" || event.key === "=") zoom(1.25);
    else if (event.key === "-") zoom(0.8);
    else if (event.key === "r" || event.key === "R") look(view.name);
    else return;
    event.preventDefault();
  });

  let last = performance.now();
  function tick(now) {
    const elapsed = Math.min(Math.max(now - last, 0), 500) / 1000;
    last = now;
    if (state.playing && state.visible) {
      const before = Math.floor(state.position);
      state.position = (state.position + elapsed * scene.fps * state.speed) % frames;
      if (Math.floor(state.position) !== before) draw();
    }
    requestAnimationFrame(tick);
  }
  new IntersectionObserver(([entry]) => { state.visible = entry.isIntersecting; }).observe(byId("clips"));
  look("front");
  play(frames > 1 && !matchMedia("(prefers-reduced-motion: reduce)").matches);
  requestAnimationFrame(tick);
  root.dataset.state = "ready";
}

start().catch((error) => report("error", `The player could not start: ${error.message}`));
