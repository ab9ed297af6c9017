"use strict";

// The arithmetic of fcnn for one image, forward and backward, in inference.
//
// An array is {shape, values, place}: its values lie flat in C order, the last axis first, and its
// place says which layer gave it. Values are float32; sums are taken in double precision.
//
// A layer is {layer, name, settings, params, children, place}: `layer` is its public name, `name`
// what one writes, and `place` where it stands, "3.0.1" for layer 1 of layer 0 of layer 3. Each has
// two functions, as in Python, a cache between them:
//
//   forward(layer, x, run) -> [y, cache]
//   backward(cache, dy, back) -> [dparams, dx]
//
// Letters: C channels in, F features out, H W height and width, KH KW kernel or window, SH SW
// stride, DH DW dilation, OH OW output, G groups, D K dense in and out (K also: classes).

const sizeOf = (shape) => shape.reduce((count, size) => count * size, 1);

const arrayOf = (shape, values) => ({ shape, values: Float32Array.from(values) });

const zeros = (shape) => ({ shape, values: new Float32Array(sizeOf(shape)) });

// (rows, columns) -> (columns, rows)

function transposed(values, columns) {
  const turned = new Float32Array(values.length), rows = values.length / columns;
  for (let i = 0, next = 0; i < rows; i++)
    for (let j = 0; j < columns; j++, next++) turned[j * rows + i] = values[next];
  return turned;
}

// a (M, K) times b (N, K), transposed -> (M, N). Two rows times two at once: each number that is
// loaded is used twice. The last row of an odd number is taken twice.

function product(a, b, K) {
  const M = a.length / K, N = b.length / K, y = new Float32Array(M * N);
  for (let m = 0; m < M; m += 2) {
    const m1 = Math.min(m + 1, M - 1);
    for (let n = 0; n < N; n += 2) {
      const n1 = Math.min(n + 1, N - 1);
      let s00 = 0, s01 = 0, s10 = 0, s11 = 0;
      for (let k = 0; k < K; k++) {
        const a0 = a[m * K + k], a1 = a[m1 * K + k], b0 = b[n * K + k], b1 = b[n1 * K + k];
        s00 += a0 * b0;
        s01 += a0 * b1;
        s10 += a1 * b0;
        s11 += a1 * b1;
      }
      y[m * N + n] = s00;
      y[m * N + n1] = s01;
      y[m1 * N + n] = s10;
      y[m1 * N + n1] = s11;
    }
  }
  return y;
}

const plus = (a, b) => a + b;

// dense: y = x w + b
//
// w (D, K), b (K) or none.
// y[k] = b[k] + sum over d of x[d] w[d, k]
// dw[d, k] = x[d] dy[k];  db = dy;  dx[d] = sum over k of dy[k] w[d, k]

const dense = {
  forward({ params }, x) {
    const { w, b } = params, [D, K] = w.shape;
    const sums = product(x.values, transposed(w.values, K), D);
    return [arrayOf([K], b ? sums.map((sum, k) => sum + b.values[k]) : sums), { params, x }];
  },

  backward({ params: { w, b }, x }, dy) {
    const dw = arrayOf(w.shape, product(x.values, dy.values, 1));
    const dx = arrayOf(x.shape, product(w.values, dy.values, dy.values.length));
    return [b ? { w: dw, b: dy } : { w: dw }, dx];
  },
};

// Windows that slide over an image (C, H, W), of convolutions and of pools: OH rows of OW. Which
// pixel each of their KH KW places sees is in `pixels`, (KH KW, OH OW): h W + w, the same in every
// channel, and -1 in the padding. With padding "same" there are as many windows as pixels; if the
// padding is odd, its last row or column goes to the bottom or the right.

function windowsOn([C, H, W], [KH, KW], { stride, padding, dilation }) {
  const [SH, SW] = stride, [DH, DW] = dilation || [1, 1];
  const reachH = (KH - 1) * DH + 1, reachW = (KW - 1) * DW + 1;
  const same = padding === "same";
  const above = same ? (reachH - 1) >> 1 : padding[0];
  const left = same ? (reachW - 1) >> 1 : padding[1];
  const OH = same ? H : Math.floor((H + 2 * above - reachH) / SH) + 1;
  const OW = same ? W : Math.floor((W + 2 * left - reachW) / SW) + 1;
  const pixels = new Int32Array(KH * KW * OH * OW);
  let next = 0;
  for (let p = 0; p < KH; p++)
    for (let q = 0; q < KW; q++)
      for (let i = 0; i < OH; i++)
        for (let j = 0; j < OW; j++) {
          const h = i * SH + p * DH - above, w = j * SW + q * DW - left;
          pixels[next++] = h >= 0 && h < H && w >= 0 && w < W ? h * W + w : -1;
        }
  return { C, area: H * W, OH, OW, places: KH * KW, number: OH * OW, pixels };
}

