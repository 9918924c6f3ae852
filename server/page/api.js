// Asks the server. A token is kept for this tab alone, and sent in a header field, never in an address.

const TOKEN_KEY = "tensorferry-token";

/** ServerError is a refusal, or that no answer came. */
export class ServerError extends Error {
  /** @param {string} message @param {number} status 0 if no answer came. @param {string} reason @param {Record<string, string>} details */
  constructor(message, status, reason, details) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.details = details;
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN_KEY) ?? "",
  /** @param {string} value Empty: none. */
  set(value) {
    if (value) sessionStorage.setItem(TOKEN_KEY, value);
    else sessionStorage.removeItem(TOKEN_KEY);
  },
};

/** @param {number} status @param {string} text The body. Returns what an answer says of why it is none. */
function errorOf(status, text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return new ServerError(text.trim() || `the server answered ${status}`, status, "", {});
  }
  const error = typeof body?.error === "object" && body.error ? body.error : body ?? {};
  const message = String(error.message ?? body?.error ?? `the server answered ${status}`);
  const facts = { ...error, ...error.details, ...error.metadata, ...body?.details };
  /** @type {Record<string, string>} */
  const details = {};
  for (const key of ["array", "field", "expected", "actual", "limit"]) {
    if (facts[key] != null && facts[key] !== "") details[key] = String(facts[key]);
  }
  return new ServerError(message, status, String(error.reason ?? body?.reason ?? ""), details);
}

/**
 * @param {string} path @param {RequestInit & {headers?: Record<string, string>}} [init]
 * @returns {Promise<Response>} An answer of 200.
 */
async function ask(path, init = {}) {
  /** @type {Record<string, string>} */
  const headers = { ...init.headers };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  let response;
  try {
    response = await fetch(path, { ...init, headers, credentials: "omit", cache: "no-store" });
  } catch {
    throw new ServerError("the server does not answer", 0, "", {});
  }
  if (!response.ok) throw errorOf(response.status, await response.text());
  return response;
}

/** @param {unknown} error Says of a body that the port does not take what does take it. @returns {never} */
function sayWhatTakesMore(error) {
  if (error instanceof ServerError && error.status === 413) {
    error.message += ": a larger --max-message-bytes takes it here, and the clients of Python and C++ send it in chunks, as the code below does";
  }
  throw error;
}

/** @param {string} name @param {string} [version] */
const modelPath = (name, version) =>
  `/v2/models/${encodeURIComponent(name)}${version ? `/versions/${encodeURIComponent(version)}` : ""}`;

/** @param {string} path @param {RequestInit} [init] @returns {Promise<any>} */
const json = async (path, init) => (await ask(path, /** @type {any} */ (init))).json();
const post = { method: "POST", body: "{}" };

/** @typedef {{name: string, version: string, state: string, reason?: string}} IndexEntry */
/** @typedef {{name: string, datatype: string, shape: number[]}} TensorSpec */
/** @typedef {{name: string, versions?: string[], platform: string, inputs: TensorSpec[], outputs: TensorSpec[]}} Metadata */
/** @typedef {{count?: number | string, ns?: number | string}} Duration */
/** @typedef {{name: string, version: string, inference_count?: number, execution_count?: number, last_inference?: number, inference_stats?: Record<string, Duration>}} Statistics */
/** @typedef {{name: string, datatype: string, shape: number[], bytes: Uint8Array<ArrayBuffer>}} OipTensor */

export const server = {
  /** @returns {Promise<{name: string, version: string, extensions: string[]}>} */
  metadata: () => json("/v2"),
  isReady: () => ask("/v2/health/ready").then(() => true, (error) => error.status === 0 ? Promise.reject(error) : false),
  models,
  /** @param {string} name @param {string} [version] @returns {Promise<Metadata>} */
  model: (name, version) => json(modelPath(name, version)),
  /** @param {string} name @param {string} [version] @returns {Promise<Record<string, unknown>>} */
  config: (name, version) => json(`${modelPath(name, version)}/config`),
  /** @returns {Promise<Statistics[]>} */
  statistics: async () => (await json("/v2/models/stats")).model_stats ?? [],
  /** @param {string} name @param {string} version @returns {Promise<Statistics | undefined>} */
  statisticsOf: async (name, version) => (await json(`${modelPath(name, version)}/stats`)).model_stats?.[0],
  metrics: async () => (await ask("/metrics", { headers: { Accept: "text/plain" } })).text(),
  /** @returns {Promise<{refusals: Record<string, any>[]}>} */
  recent: () => json("/debug/requests"),
  /** Whether the token, or nobody's, may change something: settings are told to those alone who may. */
  isAdmin: () => ask("/v2/logging").then(() => true, () => false),
  /** @param {string} name @param {"load" | "unload"} what */
  change: (name, what) => ask(`/v2/repository/models/${encodeURIComponent(name)}/${what}`, post),
  /** @param {BodyInit} file @returns {Promise<{tensors: any[], refused?: any[], error?: any}>} */
  convert: (file) => json("/v1/convert", { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } })
    .catch(sayWhatTakesMore),
  infer,
};

/**
 * Returns the versions of all models: those of the repository, and the built-in identity, which the server's index leaves
 * out, unless a model of the repository has its name.
 * @returns {Promise<IndexEntry[]>}
 */
async function models() {
  /** @type {IndexEntry[]} */
  const index = await json("/v2/repository/index", post);
  if (index.some(({ name }) => name === "identity")) return index;
  const identity = await json(modelPath("identity")).catch(() => null);
  return identity ? [...index, { name: "identity", version: identity.versions?.[0] ?? "", state: "READY" }] : index;
}

/** @param {OipTensor[]} inputs Returns the JSON part of a request whose elements follow it. */
export function inferHeader(inputs) {
  const described = inputs.map(({ name, datatype, shape, bytes }) => ({
    name, shape, datatype, parameters: { binary_data_size: bytes.length },
  }));
  return JSON.stringify({ inputs: described, parameters: { binary_data_output: true } });
}

/**
 * @param {string} model @param {string} version Empty: the server's choice. @param {OipTensor[]} inputs
 * @returns {Promise<{version: string, outputs: OipTensor[]}>}
 */
async function infer(model, version, inputs) {
  const header = new TextEncoder().encode(inferHeader(inputs));
  const response = await ask(`${modelPath(model, version)}/infer`, {
    method: "POST",
    body: new Blob([header, ...inputs.map((input) => input.bytes)]),
    headers: { "Content-Type": "application/octet-stream", "Inference-Header-Content-Length": String(header.length) },
  }).catch(sayWhatTakesMore);
  const body = new Uint8Array(await response.arrayBuffer());
  const size = Number(response.headers.get("Inference-Header-Content-Length") ?? body.length);
  const answer = JSON.parse(new TextDecoder().decode(body.subarray(0, size)));
  let at = size;
  const outputs = answer.outputs.map((/** @type {any} */ output) => {
    const nbytes = output.parameters?.binary_data_size;
    if (nbytes === undefined) throw new ServerError(`the output '${output.name}' did not come as bytes`, 200, "", {});
    at += nbytes;
    return { ...output, bytes: body.slice(at - nbytes, at) };
  });
  return { version: answer.model_version, outputs };
}
