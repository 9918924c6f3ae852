// Converts one array, knowing only the published .proto.
//
// usage: TENSORFERRY_NODE_MODULES=DIR node convert.mjs ADDRESS PROTO DTYPE DIM,DIM,… [DEADLINE] < ELEMENTS
// With CA=FILE in the environment it speaks TLS, with CERT=FILE and KEY=FILE as a client that shows itself, with TOKEN=TEXT as
// one that has a token.
// Prints the tensor's metadata as one JSON object, the digest in hex; of a refused array, `code` and `message`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.TENSORFERRY_NODE_MODULES}/`);
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const [address, proto, dtype, dims, deadline] = process.argv.slice(2);
const definition = protoLoader.loadSync(proto, { keepCase: true, longs: Number, enums: String });
const { TensorService } = grpc.loadPackageDefinition(definition).tensorferry.v1;

const shape = dims === "" ? [] : dims.split(",").map(Number);
const request = {
  digest: "DIGEST_ALGORITHM_XXH3_128",
  arrays: [{ name: "x", dtype, shape, data: readFileSync(0) }],
};

const file = (name) => (process.env[name] ? readFileSync(process.env[name]) : null);
const credentials = process.env.CA
  ? grpc.credentials.createSsl(file("CA"), file("KEY"), file("CERT"))
  : grpc.credentials.createInsecure();
const client = new TensorService(address, credentials);
const options = deadline ? { deadline: new Date(deadline) } : {};
const metadata = new grpc.Metadata();
if (process.env.TOKEN) metadata.set("authorization", `Bearer ${process.env.TOKEN}`);
client.Convert(request, metadata, options, (error, response) => {
  if (error) {
    console.log(JSON.stringify({ code: error.code, message: error.details }));
  } else {
    const { receipt, ...metadata } = response.tensors[0].metadata;
    console.log(JSON.stringify({ ...metadata, ...receipt, digest: receipt.digest.toString("hex") }));
  }
  client.close();
});
