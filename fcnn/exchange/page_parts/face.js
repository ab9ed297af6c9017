"use strict";

// The face of the page: what is drawn goes through the network, and everything that it meets is
// shown. The network runs beside the page, in a worker, so that drawing never waits for it; what
// somebody chooses to look into is computed here.

const model = JSON.parse(document.getElementById("model").textContent);
const network = networkOf(model);
const { shape } = network;
let computed = null; // the image and the label that the network here has seen last

function forward(x) {
  computed = null;
  return network.forward(x);
}

function backward(x, label) {
  computed = null;
  return network.backward(x, label);
}

function step(grads, rate) {
  changed({ what: "step", grads, rate });
  network.step(grads, rate);
}

function reset() {
  changed({ what: "reset" });
  network.reset();
}

// Parameters change here and in the worker alike.

function changed(message) {
  computed = null;
  worker.postMessage(message);
}

window.fcnn = {
  shape, network: network.network, forward, backward, step, reset,
  explain: (place, index) => explain(network, place, index),
  explainGradient: (place, of, index) => explainGradient(network, place, of, index),
};

const find = (id) => document.getElementById(id);
const classes = sizeOf(network.network.shape);
const names = Array.from({ length: classes }, (_, k) => (model.labels && model.labels[k]) ?? `${k}`);

const state = {
  x: new Float32Array(sizeOf(shape)), // the image
  chosen: false, // whether there is one
  backward: false, // whether gradients are shown
  target: null, // the class that it should have been
  found: null, // what the network made of the image last
  before: null, // the probabilities before the last step
  steps: 0,
  looked: null, // the element that is looked into: {place, of, index}
};

// The worker: it has the arithmetic of this page, and a network of its own.

function workerProgram() {
  let own = null;
  const told = {
    begin: ({ model }) => (own = networkOf(model)),
    reset: () => own.reset(),
    step: ({ grads, rate }) => own.step(grads, rate),
    pass({ id, x, target }) {
      const values = own.forward(x), gradients = target === null ? null : own.backward(x, target);
      postMessage({ id, values, gradients });
    },
  };
  onmessage = ({ data }) => told[data.what](data);
}

const worker = new Worker(URL.createObjectURL(new Blob(
  [find("arithmetic").textContent, `(${workerProgram})();`], { type: "text/javascript" })));
worker.postMessage({ what: "begin", model });

let asked = 0, answered = 0, waiting = false;

// Asks for the image as it is now. While an answer is under way only the newest question is kept.

function ask() {
  asked += 1;
  find("answer").dataset.state = "waiting";
  if (!waiting) send();
}

function send() {
  waiting = true;
  const { x } = state, target = state.backward ? state.target : null;
  worker.postMessage({ what: "pass", id: asked, x, target });
}

worker.onmessage = ({ data }) => {
  answered = data.id;
  waiting = false;
  state.found = data;
  showAnswer();
  showLooked();
  requestAnimationFrame(showLayers);
  if (asked > answered) send();
};

// The answer

const bars = names.map((name) => {
  const fill = element("span", { className: "fill" }), before = element("span", { className: "before", hidden: true });
  const value = element("span"), title = element("span", { className: "name", title: name }, name);
  const track = element("span", { className: "track" }, fill, before);
  const bar = element("div", { className: "bar" }, title, track, value);
  bar.setAttribute("role", "listitem");
  return { bar, fill, before, value };
});
find("bars").append(...bars.map(({ bar }) => bar));

function showAnswer() {
  const { values: { probabilities }, gradients } = state.found, answer = find("answer");
  const best = probabilities.indexOf(Math.max(...probabilities));
  answer.textContent = state.chosen ? names[best] : "–";
  answer.dataset.label = state.chosen ? names[best] : "";
  answer.classList.toggle("long", names[best].length > 3);
  answer.dataset.state = !state.chosen ? "empty" : asked > answered ? "waiting" : "ready";
  bars.forEach(({ fill, before, value }, k) => {
    const share = state.chosen ? probabilities[k] : 0;
    fill.style.width = `${100 * share}%`;
    value.textContent = state.chosen ? `${(100 * share).toFixed(1)} %` : "";
    before.hidden = !state.before || !state.chosen;
    if (state.before) before.style.left = `${100 * state.before[k]}%`;
  });
  find("loss").textContent = gradients && state.chosen ? number(gradients.loss) : "–";
}

