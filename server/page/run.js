// Runs a model on the arrays of a file, and shows what it answers.
import { server } from "./api.js";
import { elementsOf, equalBytes, shapeText } from "./arrays.js";
import { badge, factList, h, problem, table } from "./dom.js";
import { dtypeByOip } from "./dtypes.js";
import { bytesText, secondsText } from "./format.js";
import { elementTable, pictureOf } from "./picture.js";
import { specText } from "./spec.js";

/** @typedef {import("./api.js").OipTensor} OipTensor */
/** @typedef {import("./arrays.js").NamedArray} NamedArray */

/** @param {string} name @param {NamedArray} array @returns {OipTensor} */
export const toOip = (name, array) => ({ name, datatype: array.dtype?.oip ?? "", shape: array.shape, bytes: elementsOf(array) });

/** @param {Uint8Array<ArrayBuffer>} bytes Returns texts, each of which comes after its length in 4 bytes. */
function textsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const size = view.getUint32(at, true);
    texts.push(new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + size)));
    at += 4 + size;
  }
  return texts;
}

/** @param {OipTensor} output @param {OipTensor[]} inputs */
function outputView(output, inputs) {
  const dtype = dtypeByOip(output.datatype);
  const same = inputs.find((input) => input.datatype === output.datatype && shapeText(input.shape) === shapeText(output.shape)
    && equalBytes(input.bytes, output.bytes));
  const named = `the output ${output.name}`; // An input may have the same name.
  const head = h("h3", {}, output.name, " ", same ? badge("good", `equal bits to ${same.name}`) : null);
  const facts = factList({ dtype: output.datatype, Shape: shapeText(output.shape), Size: bytesText(output.bytes.length) });
  if (!dtype) {
    const texts = textsOf(output.bytes).slice(0, 200).map((text, k) => [String(k), text]);
    return h("article", { class: "output" }, head, facts, table(`Elements of ${named}`, ["#", "Text"], texts));
  }
  const tensor = { dtype, shape: output.shape, bytes: output.bytes };
  const elements = h("details", {}, h("summary", {}, "Elements"));
  elements.addEventListener("toggle", () => {
    if (elements.open && elements.children.length === 1) elements.append(elementTable(tensor, named));
  });
  if (output.bytes.length / dtype.itemsize <= 16) elements.open = true;
  return h("article", { class: "output" }, head, facts, pictureOf(tensor, named), elements);
}

/**
 * @typedef {object} RunContext
 * @property {() => NamedArray[]} arrays Those of the file.
 * @property {() => NamedArray} chosen The one that is shown.
 * @property {string} model The model that is chosen at first; empty: the first.
 * @property {(run: import("./snippets.js").Run) => void} ran Is called after a run.
 */

/** @param {RunContext} context Returns the section that runs models. */
export function runPanel({ arrays, chosen, model: first, ran }) {
  const models = h("select", { id: "model", change: () => void choose() });
  const inputs = h("div", { class: "row" });
  const outputs = h("div", { "aria-live": "polite" });
  const button = h("button", { type: "submit", class: "primary" }, "Run");
  /** @type {import("./api.js").Metadata | null} */
  let metadata = null;
  /** @type {[string, HTMLSelectElement][]} */
  let fields = [];

  /** Offers the arrays of the file for each input, first the one of the same name. */
  function choose() {
    const [name, version] = JSON.parse(models.value || '["",""]');
    if (!name) return Promise.resolve();
    return server.model(name, version).then((found) => {
      metadata = found;
      // A model that names no inputs, such as identity, takes any.
      const specs = found.inputs.length ? found.inputs : [{ name: chosen().name, datatype: "any dtype", shape: [] }];
      fields = specs.map((input, k) => {
        const options = arrays().map((array, at) => h("option", { value: at }, array.name));
        const select = h("select", {}, ...options);
        const named = arrays().findIndex((array) => array.name === input.name);
        select.selectedIndex = named >= 0 ? named : specs.length === 1 ? arrays().indexOf(chosen()) : Math.min(k, options.length - 1);
        return [input.name, select];
      });
      inputs.replaceChildren(...fields.map(([name_, select], k) =>
        h("label", {}, `${name_} `, h("span", { class: "note" }, specText(specs[k])), " ", select)));
    }).catch((error) => void outputs.replaceChildren(problem(error)));
  }

  /** @param {SubmitEvent} event */
  async function run(event) {
    event.preventDefault();
    if (!metadata) return;
    const [name, version] = JSON.parse(models.value);
    button.disabled = true;
    try {
      // The array that is shown may be another than the file's, with the dtype or the layout that was chosen.
      const given = fields.map(([input, select]) => {
        const named = arrays()[Number(select.value)];
        const array = named.name === chosen().name ? chosen() : named;
        return { array, tensor: toOip(input, array) };
      });
      const sent = given.map(({ tensor }) => tensor);
      const start = performance.now();
      const answer = await server.infer(name, version, sent);
      const seconds = (performance.now() - start) / 1000;
      const head = h("p", { role: "status" }, badge("good", `${name} answered`), h("span", { class: "note" }, ` version ${answer.version}, ${secondsText(seconds)} round trip`));
      outputs.replaceChildren(head, ...answer.outputs.map((output) => outputView(output, sent)));
      ran({ model: name, version, inputs: given });
    } catch (error) {
      outputs.replaceChildren(problem(error));
    } finally {
      button.disabled = false;
    }
  }

  server.models().then((index) => {
    const ready = index.filter(({ state }) => state === "READY");
    models.replaceChildren(...ready.map(({ name, version }) =>
      h("option", { value: JSON.stringify([name, version]), selected: name === (first || "identity") }, `${name} · ${version}`)));
    return choose();
  }).catch((error) => outputs.replaceChildren(problem(error)));
  const form = h("form", { submit: run }, h("div", { class: "row" }, h("label", {}, "Model ", models), button), inputs);
  return { element: h("section", { class: "card run" }, h("h2", {}, "Run a model"), form, outputs), refresh: choose };
}
