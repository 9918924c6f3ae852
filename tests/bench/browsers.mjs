// browsers.mjs COUNT: starts Chromium so many times, each with one empty tab, and prints `ready`. Each line on standard
// input is an address to which all tabs go; `done` is printed when they have loaded it.
import { createRequire } from "node:module";
import { argv, env, stdin, stdout } from "node:process";
import { createInterface } from "node:readline";

const { chromium } = createRequire(`${env.TENSORFERRY_NODE_MODULES}/`)("playwright-core");
const launched = Array.from({ length: Number(argv[2]) }, () =>
  chromium.launch({ executablePath: env.TENSORFERRY_CHROMIUM, args: ["--no-sandbox"] }));
const tabs = await Promise.all(launched.map(async (browser) => (await browser).newPage()));
stdout.write("ready\n");
for await (const address of createInterface({ input: stdin })) {
  await Promise.all(tabs.map((tab) => tab.goto(address)));
  stdout.write("done\n");
}
await Promise.all(launched.map(async (browser) => (await browser).close()));
