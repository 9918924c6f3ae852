// What a model says of its inputs and outputs.

/** @typedef {import("./api.js").TensorSpec} TensorSpec */

/** @param {TensorSpec} spec Returns dtype and shape; a model may state neither, and -1 is any size. */
export function specText({ datatype, shape }) {
  if (!shape.length) return datatype || "any dtype";
  return `${datatype || "any dtype"} [${shape.map((size) => (size < 0 ? "any" : size)).join(", ")}]`;
}

/** @param {TensorSpec[]} specs */
export const specsText = (specs) => specs.map((spec) => `${spec.name} ${specText(spec)}`).join(", ") || "any";
