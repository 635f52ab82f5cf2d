// The typed example client: it fits the types that codegen makes of the schema, and does what it says.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { after, before, describe, test } from "node:test";

import { WebSocket } from "ws";

import { call, PROJECT_ID, SAMPLE, startJob, TOKEN, URL_, VIDEO_ID } from "./product.js";
import { compiled } from "./typed.js";

globalThis.WebSocket ??= WebSocket; // browsers and Node 22 bring their own

const LIMIT = { timeout: 120_000 };
let complaints, cuepoint;

before(async () => {
  const made = await compiled();
  complaints = made.complaints;
  if (complaints) return;
  const { Cuepoint } = await import(made.client);
  cuepoint = new Cuepoint(URL_, TOKEN);
}, LIMIT);

after(() => cuepoint?.close());

describe("the typed client", LIMIT, () => {
  test("fits the generated types", () => assert.equal(complaints, ""));

  test("uploads with progress", async () => {
    const bytes = await readFile(SAMPLE); // in Node tus-js-client takes Buffers; a browser's File has name and size
    const file = Object.assign(bytes, { name: `again-${basename(SAMPLE)}`, size: bytes.length });
    const shares = [];

    const { video, jobs } = await cuepoint.upload(PROJECT_ID, file, (share) => shares.push(share));

    assert.equal(video.title, file.name);
    assert.equal(jobs[0].kind, "PROBE");
    assert.equal(shares.at(-1), 1);
    await call("DeleteVideo", { input: { id: video.id } });
  });

  test("watches a job to its end", async () => {
    const job = await startJob(2);
    const seen = [];

    for await (const update of cuepoint.watch(job.id)) seen.push(update);

    assert.equal(seen[0].type, "SNAPSHOT");
    assert.equal(seen.at(-1).status, "SUCCEEDED");
  });

  test("searches", async () => {
    const hits = await cuepoint.search("animals under the ship");

    assert(hits.length > 0);
    assert.equal(typeof hits[0].startSeconds, "number");
  });

  test("cuts a clip, and the cache has it", async () => {
    const { clip, job } = await cuepoint.cut(VIDEO_ID, 1, 2);

    assert(job.id);
    assert(Object.keys(cuepoint.apollo.cache.extract()).includes(`Clip:${clip.id}`));
  });

  test("says why it was refused", async () => {
    await assert.rejects(cuepoint.cut(VIDEO_ID, 2, 1), { name: "Error", message: /^BAD_USER_INPUT: / });
  });
});