// The layers: a card for each, that of the image first

const cards = new Map();
const visible = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) cards.get(target.dataset.place).seen = isIntersecting;
  showLayers();
});

function makeCards() {
  const first = { place: "x", name: "x, the image", kind: null, shape };
  for (const { place, name, kind, shape } of [first, ...forward(state.x).layers]) {
    const canvas = element("canvas", { tabIndex: 0 }), formula = element("p", { className: "formula" });
    const kernels = element("div", { className: "kernels" });
    const explanation = element("div", { className: "explanation", hidden: true });
    explanation.setAttribute("aria-live", "polite");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label",
      `${name}: ${shape.join(" × ")} values. Arrow keys choose one, Enter looks into it.`);
    const title = element("header", {},
      element("h3", {}, name), element("span", { className: "shape" }, shape.join(" × ")));
    const picture = element("div", { className: "picture" }, canvas);
    const section = element("article", { className: "layer" }, title, formula, picture, kernels,
      explanation);
    section.dataset.place = place;
    const card = { place, kind, shape, canvas, formula, kernels, explanation, section, seen: false };
    cards.set(place, card);
    find("layers").append(section);
    pickable(canvas, () => card.layout, (index) => look({ place, of: "y", index }));
    visible.observe(section);
  }
}

function pickable(canvas, layout, pick) {
  let cursor = 0;
  canvas.addEventListener("click", ({ clientX, clientY }) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [wide, high] = sizeOfLayout(layout());
    const index = elementAt(layout(), ((clientX - left) / width) * wide, ((clientY - top) / height) * high);
    if (index !== null) pick((cursor = index));
  });
  canvas.addEventListener("keydown", (event) => {
    const { C, H, W } = layout();
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -W, ArrowDown: W, PageUp: -H * W, PageDown: H * W };
    if (!(event.key in moves) && event.key !== "Enter") return;
    event.preventDefault();
    cursor = Math.min(Math.max(cursor + (moves[event.key] || 0), 0), C * H * W - 1);
    pick(cursor);
  });
}

function valuesOf(place, what) {
  const { values, gradients } = state.found;
  if (place === "x") return what === "values" ? state.x : gradients.dx;
  return (what === "values" ? values : gradients).layers.find((layer) => layer.place === place).values;
}

function showLayers() {
  if (!state.found) return;
  const what = state.backward && state.found.gradients ? "gradients" : "values";
  const marks = marked();
  for (const card of cards.values()) {
    card.layout = layoutOf(card.shape, card.canvas.parentElement.clientWidth);
    if (!card.seen) continue;
    const values = valuesOf(card.place, what);
    drawMaps(card.canvas, card.layout, values, greatestOf(values), marks.get(card.place));
    card.formula.textContent = formulaOf(card, what);
    showKernels(card, what);
  }
}

function formulaOf({ place, kind, shape }, what) {
  if (place === "x")
    return what === "values"
      ? `${shape.join(" × ")} as (C, H, W): channels, height, width`
      : "dx, the gradient at the image, a saliency map: which pixels would change the loss most";
  return FORMULAS[kind][what === "values" ? 0 : 1];
}

// The gradients of parameters, drawn the same way

