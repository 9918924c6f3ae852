// The playground: a file is read in the browser, sent to the server, shown, and given to a model.
import { elementsOf, FormatError, numelOf, shapeText } from "./arrays.js";
import { factList, h, problem } from "./dom.js";
import { dtypeByName, DTYPES } from "./dtypes.js";
import { EXAMPLES } from "./examples.js";
import { readFile } from "./files.js";
import { bytesText, countText, numberText } from "./format.js";
import { layOut, readImage } from "./image.js";
import { elementTable, oddities, pictureOf, summaryOf } from "./picture.js";
import { receiptOf } from "./receipt.js";
import { runPanel } from "./run.js";
import { snippetPanel } from "./snippet_panel.js";

/** @typedef {import("./arrays.js").NamedArray} NamedArray */
/** @typedef {import("./files.js").ArrayFile} ArrayFile */

/** The largest file that is read: a tab has only so much memory. */
const MOST_BYTES = 1 << 30;
/** The most notes that are shown of a file. */
const MOST_NOTES = 8;
/** Up to this many elements are shown as numbers at once. */
const FEW_ELEMENTS = 64;

/** @param {File} file @returns {Promise<ArrayFile>} */
async function open(file) {
  if (file.size > MOST_BYTES) throw new FormatError(`'${file.name}' has ${bytesText(file.size)}; the page reads up to ${bytesText(MOST_BYTES)}`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (!file.type.startsWith("image/")) return readFile(file.name, bytes);
  return { name: file.name, kind: "image", bytes, ...(await readImage(file, file.name)) };
}

/** @param {(file: File, isExample?: boolean) => void} take Returns the field on which files are dropped. */
function dropZone(take) {
  const input = h("input", { type: "file", id: "file", class: "hidden", accept: ".npy,.npz,.safetensors,image/*", change: () => {
    if (input.files?.[0]) take(input.files[0]);
    input.value = "";
  } });
  const examples = EXAMPLES.map(({ name, text, file }) =>
    h("button", { type: "button", title: text, click: () => take(file(), true) }, name));
  return h("div", { class: "drop" },
    h("div", { class: "row" }, input, h("label", { for: "file", class: "button primary" }, "Choose a file"),
      h("span", {}, "or drop one on this page: .npy, .npz, safetensors or an image")),
    h("div", { class: "row" }, h("span", { class: "note" }, "Examples"), ...examples));
}

/**
 * Takes files that are dropped anywhere on the page.
 * @param {HTMLElement} zone What shows that a file may be dropped. @param {(file: File) => void} take
 * @returns {() => void} What ends it.
 */
function takeDrops(zone, take) {
  const ending = new AbortController();
  const listen = (/** @type {string} */ name, /** @type {(event: DragEvent) => void} */ listener) =>
    document.addEventListener(name, /** @type {EventListener} */ (listener), { signal: ending.signal });
  listen("dragover", () => zone.classList.add("over"));
  listen("dragleave", (event) => {
    if (!event.relatedTarget) zone.classList.remove("over");
  });
  listen("drop", (event) => {
    zone.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
  return () => ending.abort();
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
  const long = ["File", "Values", "Magnitudes"];
  if (!dtype || numelOf(shape) === 0) return factList(facts, long);
  const summary = summaryOf({ dtype, shape, bytes: elementsOf(array) });
  const range = summary.least > summary.greatest ? "none is finite"
    : `${numberText(summary.least)} … ${numberText(summary.greatest)}, mean ${numberText(summary.mean)}`;
  return factList({ ...facts, [dtype.parts === 2 ? "Magnitudes" : "Values"]: range, "Not finite": oddities(summary) }, long);
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

/** @param {ArrayFile} file Returns what saves an example, so that the code of the same call finds it. */
function saveButton(file) {
  const save = () => {
    const url = URL.createObjectURL(new Blob([file.bytes]));
    h("a", { href: url, download: file.name }).click();
    setTimeout(() => URL.revokeObjectURL(url));
  };
  return h("p", { class: "row" }, h("button", { type: "button", click: save }, `Save ${file.name}`),
    h("span", { class: "note" }, "so that the code below finds it"));
}

/**
 * Shows a file in the playground.
 * @param {ArrayFile} file @param {string} model @param {HTMLElement} place @param {Node | null} more What is said of the file.
 */
function showFile(file, model, place, more) {
  let chosen = file.arrays[0];
  const facts = h("div", {});
  const picture = h("div", {});
  const receipt = h("div", { "aria-live": "polite" });
  const choice = h("div", {});
  const snippets = snippetPanel();
  const runs = runPanel({ arrays: () => file.arrays, chosen: () => chosen, model, ran: (run) => snippets.show(file, chosen, run) });

  /** @param {NamedArray} array Shows an array, and asks for its receipt. */
  function show(array) {
    chosen = array;
    facts.replaceChildren(arrayFacts(array, file));
    picture.replaceChildren();
    receipt.replaceChildren(array.dtype ? "" : h("p", { class: "note" }, "Choose the dtype first."));
    runs.element.hidden = snippets.element.hidden = !array.dtype;
    if (!array.dtype) return;
    const tensor = { dtype: array.dtype, shape: array.shape, bytes: elementsOf(array) };
    const numel = numelOf(array.shape);
    const elements = h("details", { open: numel <= FEW_ELEMENTS }, h("summary", {}, "Elements"), elementTable(tensor, array.name));
    picture.replaceChildren(pictureOf(tensor, array.name), numel ? elements : "");
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
    const isImage = file.kind === "image";
    choice.replaceChildren(...(!array.dtype ? [dtypeChoice(array, show)] : isImage ? [layoutChoice(array, show)] : []));
    show(array);
  }
  const select = h("select", { change: () => choose(file.arrays[select.selectedIndex]) },
    ...file.arrays.map(({ name, source, shape }) => h("option", {}, `${name}  ${source} ${shapeText(shape)}`)));
  const notes = (file.notes ?? []).slice(0, MOST_NOTES).map((text) => h("p", { class: "note" }, text));
  place.replaceChildren(
    h("div", { class: "bench" },
      h("section", { class: "card array" }, h("h2", {}, "Array"), file.arrays.length > 1 ? h("label", {}, `Member of ${file.arrays.length} `, select) : null, ...notes, choice, facts, more, picture),
      h("section", { class: "card" }, h("h2", {}, "Receipt"), receipt), runs.element, snippets.element));
  choose(chosen);
}

/** @param {string} model The model that is chosen at first; empty: none. */
export function playground(model) {
  const place = h("div", { "aria-live": "polite" });
  let taken = 0;
  const take = async (/** @type {File} */ file, isExample = false) => {
    const mine = ++taken; // Whoever drops another file wants that one, even if this one is read later.
    place.replaceChildren(h("p", { class: "note" }, `Reading ${file.name} …`));
    try {
      const opened = await open(file);
      if (!opened.arrays.length) throw new FormatError(`'${file.name}' has no arrays`);
      if (mine === taken) showFile(opened, model, place, isExample ? saveButton(opened) : null);
    } catch (error) {
      if (mine === taken) place.replaceChildren(problem(error));
    }
  };
  const zone = dropZone(take);
  const element = h("div", {}, h("h1", { tabindex: "-1" }, "Playground"),
    h("p", { class: "lead" }, "See what an array is, and that the server's tensor has the same dtype, shape and bits. Then run a model on it."),
    zone, place);
  return { element, stop: takeDrops(zone, take) };
}
