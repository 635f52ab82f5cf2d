// The player page in a headless Chromium, used by its labels and keys as a person does; whatever goes wrong is recorded.
import { TOKEN, URL_, VIDEO_ID } from "./graphiql_page.js";

const HOST = new URL(URL_).host;
const VIEW = { width: 1280, height: 800 };

/** An operation as the administrator. */
export async function ask(query, variables = {}) {
  const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
  const response = await fetch(`${URL_}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  return (await response.json()).data;
}

/** The address of the sample's page, with a code that signs one browser in. */
export async function addressWithCode() {
  const query = "mutation ($id: ID!) { createPageCode(input: { videoId: $id }) { url } }";
  return (await ask(query, { id: VIDEO_ID })).createPageCode.url;
}

/** The address of the sample's page, with a link to that video alone. */
export async function addressWithLink(more = {}) {
  const query = "mutation ($input: CreateShareLinkInput!) { createShareLink(input: $input) { token } }";
  const { token } = (await ask(query, { input: { nodeId: VIDEO_ID, ...more } })).createShareLink;
  return `${URL_}/v/${VIDEO_ID}#share=${token}`;
}

/** A browser window without a past, at that address; a code there is one's own. */
export async function openPlayer(browser, address, { colorScheme = "light", saysYes = address.includes("#code="), clipsOnAPage } = {}) {
  const context = await browser.newContext({ viewport: VIEW, colorScheme });
  const page = await context.newPage();
  const player = new PlayerPage(context, page);
  await page.route("**/*", (route) => {
    if (new URL(route.request().url()).host === HOST) return route.continue(shortened(route.request(), clipsOnAPage));
    player.foreign.push(route.request().url());
    return route.abort();
  });
  await page.goto(address);
  if (saysYes) await page.getByRole("button", { name: /^Sign in as / }).click();
  return player;
}

/** A request for clips that asks for so few at once: as if there were many. */
function shortened(request, clipsOnAPage) {
  const text = request.postData();
  if (clipsOnAPage === undefined || !text?.includes("clips(first: ")) return {};
  return { postData: text.replace(/clips\(first: \d+/, `clips(first: ${clipsOnAPage}`) };
}

class PlayerPage {
  foreign = []; // addresses of other hosts that the page asked for
  faults = []; // errors and warnings of the console, exceptions, requests that failed

  constructor(context, page) {
    this.context = context;
    this.page = page;
    this.lines = page.locator("#lines button");
    this.scrubber = page.getByRole("slider", { name: "Time" });
    page.on("console", (line) => {
      if (["error", "warning"].includes(line.type())) this.faults.push(line.text());
    });
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("requestfailed", (request) => {
      // a seek gives up the range that was being read
      if (request.failure()?.errorText !== "net::ERR_ABORTED") this.faults.push(`${request.url()} failed`);
    });
  }

  /** Wait until the film has pictures and the transcript its lines. */
  async ready() {
    await this.lines.first().waitFor();
    await this.page.waitForFunction(() => document.getElementById("video").readyState >= 2);
  }

  /** A property of the player. */
  player(name) {
    return this.page.evaluate((wanted) => document.getElementById("video")[wanted], name);
  }

  /** Wait until whoever listens is told such a time. */
  async says(time) {
    await this.page.waitForFunction(
      (wanted) => new RegExp(wanted).test(document.getElementById("scrubber").getAttribute("aria-valuetext")),
      time.source,
    );
  }

  /** Wait until the player is at that time, and has its picture. */
  async at(seconds) {
    await this.page.waitForFunction(
      (wanted) => {
        const { currentTime, seeking } = document.getElementById("video");
        return !seeking && Math.abs(currentTime - wanted) < 0.05;
      },
      seconds,
    );
  }

  /** Put the pointer over that part of the time line. */
  async hover(share) {
    const { x, y, width, height } = await this.scrubber.boundingBox();
    await this.page.mouse.move(x + width * share, y + height / 2);
  }

  close() {
    return this.context.close();
  }
}
