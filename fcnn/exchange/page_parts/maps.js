"use strict";

// Arrays as pictures: every channel a small one, side by side on one canvas, in diverging colours
// with one scale for all of them.

const GAP = 2; // pixels between the pictures of two channels
const POSITIVE = [213, 94, 0], NEGATIVE = [0, 114, 178]; // Okabe and Ito's vermilion and blue

// How channels of H x W pixels are laid out over a width: columns, and pixels of the screen a side.

function layoutOf(shape, available) {
  const [C, H, W] = shape.length === 3 ? shape : [shape[0], 1, 1];
  const vector = shape.length !== 3;
  const side = vector ? 16 : W >= 20 ? 2 : W >= 10 ? 3 : W >= 5 ? 5 : 8;
  const least = (W * side + GAP), most = Math.max(1, Math.floor((available + GAP) / least));
  const columns = Math.min(C, most);
  const wide = C === 1 ? Math.min(6, Math.max(side, Math.floor(168 / W))) : side;
  return { C, H, W, side: wide, columns, rows: Math.ceil(C / columns) };
}

const sizeOfLayout = ({ H, W, side, columns, rows }) =>
  [columns * (W * side + GAP) - GAP, rows * (H * side + GAP) - GAP];

// Where on the canvas pixel (h, w) of channel c lies.

function placeOf({ H, W, side, columns }, k) {
  const w = k % W, h = Math.floor(k / W) % H, c = Math.floor(k / (W * H));
  const left = (c % columns) * (W * side + GAP), top = Math.floor(c / columns) * (H * side + GAP);
  return [left + w * side, top + h * side];
}

// Which element lies at a place of the canvas; null between pictures.

function elementAt({ C, H, W, side, columns }, x, y) {
  const [across, down] = [W * side + GAP, H * side + GAP];
  const column = Math.floor(x / across), c = Math.floor(y / down) * columns + column;
  const w = Math.floor((x - column * across) / side);
  const h = Math.floor((y - Math.floor(y / down) * down) / side);
  return column < columns && c < C && w < W && h < H && w >= 0 && h >= 0
    ? (c * H + h) * W + w : null;
}

const greatestOf = (values) =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

// Draws values; marked are lists of elements, each with the name of a colour of the style sheet.

function drawMaps(canvas, layout, values, scale, marked = []) {
  const [width, height] = sizeOfLayout(layout), { H, W, side } = layout;
  const dense = window.devicePixelRatio > 1 ? 2 : 1;
  if (canvas.width !== width * dense || canvas.height !== height * dense) {
    [canvas.width, canvas.height] = [width * dense, height * dense];
    canvas.style.width = `${width}px`;
  }
  const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
  const paper = style.getPropertyValue("--paper").split(" ").map(Number);
  const step = side * dense, image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer), shades = shadesOn(paper);
  for (let k = 0; k < values.length; k++) {
    const share = Math.max(-1, Math.min(1, values[k] / (scale || 1))) || 0;
    const [left, top] = placeOf(layout, k), pixel = shades[Math.round(SHADES * (1 + share))];
    for (let i = 0; i < step; i++) {
      const from = (top * dense + i) * canvas.width + left * dense;
      pixels.fill(pixel, from, from + step);
    }
  }
  context.putImageData(image, 0, 0);
  for (const { elements, colour } of marked) {
    context.strokeStyle = style.getPropertyValue(colour);
    context.lineWidth = dense * 1.5;
    // Elements of one channel are framed together, as a window is.
    const channels = new Map();
    for (const k of elements) {
      const c = Math.floor(k / (H * W));
      channels.set(c, [...(channels.get(c) || []), placeOf(layout, k)]);
    }
    for (const places of channels.values()) {
      const [left, top] = [0, 1].map((axis) => Math.min(...places.map((at) => at[axis])) * dense);
      const [right, bottom] = [0, 1].map(
        (axis) => (Math.max(...places.map((at) => at[axis])) + side) * dense);
      context.strokeRect(left + 0.5, top + 0.5, right - left - 1, bottom - top - 1);
    }
  }
}

// The colours from -1 to 1, as pixels.

const SHADES = 127; // of each of the two

function shadesOn(paper) {
  const shades = new Uint32Array(2 * SHADES + 1), bytes = new Uint8Array(shades.buffer);
  shades.forEach((_, k) => bytes.set([...colourOf(k / SHADES - 1, paper), 255], 4 * k));
  return shades;
}

// From the paper at 0 to one of the colours at 1 and -1.

function colourOf(value, paper) {
  const ink = value >= 0 ? POSITIVE : NEGATIVE;
  const share = Math.min(1, Math.abs(value)) ** 0.8 || 0;
  return ink.map((part, i) => Math.round(paper[i] + share * (part - paper[i])));
}
