// The playground: a file is read in the browser, sent to the server, shown, and given to a model.
import { elementsOf, FormatError, numelOf, shapeText } from "./arrays.js";
import { factList, h, problem } from "./dom.js";
import { dtypeByName, DTYPES } from "./dtypes.js";
import { readFile } from "./files.js";
import { bytesText, countText, numberText } from "./format.js";
import { layOut, readImage } from "./image.js";
import { writeNpy } from "./npy.js";
import { elementTable, oddities, pictureOf, summaryOf } from "./picture.js";
import { receiptOf } from "./receipt.js";
import { runPanel } from "./run.js";
import { snippetPanel } from "./snippet_panel.js";

/** @typedef {import("./arrays.js").NamedArray} NamedArray */
/** @typedef {import("./files.js").ArrayFile} ArrayFile */

/** The largest file that is read: a tab has only so much memory. */
const MOST_BYTES = 1 << 30;

/** Returns an array of which one sees at once whether it has arrived: waves that meet. @returns {Uint8Array<ArrayBuffer>} */
function example() {
  const size = 64;
  const values = new Float32Array(size * size);
  for (let k = 0; k < values.length; ++k) {
    const [x, y] = [(k % size) / size - 0.35, Math.floor(k / size) / size - 0.6];
    values[k] = Math.sin(22 * Math.hypot(x, y)) + Math.cos(17 * Math.hypot(x - 0.5, y + 0.4));
  }
  return writeNpy("<f4", [size, size], new Uint8Array(values.buffer));
}

