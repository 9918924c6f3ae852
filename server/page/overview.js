// The overview: figures of the last minute, the models, and the last refusals.
import { server } from "./api.js";
import { histogramBars, sparkline } from "./charts.js";
import { h, problem, replaceKeepingFocus, table, tile } from "./dom.js";
import { bytesText, countText, secondsText } from "./format.js";
import { histogram, parseMetrics, quantile, since, total } from "./prometheus.js";
import { modelAddress, platformText, specsText, stateBadge } from "./spec.js";

/** @typedef {import("./prometheus.js").Histogram} Histogram */
/** `start` is when the server was started. @typedef {{at: number, start: number, requests: number, durations: Histogram, scrape: import("./prometheus.js").Scrape}} Figures */
/** @typedef {import("./api.js").IndexEntry} IndexEntry */
/** @typedef {import("./api.js").Metadata} Metadata */

const PERIOD_MS = 3000;
/** How many scrapes are kept: a minute. */
const KEPT = 21;
const DURATIONS = "grpc_server_handling_seconds";
/** The most models of which inputs and outputs are asked for. */
const MOST_MODELS = 200;

/** @param {Record<string, string>} labels Returns whether a method is one that brings arrays. */
const bringsArrays = (labels) => /Convert|Infer$/.test(labels.grpc_method ?? "");

/** @param {Figures[]} history The oldest first. @returns {Promise<void>} */
async function scrapeInto(history) {
  const scrape = parseMetrics(await server.metrics());
  const durations = histogram(scrape, DURATIONS, bringsArrays);
  const start = total(scrape, "process_start_time_seconds");
  if (history.at(-1)?.start !== start) history.length = 0; // Another process counts from 0 again.
  history.push({ at: performance.now() / 1000, start, requests: durations.counts.at(-1) ?? 0, durations, scrape });
  if (history.length > KEPT) history.shift();
}

/** @param {number} used @param {number} limit */
function budgetMeter(used, limit) {
  return h("meter", { min: 0, max: limit || 1, value: used, "aria-label": `${bytesText(used)} of ${bytesText(limit)} in use` });
}

/** @param {Figures[]} history */
function tiles(history) {
  const steps = history.slice(1).map((now, k) => {
    const before = history[k];
    const recent = since(now.durations, before.durations);
    return { rate: (now.requests - before.requests) / (now.at - before.at), p99: quantile(recent, 0.99) };
  });
  const last = history[history.length - 1];
  const minute = since(last.durations, history[0].durations);
  const used = total(last.scrape, "tensorferry_inflight_bytes");
  const limit = total(last.scrape, "tensorferry_budget_bytes");
  return h("div", { class: "tiles" },
    tile("Requests/s", countText(steps.at(-1)?.rate ?? NaN), sparkline(steps.map(({ rate }) => rate), "Requests per second in the last minute")),
    tile("p50, last minute", secondsText(quantile(minute, 0.5))),
    tile("p99, last minute", secondsText(quantile(minute, 0.99)), sparkline(steps.map(({ p99 }) => p99), "p99 in the last minute")),
    tile("Waiting for a model", countText(total(last.scrape, "tensorferry_queue_depth"))),
    tile("In flight", countText(total(last.scrape, "tensorferry_inflight_requests"))),
    tile(`Memory, of ${bytesText(limit)}`, bytesText(used), budgetMeter(used, limit)));
}

/** @param {Figures} figures */
function latencyView({ durations }) {
  const label = "Requests that brought arrays, by the time until they were answered";
  return histogramBars(durations, label, secondsText, "requests") ?? h("p", { class: "note" },
    "No request has brought an array yet. ", h("a", { href: "#/playground" }, "Send one from the playground."));
}

/** @param {import("./api.js").Duration} [duration] */
const meanOf = (duration) => Number(duration?.ns ?? 0) / 1e9 / Number(duration?.count || NaN);

/** @param {Map<string, Metadata>} known @param {IndexEntry[]} index Asks for what is not known yet. */
async function learnModels(known, index) {
  const unknown = index.filter(({ name, version, state }) => state === "READY" && !known.has(`${name}/${version}`));
  await Promise.all(unknown.slice(0, MOST_MODELS).map(async ({ name, version }) => {
    const metadata = await server.model(name, version).catch(() => null);
    if (metadata) known.set(`${name}/${version}`, metadata);
  }));
}

