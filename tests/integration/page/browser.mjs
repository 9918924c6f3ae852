// browser.mjs WALK JSON: opens the page in Chromium, walks through it, and prints what it saw as JSON. The walks are in
// walks.mjs; JSON has the page's address and what the walk needs.
//
// A walk fails if the page logs a warning or an error, throws, or asks another host; the answers' statuses are no errors
// here.
import { createRequire } from "node:module";
import { argv, env, exit } from "node:process";
import { WALKS } from "./walks.mjs";

const { chromium } = createRequire(`${env.TENSORFERRY_NODE_MODULES}/`)("playwright-core");
const [, , name, json] = argv;
const asked = JSON.parse(json);
const MOST_MS = 60_000; // Until a page that hangs fails the test.

const browser = await chromium.launch({ executablePath: env.TENSORFERRY_CHROMIUM, args: ["--no-sandbox"], timeout: MOST_MS });
const context = await browser.newContext({
  colorScheme: asked.scheme ?? "light", viewport: { width: asked.width ?? 1280, height: 900 }, reducedMotion: "reduce",
});
context.setDefaultTimeout(MOST_MS);
const page = await context.newPage();
const complaints = [];
const requests = [];
const answers = [];
page.on("console", (message) => {
  const isStatus = message.text().startsWith("Failed to load resource: the server responded");
  if (["error", "warning"].includes(message.type()) && !isStatus) complaints.push(message.text());
});
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("request", (request) => requests.push({ url: request.url(), headers: request.headers() }));
page.on("response", (response) => answers.push(response));

let seen;
try {
  seen = await WALKS[name]({ page, context, asked, requests, answers });
} catch (error) {
  console.error(String(error.stack ?? error), "\nThe page says:", await page.locator("body").innerText().catch(() => ""));
  exit(1);
}
const others = requests.map(({ url }) => url).filter((url) => !url.startsWith(asked.url) && !url.startsWith("blob:"));
console.log(JSON.stringify({ ...seen, complaints, others }));
await browser.close();
