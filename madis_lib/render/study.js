/* Shows clips one at a time on the figure of figure.js and keeps a rating for each.
   Clip 0 is for practice; trials 1 ... N are rated in order, so what is rated is always 1 ... k. */

const TRIALS = scene.clips.length - 1;
const STORE = `madis-study ${scene.study} ${scene.rater}`;
const SCALE = 10;

const answers = new Map();  // trial: { rating, seconds }
let current = 0;            // the trial on the screen; 0 is practice
let practised = false;

function complain(message, state) {
  byId("problem").textContent = message;
  byId("problem").hidden = !message;
  if (state) root.dataset.state = state;
}

function exported() {
  const ratings = [...answers].sort(([a], [b]) => a - b).map(([trial, answer]) => ({ trial, ...answer }));
  return { schema: "madis-study-ratings", version: 1, study: scene.study, rater: scene.rater,
           trials: TRIALS, ratings };
}

/* Takes what exported() gave, or throws an Error in words for the rater. */
function adopt(text) {
  let found;
  try { found = JSON.parse(text); } catch { throw new Error("This file is damaged or not a file of answers."); }
  if (found?.schema !== "madis-study-ratings" || found.version !== 1 || !Array.isArray(found.ratings))
    throw new Error("This is not a file of answers.");
  if (found.study !== scene.study || found.rater !== scene.rater)
    throw new Error("These answers belong to another page.");
  const read = new Map();
  for (const entry of found.ratings) {
    const { trial, rating, seconds } = entry ?? {};
    if (trial !== read.size + 1 || trial > TRIALS || !Number.isInteger(rating) || rating < 1
        || rating > SCALE || !(seconds >= 0)) throw new Error("This file of answers is damaged.");
    read.set(trial, { rating, seconds });
  }
  answers.clear();
  for (const [trial, answer] of read) answers.set(trial, answer);
  practised ||= answers.size > 0;
}

function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(exported()));
  } catch {
    complain("This browser keeps nothing. Before you close the page, pause and save your answers to a file.");
  }
}

function recall() {
  try {
    const kept = localStorage.getItem(STORE);
    if (kept) adopt(kept);
  } catch (error) {
    complain(`Earlier answers could not be read: ${error.message}`);
  }
}

function show(name) {
  for (const section of document.querySelectorAll("section")) section.hidden = section.id !== name;
  root.dataset.screen = name;
}

