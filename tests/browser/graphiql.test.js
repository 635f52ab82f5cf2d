// What a person does in GraphiQL: find the examples, enter the token, ask, search, watch a job, read the manual.
import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { openGraphiql, PROJECT_ID, SAMPLE, SCREENSHOT, startBrowser, TOKEN, URL_, VIDEO_ID } from "./graphiql_page.js";

const EXAMPLES = new URL("../../backend/cuepoint/api/examples/", import.meta.url);
const MAX_PICTURE_BYTES = 300_000; // it is part of the repository and of the README
let browser, graphiql;

before(async () => {
  browser = await startBrowser();
});

after(() => browser?.close());

beforeEach(async () => {
  graphiql = await openGraphiql(browser);
});

afterEach(async () => {
  await graphiql.close();
  assert.deepEqual(graphiql.foreign, []);
  assert.deepEqual(graphiql.faults, []);
});

/** `data` of an operation without variables. */
async function ask(query) {
  const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
  const response = await fetch(`${URL_}/graphql`, { method: "POST", headers, body: JSON.stringify({ query }) });
  return (await response.json()).data;
}

/** Run the whole pipeline of the sample again; the id of its last job, which waits for all others. */
async function startPipeline() {
  const { startPipeline } = await ask(
    `mutation { startPipeline(input: { videoId: "${VIDEO_ID}", force: true }) { jobs { id } } }`,
  );
  return startPipeline.jobs.at(-1).id;
}

/** An upload whose bytes are all there. */
async function sendSample() {
  const bytes = await readFile(SAMPLE);
  const input = `{ projectId: "${PROJECT_ID}", filename: "tab.mp4", sizeBytes: ${bytes.length} }`;
  const { createUpload } = await ask(`mutation { createUpload(input: ${input}) { upload { id url } } }`);
  const headers = { Authorization: `Bearer ${TOKEN}`, "Tus-Resumable": "1.0.0", "Upload-Offset": "0" };
  headers["Content-Type"] = "application/offset+octet-stream";
  await fetch(createUpload.upload.url, { method: "PATCH", headers, body: bytes });
  return createUpload.upload.id;
}

/** What stands for each `kind_…` in the variables of the examples. */
async function realIds() {
  const range = `videoId: "${VIDEO_ID}", start: 1, end: 2`;
  const { video } = await ask(`{ video(id: "${VIDEO_ID}") { transcript { id } jobs(first: 1) { nodes { id } } } }`);
  const { createClip } = await ask(`mutation { createClip(input: { ${range} }) { clip { id } } }`);
  return {
    project: PROJECT_ID,
    video: VIDEO_ID,
    transcript: video.transcript.id,
    job: video.jobs.nodes[0].id,
    clip: createClip.clip.id,
    upload: await sendSample(),
  };
}

describe("GraphiQL", { timeout: 120_000 }, () => {
  test("has a tab for each example", async () => {
    const files = (await readdir(EXAMPLES)).filter((name) => name.endsWith(".graphql")).sort();

    const titles = await graphiql.tabs.allTextContents();

    assert.deepEqual(titles, files.map((name) => name.replace(/^\d+_(.*)\.graphql$/, "$1")));
  });

  test("runs each example without an error", async () => {
    const ids = await realIds();
    await graphiql.openTab("Me");
    await graphiql.authorize();
    await graphiql.run('"isAdmin": true'); // the other tabs use this token, too
    const files = (await readdir(EXAMPLES)).sort();
    const wrong = [];
    for (const file of files.filter((name) => name.endsWith(".graphql"))) {
      const name = file.replace(/^\d+_(.*)\.graphql$/, "$1");
      await graphiql.openTab(name);
      const variables = file.replace(".graphql", ".json");
      const written = files.includes(variables) ? await readFile(new URL(variables, EXAMPLES), "utf8") : "{}";
      await graphiql.write("Variables", JSON.parse(written.replace(/([a-z]+)_…/g, (_, kind) => ids[kind])));
      const text = await readFile(new URL(file, EXAMPLES), "utf8");
      const result = await graphiql.firstResult(/^subscription/m.test(text));
      const refusals = Object.values(result.data ?? {}).flatMap((field) => field?.errors ?? []);
      if (result.errors || !result.data || refusals.length) wrong.push([name, result.errors ?? refusals]);
    }
    assert.deepEqual(wrong, []);
  });

  test("asks with the token of the header editor", async () => {
    await graphiql.openTab("Me");
    await graphiql.authorize();

    await graphiql.run('"isAdmin": true');
  });

  test("finds what is said, with the token that was entered in another tab", async () => {
    await graphiql.openTab("Me");
    await graphiql.authorize();
    await graphiql.run('"isAdmin": true');

    await graphiql.openTab("SemanticSearch");
    await graphiql.write("Variables", { query: "bad weather ruined the orchard" });
    await graphiql.run("A terrible storm destroyed the apple trees in the garden.");

    await graphiql.execute.blur();
    await graphiql.page.screenshot({ path: SCREENSHOT });
    assert((await stat(SCREENSHOT)).size < MAX_PICTURE_BYTES);
  });

  test("watches a job to its end", async () => {
    await graphiql.openTab("JobProgress");
    await graphiql.authorize();
    await graphiql.write("Variables", { jobId: await startPipeline(), after: 0 });

    await graphiql.run('"status": "BLOCKED"');
    await graphiql.sees('"status": "SUCCEEDED"');

    const updates = graphiql.updates.map(({ jobProgress }) => jobProgress);
    const events = updates.filter(({ type }) => type === "EVENT").map(({ seq }) => seq);
    assert.equal(updates[0].type, "SNAPSHOT");
    assert(events.length >= 3);
    assert.deepEqual(events, events.map((_, index) => index + 1));
    await graphiql.execute.waitFor(); // it was the stop button meanwhile
  });

  test("shows the manual of the schema", async () => {
    const { page } = graphiql;

    await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
    await page.getByRole("link", { name: "Query", exact: true }).click();
    await page.getByRole("link", { name: "semanticSearch", exact: true }).click();

    await page.getByRole("link", { name: "SemanticSearchInput" }).first().waitFor();
  });

  test("clicks a query together", async () => {
    const { page } = graphiql;
    await graphiql.openTab("Me");
    await graphiql.authorize();

    await page.getByRole("button", { name: "Show GraphiQL Explorer" }).click();
    const pane = page.locator(".graphiql-plugin");
    await pane.getByText("projects", { exact: true }).first().click();
    await pane.getByText("totalCount", { exact: true }).click();
    await graphiql.run('"totalCount": ');

    assert.match(await page.getByRole("region", { name: "Query Editor" }).innerText(), /projects \{\s*\S*\s*totalCount/);
  });
});
