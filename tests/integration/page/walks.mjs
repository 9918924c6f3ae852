// Walks through the page: each returns what a person would see, for the test to judge.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { env } from "node:process";

const axePath = () => createRequire(`${env.TENSORFERRY_NODE_MODULES}/`).resolve("axe-core/axe.min.js");

/** Returns the names and values of a list of facts within an element. */
const factsOf = (locator) => locator.locator("dl.facts").first().evaluate((list) =>
  Object.fromEntries([...list.children].map((row) => [row.children[0].textContent, row.children[1].textContent])));

/** Returns the texts of a table's rows. */
const rowsOf = (page, label) => page.getByRole("region", { name: label }).locator("tbody tr").evaluateAll((rows) =>
  rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim())));

const card = (page, title) => page.locator("section.card", { has: page.getByRole("heading", { name: title, exact: true }) });

async function openPlayground(page, asked, model = "") {
  await page.goto(`${asked.url}#/playground${model ? `/${model}` : ""}`);
  await page.getByRole("heading", { name: "Playground" }).waitFor();
  if (asked.file) await page.locator("#file").setInputFiles(asked.file);
}

async function run(page, model) {
  const panel = card(page, "Run a model");
  const models = panel.getByLabel("Model");
  await models.locator("option", { hasText: model }).waitFor({ state: "attached" });
  await models.selectOption(await models.locator("option", { hasText: model }).getAttribute("value"));
  await panel.getByRole("button", { name: "Run" }).click();
  await panel.locator(".output, .problem").first().waitFor();
  return panel;
}

async function codeIn(page, language) {
  const panel = card(page, "The same call");
  await panel.getByRole("button", { name: language, exact: true }).click();
  return panel.locator("code").innerText();
}

/** Returns the code of a language as the button copies it. */
async function copied(page, language) {
  await codeIn(page, language);
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied", { exact: true }).waitFor();
  return page.evaluate(() => navigator.clipboard.readText());
}

/** Returns what axe finds, in words, whether the page has to be scrolled sideways, and what sticks out of its card. */
async function faultsOf(page) {
  await page.evaluate(`${readFileSync(axePath(), "utf8")};0`);
  const violations = await page.evaluate(async () => (await axe.run()).violations);
  const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  const sticking = await page.locator(".card").evaluateAll((cards) => cards.flatMap((within) => [...within.querySelectorAll("*")]
    .filter((part) => !part.closest(".scroll, pre") && part.getBoundingClientRect().right > within.getBoundingClientRect().right)
    .map((part) => `${part.outerHTML.slice(0, 80)} sticks out of its card`)));
  const words = violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
  return [...words, ...sticking, ...(isWide ? ["the page is wider than the window"] : [])];
}

async function overview({ page, asked }) {
  await page.goto(asked.url);
  await page.getByRole("region", { name: "Last refusals" }).waitFor();
  const tiles = await page.locator(".tile").evaluateAll((all) =>
    Object.fromEntries(all.map((tile) => [tile.children[0].textContent, tile.children[1].textContent])));
  return {
    tiles, models: await rowsOf(page, "Models"), refusals: await rowsOf(page, "Last refusals"),
    latency: await page.getByRole("img", { name: /^Requests that brought arrays/ }).getAttribute("aria-label"),
    state: await page.locator("#state").innerText(), footer: await page.locator("footer").innerText(),
    title: await page.title(),
  };
}

/** Returns the figures after each scrape of which the texts are given, and how often a server that is gone is told of. */
async function scrapes({ page, asked }) {
  let at = 0;
  await page.route("**/metrics", (route) => (at < asked.texts.length ? route.fulfill({ body: asked.texts[at++] }) : route.abort()));
  await page.goto(asked.url);
  const alert = page.locator("section[aria-label=Figures] [role=alert]");
  const memory = page.locator(".tile", { hasText: "Memory" });
  const seen = [];
  for (const memoryText of asked.memory) {
    await memory.getByText(memoryText, { exact: true }).waitFor();
    seen.push(await page.locator(".tile .figure").allInnerTexts());
  }
  await alert.waitFor();
  await alert.evaluate((shown) => { shown.dataset.first = "yes"; });
  for (let again = 0; again < 2; ++again) await page.waitForEvent("requestfailed");
  return { seen, first: await alert.getAttribute("data-first") };
}

