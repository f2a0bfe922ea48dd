/* Plays several clips in step, with one camera, on the figure of figure.js.
   One off-screen WebGL canvas draws every clip, and each picture is copied to the clip's own canvas,
   so a page uses one graphics context however many clips it shows. */

function report(state, message) {
  root.dataset.state = state;
  byId("problem").textContent = message;
  byId("problem").hidden = false;
  byId("player").hidden = true;
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
  const mesh = restMesh(array), restJoints = array("restJoints");
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
