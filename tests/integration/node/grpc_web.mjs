// Calls the HTTP port by gRPC-Web, with the clients that others have written, knowing only the published .proto files.
//
// usage: TENSORFERRY_NODE_MODULES=DIR node grpc_web.mjs CLIENT ADDRESS DESCRIPTORS SERVICE METHOD < REQUEST
// CLIENT is `connect` (@connectrpc/connect-web, bytes), `text` or `binary` (grpc-web, base64 or bytes). DESCRIPTORS is a
// file of protoc's --descriptor_set_out, REQUEST a JSON of the request. Prints {"messages": […], "error": {code, message,
// metadata}} as one line of JSON; what TOKEN has in the environment goes along as the caller's token.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { callByConnect, callByGrpcWeb } from "./web_calls.mjs";

const require = createRequire(`${process.env.TENSORFERRY_NODE_MODULES}/`);
const { createFileRegistry, fromBinary, fromJson, toBinary, toJson } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");

const [client, address, descriptors, serviceName, methodName] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const service = registry.getService(serviceName);
const method = service.methods.find((each) => each.name === methodName);
const asked = {
  baseUrl: `http://${address}`, service, method,
  request: fromJson(method.input, JSON.parse(readFileSync(0, "utf8"))),
  headers: process.env.TOKEN ? { authorization: `Bearer ${process.env.TOKEN}` } : {},
  enough: Number(process.env.ENOUGH ?? 0),
  format: client,
};
const messages = [];
const keep = (message) => messages.push(toJson(method.output, message));

let error;
if (client === "connect") {
  const packages = { ...require("@connectrpc/connect"), ...require("@connectrpc/connect-web") };
  error = await callByConnect(packages, asked, keep);
} else {
  globalThis.XMLHttpRequest = require("xhr2");
  error = await callByGrpcWeb({ ...require("grpc-web"), toBinary, fromBinary }, asked, keep);
}
// A stream that is left keeps no process.
process.stdout.write(`${JSON.stringify({ messages, error })}\n`, () => process.exit(0));