async function firstPaint({ page, asked, answers }) {
  await page.goto(asked.url);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  const files = answers.filter((answer) => answer.url() === asked.url || answer.url().includes("/page/"));
  const sizes = await Promise.all(files.map(async (answer) => [new URL(answer.url()).pathname, (await answer.body()).length]));
  return { sizes: Object.fromEntries(sizes) };
}

async function model({ page, asked }) {
  await page.goto(asked.url);
  await page.getByRole("link", { name: asked.model }).click();
  await page.getByRole("region", { name: "Inputs" }).waitFor();
  const focused = await page.evaluate(() => document.activeElement.textContent);
  await page.getByText("As it applies, in JSON").click();
  const latencies = page.getByRole("img", { name: /^Answered requests/ });
  await latencies.waitFor();
  await page.getByText("As a table").click();
  const seen = {
    focused, inputs: await rowsOf(page, "Inputs"), outputs: await rowsOf(page, "Outputs"),
    stages: await rowsOf(page, "Where the time goes"),
    latency: await latencies.getAttribute("aria-label"), times: await rowsOf(page, "Answered requests by time"),
    config: JSON.parse(await page.getByRole("region", { name: "Configuration" }).innerText()),
  };
  await page.getByRole("button", { name: "Unload" }).click();
  await page.locator(".badge", { hasText: "unavailable" }).waitFor();
  await page.getByRole("button", { name: "Load", exact: true }).click();
  await page.getByRole("region", { name: "Inputs" }).waitFor();
  const answered = page.locator(".tile", { hasText: "Requests answered" }).locator(".figure");
  const before = Number(await answered.innerText());
  const sent = await page.request.post(`${asked.url}v2/models/${asked.model}/infer`, { data: asked.request });
  await answered.getByText(String(before + 1), { exact: true }).waitFor();
  seen.status = sent.status();
  await page.getByRole("link", { name: "Run it in the playground" }).click();
  await page.getByRole("heading", { name: "Playground" }).waitFor();
  return seen;
}

async function runModel({ page, asked }) {
  await openPlayground(page, asked, asked.model);
  const facts = await factsOf(card(page, "Array"));
  const panel = await run(page, asked.model);
  const outputs = await panel.locator(".output").evaluateAll((all) => all.map((output) => ({
    name: output.querySelector("h3").childNodes[0].textContent,
    marks: [...output.querySelectorAll("h3 .badge")].map((badge) => badge.textContent),
    cells: [...output.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent)),
  })));
  return {
    facts, outputs, problem: await panel.locator(".problem").allInnerTexts(),
    shown: await card(page, "Array").locator("canvas, svg.bars, .value").first().evaluate((picture) => picture.tagName.toLowerCase()),
    python: await codeIn(page, "Python"), curl: await codeIn(page, "curl"), cpp: await codeIn(page, "C++"),
  };
}

/** Drops a file on the page's heading, which is no field for files. */
async function drop({ page, asked }) {
  await openPlayground(page, { ...asked, file: undefined });
  const bytes = [...readFileSync(asked.file)];
  await page.evaluate(([data, name]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(data)], name));
    for (const kind of ["dragover", "drop"]) {
      document.querySelector("h1").dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
  }, [bytes, basename(asked.file)]);
  const array = card(page, "Array");
  const problem = page.locator("main .problem");
  await array.or(problem).first().waitFor();
  return await array.count() ? { facts: await factsOf(array) } : { problem: await problem.allInnerTexts() };
}

async function image({ page, asked }) {
  await openPlayground(page, asked);
  const panel = card(page, "Array");
  await panel.locator("canvas").waitFor();
  const before = await factsOf(panel);
  for (const box of ["channels first", "float32 from 0 to 1", "in a batch of 1"]) await panel.getByLabel(box).check();
  const after = await factsOf(panel);
  const ran = await run(page, "identity");
  return { before, after, marks: await ran.locator("h3 .badge").allInnerTexts(), python: await codeIn(page, "Python") };
}

