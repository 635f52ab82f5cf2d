// No library, as docs/clients.md shows it: an operation, and a job watched by server-sent events over a cut line.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { fetchOfTheDocs } from "./docs.js";
import { call, finished, openLine, operation, TOKEN, VIDEO_ID } from "./product.js";

const LIMIT = { timeout: 240_000 };
let line, ask, listen;

before(async () => {
  line = await openLine();
  ({ ask, listen } = await fetchOfTheDocs(line.url, TOKEN));
});

after(() => line?.close());

test("an operation is answered, or refused with its code", async () => {
  const { createProject } = await ask(await operation("CreateProject"), { input: { name: "Made by fetch" } });

  assert.equal(createProject.project.name, "Made by fetch");
  await assert.rejects(ask("{ nothingOfThatName }"), { code: "BAD_USER_INPUT" });
  await assert.rejects(listen("subscription { nothingOfThatName }").next(), { code: "BAD_USER_INPUT" });
});

test("a job is watched on behind the last event after the line was cut", LIMIT, async () => {
  const { jobs } = await call("StartPipeline", { input: { videoId: VIDEO_ID, force: true } });
  const job = jobs.at(-1); // blocked until all the others are over
  const seqs = [];

  for await (const { jobProgress } of listen(await operation("JobProgress"), { jobId: job.id, after: 0 })) {
    if (jobProgress.type !== "EVENT") continue;
    seqs.push(jobProgress.seq);
    if (seqs.length > 1) continue;
    line.cut(); // until the job is over: everything that follows happens unseen
    finished(job.id).then(line.mend);
  }

  const { events } = await call("Job", { id: job.id });
  assert(seqs.length >= 3);
  assert.deepEqual(seqs, events.nodes.map(({ seq }) => seq));
  await Promise.all(jobs.map(({ id }) => finished(id))); // optional steps too: the next run joins none of them
});
