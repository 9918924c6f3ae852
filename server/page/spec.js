// What the server says of models, in words.
import { badge } from "./dom.js";

/** @typedef {import("./api.js").TensorSpec} TensorSpec */

const PLATFORMS = { pytorch_libtorch: "TorchScript", torch_aoti: "AOTInductor", exported: "Exported program", builtin: "Built in" };

/** @param {string} platform */
export const platformText = (platform) => /** @type {Record<string, string>} */ (PLATFORMS)[platform] ?? platform;

/** @param {number[]} shape -1 is any size. */
export const sizesText = (shape) => `[${shape.map((size) => (size < 0 ? "any" : size)).join(", ")}]`;

/** @param {TensorSpec} spec Returns dtype and shape; a model may state neither. */
export function specText({ datatype, shape }) {
  return shape.length ? `${datatype || "any dtype"} ${sizesText(shape)}` : datatype || "any dtype";
}

/** @param {TensorSpec[]} specs */
export const specsText = (specs) => specs.map((spec) => `${spec.name} ${specText(spec)}`).join(", ") || "any";

/** @param {string} state */
export function stateBadge(state) {
  const kind = state === "READY" ? "good" : state === "UNAVAILABLE" ? "bad" : "plain";
  return badge(kind, state.toLowerCase() || "not loaded");
}

/** @param {string} name @param {string} [version] */
export const modelAddress = (name, version) => `#/models/${encodeURIComponent(name)}${version ? `/${encodeURIComponent(version)}` : ""}`;
