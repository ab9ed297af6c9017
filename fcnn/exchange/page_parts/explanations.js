"use strict";

// How a single number came about, written out, in what a network saw last (`network.seen`).
//
//   explain(network, place, index)               an element of the layer's output y
//   explainGradient(network, place, of, index)   of "dx", or of a parameter: "w", "b", "scale", ...
//
// Both give {kind, terms, bias, sum}. `kind` is the layer's public name, and `sum` the element: the
// products of all terms, added up, and the bias. A term is {index, x, w, product, ...}:
//
//   of y    index and x are of what the layer gets; in a convolution's padding index is null, x 0
//   of dx   index and x are of dy, the gradient that arrives at the layer's output
//   of w    likewise; w is of what the layer gets, there at `input`, null in the padding
//
// Where w is a parameter, `weight` is its index. Of several inputs, or ways on which gradients come
// back to an input, `from` says which one x is of. In a maximum one term has `won`; a batch
// normalisation has x less the mean as `centred`; a function of each number has one term without w;
// softmax has `exp` in each, and their `total`.

const explain = (network, place, index) => explained(network.seen.get(place), "y", index);

const explainGradient = (network, place, of, index) =>
  explained(network.seen.get(place), of, index);

function explained(step, of, index) {
  const kind = step.layer.layer;
  const { terms, bias = 0, ...more } = (EXPLAINED[kind] || pointwise)[of](step, index);
  return { kind, terms, bias, sum: terms.reduce((sum, term) => sum + term.product, bias), ...more };
}

const term = (index, x, w, more) => ({ index, x, w, product: x * w, ...more });

const range = (count, begin = 0) => Array.from({ length: count }, (_, i) => begin + i);

const at = (array, index) => (index === null ? 0 : array.values[index]);

// Which places of which windows see pixel k of a channel, as [place, window].

function seeing({ area, number, pixels }, k) {
  const found = [];
  pixels.forEach((pixel, next) => {
    if (pixel === k % area) found.push([Math.floor(next / number), next % number]);
  });
  return found;
}

// What a place of window o sees of channel c: where in x, or null in the padding.

function pixelAt({ area, number, pixels }, place, o, c) {
  const pixel = pixels[place * number + (o % number)];
  return pixel < 0 ? null : c * area + pixel;
}

