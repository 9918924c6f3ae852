// Call the HTTP port by gRPC-Web with the clients that others have written, in Node.js and in a browser alike.

/**
 * Makes one call, and gives each message of its answer to `keep`.
 * @param packages `createClient` and `createGrpcWebTransport`, from wherever they were loaded.
 * @param asked The address as `baseUrl`, the descriptors `service` and `method`, the `request`, the fields `headers`, and
 *   after how many messages a stream is left, as `enough`; 0 reads it to its end.
 * @returns What ended the call badly, as {code, message, metadata}; null if nothing did.
 */
export async function callByConnect({ createClient, createGrpcWebTransport }, asked, keep) {
  const { baseUrl, service, method, request, headers, enough } = asked;
  const caller = createClient(service, createGrpcWebTransport({ baseUrl }));
  try {
    if (method.methodKind === "unary") {
      keep(await caller[method.localName](request, { headers }));
    } else {
      let count = 0;
      for await (const message of caller[method.localName](request, { headers })) {
        keep(message);
        if (++count === enough) break;
      }
    }
    return null;
  } catch (error) {
    return { code: error.code, message: error.rawMessage, metadata: Object.fromEntries(error.metadata ?? []) };
  }
}

/** Makes one call with the package grpc-web, whose clients send base64 (`text`) or bytes (`binary`), as `format` says. */
export function callByGrpcWeb({ GrpcWebClientBase, MethodDescriptor, MethodType, toBinary, fromBinary }, asked, keep) {
  const { baseUrl, service, method, request, headers, format } = asked;
  const path = `${baseUrl}/${service.typeName}/${method.name}`;
  const told = new MethodDescriptor(
    path, MethodType.UNARY, Object, Object,
    (message) => toBinary(method.input, message),
    (bytes) => fromBinary(method.output, bytes),
  );
  return new Promise((resolve) => {
    new GrpcWebClientBase({ format }).rpcCall(path, request, headers, told, (error, response) => {
      if (error) return resolve({ code: error.code, message: error.message, metadata: error.metadata });
      keep(response);
      return resolve(null);
    });
  });
}