async function start() {
  const canvas = byId("stage");
  const gl = canvas.getContext("webgl2", { antialias: true, premultipliedAlpha: true });
  if (!gl) return complain("This browser does not offer WebGL2, which the figure needs. "
    + "Turn on hardware acceleration or try another browser.", "no-webgl2");
  const array = await readArrays();
  const mesh = restMesh(array), restJoints = array("restJoints");
  const clips = scene.clips.map((_, i) => array(`clip${i}`));
  const palette = scene.palette.map((colour) => colour.map((x) => x * x));
  palette[3] = palette[4] = palette[0];  // hands as they are
  const tint = new Float32Array(palette.flat());
  let figure = makeFigure(gl, mesh);
  canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); figure = null; });
  canvas.addEventListener("webglcontextrestored", () => { figure = makeFigure(gl, mesh); draw(); });

  const state = { position: 0, playing: false, seen: false, rating: null, seconds: 0 };

  function draw() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const frame = Math.min(scene.clips[current].frames - 1, Math.floor(state.position));
    root.dataset.frame = frame;
    if (!figure) return;
    const posed = poseBones(clips[current], frame, restJoints);
    figure(posed.bones, orbitCamera(0, 0.03, scene.distance, scene.target, width / height), tint, width, height);
  }

  function play(on) {
    state.playing = on;
    if (on && state.position >= scene.clips[current].frames) state.position = 0;
    byId("again").textContent = on ? "Stop" : "Play again";
  }

  function rate(rating) {
    if (!state.seen) return;
    state.rating = rating;
    byId("numbers").querySelectorAll("input")[rating - 1].checked = true;
    byId("next").disabled = false;
  }

  function unlock() {
    state.seen = true;
    byId("scale").disabled = false;
    byId("wait").textContent = "";
    root.dataset.seen = current;
  }

  function open(trial) {
    current = trial;
    const before = answers.get(trial);
    Object.assign(state, { position: 0, seen: false, rating: null, seconds: before?.seconds ?? 0 });
    byId("count").textContent = trial ? `Clip ${trial} of ${TRIALS}` : "Practice";
    byId("bar").value = answers.size;
    byId("text").textContent = scene.clips[trial].text;
    for (const input of byId("numbers").querySelectorAll("input")) input.checked = false;
    byId("scale").disabled = byId("next").disabled = true;
    byId("back").disabled = trial <= 1;
    byId("wait").textContent = "watch to the end, then rate";
    delete root.dataset.seen;
    root.dataset.trial = trial;
    show("trial");
    document.activeElement?.blur();  // so that keys mean what the introduction says
    if (before) { unlock(); rate(before.rating); }
    draw();
    play(!matchMedia("(prefers-reduced-motion: reduce)").matches);
  }

  function next() {
    if (state.rating === null) return;
    if (current) {
      answers.set(current, { rating: state.rating, seconds: Math.round(state.seconds * 10) / 10 });
      keep();
    }
    practised = true;
    proceed(current + 1);
  }
  /* Opens a trial; at the end, or when nothing is left to rate, the last screen. */
  function proceed(trial) {
    if (trial <= TRIALS) open(trial);
    else rest();
  }
  function goOn() { proceed(practised ? answers.size + 1 : 0); }

  function rest() {
    play(false);
    const done = answers.size === TRIALS;
    byId("pause-title").textContent = done ? "Done. Thank you!" : "Pause";
    byId("pause-text").textContent = done
      ? "Save your answers to a file and return it to whoever asked you."
      : `${answers.size} of ${TRIALS} clips are rated. Go on now, or close the page and open it again later, in this browser.`;
    byId("resume").hidden = done;
    byId("copy").value = JSON.stringify(exported());
    show("pause");
    byId(done ? "save" : "resume").focus();
  }

  for (let n = 1; n <= SCALE; n++) {
    const label = document.createElement("label"), input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "rating", value: n });
    input.onchange = () => rate(n);
    const shown = document.createElement("span");
    shown.textContent = n;
    label.append(input, shown);
    byId("numbers").append(label);
  }
  byId("begin").onclick = goOn;
  byId("resume").onclick = goOn;
  byId("next").onclick = next;
  byId("again").onclick = () => play(!state.playing);
  byId("back").onclick = () => { if (current > 1) open(current - 1); };
  byId("stop").onclick = rest;
  byId("copy").onfocus = () => byId("copy").select();
  byId("save").onclick = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(exported())], { type: "application/json" }));
    link.download = `${scene.study}-${scene.rater}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  byId("load").onclick = () => byId("file").click();
  byId("file").onchange = async () => {
    const [file] = byId("file").files;
    byId("file").value = "";
    if (!file) return;
    try {
      adopt(await file.text());
      complain("");
      keep();
    } catch (error) { complain(error.message); }
    rest();
  };

  document.addEventListener("keydown", (event) => {
    if (root.dataset.screen !== "trial" || event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = event.target instanceof Element && event.target.closest("button");
    if (/^[0-9]$/.test(event.key)) rate(+event.key || SCALE);
    else if (event.key === "Enter" && !onButton) { if (!event.repeat) next(); }
    else if (event.key === " " && !onButton) play(!state.playing);
    else if (event.key === "Backspace") byId("back").click();
    else if (event.key === "p" || event.key === "P") rest();
    else return;
    event.preventDefault();
  });

  let last = performance.now();
  function tick(now) {
    const elapsed = Math.min(Math.max(now - last, 0), 500) / 1000;
    last = now;
    if (root.dataset.screen === "trial") {
      if (!document.hidden) state.seconds += elapsed;
      const frames = scene.clips[current].frames;
      if (state.playing) {
        state.position = Math.min(frames, state.position + elapsed * scene.fps);
        draw();
        if (state.position >= frames) {
          play(false);
          if (!state.seen) unlock();
        }
      }
    }
    requestAnimationFrame(tick);
  }
  new ResizeObserver(draw).observe(canvas);
  recall();
  if (answers.size) rest();
  else { show("intro"); byId("begin").focus(); }
  requestAnimationFrame(tick);
  root.dataset.state = "ready";
}

start().catch((error) => complain(`The page could not start: ${error.message}`, "error"));