// conv2d
//
// w (F, C/G, KH, KW), b (F) or none; x is padded by zeros, and c runs over the group of f alone.
// y[f, i, j] = b[f] + sum over c, p, q of w[f, c, p, q] x[c, i SH + p DH, j SW + q DW]
// dw[f, c, p, q] = sum over i, j of dy[f, i, j] x[c, i SH + p DH, j SW + q DW]
// db[f] = sum over i, j of dy[f, i, j]
// dx: dy[f, i, j] w[f, c, p, q] goes to the pixel x[c, i SH + p DH, j SW + q DW] that it came from
//
// What the windows see are patches (C/G KH KW, OH OW), and all of these are products of matrices:
// y = w patches, dw = dy patches^T, dpatches = w^T dy.

const conv2d = {
  forward({ settings, params }, x) {
    const { w, b } = params, G = x.shape[0] / w.shape[1];
    const windows = windowsOn(x.shape, w.shape.slice(2), settings), { number } = windows;
    const y = zeros([w.shape[0], windows.OH, windows.OW]);
    for (let g = 0; g < G; g++) {
      const patches = patchesOf(part(x.values, g, G), windows);
      const K = patches.length / number;
      const sums = product(part(w.values, g, G), transposed(patches, number), K);
      part(y.values, g, G).set(sums);
    }
    if (b) y.values.forEach((sum, o) => (y.values[o] = sum + b.values[Math.floor(o / number)]));
    return [y, { params, x, windows, G }];
  },

  backward({ params: { w, b }, x, windows, G }, dy) {
    const { number } = windows, F = w.shape[0], K = w.values.length / F;
    const dw = zeros(w.shape), db = zeros([F]), dx = zeros(x.shape);
    for (let g = 0; g < G; g++) {
      const patches = patchesOf(part(x.values, g, G), windows), shares = part(dy.values, g, G);
      part(dw.values, g, G).set(product(shares, patches, number));
      const weights = transposed(part(w.values, g, G), K);
      const dpatches = product(weights, transposed(shares, number), F / G);
      addPatches(part(dx.values, g, G), dpatches, windows);
    }
    for (let f = 0; f < F; f++) db.values[f] = part(dy.values, f, F).reduce(plus, 0);
    return [b ? { w: dw, b: db } : { w: dw }, dx];
  },
};

// Group g of G equal parts along the first axis: a view.

const part = (values, g, G) =>
  values.subarray((g * values.length) / G, ((g + 1) * values.length) / G);

// What the windows see in channels, (C KH KW, OH OW), and back: sums of what came from a pixel.

function patchesOf(x, { area, pixels }) {
  const patches = new Float32Array((x.length / area) * pixels.length);
  for (let channel = 0, next = 0; channel < x.length; channel += area)
    for (let k = 0; k < pixels.length; k++, next++)
      if (pixels[k] >= 0) patches[next] = x[channel + pixels[k]];
  return patches;
}

function addPatches(dx, dpatches, { area, pixels }) {
  for (let channel = 0, next = 0; channel < dx.length; channel += area)
    for (let k = 0; k < pixels.length; k++, next++)
      if (pixels[k] >= 0) dx[channel + pixels[k]] += dpatches[next];
}

// max_pool2d
//
// y[c, i, j] = the greatest x[c, i SH + p, j SW + q]; the padding is less than any pixel.
// dx: dy[c, i, j] goes whole to the first pixel, in row-major order, that is the greatest.

const max_pool2d = {
  forward({ settings }, x) {
    const windows = windowsOn(x.shape, settings.window, settings);
    const y = zeros([windows.C, windows.OH, windows.OW]);
    const winners = Int32Array.from(y.values, (_, o) =>
      pixelsUnder(windows, o).reduce((won, k) => (x.values[k] > x.values[won] ? k : won)));
    winners.forEach((won, o) => (y.values[o] = x.values[won]));
    return [y, { x, windows, winners }];
  },

  backward({ x, winners }, dy) {
    const dx = zeros(x.shape);
    winners.forEach((won, o) => (dx.values[won] += dy.values[o]));
    return [{}, dx];
  },
};

// avg_pool2d
//
// y[c, i, j] = sum over p, q of x[c, i SH + p, j SW + q] / (KH KW), zeros of the padding included
// dx: dy[c, i, j] / (KH KW) goes to each pixel of the window.

