// The receipt: what the server made of an array, beside what the browser knows of it.
import { server, ServerError } from "./api.js";
import { elementsOf, isChosen, shapeText } from "./arrays.js";
import { badge, factList, h } from "./dom.js";
import { secondsText } from "./format.js";
import { writeNpy } from "./npy.js";
import { xxh3Hex } from "./xxh3.js";

/** @typedef {import("./arrays.js").NamedArray} NamedArray */

/** @type {Record<string, string>} */
const ADJUSTMENTS = {
  BYTE_ORDER_SWAPPED: "the byte order was changed", BOOL_NORMALIZED: "bools other than 0 and 1 became 1",
};

/**
 * @param {NamedArray} array @param {Uint8Array<ArrayBuffer>} [file] The whole .npy file that it came from, if it did.
 * @returns {Promise<Node>} What the server says, compared with the array.
 */
export async function receiptOf(array, file) {
  const elements = elementsOf(array);
  const dtype = array.dtype?.name ?? "";
  const start = performance.now();
  // What safetensors states, or somebody has chosen, is told by the dtype's name.
  const descr = /^[<>=|]/.test(array.source) && !isChosen(array) ? array.source.replace(/^>/, "<") : dtype;
  const sent = file ?? writeNpy(descr, array.shape, elements);
  const answer = await server.convert(new Blob([sent]));
  const seconds = (performance.now() - start) / 1000;
  const failure = answer.error ?? answer.refused?.[0]?.error;
  if (failure) throw new ServerError(failure.message, 200, failure.reason ?? "", failure.metadata ?? {});
  const receipt = answer.tensors[0];
  const digest = xxh3Hex(elements);
  const sameShape = shapeText(receipt.shape) === shapeText(array.shape);
  const sameDtype = receipt.dtype_equal && receipt.dtype === dtype;
  const mark = (/** @type {boolean} */ equal, /** @type {string} */ what) => badge(equal ? "good" : "bad", `${what} ${equal ? "equal" : "DIFFERENT"}`);
  const adjusted = receipt.adjustments.map((/** @type {string} */ key) => ADJUSTMENTS[key] ?? key).join(", ");
  return h("div", {},
    h("p", { class: "row", role: "status" }, mark(sameDtype, "dtype"), mark(sameShape, "shape"), mark(receipt.digest === digest, "bits")),
    factList({
      Tensor: h("code", {}, `torch.${receipt.dtype}`), Shape: shapeText(receipt.shape), Strides: shapeText(receipt.strides),
      "Sent as": h("code", {}, receipt.source_dtype), Device: receipt.device, Changed: adjusted || "nothing",
      Took: `${secondsText(seconds)} round trip`,
      "Digest of the server": h("code", {}, receipt.digest), "Digest of this browser": h("code", {}, digest),
    }, ["Digest of the server", "Digest of this browser"]),
    h("p", { class: "note" }, "Digests are XXH3-128 over the elements: the server's over those of its tensor, the browser's over those of the file."));
}

