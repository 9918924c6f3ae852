#!/usr/bin/env bash
# Libraries for JavaScript that write MessagePack, CBOR and Parquet lose the sign of -0 in numbers: @msgpack/msgpack,
# msgpackr and cbor-x write the integer 0, and hyparquet-writer gives every zero of a column of doubles the sign of the
# first one, where numbers come twice. bson and apache-arrow keep it, and so do @msgpack/msgpack, msgpackr and cbor-x in
# a Float64Array.
#
# Expected, before it was run: -0, which these formats have; msgpack, cbor2 and pyarrow for Python keep it. That
# JSON.stringify writes 0 is known.
# Found on 2026-11-30 with Node.js 20.20.2 on x86-64. A number without a fraction is written as an integer, and
# JavaScript's Map takes -0 and 0 for one key. Another library, node-cbor, has mended it: hildjj/node-cbor#76.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" @msgpack/msgpack@3.1.3 msgpackr@2.1.4 \
  cbor-x@1.6.9 bson@7.3.4 apache-arrow@21.2.0 hyparquet@1.33.0 hyparquet-writer@0.17.0

cat >"$folder/zero.mjs" <<'END'
import { readFileSync } from "node:fs";
import * as arrow from "apache-arrow";
import * as bson from "bson";
import * as cbor from "cbor-x";
import { parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import * as msgpack from "@msgpack/msgpack";
import * as msgpackr from "msgpackr";

const numbers = [-0, 0, -0, 0, 0.5, 0.5];

async function throughParquet(data) {
  const file = parquetWriteBuffer({ columnData: [{ name: "x", data, type: "DOUBLE" }] });
  return (await parquetReadObjects({ file })).map((row) => row.x);
}

function elements(bytes) {
  return [...new Float64Array(Uint8Array.from(bytes).buffer)];
}

const typed = Float64Array.from(numbers);
const ways = {
  "@msgpack/msgpack": () => msgpack.decode(msgpack.encode(numbers)),
  msgpackr: () => msgpackr.unpack(msgpackr.pack(numbers)),
  "cbor-x": () => cbor.decode(cbor.encode(numbers)),
  "hyparquet-writer": () => throughParquet(numbers),
  "hyparquet-writer, 0 first": () => throughParquet([0, -0, 0, -0, 0.5, 0.5]),
  "hyparquet-writer, each once": () => throughParquet([-0, 1, 0.5]),
  bson: () => bson.deserialize(bson.serialize({ numbers })).numbers,
  "apache-arrow": () => [...arrow.vectorFromArray(numbers, new arrow.Float64())],
  "@msgpack/msgpack, Float64Array": () => elements(msgpack.decode(msgpack.encode(typed))),
  "msgpackr, Float64Array": () => elements(msgpackr.unpack(msgpackr.pack(typed))),
  "cbor-x, Float64Array": () => [...cbor.decode(cbor.encode(typed))],
};

for (const name of ["@msgpack/msgpack", "msgpackr", "cbor-x", "hyparquet-writer", "bson", "apache-arrow"]) {
  const text = readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url));
  process.stdout.write(`${name} ${JSON.parse(text).version}, `);
}
console.log(`Node.js ${process.version}`);
const seen = {};
for (const [name, call] of Object.entries(ways)) {
  const read = await call();
  seen[name] = read.map((number) => (Object.is(number, -0) ? "-0" : String(number))).join(" ");
  console.log(`  ${name}: ${seen[name]}`);
}

const recorded = Object.fromEntries(Object.keys(ways).map((name) => [name, "-0 0 -0 0 0.5 0.5"]));
for (const name of ["@msgpack/msgpack", "msgpackr", "cbor-x"]) recorded[name] = "0 0 0 0 0.5 0.5";
recorded["hyparquet-writer"] = "-0 -0 -0 -0 0.5 0.5";
recorded["hyparquet-writer, 0 first"] = "0 0 0 0 0.5 0.5";
recorded["hyparquet-writer, each once"] = "-0 1 0.5";
if (JSON.stringify(seen) !== JSON.stringify(recorded)) {
  console.error("This is not what was recorded:", recorded);
  process.exit(1);
}
console.log("As recorded: -0 becomes 0, or 0 becomes -0.");
END
(cd "$folder" && node zero.mjs)
