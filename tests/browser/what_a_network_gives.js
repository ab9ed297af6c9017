// All that the arithmetic of a page gives for an image, and how far what is explained is apart.

({ model, x, label }) => {
  const network = networkOf(model), backward = network.backward(x, label);
  const found = { ...backward, explained: worstExplained() };
  const { logits, layers } = network.forward(x);
  return JSON.stringify({ ...found, gradients: found.layers, logits, layers }, (key, value) =>
    value instanceof Float32Array ? { float32: asBase64(value) } : value);

  function asBase64({ buffer, byteOffset, byteLength }) {
    const bytes = Array.from(new Uint8Array(buffer, byteOffset, byteLength));
    return btoa(bytes.map((byte) => String.fromCharCode(byte)).join(""));
  }

  // Some elements of each array: the greatest difference from what is explained, relative to the
  // greatest element. Infinite, if a term is not what lies where it says.
  function worstExplained() {
    let worst = 0;
    for (const [place, step] of network.seen) {
      if (step.layer.layer === "chain") continue;
      const inputs = step.from.map((from) =>
        from === "x" ? Float32Array.from(x) : network.seen.get(from).y.values);
      check(step.y.values, (k) => explain(network, place, k), (term) => inputs[term.from || 0]);
      const arriving = (term) => (step.parts ? step.parts[term.from].values : step.dy.values);
      check(step.dx.values, (k) => explainGradient(network, place, "dx", k), arriving);
      for (const [name, { values }] of Object.entries(step.dparams))
        check(values, (k) => explainGradient(network, place, name, k), arriving);

      function check(array, explanation, source) {
        const greatest = array.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
        for (let k = 0; k < array.length; k += Math.ceil(array.length / 50)) {
          const { kind, terms, sum } = explanation(k);
          worst = Math.max(worst, Math.abs(sum - array[k]) / greatest);
          const right = terms.every((term) => {
            const x = term.index === null ? 0 : source(term)[term.index];
            const w = "weight" in term ? step.layer.params.w.values[term.weight] : term.w;
            // Of batch_norm's scale, w is made of what lies there.
            const plain = "input" in term && kind !== "batch_norm";
            const input = plain && (term.input === null ? 0 : inputs[0][term.input]);
            return Object.is(term.x, x) && term.w === w && (!plain || term.w === input);
          });
          if (!right || kind !== step.layer.layer) worst = Infinity;
        }
      }
    }
    return worst;
  }
}