/** @param {File} file @returns {Promise<ArrayFile>} */
async function open(file) {
  if (file.size > MOST_BYTES) throw new FormatError(`'${file.name}' has ${bytesText(file.size)}; the page reads up to ${bytesText(MOST_BYTES)}`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (!file.type.startsWith("image/")) return readFile(file.name, bytes);
  return { name: file.name, kind: "image", bytes, arrays: [await readImage(file, file.name)] };
}

/** @param {(file: File) => void} take Returns the field on which files are dropped. */
function dropZone(take) {
  const input = h("input", { type: "file", id: "file", accept: ".npy,.npz,.safetensors,image/*", change: () => {
    if (input.files?.[0]) take(input.files[0]);
    input.value = "";
  } });
  const zone = h("div", { class: "drop" },
    h("label", { for: "file" }, h("strong", {}, "Drop a file here"), " or choose one: .npy, .npz, safetensors or an image"),
    h("div", { class: "row" }, input, h("button", { type: "button", click: () => take(new File([example()], "example.npy")) }, "Use an example")));
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
  return zone;
}

/** @param {NamedArray} array @param {ArrayFile} file Returns what the array is, as the browser reads it. */
function arrayFacts(array, file) {
  const { dtype, shape } = array;
  const facts = {
    File: `${file.name} (${file.kind}, ${bytesText(file.bytes.length)})`,
    dtype: dtype ? h("code", {}, dtype.name) : "not known",
    "Stated as": h("code", {}, array.source), Shape: shapeText(shape), Elements: countText(numelOf(shape)),
    Size: bytesText(array.bytes.length),
    Order: [array.fortran && shape.length > 1 && "Fortran", array.swapped && "big-endian"].filter(Boolean).join(", "),
  };
  if (!dtype || numelOf(shape) === 0) return factList(facts);
  const summary = summaryOf({ dtype, shape, bytes: elementsOf(array) });
  const range = `${numberText(summary.least)} … ${numberText(summary.greatest)}, mean ${numberText(summary.mean)}`;
  return factList({ ...facts, [dtype.parts === 2 ? "Magnitudes" : "Values"]: range, "Not finite": oddities(summary) });
}

/** @param {NamedArray} array @param {(array: NamedArray) => void} changed Returns the choice of a dtype that the file leaves open. */
function dtypeChoice(array, changed) {
  const select = h("select", { change: () => changed({ ...array, dtype: dtypeByName(select.value) ?? null }) },
    h("option", { value: "" }, "choose"),
    ...DTYPES.filter(({ itemsize }) => itemsize === array.itemsize).map(({ name }) => h("option", { value: name }, name)));
  return h("div", {}, h("p", {}, `The file says ${array.source} and not what its elements are: NumPy saves types of ml_dtypes so.`),
    h("label", {}, "dtype ", select));
}

/** @param {NamedArray} image @param {(array: NamedArray) => void} changed Returns the choice how a model wants an image. */
function layoutChoice(image, changed) {
  const boxes = /** @type {const} */ ([["first", "channels first"], ["scaled", "float32 from 0 to 1"], ["batch", "in a batch of 1"]]).map(([key, text]) => {
    const box = h("input", { type: "checkbox", change: () => changed(layOut(image, /** @type {any} */ (Object.fromEntries(boxes.map((entry) => [entry.key, entry.box.checked]))))) });
    return { key, box, label: h("label", {}, box, ` ${text}`) };
  });
  return h("fieldset", { class: "row" }, h("legend", {}, "Layout for models"), ...boxes.map(({ label }) => label));
}

/** @param {ArrayFile} file @param {string} model @param {HTMLElement} place Shows a file in the playground. */
function showFile(file, model, place) {
  let chosen = file.arrays[0];
  let original = chosen;
  const facts = h("div", {});
  const picture = h("div", {});
  const receipt = h("div", { "aria-live": "polite" });
  const choice = h("div", {});
  const snippets = snippetPanel();
  const runs = runPanel({ arrays: () => file.arrays, chosen: () => chosen, model, ran: (run) => snippets.show(file, original, run) });

  /** @param {NamedArray} array Shows an array, and asks for its receipt. */
  function show(array) {
    chosen = array;
    facts.replaceChildren(arrayFacts(array, file));
    picture.replaceChildren();
    receipt.replaceChildren();
    if (!array.dtype) return;
    const tensor = { dtype: array.dtype, shape: array.shape, bytes: elementsOf(array) };
    picture.replaceChildren(pictureOf(tensor, array.name), h("details", {}, h("summary", {}, "Elements"), elementTable(tensor, array.name)));
    receipt.replaceChildren(h("p", { class: "note" }, "Asking the server …"));
    const whole = file.kind === ".npy" && array === file.arrays[0] ? file.bytes : undefined;
    receiptOf(array, whole).catch(problem).then((node) => {
      if (chosen === array) receipt.replaceChildren(node);
    });
    snippets.show(file, array);
    runs.refresh();
  }
  /** @param {NamedArray} array */
  function choose(array) {
    original = array;
    const isImage = file.kind === "image";
    choice.replaceChildren(...(!array.dtype ? [dtypeChoice(array, show)] : isImage ? [layoutChoice(array, show)] : []));
    show(array);
  }
  const select = h("select", { change: () => choose(file.arrays[select.selectedIndex]) },
    ...file.arrays.map(({ name, source, shape }) => h("option", {}, `${name}  ${source} ${shapeText(shape)}`)));
  place.replaceChildren(
    h("div", { class: "columns" },
      h("section", { class: "card" }, h("h2", {}, "Array"), file.arrays.length > 1 ? h("label", {}, `Member of ${file.arrays.length} `, select) : null, choice, facts, picture),
      h("div", {}, h("section", { class: "card" }, h("h2", {}, "Receipt"), receipt), runs.element)),
    snippets.element);
  choose(chosen);
}

/** @param {string} model The model that is chosen at first; empty: none. */
export function playground(model) {
  const place = h("div", { "aria-live": "polite" });
  const take = async (/** @type {File} */ file) => {
    try {
      const opened = await open(file);
      if (!opened.arrays.length) throw new FormatError(`'${file.name}' has no arrays`);
      showFile(opened, model, place);
    } catch (error) {
      place.replaceChildren(problem(error));
    }
  };
  const element = h("div", {}, h("h1", { tabindex: "-1" }, "Playground"),
    h("p", {}, "See what an array is, and that the server's tensor has the same dtype, shape and bits."), dropZone(take), place);
  return { element, stop: () => {} };
}

