// Calls the HTTP port by gRPC-Web, with the clients that others have written, knowing only the published .proto files.
//
// usage: TENSORFERRY_NODE_MODULES=DIR node grpc_web.mjs CLIENT ADDRESS DESCRIPTORS SERVICE METHOD < REQUEST
// CLIENT is `connect` (@connectrpc/connect-web, bytes), `text` or `binary` (grpc-web, base64 or bytes). DESCRIPTORS is a
// file of protoc's --descriptor_set_out, REQUEST a JSON of the request. Prints {"messages": […], "error": {code, message,
// metadata}} as one line of JSON; what TOKEN has in the environment goes along as the caller's token.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.TENSORFERRY_NODE_MODULES}/`);
const { createFileRegistry, fromBinary, fromJson, toBinary, toJson } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");

const [client, address, descriptors, serviceName, methodName] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const service = registry.getService(serviceName);
const method = service.methods.find((each) => each.name === methodName);
const request = fromJson(method.input, JSON.parse(readFileSync(0, "utf8")));
const token = process.env.TOKEN ? { authorization: `Bearer ${process.env.TOKEN}` } : {};
const messages = [];
const keep = (message) => messages.push(toJson(method.output, message));

async function byConnect() {
  const { createClient } = require("@connectrpc/connect");
  const { createGrpcWebTransport } = require("@connectrpc/connect-web");
  const caller = createClient(service, createGrpcWebTransport({ baseUrl: `http://${address}` }));
  const options = { headers: token };
  try {
    if (method.methodKind === "unary") {
      keep(await caller[method.localName](request, options));
    } else {
      for await (const message of caller[method.localName](request, options)) {
        keep(message);
        if (process.env.ENOUGH && messages.length >= Number(process.env.ENOUGH)) break;
      }
    }
    return null;
  } catch (error) {
    return { code: error.code, message: error.rawMessage, metadata: Object.fromEntries(error.metadata ?? []) };
  }
}

function byGrpcWeb(format) {
  globalThis.XMLHttpRequest = require("xhr2");
  const { GrpcWebClientBase, MethodDescriptor, MethodType } = require("grpc-web");
  const caller = new GrpcWebClientBase({ format });
  const path = `http://${address}/${serviceName}/${methodName}`;
  const told = new MethodDescriptor(
    path, MethodType.UNARY, Object, Object,
    (message) => toBinary(method.input, message),
    (bytes) => fromBinary(method.output, bytes),
  );
  return new Promise((resolve) => {
    caller.rpcCall(path, request, token, told, (error, response) => {
      if (error) return resolve({ code: error.code, message: error.message, metadata: error.metadata });
      keep(response);
      return resolve(null);
    });
  });
}

const error = client === "connect" ? await byConnect() : await byGrpcWeb(client);
// A stream that is left keeps no process.
process.stdout.write(`${JSON.stringify({ messages, error })}\n`, () => process.exit(0));
