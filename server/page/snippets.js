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

/** @param {NamedArray} array Returns whether NumPy forgets the byte order: its voids have none. */
const isForgotten = (array) => isChosen(array) && array.swapped && array.itemsize > 1;

/**
 * Returns what makes elements of the dtype that was chosen. Those whose order NumPy forgets are swapped by hand, in words
 * of two bytes, as all have that are so long.
 * @param {string} loaded @param {NamedArray} array @param {boolean} forModel
 */
function pythonView(loaded, array, forModel) {
  const type = `ml_dtypes.${array.dtype?.name}`;
  if (isForgotten(array)) return `np.ascontiguousarray(${loaded}).view(">u2").astype("<u2").view(${type})`;
  return forModel && isChosen(array) ? `${loaded}.view(${type})` : loaded;
}

/**
 * @param {import("./files.js").ArrayFile} file @param {NamedArray} array @param {boolean} forModel
 * @returns {string} What makes the array in Python.
 */
function pythonArray(file, array, forModel) {
  const path = quoted(file.name);
  const member = `[${quoted(array.name)}]`;
  switch (file.kind) {
    case ".npy": return array.dtype && !/^[<>=|]/.test(array.source) ? path : pythonView(`np.load(${path})`, array, forModel);
    case ".npz": return pythonView(`np.load(${path})${member}`, array, forModel);
    case "safetensors": return `load_file(${path})${member}`;
    case "image": return `np.asarray(Image.open(${path}).convert("RGB"))${pythonLayout(array)}`;
  }
}

/** What has to be imported, in the order of the lines, and the name by which code uses it. @type {[line: string, use: RegExp][]} */
const IMPORTS = [
  ["import sys", /\bsys\./],
  ["import ml_dtypes", /\bml_dtypes\./], ["import numpy as np", /\bnp\./], ["from PIL import Image", /\bImage\./],
  ["from safetensors.numpy import load_file", /\bload_file\(/],
];

/** @param {string} code Returns the lines that import what it uses. */
const importsOf = (code) => IMPORTS.filter(([, use]) => use.test(code)).map(([line]) => line);

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
    const dtype = isChosen(array) && !isForgotten(array) ? `, dtype=${quoted(array.dtype?.name ?? "")}` : "";
    body.push(`    receipt = client.convert(${pythonArray(file, array, false)}${dtype})`,
      `    print(f"torch.{receipt.dtype}, bits equal: {receipt.digest_equal}")`);
  }
  const imports = importsOf(body[0]);
  const lines = [...imports, ...(imports.length ? [""] : []), "import tensorferry", ""];
  if (call.token) lines.push("# The token is that of the environment variable TENSORFERRY_TOKEN.");
  if (call.tls) lines.push("# TENSORFERRY_TLS=1 and TENSORFERRY_CA=FILE in the environment make the connection one of TLS.");
  return [...lines, `with tensorferry.Client(${quoted(call.grpc)}) as client:`, ...body, ""].join("\n");
}

/** @param {string} code A line of Python. Returns the command that runs it. */
const pythonCommand = (code) => `python3 -c ${word([...importsOf(code), code].join("; "))}`;

/**
 * Returns the command that writes the elements of an input, in C order and little-endian: the end of a file whose elements
 * lie so, else a line of Python. What a .npy file calls by a name of ml_dtypes NumPy reads once that is imported.
 * @param {Call} call @param {RunInput} input
 */
function shellElements({ file }, { array, tensor }) {
  const isAsSent = file.kind === ".npy" && !array.swapped && (!array.fortran || array.shape.length < 2);
  if (isAsSent) return `tail -c ${tensor.bytes.length} ${word(file.name)}`;
  const named = file.kind === ".npy" && !/^[<>=|]/.test(array.source);
  const read = named ? `import ml_dtypes; x = np.load(${quoted(file.name)})` : `x = ${pythonArray(file, array, false)}`;
  return pythonCommand(`${read}; sys.stdout.buffer.write(x.astype(x.dtype.newbyteorder("<")).tobytes())`);
}

/** @param {Call} call @param {Run} run @param {string} token */
function curlRun(call, { model, version, inputs }, token) {
  const header = inferHeader(inputs.map(({ tensor }) => tensor)).replace(',"parameters":{"binary_data_output":true}}', "}");
  const path = `/v2/models/${encodeURIComponent(model)}${version ? `/versions/${encodeURIComponent(version)}` : ""}/infer`;
  const elements = inputs.map((input) => shellElements(call, input));
  return `{ printf '%s' ${word(header)}; ${elements.join("; ")}; } |
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
  const pixels = `np.save(${quoted(path)}, ${pythonArray(file, array, false)})`;
  const dtype = isChosen(array) ? ` \\\n  -H 'Content-Type: application/x-npy; dtype=${array.dtype?.name}'` : "";
  return `${isImage ? `${pythonCommand(pixels)}\n` : ""}curl --data-binary @${word(path)}${dtype}${token} ${call.origin}/v1/convert\n`;
}