function showKernels(card, what) {
  const seen = network.seen.get(card.place), params = seen ? Object.entries(seen.layer.params) : [];
  card.kernels.hidden = what === "values" || params.length === 0;
  if (card.kernels.hidden) return;
  if (!card.drawn)
    card.drawn = params.map(([name, { path, shape }]) => {
      const canvas = element("canvas", { tabIndex: 0 });
      const flat = shape.length === 4 ? [shape[0] * shape[1], shape[2], shape[3]]
        : shape.length === 2 ? [1, shape[1], shape[0]] : [shape[0]];
      const text = element("p", {}, `d${name}, ${shape.join(" × ")}: the gradient of ${name}`);
      const picture = element("div", { className: "picture" }, canvas);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${text.textContent}. Arrow keys choose one.`);
      card.kernels.append(text, picture);
      const own = { name, path, shape, flat, canvas, picture };
      pickable(canvas, () => own.layout, (index) =>
        look({ place: card.place, of: name, index: shape.length === 2 ? turned(index, shape) : index }));
      return own;
    });
  for (const own of card.drawn) {
    const values = state.found.gradients.params[own.path], { shape } = own;
    own.layout = layoutOf(own.flat, own.picture.clientWidth);
    if (shape.length === 2) own.layout.side = Math.max(1, Math.min(8, Math.floor(own.picture.clientWidth / shape[0])));
    const { looked } = state, chosen = looked && looked.place === card.place && looked.of === own.name;
    const shown = shape.length === 2 ? values.map((_, k) => values[turned(k, shape)]) : values;
    const at = chosen && (shape.length === 2 ? turnedBack(looked.index, shape) : looked.index);
    const marks = chosen ? [{ elements: [at], colour: "--chosen" }] : [];
    drawMaps(own.canvas, own.layout, shown, greatestOf(values), marks);
  }
}

// The weights of a dense layer (D, K) are drawn as (K, D): a row for each output.
const turned = (k, [D, K]) => (k % D) * K + Math.floor(k / D);
const turnedBack = (k, [D, K]) => (k % K) * D + Math.floor(k / K);

// Looking into an element

function look(looked) {
  state.looked = looked;
  showLooked();
  showLayers();
}

// The passes of the image here, once for as long as nothing changes.

function compute() {
  const key = [state.x, state.backward ? state.target : null];
  if (computed && key.every((part, i) => part === computed[i])) return;
  if (state.backward && state.target !== null) backward(state.x, state.target);
  else forward(state.x);
  computed = key;
}

// What there is to say of the element: the explanation, the names of what is in it, and the places
// and elements of which the terms are.

function explanationOf({ place, of, index }) {
  compute();
  const seen = network.seen.get(place), gradients = state.backward && state.target !== null;
  if (of !== "y") {
    const { shape } = seen.layer.params[of];
    const found = explainGradient(network, place, of, index);
    const names = { y: `d${of}${indexOf(index, shape)}`, x: "dy", w: "x", shape: seen.y.shape };
    return { found, names, from: () => place };
  }
  if (!gradients) {
    if (place === "x") return null;
    const found = explain(network, place, index), own = seen.layer.params.w;
    const w = own ? "w" : "share", kernel = own && own.shape.length === 4 ? own.shape.slice(2) : null;
    const names = { y: `y${indexOf(index, seen.y.shape)}`, x: "x", w, kernel, shape: seen.x.shape };
    return { found, names, from: (term) => seen.from[term.from || 0] };
  }
  return gradientAt(place, index);
}

// The gradient that arrives at an element: from all that reads it.

function gradientAt(place, index) {
  const own = place === "x" ? { shape } : network.seen.get(place).y;
  const y = `d${place === "x" ? "x" : "y"}${indexOf(index, own.shape)}`;
  const reading = [...network.seen.values()]
    .filter(({ layer, x }) => layer.layer !== "chain" && x.place === place)
    .sort((a, b) => a.layer.place.length - b.layer.place.length)[0];
  if (reading) {
    const found = explainGradient(network, reading.layer.place, "dx", index);
    const w = reading.layer.params.w ? "w" : "share";
    const names = { y, x: "dy", w, shape: reading.y.shape, of: reading.layer.name };
    return { found, names, from: () => reading.layer.place };
  }
  const sum = [...network.seen.values()]
    .find(({ layer, from }) => layer.layer !== "chain" && from.includes(place));
  const value = valuesOf(place, "gradients")[index];
  if (sum) return { text: `${y} = ${number(value)}, handed on by ${sum.layer.name} as it is` };
  const p = state.found.values.probabilities[index], right = index === state.target;
  return {
    text: `${y} = p − onehot = ${number(p)} − ${right ? 1 : 0} = ${number(value)}: the softmax p, ` +
      "less 1 where the label is",
  };
}

function showLooked() {
  for (const { explanation } of cards.values()) explanation.hidden = true;
  state.marks = new Map();
  const { looked } = state;
  // With an answer under way, what is shown is of another image: the answer brings the explanation.
  if (!looked || asked > answered) return;
  const { explanation } = cards.get(looked.place), told = explanationOf(looked);
  explanation.hidden = !told;
  if (!told) return;
  const { found, names, text, from } = told;
  const more = names && names.of ? [element("p", { className: "quiet" }, `by way of ${names.of}`)] : [];
  explanation.replaceChildren(
    ...(found ? writtenOut(found, names) : [element("p", { className: "sum" }, text)]), ...more);
  // All of a window; of more than that, those that count most.
  const terms = !found ? [] : found.kind === "dense" ? greatestTerms(found.terms) : found.terms;
  for (const term of terms) {
    const place = from(term);
    if (term.index === null) continue;
    state.marks.set(place, [...(state.marks.get(place) || []), term.index]);
  }
}

function marked() {
  const marks = new Map();
  for (const [place, elements] of state.marks || [])
    marks.set(place, [{ elements, colour: "--mark" }]);
  const { looked } = state;
  if (looked && looked.of === "y")
    marks.set(looked.place, [...(marks.get(looked.place) || []),
      { elements: [looked.index], colour: "--chosen" }]);
  return marks;
}

// What it is shown

function setImage(x, chosen) {
  state.x = x;
  state.chosen = chosen;
  state.before = null;
  for (const button of find("samples").children) button.setAttribute("aria-pressed", "false");
  drawSeen();
  ask();
}

function drawSeen() {
  const [C, H, W] = shape, seen = find("seen");
  paint(seen, state.x, C, H, W);
}

// An image as one sees it: one channel in the colour of the text on paper, three as they are.

function paint(canvas, x, C, H, W) {
  [canvas.width, canvas.height] = [W, H];
  const context = canvas.getContext("2d"), image = context.createImageData(W, H);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  for (let k = 0; k < H * W; k++)
    for (let channel = 0; channel < 3; channel++) {
      const value = x[(C === 3 || C === 4 ? channel : 0) * H * W + k];
      const shown = C === 3 || C === 4 || dark ? value : 1 - value;
      image.data[4 * k + channel] = 255 * Math.min(Math.max(shown, 0), 1);
      image.data[4 * k + 3] = 255;
    }
  context.putImageData(image, 0, 0);
}

const isDigit = model.preparation === "mnist";
const pad = padOn(find("pad"), (done) => {
  find("hint").hidden = !pad.empty;
  if (done) drawn();
  else requestAnimationFrame(drawn);
});

let shownInk = null;

function drawn() {
  find("hint").hidden = !pad.empty;
  if (pad.version === shownInk) return;
  shownInk = pad.version;
  setImage(asMnist(pad.ink()), !pad.empty);
}

find("clear").addEventListener("click", () => { pad.clear(); drawn(); });
find("undo").addEventListener("click", () => { pad.undo(); drawn(); });

// Samples, and pictures of one's own

function samplesOf({ shape: [N, C, H, W], images, labels }) {
  const bytes = bytesOf(images), size = C * H * W;
  return Array.from({ length: N }, (_, i) => ({
    x: Float32Array.from(bytes.subarray(i * size, (i + 1) * size), (byte) => byte / 255),
    label: labels[i],
  }));
}

function showSamples(samples) {
  const [C, H, W] = shape;
  for (const { x, label } of samples) {
    const { probabilities } = forward(x);
    const best = probabilities.indexOf(Math.max(...probabilities)), right = best === label;
    const canvas = element("canvas");
    paint(canvas, x, C, H, W);
    const button = element("button", { type: "button", className: right ? "" : "wrong" }, canvas);
    const answer = right ? "read right" : `read as ${names[best]}`;
    button.setAttribute("aria-label", `Test image of ${names[label]}, ${answer}`);
    button.title = `${names[label]}, ${answer}`;
    button.addEventListener("click", () => {
      pad.clear();
      shownInk = pad.version;
      find("hint").hidden = false;
      state.target = label;
      find("target").value = `${label}`;
      setImage(x, true);
      button.setAttribute("aria-pressed", "true");
    });
    find("samples").append(button);
  }
}

async function uploaded({ target: { files } }) {
  if (!files.length) return;
  const [C, H, W] = shape, canvas = element("canvas", { width: W, height: H });
  const context = canvas.getContext("2d"), bitmap = await createImageBitmap(files[0]);
  // The middle of the picture, as large as fits.
  const side = Math.min(bitmap.width / W, bitmap.height / H), [w, h] = [side * W, side * H];
  context.drawImage(bitmap, (bitmap.width - w) / 2, (bitmap.height - h) / 2, w, h, 0, 0, W, H);
  const { data } = context.getImageData(0, 0, W, H);
  const grey = (k) => 0.299 * data[k] + 0.587 * data[k + 1] + 0.114 * data[k + 2];
  setImage(Float32Array.from({ length: C * H * W }, (_, k) => {
    const at = 4 * (k % (H * W)), channel = Math.floor(k / (H * W));
    return (C >= 3 ? data[at + channel] : grey(at)) / 255;
  }), true);
}

// Backward, and steps

const MODES = {
  forward: "Every layer shows what it gives. Choose a pixel: the window that it sees, and the sum, are "
    + "written out below it, and framed in the layers that it comes from.",
  backward: "Every layer shows the gradient that arrives at its output: how the loss would change with "
    + "it. Choose an element to see the sum it is, or a weight to see where its gradient comes from.",
};

function setMode(mode) {
  state.backward = mode === "backward";
  find("mode-text").textContent = MODES[mode];
  find("learning").hidden = !state.backward;
  state.looked = null;
  if (state.backward && state.target === null && state.found)
    state.target = state.found.values.probabilities.indexOf(Math.max(...state.found.values.probabilities));
  find("target").value = `${state.target ?? 0}`;
  showLooked();
  ask();
}

const rate = () => 10 ** Number(find("rate").value);

function takeStep() {
  if (!state.chosen || state.target === null || !state.found.gradients) return;
  state.before = [...forward(state.x).probabilities];
  const { params } = backward(state.x, state.target);
  step(params, rate());
  state.steps += 1;
  showSteps();
  ask();
}

function forgetSteps() {
  reset();
  Object.assign(state, { steps: 0, before: null });
  showSteps();
  ask();
}

function showSteps() {
  const { steps, before, target } = state;
  if (!steps || !before) {
    find("steps").textContent = steps ? `${steps} taken` : "The network is as it was trained.";
    return;
  }
  const percent = (p) => `${(100 * p).toFixed(1)} %`, now = forward(state.x).probabilities[target];
  find("steps").textContent = `Step ${steps}: ${names[target]} had ${percent(before[target])}, and now `
    + `${percent(now)}. Lines across the bars are what all had before.`;
}

// The page as it opens

function begin() {
  const parameters = [...network.seen.values()]
    .flatMap(({ layer }) => Object.values(layer.params))
    .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  find("about").textContent = `${cards.size - 1} layers, ${parameters.toLocaleString("en")} parameters, `
    + `images of ${shape.join(" × ")}. ${isDigit ? "Draw a digit" : "Choose an image"}, and watch the `
    + "network read it, layer by layer, and learn from it.";
  find("target").append(...names.map((name, k) => element("option", { value: k }, name)));
  for (const id of ["drawing", "pad-buttons"]) find(id).hidden = !isDigit;
  find("upload-label").hidden = isDigit;
  const samples = model.samples ? samplesOf(model.samples) : [];
  find("tests").hidden = samples.length === 0;
  if (samples.length) showSamples(samples);
  drawMaps(find("scale"), { C: 1, H: 1, W: 41, side: 3, columns: 1, rows: 1 },
    Float32Array.from({ length: 41 }, (_, k) => k / 20 - 1), 1);
  setMode("forward");
  showSteps();
  if (samples.length) find("samples").firstChild.click();
  else setImage(state.x, false);
}

find("upload").addEventListener("change", uploaded);
find("target").addEventListener("change", ({ target }) => {
  state.target = Number(target.value);
  ask();
});
find("rate").addEventListener("input", () => (find("rate-value").textContent = number(rate())));
find("rate-value").textContent = number(rate());
find("step").addEventListener("click", takeStep);
find("reset").addEventListener("click", forgetSteps);
for (const choice of document.querySelectorAll("input[name=mode]"))
  choice.addEventListener("change", () => setMode(choice.value));
window.addEventListener("resize", showLayers);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  pad.draw();
  drawSeen();
  showLayers();
});

makeCards();
begin();
