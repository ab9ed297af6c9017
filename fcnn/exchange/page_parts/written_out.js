"use strict";

// Numbers written out: where an element of a layer's output, or of a gradient, comes from.

// What each layer computes, and its gradients, in the letters of fcnn.
const FORMULAS = {
  avg_pool2d: [
    "y[c, i, j] = Σ over p, q of x[c, i SH + p, j SW + q] / (KH KW)",
    "dx: dy[c, i, j] / (KH KW) goes to each pixel of the window"],
  batch_norm: [
    "y = scale (x − mean) / √(var + ε) + shift, channel by channel",
    "dx = dy scale / √(var + ε);  dscale = Σ dy (x − mean) / √(var + ε);  dshift = Σ dy"],
  conv2d: [
    "y[f, i, j] = b[f] + Σ over c, p, q of w[f, c, p, q] x[c, i SH + p DH, j SW + q DW]",
    "dw[f, c, p, q] = Σ over i, j of dy[f, i, j] x[c, i SH + p DH, j SW + q DW];  " +
    "dx: dy[f, i, j] w[f, c, p, q] goes back to the pixel it came from"],
  dense: [
    "y[k] = b[k] + Σ over d of x[d] w[d, k]",
    "dw[d, k] = x[d] dy[k];  db = dy;  dx[d] = Σ over k of dy[k] w[d, k]"],
  dropout: ["y = x: it drops values in training alone", "dx = dy"],
  flatten: ["y = x, (C, H, W) as one vector", "dx = dy, as (C, H, W) again"],
  gelu: ["y = x (1 + erf(x / √2)) / 2", "dx = dy (cdf(x) + x exp(−x² / 2) / √(2π))"],
  global_avg_pool: ["y[c] = Σ over h, w of x[c, h, w] / (H W)", "dx[c, h, w] = dy[c] / (H W)"],
  leaky_relu: ["y = max(x, slope x)", "dx = dy where x > 0, slope dy elsewhere"],
  max_pool2d: [
    "y[c, i, j] = the greatest x[c, i SH + p, j SW + q]",
    "dx: dy[c, i, j] goes whole to the pixel that won"],
  parallel: ["all layers get x; their outputs become one", "dx = the sum of their gradients"],
  relu: ["y = max(x, 0)", "dx = dy where x > 0, 0 elsewhere"],
  residual: ["y = x + f(x)", "dx = dy + f′(x) dy: the value goes two ways"],
  sigmoid: ["y = 1 / (1 + exp(−x))", "dx = dy y (1 − y)"],
  softmax: ["p = exp(x) / Σ exp(x)", "dx = p (dy − Σ p dy)"],
  tanh: ["y = tanh(x)", "dx = dy (1 − y²)"],
};

const MOST_TERMS = 12;

const number = (value) => {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1000 || size < 0.001 ? value.toExponential(1) : value.toPrecision(3);
  return text.replace("-", "−");
};

// element("p", {className: "sum"}, "text", child, ...)

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// [3, 5, 7] of the element k of an array

function indexOf(k, shape) {
  const index = [];
  for (const size of [...shape].reverse()) {
    index.unshift(k % size);
    k = Math.floor(k / size);
  }
  return `[${index.join(", ")}]`;
}

// An explanation as nodes: what the element is, its window if it has one, the greatest terms.
//
// names {y, x, w}: what the element, and the two factors of a term, are called, with their shapes.

function writtenOut(found, names) {
  const nodes = [element("p", { className: "sum" }, ...sentence(found, names))];
  if (found.kind === "conv2d" && names.kernel) nodes.push(...windowOf(found, names));
  else if (found.kind === "max_pool2d" || found.kind === "avg_pool2d") nodes.push(pixels(found, names));
  if (found.terms.length > 1) nodes.push(...terms(found, names));
  return nodes;
}

