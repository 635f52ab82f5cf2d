// What a person does on the player page: sign in, play, seek by what is said, look ahead, search, cut a clip, sign out.
import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";

import { startBrowser, URL_, VIDEO_ID } from "./graphiql_page.js";
import { addressWithCode, addressWithLink, ask, openPlayer } from "./player_page.js";

const { PLAYER_SCREENSHOT } = process.env;
const MAX_PICTURE_BYTES = 300_000; // it is part of the repository and of the README
let browser, player;

before(async () => {
  browser = await startBrowser();
});

after(() => browser?.close());

/** Lines of the transcript, as the API tells them. */
async function segments() {
  const query = "query ($id: ID!) { video(id: $id) { transcript { segments(first: 100) { nodes { startSeconds text } } } } }";
  return (await ask(query, { id: VIDEO_ID })).video.transcript.segments.nodes;
}

describe("The player page", { timeout: 120_000 }, () => {
  afterEach(async () => {
    await player.close();
    assert.deepEqual(player.foreign, []);
    assert.deepEqual(player.faults, []);
  });

  async function open(options) {
    player = await openPlayer(browser, await addressWithCode(), options);
    await player.ready();
  }

  test("opens by a code, which leaves the address, and plays", async () => {
    await open();

    await player.page.locator("body").press("Space");
    await player.page.waitForFunction(() => document.getElementById("video").currentTime > 0.5);

    assert.equal(player.page.url(), `${URL_}/v/${VIDEO_ID}`);
    assert.equal(await player.player("error"), null);
    assert.equal(await player.player("videoWidth"), 1280);
    await player.page.getByRole("group", { name: "Playback" }).getByRole("button", { name: "Pause" }).click();
    assert.equal(await player.player("paused"), true);
  });

  test("keeps the cookie from scripts, and stays signed in", async () => {
    await open();

    const [cookie] = await player.context.cookies();
    await player.page.reload();
    await player.ready();

    assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite], ["cuepoint_page", true, "Strict"]);
    assert.equal(await player.page.evaluate(() => document.cookie), "");
  });

  test("seeks by a click on a line, and the lines follow", async () => {
    await open();
    const said = await segments();

    await player.lines.nth(7).click();
    await player.at(said[7].startSeconds);

    const current = player.page.locator("#lines [aria-current=true]");
    assert.match(await current.textContent(), new RegExp(said[7].text.trim().slice(0, 20)));
    await player.page.locator("body").press("ArrowDown");
    await player.at(said[8].startSeconds);
    assert.match(await current.textContent(), new RegExp(said[8].text.trim().slice(0, 20)));
  });

  test("shows the picture of where the pointer is", async () => {
    await open();

    await player.hover(0.5);
    const picture = player.page.locator("#preview-picture");
    await picture.waitFor();

    const { data, background } = await picture.evaluate((element) => ({
      data: { ...element.dataset },
      background: element.style.backgroundImage,
    }));
    assert.equal(data.tile, "40"); // half of 81.5 s in steps of a second
    assert.match(background, /\/media\/storyboards\/[0-9a-f]+\/sheet-0\.jpg\?/);
    const [url] = background.match(/http[^"]+/);
    const sheet = await player.page.request.get(url);
    assert.deepEqual([sheet.status(), sheet.headers()["content-type"]], [200, "image/jpeg"]);
  });

  test("finds what is said, and marks it on the time line", async () => {
    await open();

    await player.page.locator("body").press("/");
    await player.page.keyboard.type("bad weather ruined the orchard");
    await player.page.keyboard.press("Enter");
    const found = player.page.getByRole("tabpanel", { name: /Found/ }).getByRole("button");
    await found.first().waitFor();

    assert.match(await found.first().textContent(), /A terrible storm destroyed the apple trees/);
    assert((await player.page.locator("#lanes .hit").count()) >= 1);
    assert((await player.page.locator("#lanes .moment").count()) >= 3);
    await found.first().click();
    await player.page.waitForFunction(() => document.getElementById("video").currentTime > 10);
  });

  test("cuts a clip between in and out, and offers it", async () => {
    await open();
    const said = await segments();
    await player.lines.nth(4).click();
    await player.at(said[4].startSeconds);

    await player.page.getByRole("button", { name: /^In/ }).click();
    await player.page.locator("body").press("ArrowRight");
    await player.at(said[4].startSeconds + 5);
    await player.page.getByRole("button", { name: /^Out/ }).click();
    await player.page.getByRole("button", { name: "Make clip" }).click();
    const link = player.page.getByRole("link", { name: `Play ${said[4].text.trim()}` }).first();
    await link.waitFor();

    const file = await player.page.request.get(await link.getAttribute("href"));
    assert.deepEqual([file.status(), file.headers()["content-type"]], [200, "video/mp4"]);
    const query = "query ($id: ID!) { video(id: $id) { clips(first: 100) { nodes { title actualRange { startSeconds endSeconds } } } } }";
    const clip = (await ask(query, { id: VIDEO_ID })).video.clips.nodes.at(-1);
    assert.equal(clip.title, said[4].text.trim());
    assert(Math.abs(clip.actualRange.endSeconds - clip.actualRange.startSeconds - 5) < 0.1);
  });

  test("shows every clip, whatever their number, the newest on top", async () => {
    const cut = "mutation ($id: ID!, $title: String!) { createClip(input: { videoId: $id, start: 1, end: 2, title: $title }) { clip { id } } }";
    const titles = ["The one before", "The newest"];
    const made = [];
    for (const title of titles) made.push((await ask(cut, { id: VIDEO_ID, title })).createClip.clip.id);
    player = await openPlayer(browser, await addressWithCode(), { clipsOnAPage: 1 });
    await player.ready();

    const names = player.page.locator("#clips .name");
    await names.filter({ hasText: "The newest" }).waitFor();
    assert.deepEqual((await names.allTextContents()).slice(0, 2), titles.toReversed());
    const remove = "mutation ($id: ID!) { deleteClip(input: { id: $id, permanently: true }) { errors { message } } }";
    for (const id of made) assert.deepEqual((await ask(remove, { id })).deleteClip.errors, []);
  });

  test("sets no out point behind the end, however long the file that plays is", async () => {
    await open();
    const { page } = player;
    const length = (await player.player("duration")) - 0.3;
    await page.route("**/graphql", async (route) => {
      const response = await route.fetch();
      const text = (await response.text()).replace(/"durationSeconds":81[.\d]*/, `"durationSeconds":${length.toFixed(3)}`);
      await route.fulfill({ response, body: text });
    });
    await page.reload();
    await player.ready();

    await page.evaluate(() => (document.getElementById("video").currentTime = 1000));
    await page.waitForFunction(() => document.getElementById("video").ended);
    await page.locator("body").press("o");

    assert.equal(await page.locator("#out-time").textContent(), `1:${(length - 60).toFixed(1)}`);
  });

  test("can be used by keyboard and by ear", async () => {
    await open();
    const { page } = player;

    await page.locator("body").press("?");
    await page.getByRole("dialog", { name: "Shortcuts" }).waitFor();
    await page.keyboard.press("Escape");
    await player.scrubber.focus();
    await page.keyboard.press("End");

    await player.says(/^1 minute 2\d seconds of 1 minute 2\d seconds$/);
    assert((await page.evaluate(() => document.getElementById("video").currentTime)) > 80);
    for (const button of await page.getByRole("button").all()) {
      assert.notEqual((await button.getAttribute("aria-label")) ?? (await button.textContent()).trim(), "");
    }
    await page.getByRole("tab", { name: "Transcript" }).focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.getByRole("tab", { name: /Moments/ }).getAttribute("aria-selected"), "true");
  });

  test("looks like this", async () => {
    await open();
    const said = await segments();
    const { page } = player;
    await player.lines.nth(9).click();
    await player.at(said[9].startSeconds);
    await page.locator("body").press("i");
    await page.locator("body").press("l");
    await player.at(said[9].startSeconds + 10);
    await page.locator("body").press("o");
    await page.locator("body").press("/");
    await page.keyboard.type("bad weather ruined the orchard");
    await page.keyboard.press("Enter");
    await page.locator("#lanes .hit").first().waitFor();
    await page.getByRole("tab", { name: "Transcript" }).click();

    await player.hover(0.68);
    await page.waitForFunction(() => performance.getEntriesByType("resource").some(({ name, responseEnd }) => name.includes("/sheet-0.jpg") && responseEnd > 0));
    await page.locator(":focus").evaluate((element) => element.blur()).catch(() => {});
    await page.screenshot({ path: PLAYER_SCREENSHOT, animations: "disabled" });

    assert((await stat(PLAYER_SCREENSHOT)).size < MAX_PICTURE_BYTES);
  });
});

