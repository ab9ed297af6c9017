"use strict";

// The pad: strokes of a pen, a finger or a mouse, and the image that the network sees of them.

const SIDE = 28, BOX = 20; // pixels of an image of MNIST, and of the square that its digit fits into
const MIDDLE = 14.5; // where the centres of mass are in MNIST: in the middle of pixel 14
const FAINT = 0.15; // ink at the edge of a stroke, which still counts

// Draws on a canvas. changed(done) is called while a stroke is drawn, and with true at its end.

function padOn(canvas, changed) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let strokes = [], pointer = null, version = 0;

  function draw() {
    version += 1;
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    context.strokeStyle = context.fillStyle = getComputedStyle(canvas).color;
    context.lineWidth = width / 13;
    context.lineCap = context.lineJoin = "round";
    for (const points of strokes) {
      context.beginPath();
      context.moveTo(...points[0]);
      // Through the middles between points, so that corners become curves.
      points.slice(1).forEach(([x, y], i) => {
        const [before, above] = points[i];
        context.quadraticCurveTo(before, above, (before + x) / 2, (above + y) / 2);
      });
      context.lineTo(...points.at(-1));
      context.stroke();
    }
  }

  function at({ clientX, clientY }) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((clientX - left) / width) * canvas.width, ((clientY - top) / height) * canvas.height];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    strokes.push([at(event)]);
    draw();
    changed(false);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    strokes.at(-1).push(...(events.length ? events : [event]).map(at));
    draw();
    changed(false);
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      changed(true);
    });

  return {
    draw,
    get empty() { return strokes.length === 0; },
    get version() { return version; },
    clear() { strokes = []; draw(); },
    undo() { strokes.pop(); draw(); },
    ink() {
      const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
      const values = new Float32Array(width * height);
      for (let k = 0; k < values.length; k++) values[k] = data[4 * k + 3] / 255;
      return { values, H: height, W: width };
    },
  };
}

// Ink {values, H, W} from 0 to 1 as MNIST has it, 784 numbers: cropped, 20 pixels on its longer
// side, its centre of mass in the middle. As fcnn.data.as_mnist does it of any picture.

function asMnist(ink) {
  const box = boxed(ink);
  const image = new Float32Array(SIDE * SIDE);
  if (!box) return image;
  const [top, left] = [box.H, box.W].map((side, axis) => {
    let mass = 0, moment = 0;
    box.values.forEach((value, k) => {
      mass += value;
      moment += value * ((axis ? k % box.W : Math.floor(k / box.W)) + 0.5);
    });
    return Math.min(Math.max(Math.round(MIDDLE - moment / mass), 0), SIDE - side);
  });
  for (let i = 0; i < box.H; i++)
    for (let j = 0; j < box.W; j++)
      image[(top + i) * SIDE + left + j] = box.values[i * box.W + j];
  return image;
}

function boxed({ values, H, W }) {
  let top = H, bottom = -1, left = W, right = -1;
  for (let i = 0; i < H; i++)
    for (let j = 0; j < W; j++)
      if (values[i * W + j] > FAINT) {
        top = Math.min(top, i);
        bottom = i;
        left = Math.min(left, j);
        right = Math.max(right, j);
      }
  if (bottom < 0) return null;
  const [height, width] = [bottom - top + 1, right - left + 1], longer = Math.max(height, width);
  const cut = new Float32Array(height * width);
  for (let i = 0; i < height; i++) {
    const from = (top + i) * W + left;
    cut.set(values.subarray(from, from + width), i * width);
  }
  const [h, w] = [height, width].map((side) => Math.max(1, Math.round((side * BOX) / longer)));
  const box = averaged({ values: cut, H: height, W: width }, h, w);
  const strong = box.values.filter((value) => value > 0.1).sort();
  const full = strong[Math.floor(0.9 * (strong.length - 1))] || 1;
  return { ...box, values: box.values.map((value) => Math.min(value / full, 1)) };
}

// An image in another size: each new pixel is the mean of the area that it covers.

function averaged({ values, H, W }, height, width) {
  const rows = new Float64Array(height * W), found = new Float64Array(height * width);
  overlaps(H, height).forEach((row, i) => {
    for (const [h, share] of row)
      for (let w = 0; w < W; w++) rows[i * W + w] += share * values[h * W + w];
  });
  overlaps(W, width).forEach((column, j) => {
    for (const [w, share] of column)
      for (let i = 0; i < height; i++) found[i * width + j] += share * rows[i * W + w];
  });
  return { values: found, H: height, W: width };
}

// For each new pixel of a line, which of the old ones it covers, and what share of it each is.

function overlaps(old, size) {
  return Array.from({ length: size }, (_, k) => {
    const begin = (k * old) / size, end = ((k + 1) * old) / size, found = [];
    for (let i = Math.floor(begin); i < Math.min(Math.ceil(end), old); i++)
      found.push([i, (Math.min(end, i + 1) - Math.max(begin, i)) / (end - begin)]);
    return found;
  });
}
