// read.mjs MODULES FILE...: prints what the page's modules read from each file, as JSON.
import { readFileSync } from "node:fs";
import { argv } from "node:process";

const [, , modules, ...files] = argv;
const { elementsOf, viewOf } = await import(`${modules}/arrays.js`);
const { textAt } = await import(`${modules}/dtypes.js`);
const { readFile } = await import(`${modules}/files.js`);
const { xxh3Hex } = await import(`${modules}/xxh3.js`);

function describe(array) {
  const { name, dtype, source, shape, itemsize } = array;
  if (!dtype) return { name, dtype, source, shape, itemsize };
  const elements = elementsOf(array);
  const texts = Array.from({ length: Math.min(300, elements.length / itemsize) }, (_, at) => textAt(dtype, viewOf(elements), at));
  return { name, dtype: dtype.name, source, shape, itemsize, digest: xxh3Hex(elements), texts };
}

const answers = [];
for (const file of files) {
  try {
    const { arrays, notes } = await readFile(file, new Uint8Array(readFileSync(file)));
    answers.push({ arrays: arrays.map(describe), notes });
  } catch (error) {
    answers.push({ error: error.constructor.name, message: error.message });
  }
}
console.log(JSON.stringify(answers));