describe("Who is not signed in", { timeout: 60_000 }, () => {
  afterEach(() => player.close());

  test("sees a form, signs in with a code, and out again", async () => {
    player = await openPlayer(browser, `${URL_}/v/${VIDEO_ID}`);
    const { page } = player;
    const form = page.getByLabel("One-time code");
    await form.waitFor();
    assert.equal(await page.getByRole("alert").textContent(), "");

    await form.fill("cpc_nonsense");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("was used already").waitFor();
    await form.fill(new URL(await addressWithCode()).hash.slice("#code=".length));
    await page.getByRole("button", { name: "Sign in" }).click();
    await player.ready();
    await page.getByRole("button", { name: "Sign out" }).click();

    await form.waitFor();
    assert.deepEqual(await player.context.cookies(), []);
  });

  test("cannot use a code twice", async () => {
    const address = await addressWithCode();
    player = await openPlayer(browser, address);
    await player.ready();
    await player.close();

    player = await openPlayer(browser, address, { saysYes: false });

    await player.page.getByText("was used already").waitFor();
  });

  test("is asked before a code that somebody sent signs them in, and may say no", async () => {
    player = await openPlayer(browser, await addressWithCode(), { saysYes: false });
    const { page } = player;

    await page.getByText(/^Sign in as .+@.+ \(.+\)\?/).waitFor();
    assert.match(await page.locator("#ask-text bdi").first().textContent(), /@/);
    assert.match(await page.locator("#ask-yes bdi").textContent(), /@/);
    assert.deepEqual(await player.context.cookies(), []);
    await page.getByRole("button", { name: "No" }).click();

    await page.getByLabel("One-time code").waitFor();
    assert.deepEqual(await player.context.cookies(), []);
  });
});

