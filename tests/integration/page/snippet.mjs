// snippet.mjs MODULES FILE MEMBER GRPC MODEL DTYPE: prints the page's Python for a file. An empty MODEL converts, and a
// DTYPE is what somebody has chosen for elements that the file leaves open.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { argv, stdout } from "node:process";

const [, , modules, path, member, grpc, model, dtypeName] = argv;
globalThis.sessionStorage = { getItem: () => null };
const { dtypeByName } = await import(`${modules}/dtypes.js`);
const { readFile } = await import(`${modules}/files.js`);
const { pythonText } = await import(`${modules}/snippets.js`);

const file = await readFile(basename(path), new Uint8Array(readFileSync(path)));
let array = file.arrays.find(({ name }) => name === member);
if (dtypeName) array = { ...array, dtype: dtypeByName(dtypeName) };
const run = model ? { model, version: "", input: "x" } : undefined;
stdout.write(pythonText({ origin: "http://localhost:8000", grpc, tls: false, token: false, file, array, run }));
