// The page of one model: what it takes and gives, its statistics, and its configuration.
import { server } from "./api.js";
import { bars } from "./charts.js";
import { factList, h, problem, table } from "./dom.js";
import { countText, secondsText } from "./format.js";
import { modelAddress, stateBadge } from "./overview.js";
import { histogram, parseMetrics } from "./prometheus.js";
import { specText } from "./spec.js";

/** @typedef {import("./api.js").Statistics} Statistics */

const PARTS = {
  success: "Answered", fail: "Failed", queue: "Waiting in the queue", compute_input: "Gathering inputs",
  compute_infer: "Running the model", compute_output: "Outputs",
};

/** @param {string} label @param {import("./api.js").TensorSpec[]} specs */
const specTable = (label, specs) => h("section", {}, h("h2", {}, label), table(label, ["Name", "dtype and shape"],
  specs.map((spec) => [h("code", {}, spec.name), h("code", {}, specText(spec))])));

/** @param {Statistics} statistics */
function statisticsTable({ inference_stats: parts = {} }) {
  const rows = Object.entries(PARTS).map(([key, name]) => {
    const count = Number(parts[key]?.count ?? 0);
    const seconds = Number(parts[key]?.ns ?? 0) / 1e9;
    return [name, countText(count), secondsText(seconds), count ? secondsText(seconds / count) : "–"];
  });
  return table("Statistics", ["Stage", "#Count", "#Time in all", "#Mean"], rows);
}

/** @param {string} name @param {string} version Returns the rows of the model's runs, where the server tells them. */
async function batchChart(name, version) {
  const scrape = parseMetrics(await server.metrics());
  const isThis = (/** @type {Record<string, string>} */ labels) => labels.model === name && labels.version === version;
  const { bounds, counts } = histogram(scrape, "tensorferry_model_batch_rows", isThis);
  if (!counts.at(-1)) return null;
  const single = counts.map((count, k) => count - (counts[k - 1] ?? 0));
  const names = bounds.map((bound, k) => (bound === Infinity ? `more than ${bounds[k - 1]}` : `up to ${bound}`));
  const label = single.flatMap((count, k) => (count ? [`${names[k]}: ${count}`] : [])).join(", ");
  const axis = h("div", { class: "axis", "aria-hidden": "true" }, ...bounds.map((bound) => h("span", {}, bound === Infinity ? "∞" : String(bound))));
  return h("section", {}, h("h2", {}, "Rows of one run"), bars(single, `Runs by rows: ${label}`, (k) => `${names[k]} rows: ${single[k]} runs`), axis);
}

/** @param {string} name @param {() => void} reload Returns the buttons that load and unload; the server says who may. */
function controls(name, reload) {
  const answer = h("div", { role: "status" });
  const button = (/** @type {"load" | "unload"} */ what) => h("button", { type: "button", click: async () => {
    answer.replaceChildren(`Asking the server to ${what} ${name} …`);
    try {
      await server.change(name, what);
      answer.replaceChildren(`The server takes the request to ${what} ${name}.`);
      reload();
    } catch (error) {
      answer.replaceChildren(problem(error));
    }
  } }, what === "load" ? "Load" : "Unload");
  return h("div", {}, h("div", { class: "row" }, button("load"), button("unload")), answer);
}

/** @param {string} name @param {string} version @param {HTMLElement} place */
async function show(name, version, place) {
  const index = (await server.index()).filter((entry) => entry.name === name);
  const entry = index.find((candidate) => candidate.version === version) ?? index[0];
  const reload = () => void show(name, version, place).catch((error) => place.replaceChildren(problem(error)));
  if (!entry) throw Object.assign(new Error(`there is no model '${name}'`), { reason: "MODEL_NOT_FOUND" });
  const versions = h("nav", { "aria-label": "Versions", class: "row" }, "Versions: ", ...index.map((candidate) =>
    h("a", { href: modelAddress(name, candidate.version), "aria-current": candidate === entry ? "page" : null }, candidate.version || "none")));
  const head = [h("p", { class: "row" }, stateBadge(entry.state), entry.reason), versions];
  if (entry.state !== "READY") return place.replaceChildren(...head, controls(name, reload));
  const [metadata, config, all] = await Promise.all([
    server.model(name, entry.version), server.config(name, entry.version), server.statistics()]);
  const statistics = all.find((candidate) => candidate.name === name && candidate.version === entry.version);
  const chart = await batchChart(name, entry.version).catch(() => null);
  const last = Number(statistics?.last_inference ?? 0);
  place.replaceChildren(...head,
    factList({
      Platform: metadata.platform,
      Inferences: countText(Number(statistics?.inference_count ?? 0)),
      Runs: countText(Number(statistics?.execution_count ?? 0)),
      "Last inference": last ? new Date(last).toLocaleString("en-GB") : "none yet",
    }),
    h("p", {}, h("a", { href: `#/playground/${encodeURIComponent(name)}`, class: "button" }, "Run it in the playground")),
    ...(metadata.inputs.length ? [specTable("Inputs", metadata.inputs)] : []),
    ...(metadata.outputs.length ? [specTable("Outputs", metadata.outputs)] : []),
    h("section", {}, h("h2", {}, "Statistics"), statistics ? statisticsTable(statistics) : h("p", { class: "note" }, "The server has none.")),
    ...(chart ? [chart] : []),
    h("section", {}, h("h2", {}, "Configuration"), h("pre", { tabindex: "0", role: "region", "aria-label": "Configuration" }, JSON.stringify(config, null, 2))),
    h("section", {}, h("h2", {}, "Administration"), controls(name, reload)));
}

/** @param {string} name @param {string} version Empty: the first that the server lists. */
export function modelPage(name, version) {
  const place = h("div", {}, h("p", { class: "note" }, "Asking the server …"));
  show(name, version, place).catch((error) => place.replaceChildren(problem(error)));
  return { element: h("div", {}, h("h1", { tabindex: "-1" }, name), place), stop: () => {} };
}