function sentence({ kind, terms, bias, sum }, { y, x, w }) {
  const of = `${y} = `;
  const count = terms.length;
  if (count === 0) return [`${of}0`];
  if (kind === "max_pool2d" && x === "x")
    return [`${of}${number(sum)}, the greatest of ${count} pixels`];
  if (count === 1) {
    const [{ x: value, centred = value, w: factor, product }] = terms;
    const plus = bias ? ` + ${number(bias)}` : "";
    if (factor === undefined) return [`${of}${kind}(${number(value)}) = ${number(sum)}`];
    const less = centred === value ? number(value) : `(${number(value)} − ${number(value - centred)})`;
    return [`${of}${less} · ${number(factor)}${plus} = ${number(product + (bias || 0))}`];
  }
  const plus = bias ? `, and ${number(bias)} of the bias` : "";
  return [`${of}${number(sum)}, the sum of ${count.toLocaleString("en")} products ${x} · ${w}${plus}`];
}

// Of the channel that counts most, or the one that was chosen: the window, the kernel, the products.

function windowOf({ terms }, { kernel: [KH, KW], x, w }) {
  const area = KH * KW, channels = [];
  for (let begin = 0; begin < terms.length; begin += area) {
    const own = terms.slice(begin, begin + area);
    channels.push({ own, sum: own.reduce((sum, { product }) => sum + product, 0) });
  }
  const order = channels.map((_, c) => c).sort(
    (a, b) => Math.abs(channels[b].sum) - Math.abs(channels[a].sum));
  const grids = element("div", { className: "grids", tabIndex: 0, role: "group" });
  const show = (c) => {
    const { own, sum } = channels[c];
    grids.replaceChildren(
      grid("the window", own.map((term) => term.x), KW), element("span", {}, "·"),
      grid("the kernel", own.map((term) => term.w), KW), element("span", {}, "="),
      grid("the products", own.map((term) => term.product), KW),
      element("span", {}, `Σ = ${number(sum)}`));
    grids.setAttribute("aria-label", `Channel ${c}: window, kernel and products`);
  };
  show(order[0]);
  if (channels.length === 1) return [grids];
  const choice = element("select", {}, ...order.map((c) =>
    element("option", { value: c }, `channel ${c}: ${number(channels[c].sum)}`)));
  choice.addEventListener("change", () => show(Number(choice.value)));
  const label = element("label", {}, `Of ${channels.length} channels, the greatest first: `, choice);
  return [label, grids];
}

function pixels({ terms, kind }, { x }) {
  const side = Math.round(Math.sqrt(terms.length));
  const columns = side * side === terms.length ? side : terms.length;
  const table = grid(kind === "max_pool2d" ? `${x}; framed: who won` : x,
    terms.map((term) => term.x), columns);
  const cells = table.querySelectorAll("td");
  terms.forEach(({ won }, k) => won && cells[k].classList.add("won"));
  return element("div", { className: "grids" }, table);
}

// A table of numbers, each on its colour.

function grid(caption, values, columns) {
  const paper = getComputedStyle(document.documentElement).getPropertyValue("--paper");
  const scale = greatestOf(values) || 1, table = element("table");
  table.append(element("caption", {}, caption));
  for (let begin = 0; begin < values.length; begin += columns)
    table.append(element("tr", {}, ...values.slice(begin, begin + columns).map((value) => {
      const cell = element("td", {}, number(value));
      const colour = colourOf((0.6 * value) / scale, paper.split(" ").map(Number));
      cell.style.background = `rgb(${colour.join(" ")})`;
      return cell;
    })));
  return table;
}

// The greatest terms as a list, and what the others add.

function terms({ terms, bias }, { x, w, shape, kernel }) {
  const shown = greatestTerms(terms), rest = terms.filter((term) => !shown.includes(term));
  const list = element("ol", {}, ...shown.map(({ index, x: value, w: factor, product, exp }) => {
    const where = index === null ? "padding" : `${x}${shape ? indexOf(index, shape) : `[${index}]`}`;
    const left = exp === undefined ? number(value) : `exp(${number(value)})`;
    return element("li", {}, `${where}: ${left} · ${number(factor)} = ${number(product)}`);
  }));
  const left = rest.reduce((sum, { product }) => sum + product, 0);
  const title = `The greatest products ${x} · ${w}`;
  const nodes = [element("summary", {}, title), list];
  if (rest.length)
    nodes.push(element("p", { className: "quiet" },
      `and ${rest.length.toLocaleString("en")} more, ${number(left)} together` +
      (bias ? `; the bias adds ${number(bias)}` : "")));
  return [element("details", { open: !kernel }, ...nodes)];
}

const greatestTerms = (terms) =>
  [...terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product)).slice(0, MOST_TERMS);
