// The same call in other languages, to be copied. A token stands in none of them: they take it from the environment.
import { inferHeader } from "./api.js";

/**
 * @typedef {object} Call
 * @property {string} origin Of the HTTP listener, such as `http://localhost:8000`.
 * @property {string} grpc Address of the gRPC port.
 * @property {boolean} tls @property {boolean} token Whether the server asks for it.
 * @property {import("./files.js").ArrayFile} file
 * @property {import("./arrays.js").NamedArray} array
 * @property {{model: string, version: string, input: string, tensor: import("./api.js").OipTensor}} [run]
 */

/** @param {string} text */
const quoted = (text) => JSON.stringify(text);
/** @param {string} text A word of a shell. */
const word = (text) => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** @param {Call} call @returns {[imports: string[], expression: string]} What makes the array in Python. */
function pythonArray({ file, array }) {
  const path = quoted(file.name);
  const member = `[${quoted(array.name)}]`;
  switch (file.kind) {
    case ".npy": {
      const named = array.dtype && !/^[<>=|]/.test(array.source);
      return [["import numpy as np"], named ? path : `np.load(${path})`];
    }
    case ".npz": return [["import numpy as np"], `np.load(${path})${member}`];
    case "safetensors": return [["from safetensors.numpy import load_file"], `load_file(${path})${member}`];
    case "image": return [["import numpy as np", "from PIL import Image"], `np.asarray(Image.open(${path}).convert("RGB"))`];
  }
}

/** @param {Call} call */
export function pythonText(call) {
  const [imports, expression] = pythonArray(call);
  const { array, run } = call;
  const meant = array.dtype && /^[<|]?[VW]\d|^<f1/.test(array.source) ? `, dtype=${quoted(array.dtype.name)}` : "";
  const lines = [...imports.filter((line) => line !== "import numpy as np" || /\bnp\./.test(expression)), "", "import tensorferry", ""];
  if (call.token) lines.push("# The token is that of the environment variable TENSORFERRY_TOKEN.");
  if (call.tls) lines.push("# TENSORFERRY_TLS=1 and TENSORFERRY_CA=FILE in the environment make the connection one of TLS.");
  lines.push(`with tensorferry.Client(${quoted(call.grpc)}) as client:`);
  if (run) {
    const version = run.version ? `, version=${quoted(run.version)}` : "";
    lines.push(`    outputs = client.infer(${quoted(run.model)}, {${quoted(run.input)}: ${expression}}${version})`);
    lines.push("    for name, output in outputs.items():", "        print(name, output.dtype, output.shape)");
  } else {
    lines.push(`    receipt = client.convert(${expression}${meant})`);
    lines.push(`    print(f"torch.{receipt.dtype}, bits equal: {receipt.digest_equal}")`);
  }
  return `${lines.join("\n").trimStart()}\n`;
}

/** @param {Call} call */
export function curlText(call) {
  const token = call.token ? ` \\\n  -H "Authorization: Bearer $TENSORFERRY_TOKEN"` : "";
  const { run, file, array } = call;
  if (!run) {
    const path = file.kind === "image" ? `${array.name}.npy` : file.name;
    return `curl --data-binary @${word(path)}${token} ${call.origin}/v1/convert\n`;
  }
  const header = inferHeader([run.tensor]).replace(',"parameters":{"binary_data_output":true}}', "}");
  const version = run.version ? `/versions/${encodeURIComponent(run.version)}` : "";
  return `# ${array.name}.bin holds the elements alone: array.tofile("${array.name}.bin")
{ printf '%s' ${word(header)}; cat ${word(`${array.name}.bin`)}; } |
  curl -H 'Inference-Header-Content-Length: ${new TextEncoder().encode(header).length}' --data-binary @-${token} \\
  ${call.origin}/v2/models/${encodeURIComponent(run.model)}${version}/infer
`;
}

/** @param {Call} call */
export function cppText(call) {
  const { run, file, array } = call;
  const isFile = file.kind === ".npy" || file.kind === ".npz";
  const path = isFile ? file.name : `${array.name}.npy`;
  const place = file.kind === ".npz" ? file.arrays.indexOf(array) : 0;
  const options = run
    ? `  const auto response = server->Convert(arrays, {.model_name = ${quoted(run.model)}${
      run.version ? `, .model_version = ${quoted(run.version)}` : ""}});`
    : "  const auto response = server->Convert(arrays);";
  const name = run ? `  array->name = ${quoted(run.input)};\n` : "";
  const result = run
    ? `  for (const auto& output : response->outputs) std::printf("%s: torch.%s\\n", output.name.c_str(), output.dtype.c_str());`
    : `  const bool equal = client::Verify(arrays[0], response->tensors[0])->equal();
  std::printf("torch.%s, %s\\n", response->tensors[0].dtype.c_str(), equal ? "every bit equal" : "DIFFERENT");`;
  const connect = call.token
    ? `client::Client::Connect(${quoted(call.grpc)}, {.token = std::getenv("TENSORFERRY_TOKEN")})`
    : `client::Client::Connect(${quoted(call.grpc)})`;
  return `#include <cstdio>
${call.token ? "#include <cstdlib>\n" : ""}#include <vector>

#include "tensorferry/client/array_file.h"
#include "tensorferry/client/client.h"
#include "tensorferry/client/verify.h"

namespace client = tensorferry::client;

int main() {
  auto server = ${connect};
  auto reader = client::ArrayReader::Open(${quoted(path)});
  if (!server.ok() || !reader.ok()) return 2;
  auto array = reader->Read(${place});
  if (!array.ok()) return 2;
${name}  const std::vector arrays{*array};
${options}
  if (!response.ok()) {
    std::fprintf(stderr, "%s\\n", response.status().ToString().c_str());
    return 1;
  }
${result}
}
`;
}