describe("Who is signed in", { timeout: 60_000 }, () => {
  afterEach(() => player.close());

  test("goes on by a code of their own, unasked and with its rights, and keeps their place unless they give it up for a link", async () => {
    player = await openPlayer(browser, await addressWithCode());
    await player.ready();
    const { page, context } = player;
    const [old] = await context.cookies();

    await page.goto("about:blank");
    await page.goto(await addressWithCode());
    await player.ready();
    const [mine] = await context.cookies();
    await page.goto("about:blank");
    await page.goto(await addressWithLink());
    await page.getByText(/^You are signed in as .+ visitor instead\?$/).waitFor();
    await page.getByRole("button", { name: "No" }).click();
    await player.ready();

    assert.notEqual(mine.value, old.value);
    assert.equal((await context.cookies())[0].value, mine.value);
  });
});

describe("Whoever came by a share link", { timeout: 60_000 }, () => {
  afterEach(async () => {
    await player.close();
    assert.deepEqual(player.foreign, []);
    assert.deepEqual(player.faults, []);
  });

  test("watches and reads, and cuts nothing", async () => {
    player = await openPlayer(browser, await addressWithLink());
    await player.ready();

    await player.lines.nth(3).click();

    assert.equal(player.page.url(), `${URL_}/v/${VIDEO_ID}`);
    assert.equal(await player.page.getByRole("button", { name: "Make clip" }).isVisible(), false);
    assert((await player.page.locator("#lanes .moment").count()) >= 3);
  });
});

describe("A share link with a password", { timeout: 60_000 }, () => {
  afterEach(() => player.close());

  test("asks for it", async () => {
    player = await openPlayer(browser, await addressWithLink({ password: "open sesame" }));
    const { page } = player;

    await page.getByLabel("Password").fill("open barley");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("not the link's password").waitFor();
    await page.getByLabel("Password").fill("open sesame");
    await page.getByRole("button", { name: "Sign in" }).click();

    await player.ready();
  });
});
