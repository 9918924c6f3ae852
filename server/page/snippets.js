// The same call in other languages, to be copied. A token stands in none of them: they take it from the environment.
import { inferHeader } from "./api.js";
import { isChosen } from "./arrays.js";

/** @typedef {import("./arrays.js").NamedArray} NamedArray */
/** @typedef {import("./api.js").OipTensor} OipTensor */
/** An array that a model was given as an input. @typedef {{array: NamedArray, tensor: OipTensor}} RunInput */
/** @typedef {{model: string, version: string, inputs: RunInput[]}} Run */

/**
 * @typedef {object} Call
 * @property {string} origin Of the HTTP listener, such as `http://localhost:8000`.
 * @property {string} grpc Address of the gRPC port.
 * @property {boolean} tls @property {boolean} token Whether the server asks for it.
 * @property {import("./files.js").ArrayFile} file
 * @property {NamedArray} array The one that was converted.
 * @property {Run} [run] Instead a run of a model.
 */

/** @param {string} text */
const quoted = (text) => JSON.stringify(text);
/** @param {string} text A word of a shell. */
const word = (text) => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** @param {NamedArray} image Returns what lays out the pixels as they were. */
function pythonLayout({ layout }) {
  if (!layout) return "";
  return (layout.scaled ? ".astype(np.float32)" : "") + (layout.first ? ".transpose(2, 0, 1)" : "")
    + (layout.batch ? "[None]" : "") + (layout.scaled ? " / np.float32(255)" : "");
}

/**
 * @param {import("./files.js").ArrayFile} file @param {NamedArray} array @param {boolean} forModel
 * @returns {string} What makes the array in Python.
 */
function pythonArray(file, array, forModel) {
  const path = quoted(file.name);
  const member = `[${quoted(array.name)}]`;
  const view = forModel && isChosen(array) ? `.view(ml_dtypes.${array.dtype?.name})` : "";
  switch (file.kind) {
    case ".npy": return array.dtype && !/^[<>=|]/.test(array.source) ? path : `np.load(${path})${view}`;
    case ".npz": return `np.load(${path})${member}${view}`;
    case "safetensors": return `load_file(${path})${member}`;
    case "image": return `np.asarray(Image.open(${path}).convert("RGB"))${pythonLayout(array)}`;
  }
}

/** What has to be imported, in the order of the lines, and the name by which code uses it. @type {[line: string, use: RegExp][]} */
const IMPORTS = [
  ["import ml_dtypes", /\bml_dtypes\./], ["import numpy as np", /\bnp\./], ["from PIL import Image", /\bImage\./],
  ["from safetensors.numpy import load_file", /\bload_file\(/],
];

/** @param {Call} call */
export function pythonText(call) {
  const { file, array, run } = call;
  /** @type {string[]} */
  const body = [];
  if (run) {
    const version = run.version ? `, version=${quoted(run.version)}` : "";
    const inputs = run.inputs.map(({ array: given, tensor }) => `${quoted(tensor.name)}: ${pythonArray(file, given, true)}`);
    body.push(`    outputs = client.infer(${quoted(run.model)}, {${inputs.join(", ")}}${version})`,
      "    for name, output in outputs.items():", "        print(name, output.dtype, output.shape)");
  } else {
    const dtype = isChosen(array) ? `, dtype=${quoted(array.dtype?.name ?? "")}` : "";
    body.push(`    receipt = client.convert(${pythonArray(file, array, false)}${dtype})`,
      `    print(f"torch.{receipt.dtype}, bits equal: {receipt.digest_equal}")`);
  }
  const imports = IMPORTS.filter(([, use]) => use.test(body[0])).map(([line]) => line);
  const lines = [...imports, ...(imports.length ? [""] : []), "import tensorferry", ""];
  if (call.token) lines.push("# The token is that of the environment variable TENSORFERRY_TOKEN.");
  if (call.tls) lines.push("# TENSORFERRY_TLS=1 and TENSORFERRY_CA=FILE in the environment make the connection one of TLS.");
  return [...lines, `with tensorferry.Client(${quoted(call.grpc)}) as client:`, ...body, ""].join("\n");
}

/**
 * Returns what writes the elements of an input: the end of a file whose elements lie as they are sent, else a file that
 * one line of Python writes.
 * @param {Call} call @param {RunInput} input @returns {[comment: string, command: string]}
 */
function shellElements({ file }, { array, tensor }) {
  const isAsSent = file.kind === ".npy" && !array.swapped && (!array.fortran || array.shape.length < 2);
  if (isAsSent) return ["", `tail -c ${tensor.bytes.length} ${word(file.name)}`];
  const path = `${array.name}.bin`;
  return [`# ${path} holds the elements, in C order and little-endian: array.tofile(${quoted(path)})\n`, `cat ${word(path)}`];
}

/** @param {Call} call @param {Run} run @param {string} token */
function curlRun(call, { model, version, inputs }, token) {
  const header = inferHeader(inputs.map(({ tensor }) => tensor)).replace(',"parameters":{"binary_data_output":true}}', "}");
  const path = `/v2/models/${encodeURIComponent(model)}${version ? `/versions/${encodeURIComponent(version)}` : ""}/infer`;
  const elements = inputs.map((input) => shellElements(call, input));
  return `${elements.map(([comment]) => comment).join("")}{ printf '%s' ${word(header)}; ${elements.map(([, command]) => command).join("; ")}; } |
  curl -H 'Inference-Header-Content-Length: ${new TextEncoder().encode(header).length}' --data-binary @-${token} \\
  ${call.origin}${path}
`;
}

/** @param {Call} call */
export function curlText(call) {
  const token = call.token ? ` \\\n  -H "Authorization: Bearer $TENSORFERRY_TOKEN"` : "";
  const { run, file, array } = call;
  if (run) return curlRun(call, run, token);
  const isImage = file.kind === "image";
  const path = isImage ? `${array.name}.npy` : file.name;
  const pixels = `import numpy as np; from PIL import Image; np.save(${quoted(path)}, Image.open(${quoted(file.name)}).convert("RGB"))`;
  const dtype = isChosen(array) ? ` \\\n  -H 'Content-Type: application/x-npy; dtype=${array.dtype?.name}'` : "";
  return `${isImage ? `python -c ${word(pixels)}\n` : ""}curl --data-binary @${word(path)}${dtype}${token} ${call.origin}/v1/convert\n`;
}