/** @param {IndexEntry[]} index @param {import("./api.js").Statistics[]} statistics @param {Map<string, Metadata>} known */
function modelTable(index, statistics, known) {
  const rows = index.map(({ name, version, state, reason }) => {
    const metadata = known.get(`${name}/${version}`);
    const of = statistics.find((entry) => entry.name === name && entry.version === version)?.inference_stats;
    const success = of?.success;
    return [
      h("a", { href: modelAddress(name, version) }, name), version,
      h("span", {}, stateBadge(state), reason ? h("span", { class: "note" }, ` ${reason}`) : null),
      platformText(metadata?.platform ?? ""),
      h("code", {}, metadata ? specsText(metadata.inputs) : ""),
      h("code", {}, metadata ? specsText(metadata.outputs) : ""),
      of ? countText(Number(success?.count ?? 0)) : "", of ? countText(Number(of.fail?.count ?? 0)) : "",
      secondsText(meanOf(success)),
    ];
  });
  if (!rows.length) return h("p", { class: "note" }, "The server has no models.");
  return table("Models", ["Name", "#Version", "State", "Platform", "~Inputs", "~Outputs", "#Requests", "#Failed", "#Mean time"], rows);
}

/** @param {Record<string, any>[]} refusals */
function refusalTable(refusals) {
  if (!refusals.length) return h("p", { class: "note" }, "Nothing was refused lately.");
  const rows = refusals.slice(0, 20).map((refusal) => [
    h("time", { datetime: refusal.time }, new Date(refusal.time).toLocaleTimeString("en-GB")), h("code", {}, refusal.reason),
    refusal.message, refusal.model ?? "", String(refusal.method).replace(/^.*\//, ""), refusal.peer,
  ]);
  return table("Last refusals", ["Time", "Reason", "~Message", "Model", "Method", "Peer"], rows);
}

/** @param {HTMLElement} place @param {() => Promise<HTMLElement>} make Fills a place, or says why it cannot, which is read out once. */
async function fill(place, make) {
  const content = await make().catch(problemNote);
  const said = place.firstElementChild;
  if (said?.getAttribute("role") === "alert" && said.textContent === content.textContent) return;
  replaceKeepingFocus(place, content);
}

/** @param {import("./api.js").ServerError} error What a role does not allow is no alarm. */
function problemNote(error) {
  if (error.status === 401 || error.status === 403) return h("p", { class: "note" }, `Not shown: ${error.message}`);
  return problem(error);
}

/** @returns {{element: HTMLElement, stop: () => void}} */
export function overview() {
  /** @type {Figures[]} */
  const history = [];
  /** @type {Map<string, Metadata>} */
  const known = new Map();
  const [figures, models, latency, refusals] = [h("div", {}), h("div", {}), h("div", {}), h("div", {})];
  let timer = 0;
  let stopped = false;
  const refresh = async () => {
    if (!document.hidden) {
      await Promise.all([
        fill(figures, async () => {
          await scrapeInto(history);
          latency.replaceChildren(latencyView(history[history.length - 1]));
          return tiles(history);
        }),
        fill(models, async () => {
          const [index, statistics] = await Promise.all([server.models(), server.statistics()]);
          await learnModels(known, index);
          return modelTable(index, statistics, known);
        }),
        fill(refusals, async () => refusalTable((await server.recent()).refusals)),
      ]);
    }
    if (!stopped) timer = setTimeout(refresh, PERIOD_MS);
  };
  refresh();
  const element = h("div", {},
    h("h1", { tabindex: "-1" }, "Overview"),
    h("section", { "aria-label": "Figures" }, figures),
    h("section", {}, h("h2", {}, "Models"), models),
    h("section", {}, h("h2", {}, "Latency since the start"), latency),
    h("section", {}, h("h2", {}, "Last refusals"), refusals));
  return { element, stop: () => { stopped = true; clearTimeout(timer); } };
}