const avg_pool2d = {
  forward({ settings }, x) {
    const windows = windowsOn(x.shape, settings.window, settings);
    const y = zeros([windows.C, windows.OH, windows.OW]);
    y.values.forEach((_, o) => {
      const sum = pixelsUnder(windows, o).reduce((sum, k) => sum + x.values[k], 0);
      y.values[o] = sum / windows.places;
    });
    return [y, { x, windows }];
  },

  backward({ x, windows }, dy) {
    const dx = zeros(x.shape);
    dy.values.forEach((share, o) => {
      for (const k of pixelsUnder(windows, o)) dx.values[k] += share / windows.places;
    });
    return [{}, dx];
  },
};

// Where in x the pixels of window o of a pool lie, in row-major order, without the padding.

function pixelsUnder({ area, places, number, pixels }, o) {
  const found = [], channel = Math.floor(o / number) * area;
  for (let place = 0; place < places; place++) {
    const pixel = pixels[place * number + (o % number)];
    if (pixel >= 0) found.push(channel + pixel);
  }
  return found;
}

// global_avg_pool
//
// y[c] = sum over h, w of x[c, h, w] / (H W);  dx[c, h, w] = dy[c] / (H W)

const global_avg_pool = {
  forward(layer, x) {
    const [C, H, W] = x.shape, sums = new Float64Array(C);
    x.values.forEach((value, k) => (sums[Math.floor(k / (H * W))] += value / (H * W)));
    return [arrayOf([C], sums), { x }];
  },

  backward({ x }, dy) {
    const [C, H, W] = x.shape, dx = zeros(x.shape);
    for (let c = 0; c < C; c++)
      dx.values.fill(dy.values[c] / (H * W), c * H * W, (c + 1) * H * W);
    return [{}, dx];
  },
};

// batch_norm, with the statistics that the network holds
//
// scale, shift, mean, var (C); r[c] = 1 / sqrt(var[c] + epsilon)
// y = scale r (x - mean) + shift, channel by channel
// dscale = r sum of dy (x - mean);  dshift = sum of dy;  dx = scale r dy
// mean and var are not trained: their gradients are zeros.

const batch_norm = {
  forward({ settings, params }, x) {
    const { scale, shift, mean, var: variance } = params;
    const epsilon = settings.epsilon || 1e-5, area = sizeOf(x.shape.slice(1));
    const r = Float64Array.from(variance.values, (value) => 1 / Math.sqrt(value + epsilon));
    const y = zeros(x.shape);
    for (let k = 0; k < y.values.length; k++) {
      const c = Math.floor(k / area);
      y.values[k] =
        scale.values[c] * r[c] * (x.values[k] - mean.values[c]) + shift.values[c];
    }
    return [y, { params, x, r, area }];
  },

  backward({ params, x, r, area }, dy) {
    const { scale, mean } = params, C = r.length;
    const dscale = new Float64Array(C), dshift = new Float64Array(C), dx = zeros(x.shape);
    for (let k = 0; k < dx.values.length; k++) {
      const c = Math.floor(k / area), share = dy.values[k];
      dscale[c] += share * r[c] * (x.values[k] - mean.values[c]);
      dshift[c] += share;
      dx.values[k] = scale.values[c] * r[c] * share;
    }
    const dparams = {
      scale: arrayOf([C], dscale), shift: arrayOf([C], dshift), mean: zeros([C]), var: zeros([C]),
    };
    return [dparams, dx];
  },
};

// Functions of each number by itself
//
// y = f(x, settings);  dx = dy slope(x, y, settings)

const elementwise = (f, slope) => ({
  forward: ({ settings }, x) => {
    const y = { shape: x.shape, values: x.values.map((value) => f(value, settings)) };
    return [y, { x, y, slope: (k) => slope(x.values[k], y.values[k], settings) }];
  },

  backward: ({ x, slope }, dy) =>
    [{}, { shape: x.shape, values: dy.values.map((share, k) => share * slope(k)) }],
});

// y = max(x, 0): the slope at the kink itself is taken as 0
const relu = elementwise((x) => Math.max(x, 0), (x) => (x > 0 ? 1 : 0));

// y = max(x, slope x): at the kink too, the slope is that of the left
const leaky_relu = elementwise(
  (x, { slope }) => Math.max(x, slope * x), (x, y, { slope }) => (x > 0 ? 1 : slope));

// y = 1 / (1 + exp(-x));  dx = dy y (1 - y)
const sigmoid = elementwise((x) => 1 / (1 + Math.exp(-x)), (x, y) => y * (1 - y));

// y = tanh(x);  dx = dy (1 - y^2)
const tanh = elementwise(Math.tanh, (x, y) => 1 - y * y);

