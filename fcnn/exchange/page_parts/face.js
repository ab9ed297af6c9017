"use strict";

// What one sees: the samples, and the network's answer to the one that is chosen.

const model = JSON.parse(document.getElementById("model").textContent);
const network = networkOf(model);
window.fcnn = {
  ...network,
  explain: (place, index) => explain(network, place, index),
  explainGradient: (place, of, index) => explainGradient(network, place, of, index),
};

// The images of the samples, flat, from 0 to 1.

function imagesOf({ shape, images }) {
  const pixels = Float32Array.from(bytesOf(images), (byte) => byte / 255);
  const size = sizeOf(shape.slice(1));
  return range(shape[0]).map((n) => pixels.subarray(n * size, (n + 1) * size));
}

const labelOf = (k) => (model.labels || [])[k] || String(k);

function show(x) {
  const { logits } = fcnn.forward(x), answer = document.getElementById("answer");
  answer.dataset.label = labelOf(logits.indexOf(Math.max(...logits)));
  answer.textContent = answer.dataset.label;
  answer.dataset.state = "ready";
}

if (model.samples)
  imagesOf(model.samples).forEach((x, n) => {
    const button = document.createElement("button");
    button.textContent = labelOf(model.samples.labels[n]);
    button.addEventListener("click", () => show(x));
    document.getElementById("samples").append(button);
  });
