// GraphiQL in a headless Chromium, used by its labels and keys as a person does; whatever goes wrong is recorded.
import assert from "node:assert/strict";

import { chromium } from "playwright-core";

export const { CUEPOINT_URL: URL_, CUEPOINT_TOKEN: TOKEN, PROJECT_ID, VIDEO_ID, SAMPLE, CHROMIUM, SCREENSHOT } = process.env;
assert(URL_ && TOKEN && CHROMIUM, "start these tests by `make test-browser`");

const HOST = new URL(URL_).host;
const VIEW = { width: 1280, height: 800 };
const FLAGS = [
  "--headless=new",
  "--no-sandbox", // Chromium refuses to run as root with it; only pages of ours are opened
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", // no other host has an address
];

/** A browser without a past: playwright gives it an empty profile in a temporary folder. */
export const startBrowser = () => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** GraphiQL in a window of its own. */
export async function openGraphiql(browser) {
  const page = await browser.newPage({ viewport: VIEW, colorScheme: "dark" });
  const graphiql = new GraphiqlPage(page);
  await page.route("**/*", (route) => {
    if (new URL(route.request().url()).host === HOST) return route.continue();
    graphiql.foreign.push(route.request().url());
    return route.abort();
  });
  await page.goto(`${URL_}/graphql`);
  await graphiql.execute.waitFor();
  return graphiql;
}

class GraphiqlPage {
  foreign = []; // addresses of other hosts that the page asked for
  faults = []; // errors and warnings of the console, exceptions, requests that failed
  updates = []; // what came over WebSockets

  constructor(page) {
    this.page = page;
    this.execute = page.getByRole("button", { name: /^Execute query/ });
    this.response = page.getByRole("region", { name: "Result Window" });
    this.tabs = page.getByLabel("Select active operation").locator(".graphiql-tab-button");
    page.on("console", (line) => {
      if (["error", "warning"].includes(line.type())) this.faults.push(line.text());
    });
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("requestfailed", (request) => this.faults.push(`${request.url()} failed`));
    page.on("websocket", (socket) => {
      if (new URL(socket.url()).host !== HOST) this.foreign.push(socket.url());
      socket.on("framereceived", ({ payload }) => {
        const { type, payload: body } = JSON.parse(payload);
        if (type === "next") this.updates.push(body.data);
      });
    });
  }

  /** Go to the tab of an example. */
  openTab(name) {
    return this.tabs.getByText(name, { exact: true }).click();
  }

  /** Replace what stands in `Variables` or `Headers`. */
  async write(tool, value) {
    await this.page.getByRole("button", { name: tool, exact: true }).click();
    await this.page.getByRole("region", { name: tool }).locator(".CodeMirror-lines:visible").click();
    await this.page.keyboard.press("Control+A");
    await this.page.keyboard.insertText(JSON.stringify(value, null, 2));
  }

  /** Enter the token of the administrator. */
  authorize() {
    return this.write("Headers", { Authorization: `Bearer ${TOKEN}` });
  }

  /** Press the button, and wait until the response shows that text. */
  async run(text) {
    await this.execute.click();
    await this.sees(text);
  }

  /** Press the button, and take the first result that comes, by HTTP or WebSocket; a subscription is stopped then. */
  async firstResult(isSubscription) {
    if (!isSubscription) {
      const answer = this.page.waitForResponse((one) => one.request().method() === "POST" && one.url().endsWith("/graphql"));
      await this.execute.click();
      return (await answer).json();
    }
    const before = this.updates.length;
    await this.execute.click();
    while (this.updates.length === before) await this.page.waitForTimeout(20);
    const stop = this.page.getByRole("button", { name: /^Stop query/ });
    await stop.click({ timeout: 2000 }).catch(() => {}); // it may have come to its end by itself
    await this.execute.waitFor();
    return { data: this.updates.at(-1) };
  }

  /** Wait until the response shows that text. */
  sees(text) {
    return this.response.getByText(text).first().waitFor();
  }

  close() {
    return this.page.close();
  }
}