const EXPLAINED = {
  conv2d: {
    y({ cache: { params: { w, b }, x, windows, G } }, o) {
      const f = Math.floor(o / windows.number), [F, channels] = w.shape, { places } = windows;
      const first = Math.floor((f * G) / F) * channels;
      const terms = range(channels * places).map((k) => {
        const weight = f * channels * places + k;
        const pixel = pixelAt(windows, k % places, o, first + Math.floor(k / places));
        return term(pixel, at(x, pixel), w.values[weight], { weight });
      });
      return { terms, bias: b ? b.values[f] : 0 };
    },

    dx({ cache: { params: { w }, windows, G }, dy }, k) {
      const [F, channels] = w.shape, { area, places, number } = windows;
      const c = Math.floor(k / area), group = Math.floor(c / channels);
      const windowsAt = seeing(windows, k);
      const terms = range(F / G, (group * F) / G).flatMap((f) =>
        windowsAt.map(([place, window]) => {
          const weight = (f * channels + (c % channels)) * places + place;
          const o = f * number + window;
          return term(o, dy.values[o], w.values[weight], { weight });
        }));
      return { terms };
    },

    w({ cache: { params: { w }, x, windows, G }, dy }, weight) {
      const [F, channels] = w.shape, { places, number } = windows;
      const f = Math.floor(weight / (channels * places));
      const c = Math.floor((f * G) / F) * channels + (Math.floor(weight / places) % channels);
      const terms = range(number, f * number).map((o) => {
        const input = pixelAt(windows, weight % places, o, c);
        return term(o, dy.values[o], at(x, input), { input });
      });
      return { terms };
    },

    b({ cache: { windows: { number } }, dy }, f) {
      return { terms: range(number, f * number).map((o) => term(o, dy.values[o], 1)) };
    },
  },

  dense: {
    y({ cache: { params: { w, b }, x } }, k) {
      const [D, K] = w.shape;
      const terms = range(D).map((d) =>
        term(d, x.values[d], w.values[d * K + k], { weight: d * K + k }));
      return { terms, bias: b ? b.values[k] : 0 };
    },

    dx({ cache: { params: { w } }, dy }, d) {
      const K = w.shape[1];
      const terms = range(K).map((k) =>
        term(k, dy.values[k], w.values[d * K + k], { weight: d * K + k }));
      return { terms };
    },

    w({ cache: { params: { w }, x }, dy }, index) {
      const k = index % w.shape[1], input = Math.floor(index / w.shape[1]);
      return { terms: [term(k, dy.values[k], x.values[input], { input })] };
    },

    b: ({ dy }, k) => ({ terms: [term(k, dy.values[k], 1)] }),
  },

  max_pool2d: {
    y: ({ cache: { x, windows, winners } }, o) => ({
      terms: pixelsUnder(windows, o).map((k) => {
        const won = k === winners[o];
        return { index: k, x: x.values[k], w: Number(won), product: won ? x.values[k] : 0, won };
      }),
    }),

    dx: ({ cache: { windows, winners }, dy }, k) => ({
      terms: poolsSeeing(windows, k).map((o) => {
        const won = winners[o] === k;
        return term(o, dy.values[o], Number(won), { won });
      }),
    }),
  },

  avg_pool2d: {
    y: ({ cache: { x, windows } }, o) => ({
      terms: pixelsUnder(windows, o).map((k) => term(k, x.values[k], 1 / windows.places)),
    }),

    dx: ({ cache: { windows }, dy }, k) => ({
      terms: poolsSeeing(windows, k).map((o) => term(o, dy.values[o], 1 / windows.places)),
    }),
  },

  global_avg_pool: {
    y({ cache: { x } }, c) {
      const area = x.shape[1] * x.shape[2];
      return { terms: range(area, c * area).map((k) => term(k, x.values[k], 1 / area)) };
    },

    dx({ cache: { x }, dy }, index) {
      const area = x.shape[1] * x.shape[2], c = Math.floor(index / area);
      return { terms: [term(c, dy.values[c], 1 / area)] };
    },
  },

  batch_norm: {
    y({ cache: { params: { scale, shift, mean }, x, r, area } }, index) {
      const c = Math.floor(index / area), value = x.values[index], w = scale.values[c] * r[c];
      const centred = value - mean.values[c];
      const terms = [{ index, x: value, centred, w, product: centred * w }];
      return { terms, bias: shift.values[c] };
    },

    dx({ cache: { params: { scale }, r, area }, dy }, index) {
      const c = Math.floor(index / area);
      return { terms: [term(index, dy.values[index], scale.values[c] * r[c])] };
    },

    scale: ({ cache: { params: { mean }, x, r, area }, dy }, c) => ({
      terms: range(area, c * area).map((k) =>
        term(k, dy.values[k], (x.values[k] - mean.values[c]) * r[c], { input: k })),
    }),

    shift: ({ cache: { area }, dy }, c) => ({
      terms: range(area, c * area).map((k) => term(k, dy.values[k], 1)),
    }),

    mean: () => ({ terms: [] }),
    var: () => ({ terms: [] }),
  },

  softmax: {
    y({ cache: { x } }, index) {
      const row = rowOf(x, index), greatest = Math.max(...row.map((k) => x.values[k]));
      const exps = row.map((k) => Math.exp(x.values[k] - greatest));
      const total = exps.reduce(plus, 0);
      const terms = row.map((k, i) => {
        const w = Number(k === index) / total;
        return { index: k, x: x.values[k], exp: exps[i], w, product: exps[i] * w };
      });
      return { terms, total };
    },

    dx({ cache: { x, p }, dy }, index) {
      const own = p.values[index];
      return { terms: rowOf(x, index).map((k) =>
        term(k, dy.values[k], own * (Number(k === index) - p.values[k]))) };
    },
  },

  residual: {
    y: ({ cache: { inputs } }, index) => ({ terms: ofEach(inputs, index) }),
    dx: ({ parts }, index) => ({ terms: ofEach(parts, index) }),
  },

  parallel: {
    y({ cache: { inputs, adds } }, index) {
      if (adds) return { terms: ofEach(inputs, index) };
      let from = 0;
      for (; index >= inputs[from].values.length; from++) index -= inputs[from].values.length;
      return { terms: [term(index, inputs[from].values[index], 1, { from })] };
    },
    dx: ({ parts }, index) => ({ terms: ofEach(parts, index) }),
  },
};

// dropout and flatten too, of which a number stays what it is: the slope is 1.

const pointwise = {
  y: ({ cache: { x }, y }, index) =>
    ({ terms: [{ index, x: x.values[index], product: y.values[index] }] }),
  dx: ({ cache: { slope = () => 1 }, dy }, index) =>
    ({ terms: [term(index, dy.values[index], slope(index))] }),
};

function poolsSeeing(windows, k) {
  const channel = Math.floor(k / windows.area) * windows.number;
  return seeing(windows, k).map(([, window]) => channel + window);
}

const rowOf = ({ shape }, index) => range(shape.at(-1), index - (index % shape.at(-1)));

const ofEach = (arrays, index) =>
  arrays.map(({ values }, from) => term(index, values[index], 1, { from }));