/** Returns of each file what is said of its values, and the picture: its size on the page, and the colours of its elements. */
async function pictures({ page, asked }) {
  const seen = [];
  await openPlayground(page, asked);
  for (const file of asked.files) {
    await page.locator("#file").setInputFiles(file);
    const array = card(page, "Array");
    await page.locator("main .problem").or(array.getByText(`${basename(file)} (`)).first().waitFor();
    const problem = await page.locator("main .problem").allInnerTexts();
    const picture = problem.length ? null : await array.locator("canvas, svg.bars").first().evaluate((shown) => {
      const { width, height } = shown.getBoundingClientRect();
      if (!(shown instanceof HTMLCanvasElement)) return { width, height, heights: [...shown.querySelectorAll("rect")].map((bar) => Number(bar.getAttribute("height"))) };
      const { data } = shown.getContext("2d").getImageData(0, 0, shown.width, shown.height);
      return { width, height, colours: Array.from({ length: Math.min(8, data.length / 4) }, (_, k) => [...data.slice(4 * k, 4 * k + 4)]) };
    });
    seen.push({ problem, picture, facts: problem.length ? {} : await factsOf(array) });
  }
  return { seen };
}

/** Has a model run on an array that the HTTP port does not take. */
async function tooLarge({ page, asked }) {
  await openPlayground(page, asked);
  await card(page, "Receipt").locator(".problem").waitFor();
  const panel = await run(page, "identity");
  return { receipt: await card(page, "Receipt").innerText(), run: await panel.innerText(), python: await codeIn(page, "Python") };
}

async function receipts({ page, asked }) {
  const panel = card(page, "Receipt");
  const seen = [];
  await openPlayground(page, asked);
  for (const [file, dtype] of asked.files) {
    await page.locator("#file").setInputFiles(file);
    await card(page, "Array").getByText(`${basename(file)} (`).waitFor();
    if (dtype) await card(page, "Array").getByLabel("dtype").selectOption(dtype);
    await panel.locator(".badge, .problem").first().waitFor();
    seen.push({ facts: await factsOf(panel), marks: await panel.locator(".badge").allInnerTexts() });
  }
  return { seen };
}

async function tokens({ page, context, asked, requests }) {
  await page.goto(asked.url);
  const notes = page.locator("main .note", { hasText: "Not shown" });
  await notes.nth(2).waitFor();
  const without = await notes.allInnerTexts();
  const use = async (token) => {
    await page.getByRole("button", { name: "Token" }).click();
    await page.getByRole("textbox", { name: "Token" }).fill(token);
    await page.keyboard.press("Enter");
  };
  await use(asked.infer);
  await page.getByRole("link", { name: "identity" }).click();
  await page.getByText("Who has a token with the role admin").waitFor();
  const buttons = await page.getByRole("button", { name: /load/i }).count();
  await use(asked.admin);
  await page.getByRole("button", { name: "Unload" }).waitFor();
  const field = page.getByText("a token is sent");
  await page.getByRole("button", { name: "Token" }).click();
  await page.getByRole("button", { name: "Forget" }).click();
  await field.waitFor({ state: "detached" });
  const kept = await page.evaluate(() => [sessionStorage.length, localStorage.length, document.cookie]);
  return {
    without, buttons, kept, cookies: await context.cookies(), urls: requests.map(({ url }) => url),
    sent: [...new Set(requests.map(({ headers }) => headers.authorization ?? ""))],
  };
}

