// The same call in C++, for tensorferry's client library.
import { isChosen } from "./arrays.js";

/** @typedef {import("./snippets.js").Call} Call */
/** @typedef {import("./arrays.js").NamedArray} NamedArray */

/** @param {string} text */
const quoted = (text) => JSON.stringify(text);

/** @param {Call["file"]} file */
const isArchive = ({ kind }) => kind === ".npz" || kind === "safetensors";

/** @param {Call["file"]} file @param {NamedArray} array @param {string} name The variable. @param {string} input Empty: no model's. */
function readLines(file, array, name, input) {
  const place = isArchive(file) ? `std::ranges::find(reader->names(), ${quoted(array.name)}) - reader->names().begin()` : "0";
  return [
    `  auto ${name} = reader->Read(${place});`,
    `  if (!${name}.ok()) return 2;`,
    ...(input ? [`  ${name}->name = ${quoted(input)};`] : []),
    ...(isChosen(array) ? [`  ${name}->dtype = ${quoted(array.dtype?.name ?? "")};`] : []),
  ];
}

/** @param {Call} call Returns what is done with the arrays. */
function callLines({ run }) {
  const version = run?.version ? `, .model_version = ${quoted(run.version)}` : "";
  const options = run ? `, {.model_name = ${quoted(run.model)}${version}}` : "";
  return [
    `  const auto response = server->Convert(arrays${options});`,
    "  if (!response.ok()) {",
    `    std::fprintf(stderr, "%s\\n", response.status().ToString().c_str());`,
    "    return 1;",
    "  }",
    ...(run
      ? ["  for (const auto& output : response->outputs) {", `    std::printf("%s: torch.%s\\n", output.name.c_str(), output.dtype.c_str());`, "  }"]
      : ["  const bool equal = client::Verify(arrays[0], response->tensors[0])->equal();",
        `  std::printf("torch.%s, %s\\n", response->tensors[0].dtype.c_str(), equal ? "every bit equal" : "DIFFERENT");`]),
  ];
}

/** @param {Call} call */
export function cppText(call) {
  const { file, run } = call;
  const given = run ? run.inputs.map(({ array, tensor }) => ({ array, input: tensor.name })) : [{ array: call.array, input: "" }];
  const names = given.map((_, k) => (k ? `array${k + 1}` : "array"));
  const isImage = file.kind === "image";
  const path = isImage ? `${call.array.name}.npy` : file.name;
  const options = call.token ? `, {.token = std::getenv("TENSORFERRY_TOKEN")}` : "";
  return [
    ...(isImage ? [`// ${path} holds the pixels of ${file.name}, laid out for the model and written by numpy.save.`] : []),
    ...(isArchive(file) ? ["#include <algorithm>"] : []), "#include <cstdio>", ...(call.token ? ["#include <cstdlib>"] : []),
    "#include <vector>", "",
    '#include "tensorferry/client/array_file.h"', '#include "tensorferry/client/client.h"',
    ...(run ? [] : ['#include "tensorferry/client/verify.h"']), "",
    "namespace client = tensorferry::client;", "",
    "int main() {",
    `  auto server = client::Client::Connect(${quoted(call.grpc)}${options});`,
    `  auto reader = client::ArrayReader::Open(${quoted(path)});`,
    "  if (!server.ok() || !reader.ok()) return 2;",
    ...given.flatMap(({ array, input }, k) => readLines(file, array, names[k], input)),
    `  const std::vector arrays{${names.map((name) => `*${name}`).join(", ")}};`,
    ...callLines(call),
    "}", "",
  ].join("\n");
}
