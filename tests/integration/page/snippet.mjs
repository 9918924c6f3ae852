// snippet.mjs LANGUAGE MODULES FILE MEMBER SERVER MODEL DTYPE: prints the page's code for a file, in Python, curl or C++.
// SERVER is the address that the language uses. An empty MODEL converts, and a DTYPE is what somebody has chosen for
// elements that the file leaves open.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { argv, stdout } from "node:process";

const [, , language, modules, path, member, server, model, dtypeName] = argv;
globalThis.sessionStorage = { getItem: () => null };
const { elementsOf } = await import(`${modules}/arrays.js`);
const { dtypeByName } = await import(`${modules}/dtypes.js`);
const { readFile } = await import(`${modules}/files.js`);
const { curlText, pythonText } = await import(`${modules}/snippets.js`);
const { cppText } = await import(`${modules}/snippets_cpp.js`);

const file = await readFile(basename(path), new Uint8Array(readFileSync(path)));
let array = file.arrays.find(({ name }) => name === member);
if (dtypeName) array = { ...array, dtype: dtypeByName(dtypeName) };
const tensor = { name: "x", datatype: array.dtype.oip, shape: array.shape, bytes: elementsOf(array) };
const run = model ? { model, version: "", inputs: [{ array, tensor }] } : undefined;
const textOf = { Python: pythonText, curl: curlText, "C++": cppText }[language];
stdout.write(textOf({ origin: `http://${server}`, grpc: server, tls: false, token: false, file, array, run }));