/** Works with the keyboard alone, and tells what has had the focus. */
async function keyboard({ page, asked }) {
  await page.goto(asked.url);
  await page.getByRole("region", { name: "Models" }).waitFor();
  const focused = () => page.evaluate(() => {
    const element = document.activeElement;
    const { outlineStyle } = getComputedStyle(element);
    return { text: element.getAttribute("aria-label") ?? element.textContent.trim(), outline: outlineStyle };
  });
  const tabs = [];
  for (let k = 0; k < 7; ++k) {
    await page.keyboard.press("Tab");
    tabs.push(await focused());
  }
  await page.getByRole("link", { name: "Playground", exact: true }).press("Enter");
  await page.getByRole("heading", { name: "Playground" }).waitFor();
  const heading = (await focused()).text;
  await page.getByRole("button", { name: "Hard bits" }).press("Enter");
  await page.getByLabel("Model").locator("option", { hasText: "identity" }).waitFor({ state: "attached" });
  await page.getByRole("button", { name: "Run" }).press("Enter");
  await page.locator(".output").waitFor();
  await page.getByRole("button", { name: "Token" }).press("Enter");
  await page.keyboard.press("Escape");
  return { tabs, heading, output: await page.locator(".output h3").innerText(), open: await page.locator("dialog[open]").count() };
}

/** Looks at each view in the colours and the width that are asked for; writes pictures into a folder, if it is given one. */
async function looks({ page, asked }) {
  const faults = {};
  const look = async (view) => {
    faults[view] = await faultsOf(page);
    if (asked.folder) await page.screenshot({ path: `${asked.folder}/${view}-${asked.scheme}-${asked.width}.png`, fullPage: true });
  };
  await page.goto(asked.url);
  await page.getByRole("region", { name: "Last refusals" }).or(page.getByText("Nothing was refused lately.")).waitFor();
  await page.getByRole("link", { name: asked.model }).waitFor();
  if (asked.folder) await page.waitForTimeout(asked.wait_ms ?? 0);
  await look("overview");
  await page.getByRole("link", { name: asked.model }).click();
  await page.getByRole("region", { name: "Inputs" }).waitFor();
  await look("model");
  await openPlayground(page, asked);
  await run(page, "identity");
  await page.locator(".card", { hasText: "Receipt" }).locator(".badge, .problem").first().waitFor();
  await look("playground");
  await page.getByRole("button", { name: "Token" }).click();
  await look("token");
  return { faults };
}

/** Takes an example, saves its file, and asks for the code that goes with it. */
async function example({ page, context, asked }) {
  await openPlayground(page, asked);
  await page.getByRole("button", { name: asked.example }).click();
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Save / }).click();
  const download = await saved;
  await download.saveAs(`${asked.folder}/${download.suggestedFilename()}`);
  await page.getByLabel("gRPC address").fill(asked.grpc);
  await card(page, "Receipt").locator(".badge, .problem").first().waitFor();
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  return {
    file: download.suggestedFilename(), copied: await copied(page, "Python"),
    receipt: await card(page, "Receipt").innerText(), array: await factsOf(card(page, "Array")),
  };
}

/** Takes a file, lays an image out, runs a model if one is named, and copies the code in each language. */
async function snippets({ page, context, asked }) {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await openPlayground(page, asked, asked.model);
  for (const box of asked.layout) await card(page, "Array").getByLabel(box).check();
  const receipt = card(page, "Receipt");
  await receipt.locator(".badge").first().waitFor();
  await page.getByLabel("gRPC address").fill(asked.grpc);
  if (asked.model) await run(page, asked.model);
  return {
    receipt: await factsOf(receipt), python: await copied(page, "Python"), curl: await copied(page, "curl"),
    cpp: await copied(page, "C++"),
  };
}

/**
 * Has a page of another origin make calls, one after the other, and returns what each has given; and has it send a file as
 * a page may that gets no answer to read.
 */
async function calls({ page, asked }) {
  await page.goto(asked.url);
  await page.waitForFunction(() => globalThis.callServer);
  const seen = [];
  for (const call of asked.calls) seen.push(await page.evaluate((given) => globalThis.callServer(given), call));
  if (!asked.post) return { seen };
  const post = await page.evaluate(async ([to, bytes]) =>
    (await fetch(to, { method: "POST", mode: "no-cors", body: Uint8Array.from(bytes) })).type, [asked.post.to, [...readFileSync(asked.post.file)]]);
  return { seen, post };
}

export const WALKS = {
  calls, snippets, example, overview, scrapes, firstPaint, model, runModel, drop, image, pictures, receipts, tokens, tooLarge, keyboard, looks,
};