// y = x cdf(x), cdf(x) = (1 + erf(x / sqrt(2))) / 2;  dx = dy (cdf(x) + x exp(-x^2/2) / sqrt(2 pi))
const gelu = elementwise(
  (x) => x * cdf(x), (x) => cdf(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI));

const cdf = (x) => (1 + erf(x * Math.SQRT1_2)) / 2;

// erf(x) = tanh(x P(x^2) / Q(x^2)), as fitted for float32 in fcnn/numerics/error_function.py

function erf(x) {
  const z = Math.max(-5, Math.min(x, 5)), square = z * z;
  const at = (coefficients) => coefficients.reduce((sum, factor) => sum * square + factor, 0);
  const P = at([0.002178587521, 0.0426494845, 0.2798116989, 1.128379171]);
  const Q = at([0.0003249897497, 0.02369213166, 0.1568968931, 1]);
  return Math.tanh((z * P) / Q);
}

// dropout is for training: y = x;  dx = dy

const dropout = {
  forward: (layer, x) => [{ shape: x.shape, values: x.values }, { x }],
  backward: (cache, dy) => [{}, dy],
};

// flatten: y = x and dx = dy in another shape

const flatten = {
  forward: (layer, x) => [{ shape: [x.values.length], values: x.values }, { x }],
  backward: ({ x }, dy) => [{}, { shape: x.shape, values: dy.values }],
};

// softmax, over the last axis
//
// p = exp(x) / sum of exp(x);  dx = p (dy - sum of p dy)

const softmax = {
  forward(layer, x) {
    const K = x.shape.at(-1), p = zeros(x.shape);
    for (let from = 0; from < p.values.length; from += K)
      p.values.set(probabilities(x.values.subarray(from, from + K)), from);
    return [p, { x, p }];
  },

  backward({ x, p }, dy) {
    const K = x.shape.at(-1), dx = zeros(x.shape);
    for (let from = 0; from < dx.values.length; from += K) {
      let sum = 0;
      for (let k = from; k < from + K; k++) sum += p.values[k] * dy.values[k];
      for (let k = from; k < from + K; k++) dx.values[k] = p.values[k] * (dy.values[k] - sum);
    }
    return [{}, dx];
  },
};

// The greatest is taken away first, so that nothing overflows.

function probabilities(logits) {
  const greatest = Math.max(...logits);
  const e = Float64Array.from(logits, (logit) => Math.exp(logit - greatest));
  const total = e.reduce(plus, 0);
  return e.map((value) => value / total);
}

// chain: y = f3(f2(f1(x))), and back the same way; its layers keep their gradients themselves

const chain = {
  forward({ children }, x, run) {
    for (const child of children) x = run(child, x);
    return [x, { children }];
  },

  backward({ children }, dy, back) {
    for (const child of [...children].reverse()) dy = back(child, dy);
    return [{}, dy];
  },
};

// residual: y = x + f(x), and so dx = dy + f'(x) dy, for the value goes two ways

const residual = {
  forward({ children }, x, run) {
    const inputs = [x, run(children[0], x)];
    return [sumOf(inputs), { children, x, inputs }];
  },

  backward({ children }, dy, back) {
    const parts = [dy, back(children[0], dy)];
    return [{}, sumOf(parts), parts];
  },
};

// parallel: all layers get x, and their outputs are one after the other, or added with merge "add";
// dx is the sum of their gradients by x, each from its part of dy

const parallel = {
  forward({ children, settings }, x, run) {
    const inputs = children.map((child) => run(child, x)), adds = settings.merge === "add";
    return [adds ? sumOf(inputs) : concatenated(inputs), { children, x, inputs, adds }];
  },

  backward({ children, inputs, adds }, dy, back) {
    let end = 0;
    const shares = inputs.map(({ shape, values }) => {
      const begin = end;
      end += values.length;
      return adds ? dy : { shape, values: dy.values.subarray(begin, end) };
    });
    const parts = children.map((child, i) => back(child, shares[i]));
    return [{}, sumOf(parts), parts];
  },
};

const sumOf = (arrays) => ({
  shape: arrays[0].shape,
  values: arrays[0].values.map((_, k) => arrays.reduce((sum, { values }) => sum + values[k], 0)),
});

// Along the first axis, that of the channels: in C order one array after the other.

function concatenated(arrays) {
  const channels = arrays.reduce((sum, { shape }) => sum + shape[0], 0);
  const y = zeros([channels, ...arrays[0].shape.slice(1)]);
  let from = 0;
  for (const { values } of arrays) {
    y.values.set(values, from);
    from += values.length;
  }
  return y;
}

const LAYERS = {
  avg_pool2d, batch_norm, chain, conv2d, dense, dropout, flatten, gelu, global_avg_pool, leaky_relu,
  max_pool2d, parallel, relu, residual, sigmoid, softmax, tanh,
};

// softmax_cross_entropy, plain, of one image
//
// loss = log sum of exp(logits) - logits[label];  dlogits = p - onehot

function softmaxCrossEntropy(logits, label) {
  if (!(Number.isInteger(label) && label >= 0 && label < logits.values.length))
    throw new RangeError(`label is ${label}, expected a number from 0 to ${logits.values.length - 1}`);
  const greatest = Math.max(...logits.values);
  const total = logits.values.reduce((sum, logit) => sum + Math.exp(logit - greatest), 0);
  const dlogits = probabilities(logits.values).map((p, k) => p - (k === label ? 1 : 0));
  return [Math.log(total) + greatest - logits.values[label], arrayOf(logits.shape, dlogits)];
}

// The network of a document, as `save_page` writes it. What it gives:
//
//   forward(x) -> {logits, probabilities, layers: [{place, name, kind, from, shape, values}]}
//   backward(x, label) -> {loss, dx, params: {path: values}, layers: [the same, of gradients]}
//   step(grads, rate)   plain SGD on the network's own parameters, p <- p - rate g, by path
//   reset()             the parameters as they came
//   seen                what the last pass met, by place: {layer, from, x, y, cache}, of a backward
//                       pass also {dy, dx, dparams}, and of a sum the parts of dx
//
// x is flat, (C, H, W). The layers come in the order of computation, without chains, which compute
// nothing themselves; a residual or parallel one, that is the sum or concatenation, comes after
// those that it is made of. `from` are the places of what a layer gets; that of the image is "x".

function networkOf({ shape, network }) {
  const root = layerOf(network, ""), seen = new Map(), initial = new Map();

  function run(layer, x) {
    const [out, cache] = LAYERS[layer.layer].forward(layer, x, run);
    const y = layer.layer === "chain" ? out : { ...out, place: layer.place };
    const from = (cache.inputs || [x]).map(({ place }) => place);
    seen.set(layer.place, { layer, from, x, y, cache });
    return y;
  }

  function back(layer, dy) {
    const step = seen.get(layer.place);
    const [dparams, dx, parts] = LAYERS[layer.layer].backward(step.cache, dy, back);
    Object.assign(step, { dy, dx, dparams, parts });
    return dx;
  }

  const layersOf = (array) =>
    [...seen.values()].filter(({ layer }) => layer.layer !== "chain").map((step) => {
      const { place, name, layer: kind } = step.layer, { shape, values } = step[array];
      return { place, name, kind, from: step.from, shape, values };
    });

  function forward(x) {
    seen.clear();
    const y = run(root, { ...arrayOf(shape, x), place: "x" });
    return { logits: y.values, probabilities: probabilities(y.values), layers: layersOf("y") };
  }

  function backward(x, label) {
    const logits = { shape: [sizeOf(root.shape)], values: forward(x).logits };
    const [loss, dlogits] = softmaxCrossEntropy(logits, label);
    const dx = back(root, dlogits), params = {};
    for (const { layer, dparams } of seen.values())
      for (const [name, { path }] of Object.entries(layer.params))
        params[path] = dparams[name].values;
    return { loss, dx: dx.values, params, layers: layersOf("dy") };
  }

  // New arrays, so that what was seen keeps those it was computed with.
  function replace(layer, changed) {
    layer.params = Object.fromEntries(
      Object.entries(layer.params).map(([name, p]) => [name, { ...p, values: changed(p) }]));
    layer.children.forEach((child) => replace(child, changed));
  }

  const step = (grads, rate) => replace(root, ({ path, values }) =>
    values.map((value, k) => (path in grads ? value - rate * grads[path][k] : value)));

  replace(root, ({ path, values }) => (initial.set(path, values), values));
  const reset = () => replace(root, ({ path }) => initial.get(path));

  return { shape, network: root, forward, backward, step, reset, seen };
}

function layerOf({ layer, name, shape, settings = {}, params = {}, children = [] }, place) {
  const named = Object.entries(params).map(([key, { path, shape, values }]) =>
    [key, { path, shape, values: floatsOf(values) }]);
  return {
    layer, name, shape, settings, place,
    params: Object.fromEntries(named),
    children: children.map((child, i) => layerOf(child, place ? `${place}.${i}` : `${i}`)),
  };
}

// float32 numbers as base64, the lowest byte first

const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);

function bytesOf(text) {
  const characters = atob(text), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
